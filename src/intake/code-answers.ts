import type { ConceptMap } from 'fhir/r4'
import type { Audit } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import type { Artifacts, Clock, Store } from '#core/ports.ts'
import type { ArtifactText } from './artifact-name.ts'
import { overlaid, type Shelf } from './artifact-shelf.ts'
import { type RowAnswer, withRow } from './code-row.ts'
import {
  countEnded,
  findWaiting,
  mapHeld,
  readHeld,
  type WaitEnded,
  type WaitingMessage,
} from './held-message.ts'
import type { UnmappedCode } from './mapping-functions.ts'
import { type ProfileGate, requireProfiles } from './profile-gate.ts'
import type { Resumption } from './resume.ts'
import type { Transformer } from './transform.ts'
import type { By, Pushed, Workshop } from './workshop.ts'

/** A code that messages of one sender wait for. Of whom they speak is not said. */
export interface WaitingCode extends UnmappedCode {
  client: string
  /** How many messages wait for it. */
  messages: number
  /** When the first of them came, milliseconds since the epoch. */
  since: number
}

export interface CodeAnswer extends RowAnswer {
  table: string
  /** Where codes of several systems or senders wait. */
  system?: string | undefined
  client?: string | undefined
}

/** The table's new version, and what became of the messages that waited for the code. */
export type CodeAnswered = Pick<Pushed, 'versions'> & WaitEnded

export interface CodeAnswers {
  waiting(): Promise<WaitingCode[]>
  /**
   * Puts a row into the sender's own table, once every message that waits for it comes out valid with it, and takes them
   * up. Throws Failure `not-found` where nothing waits for the code, `conflict` where it is not clear which one is meant,
   * `invalid` where a message would break its profiles.
   */
  answer(answer: CodeAnswer, by: By): Promise<CodeAnswered>
}

export interface CodeAnswersPorts {
  store: Store
  shelf: Shelf
  workshop: Workshop
  resumption: Resumption
  audit: Audit
  clock: Clock
  flows: readonly Flow[]
  validator: ProfileGate
  /** Maps by other mappings and tables than those in force. */
  transformerOf(artifacts: Artifacts): Transformer
}

/** The queue of codes that no table knows, and its answers (I14). */
export function createCodeAnswers(ports: CodeAnswersPorts): CodeAnswers {
  const { store, shelf, workshop, resumption } = ports

  async function prepare(answer: CodeAnswer): Promise<{ file: ArtifactText; ids: Set<string> }> {
    const messages = await findWaiting(store)
    const meant = requireOne(codesOf(messages), answer)
    const asking = messages.filter((each) => waitsFor(each, meant))
    const common = (await shelf.current()).conceptMaps.get(answer.table) as ConceptMap | undefined
    if (!common) throw new Failure('not-found', `There is no code table ${answer.table}`)
    const name = `${answer.table}@${meant.client}.json`
    const own = await shelf.active(name)
    const text = JSON.stringify(withRow(own && (JSON.parse(own.text) as ConceptMap), common, meant, answer))
    const file = { name, text }
    await requireGood(ports, file, asking)
    return { file, ids: new Set(asking.map(({ task }) => task.id)) }
  }

  /** What is refused is on record before it is said; a push tells of itself. */
  async function onRecord<T>(by: By, act: Promise<T>): Promise<T> {
    try {
      return await act
    } catch (cause) {
      const outcomeText = `code answer: ${cause instanceof Failure ? cause.kind : 'internal'}`
      const told = { kind: 'configuration', outcome: 'failed', outcomeText, ...by } as const
      const at = ports.clock.now()
      await store.commit({ audit: ports.audit.record({ ...told, at, patients: [], entities: [] }) })
      throw cause
    }
  }

  return {
    waiting: async () => codesOf(await findWaiting(store)),
    async answer(answer, by) {
      const { file, ids } = await onRecord(by, prepare(answer))
      const { activated, refused, versions } = await workshop.push(
        { files: [file], fixtures: [], accept: true },
        by,
      )
      if (!activated) throw new Failure('conflict', `This answer is not in force: ${refused ?? 'refused'}`)
      await resumption.run()
      return { versions, ...(await countEnded(store, ids)) }
    },
  }
}

/** As it would come out with the answer: what is invalid then is better told now. */
async function requireGood(
  { store, shelf, flows, validator, transformerOf }: CodeAnswersPorts,
  file: ArtifactText,
  messages: readonly WaitingMessage[],
): Promise<void> {
  const active = await shelf.current()
  const transformer = transformerOf(overlaid(active, [file], active))
  for (const { task } of messages) {
    const held = await readHeld(store, task.id)
    if (!held) continue
    const { flow, resources } = await mapHeld({ transformer, flows }, held)
    requireProfiles(validator, flow, resources)
  }
}

function codesOf(messages: readonly WaitingMessage[]): WaitingCode[] {
  const codes = new Map<string, WaitingCode>()
  for (const { held } of messages) {
    for (const code of held.codes) {
      const key = JSON.stringify([held.client, code.table, code.system, code.code])
      const known = codes.get(key)
      codes.set(key, {
        ...code,
        client: held.client,
        messages: (known?.messages ?? 0) + 1,
        since: known?.since ?? held.at,
      })
    }
  }
  return [...codes.values()]
}

function waitsFor({ held }: WaitingMessage, { client, table, code, system }: WaitingCode): boolean {
  if (held.client !== client) return false
  return held.codes.some((each) => each.table === table && each.code === code && each.system === system)
}

function requireOne(codes: readonly WaitingCode[], { table, code, system, client }: CodeAnswer): WaitingCode {
  const found = codes.filter(
    (each) =>
      each.table === table &&
      each.code === code &&
      (system === undefined || each.system === system) &&
      (client === undefined || each.client === client),
  )
  const [first] = found
  if (!first) throw new Failure('not-found', 'No message waits for this code')
  if (found.length > 1)
    throw new Failure('conflict', 'Several senders or systems have this code: say which (client, system)')
  return first
}
