import * as z from 'zod'
import { signedConsequences } from '#care/sign-order.ts'
import { Failure } from '#core/failure.ts'
import type { Answer, Call } from '#fhir/call.ts'
import { requireVersionMatch } from '#fhir/if-match.ts'
import { requireJsonBody } from '#fhir/negotiate.ts'
import { writeResponse } from '#fhir/respond.ts'
import { traceResource } from '#fhir/trail.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'
import { shownOrder } from './signable.ts'

const body = z.strictObject({
  resourceType: z.literal('Parameters'),
  parameter: z.tuple([z.strictObject({ name: z.literal('signature'), valueString: z.string() })]),
})

/**
 * `POST MedicationRequest/[id]/$sign`: Parameters with `signature`, a detached JWS over the bytes of `$signable`, and
 * If-Match. The gateway verifies and never holds a prescriber's key. What is signed is in force with the answer.
 */
export async function sign(call: Call): Promise<Answer> {
  const { stored, order } = await shownOrder(call)
  requireVersionMatch(call, stored, 'required')
  const signature = readSignature(call)
  const { store, ids, access, clock, timeZone = 'UTC' } = call.ports
  const { caller } = call.request
  const at = clock.now()
  const { result, writes, ...more } = await signedConsequences(
    { store, ids, access, parse: parseJson },
    { caller, order, signature, at, timeZone },
  )
  for (const write of writes) traceResource(call.trail, write.resource, write.version)
  const version = { ...stored, version: result.version, updated: at }
  const response = writeResponse(call, 200, version, stringifyJson(result.resource))
  return { response, writes, ...more }
}

function readSignature({ request }: Call): string {
  requireJsonBody(request)
  const read = body.safeParse(parseJson(request.body))
  if (!read.success)
    throw new Failure('malformed', 'The body is Parameters with one parameter: signature (valueString).')
  return read.data.parameter[0].valueString
}
