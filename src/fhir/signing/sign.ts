import * as z from 'zod'
import { overrideCodes, overrideSystem } from '#care/evidence-gate.ts'
import { type Signing, signedConsequences } from '#care/sign-order.ts'
import { Failure } from '#core/failure.ts'
import type { Answer, Call } from '#fhir/call.ts'
import { requireVersionMatch } from '#fhir/if-match.ts'
import { requireJsonBody } from '#fhir/negotiate.ts'
import { writeResponse } from '#fhir/respond.ts'
import { traceResource, untrace } from '#fhir/trail.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'
import { shownOrder } from './signable.ts'

const body = z.strictObject({
  resourceType: z.literal('Parameters'),
  parameter: z
    .array(
      z.discriminatedUnion('name', [
        z.strictObject({ name: z.literal('signature'), valueString: z.string() }),
        z.strictObject({
          name: z.literal('override'),
          valueCodeableConcept: z.strictObject({
            coding: z.tuple([
              z.strictObject({
                system: z.literal(overrideSystem),
                code: z.enum(overrideCodes),
                display: z.string().optional(),
              }),
            ]),
            text: z.string().trim().min(10).max(1000),
          }),
        }),
      ]),
    )
    .min(1)
    .max(2),
})

/** Others tell what they saw, or write, while an order is being signed. */
const maxTries = 8

/**
 * `POST MedicationRequest/[id]/$sign`: Parameters with `signature`, a detached JWS over the bytes of `$signable`, and
 * If-Match. The gateway verifies and never holds a prescriber's key. What is signed is in force with the answer. With
 * `override` a repeat is signed although something was not seen.
 */
export function sign(call: Call): Promise<Answer> {
  return signOnce(call, 1)
}

async function signOnce(call: Call, tries: number): Promise<Answer> {
  const { stored, order } = await shownOrder(call)
  requireVersionMatch(call, stored, 'required')
  const { store, ids, access, clock, timeZone = 'UTC' } = call.ports
  const { caller } = call.request
  const at = clock.now()
  const { result, writes, evidence, ...more } = await signedConsequences(
    { store, ids, access, parse: parseJson },
    { caller, order, ...readSignature(call), at, timeZone },
  )
  for (const write of writes) traceResource(call.trail, write.resource, write.version)
  const { override } = evidence.verdict
  if (override) call.trail.words = `signed unseen: ${override.code}`
  const version = { ...stored, version: result.version, updated: at }
  const response = writeResponse(call, 200, version, stringifyJson(result.resource))
  const answer: Answer = { response, writes, ...more }
  if (tries === maxTries) return answer
  // What it rests on has moved: it is looked at again, and refused where something came in.
  const retry = () => {
    for (const write of writes) untrace(call.trail, write.resource, write.version)
    delete call.trail.words
    return signOnce(call, tries + 1)
  }
  return { ...answer, retry }
}

function readSignature({ request }: Call): Pick<Signing, 'signature' | 'override'> {
  requireJsonBody(request)
  const read = body.safeParse(parseJson(request.body))
  const parameters = read.success ? read.data.parameter : []
  const signature = parameters.find((each) => each.name === 'signature')?.valueString
  const said = parameters.find((each) => each.name === 'override')?.valueCodeableConcept
  if (signature === undefined || parameters.length !== (said ? 2 : 1))
    throw new Failure(
      'malformed',
      'The body is Parameters with signature (valueString), and override (valueCodeableConcept with code and text) where something was not seen.',
    )
  return { signature, ...(said ? { override: { code: said.coding[0].code, text: said.text } } : {}) }
}
