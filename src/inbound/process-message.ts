import type { Bundle, MessageHeader } from 'fhir/r4'
import type { Act } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import { outcomeOf } from '#core/outcome.ts'
import { isJsonType, mediaType } from '#fhir/negotiate.ts'
import { readMessageBundle } from '#flows/message-bundle.ts'
import { parseJson } from '#formats/json.ts'
import type { Intake } from '#intake/ingest.ts'
import type { KeptReceipt } from '#intake/receipt.ts'
import type { Validator } from '#validator/validator.ts'
import type { Route } from './http.ts'

export interface ProcessMessageOptions {
  flows: readonly Flow[]
  intake: Intake
  validator: Pick<Validator, 'check'>
  deriveId(...parts: string[]): string
  /** The FHIR base, without slash at the end. */
  base: string
  /** Tells the log of an act that intake does not see. */
  audit(act: Omit<Act, 'at'>): Promise<void>
}

const fhirJson = 'application/fhir+json'

export const processMessageOperation = {
  name: 'process-message',
  definition: 'http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message',
}

/**
 * `POST [base]/$process-message` (https://hl7.org/fhir/R4/messageheader-operation-process-message.html): the Bundle as the
 * body, its event decides the flow, and what comes of it is answered when it is committed. The same Bundle.identifier
 * again gets the same answer, with another body a 409 (R43).
 */
export function processMessageRoute(options: ProcessMessageOptions): Route {
  return {
    policy: 'token',
    method: 'POST',
    path: '/fhir/$process-message',
    described: {
      summary: `Process a FHIR message (${processMessageOperation.definition})`,
      takes: { type: fhirJson },
      gives: [fhirJson],
    },
    async answer(request) {
      const { flow, header } = await told(options, request, () => understand(options, request))
      const { body, caller, requestId } = request
      const { receipt } = await options.intake.ingest({ flow, body, caller, requestId, timeZone: 'UTC' })
      if (receipt.outcome !== 'accepted') throw noAnswer(receipt.outcome)
      return answered(options, request, header, receipt)
    },
  }
}

function noAnswer(outcome: 'purged' | 'erased'): Failure {
  return outcome === 'erased'
    ? new Failure('gone', 'This message was taken in before, and what it told is erased')
    : new Failure('internal', 'A message that is kept came to nothing')
}

function understand({ flows, validator }: ProcessMessageOptions, request: DoorRequest) {
  if (!isJsonType(mediaType(request.header('content-type') ?? '')))
    throw new Failure('unsupported-media', `Send the message as ${fhirJson}.`)
  for (const name of request.query.keys()) {
    if (['_format', '_pretty'].includes(name)) continue
    throw new Failure('unsupported', 'A message is answered at once: async and response-url are not offered.')
  }
  const { header } = readMessageBundle(request.body)
  const event = header.eventCoding?.code
  const taking = flows.flatMap((flow) =>
    flow.door.kind === 'message' ? [{ flow, event: flow.door.event }] : [],
  )
  const found = taking.find((each) => each.event === event)
  if (!found) {
    const text = `Messages are taken of the event ${taking.map((each) => each.event).join(', ')}.`
    const expression = 'Bundle.entry[0].resource.event'
    throw new Failure('unsupported', [{ text, expression }])
  }
  const issues = validator.check(parseJson(request.body) as Bundle)
  const errors = issues.filter(({ severity = 'error' }) => severity === 'error')
  if (errors.length > 0) throw new Failure('invalid', errors)
  return { flow: found.flow, header }
}

/** What is refused before intake has seen it is on record too. */
async function told<T>(options: ProcessMessageOptions, request: DoorRequest, act: () => T): Promise<T> {
  try {
    return act()
  } catch (cause) {
    const { caller, requestId } = request
    const outcomeText = `message: ${cause instanceof Failure ? cause.kind : 'internal'}`
    const nothing = { patients: [], entities: [] }
    await options.audit({ kind: 'ingest', outcome: 'failed', outcomeText, caller, requestId, ...nothing })
    throw cause
  }
}

/** Of the receipt alone, so that a message that comes again is answered with the same bytes. */
function answered(
  { deriveId, base }: ProcessMessageOptions,
  { caller }: DoorRequest,
  header: MessageHeader,
  { messageId, at, resources, warnings }: KeptReceipt,
): DoorResponse {
  const idOf = (part: string) => deriveId('message-answer', caller.clientId, messageId, part)
  const [answer, outcome] = [idOf('header'), idOf('outcome')]
  const made = resources.filter((each) => /^(?:MedicationRequest|Task)\//.test(each))
  const information = {
    severity: 'information',
    code: 'informational',
    text: 'The message was processed.',
  } as const
  const told: MessageHeader = {
    resourceType: 'MessageHeader',
    id: answer,
    ...(header.eventCoding ? { eventCoding: header.eventCoding } : {}),
    source: { endpoint: `${base}/$process-message` },
    response: {
      identifier: requestIdOf(header, messageId),
      code: 'ok',
      details: { reference: `urn:uuid:${outcome}` },
    },
    focus: made.map((each) => ({ reference: `${base}/${each.replace(/\/_history\/.*$/, '')}` })),
  }
  const bundle: Bundle = {
    resourceType: 'Bundle',
    id: idOf('bundle'),
    identifier: { system: 'urn:ietf:rfc:3986', value: `urn:uuid:${idOf('bundle')}` },
    type: 'message',
    timestamp: new Date(at).toISOString(),
    entry: [
      {
        fullUrl: `urn:uuid:${answer}`,
        resource: told,
      },
      {
        fullUrl: `urn:uuid:${outcome}`,
        resource: { ...outcomeOf([...warnings, information], 'informational'), id: outcome },
      },
    ],
  }
  const headers = { 'content-type': `${fhirJson}; charset=utf-8` }
  return { status: 200, headers, body: JSON.stringify(bundle) }
}

/** The MessageHeader's id, as R4 asks; senders that give it none are told the number of their Bundle. */
function requestIdOf({ id }: MessageHeader, messageId: string): string {
  return id ?? (/^[A-Za-z0-9.-]{1,64}$/.test(messageId) ? messageId : 'unknown')
}
