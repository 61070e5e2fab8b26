import type { Binary, Task } from 'fhir/r4'
import { keptMessageTag } from '#access/kept-message.ts'
import type { Caller } from '#core/caller.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import type { Store } from '#core/ports.ts'
import type { Cursor } from '#core/query.ts'
import type { Identified, Reference } from '#core/resource.ts'
import { base64, bytesOf } from '#formats/base64.ts'
import { parseJson } from '#formats/json.ts'
import type { UnmappedCode } from './mapping-functions.ts'
import type { Transformer } from './transform.ts'

/** What is kept of every message that waits, to take it up as what it was when it came. */
export interface KeptFacts {
  flow: string
  caller: Caller
  timeZone: string
  messageId: string
  /** When it came, milliseconds since the epoch. */
  at: number
  /** Of the act that took it in: its position in the log is its place in the queue. */
  auditEvent: string
}

/** All that is needed to map a message again as it was mapped when it came. */
export interface HeldFacts extends KeptFacts {
  references: Readonly<Record<string, Reference>>
  codes: UnmappedCode[]
  /** What the mapping gave, before anything standing or any rule of care had its say. */
  drafts: Identified[]
  /** Which of those were written. */
  written: Reference[]
  /** Ids of the deliveries that are held. */
  deliveries: string[]
}

/** A message as it is kept, with what is known of it. */
export type Kept<Facts> = Facts & { binary: Identified<Binary>; body: Uint8Array }

export type HeldMessage = Kept<HeldFacts>

/** A message in the queue, and what has to be known of it there. */
interface Waiting<Shown> {
  task: Identified<Task>
  patient: Reference | undefined
  held: Shown
}

export type WaitingMessage = Waiting<Pick<HeldFacts, 'flow' | 'codes' | 'at'> & { client: string }>

/** By which the integrator's queue finds its Tasks. */
export const heldCode = { system: 'https://postern.health/fhir/CodeSystem/work', code: 'unmapped-code' }

/** Work that somebody ended is done, and what is on hold is with a person. */
const open: readonly string[] = ['requested', 'received', 'accepted', 'ready', 'in-progress']

const pageSize = 200

/** What a door lets in, with what was made of it beside it. */
const limits = { maxBytes: 64 * 1024 * 1024, maxDepth: 128 }

/** What is sealed under the patient's key (compartment), served by no door, and deleted when the message is taken up. */
export function heldBinary(
  id: string,
  body: Uint8Array,
  facts: KeptFacts,
  patient: string | undefined,
): Identified<Binary> {
  return {
    resourceType: 'Binary',
    id,
    meta: { tag: [keptMessageTag] },
    contentType: 'application/json',
    ...(patient ? { securityContext: { reference: patient } } : {}),
    data: base64(new TextEncoder().encode(JSON.stringify({ ...facts, body: base64(body) }))),
  }
}

/** Undefined where nothing is held under this id, or not any more. */
export async function readHeld<Facts extends KeptFacts = HeldFacts>(
  store: Pick<Store, 'read'>,
  id: string,
): Promise<Kept<Facts> | undefined> {
  const stored = await store.read('Binary', id)
  if (!stored || stored.deleted) return undefined
  const binary = JSON.parse(stored.json) as Identified<Binary>
  const text = new TextDecoder().decode(bytesOf(binary.data ?? ''))
  const { body, ...facts } = parseJson(text, limits) as Facts & { body: string }
  return { ...(facts as unknown as Facts), binary, body: bytesOf(body) }
}

/** The Task of a held message as it stands, while it is open. */
export async function readOpenTask(
  store: Pick<Store, 'read'>,
  id: string,
): Promise<Identified<Task> | undefined> {
  const stored = await store.read('Task', id)
  if (!stored || stored.deleted) return undefined
  const task = parseJson(stored.json) as Identified<Task>
  return open.includes(task.status) ? task : undefined
}

/** Every message that waits for a code, in the order in which they came. */
export function findWaiting(store: WaitingStore): Promise<WaitingMessage[]> {
  return findKept(store, heldCode, ({ flow, codes, at, caller }: HeldFacts) => ({
    ...{ flow, codes, at },
    client: caller.clientId,
  }))
}

type WaitingStore = Pick<Store, 'search' | 'read' | 'logPosition'>

/** The messages of one queue in the order in which they came, with what `show` takes of each: they may be many. */
export async function findKept<Facts extends KeptFacts, Shown extends { at: number }>(
  store: WaitingStore,
  queue: { system: string; code: string },
  show: (facts: Facts) => Shown,
): Promise<Waiting<Shown>[]> {
  const found: (Waiting<Shown> & { position: number })[] = []
  let after: Cursor | undefined
  do {
    const rows = await store.search({
      type: 'Task',
      criteria: [
        { kind: 'token', param: 'code', values: [`${queue.system}|${queue.code}`] },
        { kind: 'token', param: 'status', values: [...open] },
      ],
      limit: pageSize,
      ...(after ? { after } : {}),
    })
    for (const { stored } of rows) {
      const held = await readHeld<Facts>(store, stored.id)
      if (!held) continue
      const task = parseJson(stored.json) as Identified<Task>
      const position = (await store.logPosition(held.auditEvent)) ?? Number.MAX_SAFE_INTEGER
      found.push({ task, patient: patientOf(held.binary), held: show(held), position })
    }
    after = rows.length < pageSize ? undefined : rows.at(-1)?.cursor
  } while (after)
  return found.sort((one, other) => one.position - other.position || one.held.at - other.held.at)
}

/** What became of messages that waited. */
export interface WaitEnded {
  /** Taken up. */
  resumed: number
  /** For a further code, or behind an earlier message of their patient. */
  waiting: number
  /** Not to be taken up by itself: its Task says why. */
  withPeople: number
}

export async function countEnded(store: Pick<Store, 'read'>, ids: Iterable<string>): Promise<WaitEnded> {
  const count = { resumed: 0, waiting: 0, withPeople: 0 }
  for (const id of ids) {
    if (await readOpenTask(store, id)) count.waiting += 1
    else count[(await readHeld(store, id)) ? 'withPeople' : 'resumed'] += 1
  }
  return count
}

/** The message once more, by other tables. Throws as `Transformer.transform` does. */
export async function mapHeld(
  { transformer, flows }: { transformer: Transformer; flows: readonly Flow[] },
  held: HeldMessage,
) {
  const flow = flows.find(({ name }) => name === held.flow)
  if (!flow) throw new Failure('unsupported', 'There is no flow for this message any more')
  const { body, caller, messageId, references, timeZone } = held
  const source = flow.read(body, { timeZone })
  const mapped = await transformer.transform(flow, source, {
    caller,
    messageId,
    received: held.at,
    body,
    references,
  })
  return { flow, ...mapped }
}
