import type { Act } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import type { Intake } from '#intake/ingest.ts'
import type { Answered } from '#intake/receipt.ts'
import type { Hl7v2Door } from './hl7v2.ts'
import type { Hl7v2Preview } from './hl7v2-preview.ts'
import type { Route } from './http.ts'

export interface IngestRouteOptions {
  flows: readonly Flow[]
  intake: Intake
  hl7v2: Hl7v2Door
  hl7v2Preview: Hl7v2Preview
  /** The zone of a client's HL7 v2 times without offset. */
  timeZoneOf(clientId: string): Promise<string>
  /** Tells the log of an act that intake does not see. */
  audit(act: Omit<Act, 'at'>): Promise<void>
}

const hl7v2Body = { type: 'application/hl7-v2' }

/** The doors of the flows: one route for each JSON flow, one for HL7 v2, previews and receipts. */
export function ingestRoutes(options: IngestRouteOptions): Route[] {
  const { flows, intake, hl7v2, hl7v2Preview, timeZoneOf } = options
  const json = flows.flatMap((flow): Route[] => {
    if (flow.door.kind !== 'json') return []
    const { path, schema } = flow.door
    const takes = { type: 'application/json', name: flow.name, schema }
    const message = async (request: DoorRequest) => {
      await requireType(request, 'application/json', options)
      const { body, caller, requestId } = request
      return { flow, body, caller, requestId, timeZone: 'UTC' }
    }
    return [
      {
        policy: 'token',
        method: 'POST',
        path,
        described: {
          summary: `${flow.title}: hand one in`,
          takes,
          alsoAnswers: { 201: { description: 'The receipt, the first time this message came' } },
        },
        answer: async (request) => answered(await intake.ingest(await message(request))),
      },
      {
        policy: 'token',
        method: 'POST',
        path: `${path}/$preview`,
        described: { summary: `${flow.title}: what would become of it`, takes },
        answer: async (request) => ok(200, await intake.preview(await message(request))),
      },
    ]
  })
  return [
    ...json,
    {
      policy: 'token',
      method: 'POST',
      path: '/ingest/hl7v2',
      described: { summary: 'HL7 v2 messages: hand them in', takes: hl7v2Body, gives: [hl7v2Body.type] },
      async answer(request) {
        await requireType(request, hl7v2Body.type, options)
        const { body, caller, requestId } = request
        const timeZone = await timeZoneOf(caller.clientId)
        const answers = await hl7v2(body, { caller, requestId, timeZone })
        // In the sender's own character set, as MSH-18 says.
        const bytes = new Uint8Array(await new Blob(answers as Uint8Array<ArrayBuffer>[]).arrayBuffer())
        return { status: 200, headers: { 'content-type': 'application/hl7-v2' }, body: '', bytes }
      },
    },
    {
      policy: 'token',
      method: 'POST',
      path: '/ingest/hl7v2/$preview',
      described: { summary: 'HL7 v2 messages: what would become of them', takes: hl7v2Body },
      async answer(request) {
        await requireType(request, hl7v2Body.type, options)
        const { body, caller, requestId } = request
        const timeZone = await timeZoneOf(caller.clientId)
        return ok(200, { messages: await hl7v2Preview(body, { caller, requestId, timeZone }) })
      },
    },
    {
      policy: 'token',
      method: 'GET',
      path: '/ingest/receipts/:messageId',
      described: { summary: 'The receipt of a message that you sent' },
      async answer({ path, caller, requestId }) {
        const found = await intake.receipt({ caller, messageId: idIn(path), requestId })
        if (!found) throw new Failure('not-found', 'You sent no message with this id')
        return ok(200, found.receipt)
      },
    },
  ]
}

/** 201 the first time; 200 and `Idempotent-Replay` when the same message came before (I2). */
function answered({ receipt, replayed }: Answered): DoorResponse {
  const response = ok(replayed || receipt.outcome !== 'accepted' ? 200 : 201, receipt)
  if (replayed) response.headers['idempotent-replay'] = 'true'
  return response
}

function ok(status: number, value: unknown): DoorResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(value),
  }
}

/** The last part of a path; as it stands where it is not a percent-encoding of anything, and so of no message. */
function idIn(path: string): string {
  const last = path.split('/').at(-1) ?? ''
  try {
    return decodeURIComponent(last)
  } catch {
    return last
  }
}

async function requireType(request: DoorRequest, type: string, { audit }: IngestRouteOptions): Promise<void> {
  const sent = request.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (sent === type) return
  const { caller, requestId } = request
  const outcomeText = 'ingest: unsupported-media'
  await audit({
    kind: 'ingest',
    outcome: 'failed',
    outcomeText,
    caller,
    requestId,
    patients: [],
    entities: [],
  })
  throw new Failure('unsupported-media', `Send this as ${type}`)
}
