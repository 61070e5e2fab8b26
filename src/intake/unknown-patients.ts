import type { Patient, Task } from 'fhir/r4'
import { survivorOf } from '#access/same-person.ts'
import { changed } from '#care/change.ts'
import type { Audit } from '#core/act.ts'
import type { ResourceWrite } from '#core/commit.ts'
import type { Access } from '#core/decision.ts'
import { Failure, type FailureKind } from '#core/failure.ts'
import type { Flow, Party } from '#core/flow.ts'
import type { Clock, Ids, Store, Vault } from '#core/ports.ts'
import {
  type Identified,
  type Reference,
  referenceTo,
  versionOf,
  versionReferenceTo,
} from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'
import { countEnded, findKept, type Kept, readHeld, readOpenTask, type WaitEnded } from './held-message.ts'
import type { Intake } from './ingest.ts'
import { createParties } from './parties.ts'
import { type ProfileGate, requireProfiles } from './profile-gate.ts'
import { isRaced } from './raced.ts'
import { type Message, understand } from './understand.ts'
import { numberKey, type PatientNumber, type UnknownFacts, unknownPatientCode } from './unknown-patient.ts'
import type { By } from './workshop.ts'

/** A number that nobody has, or perhaps another than the message is about, and what waits for somebody to say whose it is. */
export interface WaitingNumber extends PatientNumber {
  /** Who sent it, and in what. */
  client: string
  flow: string
  messages: number
  /** When the first of them came, milliseconds since the epoch. */
  since: number
}

export interface NumberAnswer extends PatientNumber {
  /** Whose it is; without it the patient is new here. */
  patient?: Reference | undefined
}

export interface UnknownPatients {
  waiting(by: By): Promise<WaitingNumber[]>
  /**
   * Gives the patient's record the number, or makes one as the first message that waits tells of it, and takes up what
   * waits, in order, before anything else about that number. Throws Failure `not-found` where nothing waits for the
   * number or there is no such patient, `conflict` where the number is another patient's by now.
   */
  answer(answer: NumberAnswer, by: By): Promise<WaitEnded>
  /** Takes up every message whose patient is known by now. Resolves with how many. */
  run(): Promise<number>
}

export interface UnknownPatientsPorts {
  store: Store
  access: Access
  audit: Audit
  vault: Vault
  clock: Clock
  ids: Ids
  intake: Pick<Intake, 'inTurn' | 'takeUp'>
  flows: readonly Flow[]
  validator: ProfileGate
  report(fault: unknown): void
}

/** Tried again with the next round. */
const passing: readonly FailureKind[] = ['unavailable', 'internal', 'too-many']

type Waiting = Awaited<ReturnType<typeof findNumbers>>[number]

/** The queue of patients whom nobody knows, and its answers (I4). */
export function createUnknownPatients(ports: UnknownPatientsPorts): UnknownPatients {
  const { store, audit, clock, ids, intake } = ports
  const parties = createParties(ports)

  function messageOf({ flow: name, body, caller, timeZone }: Kept<UnknownFacts>): Message {
    const flow = ports.flows.find((each) => each.name === name)
    if (!flow) throw new Failure('unsupported', 'There is no flow for this message any more')
    return { flow, body, caller, timeZone, requestId: ids.random() }
  }

  /** Answers and refusals are on record. */
  async function onRecord<T>(by: By, outcomeText: string, act: Promise<T>): Promise<T> {
    const told = { ...by, at: clock.now(), patients: [], entities: [] }
    try {
      return await act
    } catch (cause) {
      const why = `${outcomeText}: ${cause instanceof Failure ? cause.kind : 'internal'}`
      await store.commit({
        audit: audit.record({ ...told, kind: 'update', outcome: 'failed', outcomeText: why }),
      })
      throw cause
    }
  }

  /** The record's next version, with the number; nothing where it has it already. */
  async function matched({ system, value }: PatientNumber, patient: Reference): Promise<ResourceWrite[]> {
    const named = await requirePatient(store, patient)
    const [, id = ''] = (await survivorOf(store, named)).split('/')
    const record = await requirePatient(store, `Patient/${id}`)
    const identifier = record.identifier ?? []
    if (identifier.some((each) => each.system === system && each.value === value)) return []
    return [changed(record, { identifier: [...identifier, { system, value }] }, clock.now())]
  }

  /** Made as the first message that names the number tells of its patient. */
  async function created(number: PatientNumber, first: Waiting): Promise<ResourceWrite[]> {
    const held = await readHeld<UnknownFacts>(store, first.task.id)
    if (!held) throw nothingWaits()
    const message = messageOf(held)
    const party = understand(ports, message).parties.find((each) => isAbout(each, number))
    if (!party) throw nothingWaits()
    const { stubs } = await parties.resolve([party], clock.now())
    requireProfiles(ports.validator, message.flow, stubs)
    return stubs.map((resource) => ({ resource, version: 1, updated: clock.now() }))
  }

  async function requireUnknown(number: PatientNumber, patient: Reference | undefined): Promise<void> {
    const stub: Patient = { resourceType: 'Patient', identifier: [number] }
    const { references, stubs } = await parties.resolve(
      [{ slot: 'subject', type: 'Patient', identifier: number, stub }],
      clock.now(),
    )
    const isKnown = stubs.length === 0 && references.subject !== undefined
    if (isKnown && references.subject !== patient)
      throw new Failure('conflict', 'A patient has this number by now')
  }

  async function settle(answer: NumberAnswer, by: By): Promise<WaitEnded> {
    const { patient, ...number } = answer
    const asking = (await findNumbers(store)).filter(({ held }) => names(held.unknown, number))
    const [first] = asking
    if (!first) throw nothingWaits()
    await requireUnknown(number, patient)
    const writes = patient ? await matched(number, patient) : await created(number, first)
    const written = writes.map(({ resource }) => resource)
    await store.commit({
      audit: audit.record({
        kind: patient ? 'update' : 'create',
        outcome: 'success',
        outcomeText: patient ? 'unknown patient: matched' : 'unknown patient: new here',
        ...by,
        at: clock.now(),
        patients: patient ? [patient] : written.map(referenceTo),
        entities: written.map(versionReferenceTo),
      }),
      writes,
    })
    // Who says whose a number is, says so against what the messages say of its patient too.
    for (const each of asking) await takeUp(each, patient ? [number] : [])
    return countEnded(
      store,
      asking.map(({ task }) => task.id),
    )
  }

  async function takeUp(
    { task: { id } }: Waiting,
    confirmed: readonly PatientNumber[] = [],
  ): Promise<boolean> {
    const task = await readOpenTask(store, id)
    const held = task && (await readHeld<UnknownFacts>(store, id))
    if (!held) return false
    try {
      return await intake.takeUp({ ...messageOf(held), confirmed }, (at) => ending(task, held, at))
    } catch (cause) {
      const isPassing = !(cause instanceof Failure) || isRaced(cause) || passing.includes(cause.kind)
      if (isPassing) ports.report(cause)
      else await handOver(task, cause)
      return false
    }
  }

  /** A message that is refused now says so in its Task, and is not tried again until somebody works on that. */
  async function handOver(task: Identified<Task>, { issues }: Failure): Promise<void> {
    const at = clock.now()
    const why = issues.map(({ text, expression }) => [expression, text].filter(Boolean).join(': '))
    const statusReason = { text: [...new Set(why)].slice(0, 5).join('; ') }
    const lastModified = new Date(at).toISOString()
    const write = changed(task, { status: 'on-hold', statusReason, lastModified }, at)
    const act = { kind: 'update', outcome: 'success', outcomeText: 'held message needs a person' } as const
    const entities = [versionReferenceTo(write.resource)]
    await store.commit({
      audit: audit.record({ ...act, at, requestId: ids.random(), patients: [], entities }),
      writes: [write],
    })
  }

  async function run(): Promise<number> {
    let count = 0
    const numbers = new Map(
      (await findNumbers(store)).flatMap(({ held }) =>
        held.unknown.map((each) => [numberKey(each), each] as const),
      ),
    )
    for (const [key, number] of numbers)
      await intake.inTurn([key], async () => {
        for (const each of await findNumbers(store))
          if (names(each.held.unknown, number) && (await takeUp(each))) count += 1
      })
    return count
  }

  return {
    async waiting(by) {
      const found = numbersOf(await findNumbers(store))
      const act = { kind: 'read', outcome: 'success', outcomeText: 'unknown patients listed' } as const
      await store.commit({
        audit: audit.record({ ...act, ...by, at: clock.now(), patients: [], entities: [] }),
      })
      return found
    },
    answer(answer, by) {
      const keys = [numberKey(answer), ...(answer.patient ? [answer.patient] : [])]
      return onRecord(
        by,
        'unknown patient',
        intake.inTurn(keys, () => settle(answer, by)),
      )
    },
    run,
  }
}

function findNumbers(store: Parameters<typeof findKept>[0]) {
  return findKept(store, unknownPatientCode, ({ flow, unknown, at, caller }: UnknownFacts) => ({
    ...{ flow, unknown, at },
    client: caller.clientId,
  }))
}

function numbersOf(messages: readonly Waiting[]): WaitingNumber[] {
  const numbers = new Map<string, WaitingNumber>()
  for (const { held } of messages) {
    const { client, flow, at } = held
    for (const number of held.unknown) {
      const known = numbers.get(numberKey(number))
      const first = known ?? { ...number, client, flow, messages: 0, since: at }
      numbers.set(numberKey(number), { ...first, messages: first.messages + 1 })
    }
  }
  return [...numbers.values()]
}

function names(unknown: readonly PatientNumber[], number: PatientNumber): boolean {
  return unknown.some((each) => numberKey(each) === numberKey(number))
}

function isAbout({ type, identifier }: Party, number: PatientNumber): boolean {
  return type === 'Patient' && numberKey(identifier) === numberKey(number)
}

async function requirePatient(
  store: Pick<Store, 'read'>,
  reference: Reference,
): Promise<Identified<Patient>> {
  const [type, id = ''] = reference.split('/')
  const stored = type === 'Patient' ? await store.read(type, id) : undefined
  if (!stored || stored.deleted) throw new Failure('not-found', 'There is no such patient')
  return parseJson(stored.json) as Identified<Patient>
}

function ending(task: Identified<Task>, { binary }: Kept<UnknownFacts>, at: number): ResourceWrite[] {
  return [
    changed(task, { status: 'completed', lastModified: new Date(at).toISOString() }, at),
    { resource: binary, version: versionOf(binary) + 1, updated: at, deleted: true, previous: binary },
  ]
}

function nothingWaits(): Failure {
  return new Failure('not-found', 'No message waits for this number')
}
