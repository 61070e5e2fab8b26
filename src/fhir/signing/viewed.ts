import type { Parameters } from 'fhir/r4'
import * as z from 'zod'
import { viewedConsequences } from '#care/viewing.ts'
import { Failure } from '#core/failure.ts'
import { evidenceTypes } from '#core/ledger.ts'
import type { Identified } from '#core/resource.ts'
import type { Answer, Call } from '#fhir/call.ts'
import { requireJsonBody } from '#fhir/negotiate.ts'
import { ok } from '#fhir/respond.ts'
import { absent, requireVisible } from '#fhir/show.ts'
import { parseJson } from '#formats/json.ts'

const version = new RegExp(`^(${evidenceTypes.join('|')})/([A-Za-z0-9.-]{1,64})/_history/([1-9][0-9]{0,9})$`)
/** More is on no screen. */
const maxSeen = 100

const body = z.strictObject({
  resourceType: z.literal('Parameters'),
  parameter: z
    .array(
      z.discriminatedUnion('name', [
        z.strictObject({
          name: z.literal('seen'),
          valueReference: z.strictObject({ reference: z.string().regex(version) }),
        }),
        z.strictObject({ name: z.literal('shown'), valueInstant: z.iso.datetime({ offset: true }) }),
      ]),
    )
    .min(1)
    .max(maxSeen + 1),
})

/**
 * `POST Communication/$viewed`: a person had these versions of messages and answers before them, on a screen, after they
 * were read by this very sign-in. Parameters with `seen` (a reference to a version, repeated) and `shown` (when). Answers
 * how many were new, and what is left to be seen.
 */
export async function viewed(call: Call): Promise<Answer> {
  const { seen, shown } = readSeen(call)
  const { store, access, ids, clock } = call.ports
  const versions: { what: string; resource: Identified }[] = []
  for (const what of seen) {
    const [, type = '', id = '', number] = version.exec(what) ?? []
    const stored = await store.readVersion(type, id, Number(number))
    if (!stored || stored.deleted) throw absent()
    versions.push({ what, resource: (await requireVisible(call, stored)).resource })
  }
  const { caller } = call.request
  const viewing = { caller, versions, shown, at: clock.now() }
  const { ledger, unseen } = await viewedConsequences({ store, access, ids }, viewing)
  const count = ledger.reduce((sum, { entry }) => sum + (entry.kind === 'viewed' ? entry.seen.length : 0), 0)
  const parameters: Parameters = {
    resourceType: 'Parameters',
    parameter: [
      { name: 'new', valueUnsignedInt: count },
      ...unseen.map((reference) => ({ name: 'unseen', valueReference: { reference } })),
    ],
  }
  return { response: ok(JSON.stringify(parameters)), ledger }
}

function readSeen({ request }: Call): { seen: string[]; shown: number | undefined } {
  requireJsonBody(request)
  const read = body.safeParse(parseJson(request.body))
  if (!read.success)
    throw new Failure(
      'malformed',
      `The body is Parameters with up to ${maxSeen} times seen (valueReference, a version of a message or of answers), and shown (valueInstant) if you like.`,
    )
  const { parameter } = read.data
  const seen = parameter.flatMap((each) => (each.name === 'seen' ? [each.valueReference.reference] : []))
  if (seen.length === 0) throw new Failure('malformed', 'Name what was seen.')
  const shown = parameter.find((each) => each.name === 'shown')?.valueInstant
  return { seen: [...new Set(seen)], shown: shown === undefined ? undefined : Date.parse(shown) }
}
