import type { MedicationRequest, Parameters } from 'fhir/r4'
import { sha256 } from '#audit/merkle.ts'
import { base64Of } from '#care/detached-signature.ts'
import { orderForm, signedText } from '#care/order-signature.ts'
import { requireSignable } from '#care/signable-order.ts'
import type { Stored } from '#core/ports.ts'
import type { Identified } from '#core/resource.ts'
import type { Answer, Call } from '#fhir/call.ts'
import { versionResponse } from '#fhir/respond.ts'
import { absent, requireVisible } from '#fhir/show.ts'
import { parseJson } from '#formats/json.ts'

/**
 * `GET MedicationRequest/[id]/$signable`: exactly the bytes that a signature of this draft is made over, and the ETag to
 * send with it. Refuses what could not be signed now, with the reasons.
 */
export async function signable(call: Call): Promise<Answer> {
  const { stored, order } = await shownOrder(call)
  const moment = { at: call.ports.clock.now(), timeZone: call.ports.timeZone ?? 'UTC' }
  await requireSignable({ store: call.ports.store, parse: parseJson }, order, moment)
  const text = signedText(order)
  const bytes = new TextEncoder().encode(text)
  const hash = [...sha256(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  const parameters: Parameters = {
    resourceType: 'Parameters',
    parameter: [
      { name: 'form', valueCode: orderForm },
      { name: 'version', valueId: String(stored.version) },
      { name: 'bytes', valueBase64Binary: base64Of(text) },
      { name: 'sha256', valueString: hash },
    ],
  }
  return { response: versionResponse(stored, JSON.stringify(parameters)) }
}

/** The order as it stands, with its digits, for who may see it; absent for everybody else. */
export async function shownOrder(
  call: Call,
): Promise<{ stored: Stored; order: Identified<MedicationRequest> }> {
  const stored = await call.ports.store.read(call.type, call.id)
  if (!stored || stored.deleted) throw absent()
  await requireVisible(call, stored)
  return { stored, order: parseJson(stored.json) as Identified<MedicationRequest> }
}
