import type { MedicationRequest, Parameters } from 'fhir/r4'
import { sha256 } from '#audit/merkle.ts'
import { base64Of } from '#care/detached-signature.ts'
import { evidenceAsked } from '#care/evidence-gate.ts'
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
 * send with it; of a repeat also what has to stand in the header of the signature (`seenThrough`), and what its prescriber has
 * not seen (`unseen`). Refuses what could not be signed now, with the reasons.
 */
export async function signable(call: Call): Promise<Answer> {
  const { stored, order } = await shownOrder(call)
  const { store, access, ids, clock, timeZone = 'UTC' } = call.ports
  await requireSignable({ store, parse: parseJson }, order, { at: clock.now(), timeZone })
  const { caller } = call.request
  const evidence = await evidenceAsked({ store, access, ids, parse: parseJson }, { caller, order })
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
      ...(evidence ? [{ name: 'seenThrough', valueString: evidence.seenThrough }] : []),
      ...(evidence?.unseen ?? []).map((reference) => ({ name: 'unseen', valueReference: { reference } })),
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
