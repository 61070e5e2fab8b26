import type { Binary, Provenance, Task } from 'fhir/r4'
import { changed } from '#care/change.ts'
import { sameValue } from '#care/same-value.ts'
import type { Audit } from '#core/act.ts'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import type { Access } from '#core/decision.ts'
import type { Destination } from '#core/destination.ts'
import { Failure, type FailureKind } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import type { Clock, Ids, Store, Vault } from '#core/ports.ts'
import { type Identified, referenceTo, versioned, versionOf, versionReferenceTo } from '#core/resource.ts'
import { answeredWrites } from './answered.ts'
import { followed, withFollowUps } from './follow-up.ts'
import {
  findWaiting,
  type HeldMessage,
  heldBinary,
  mapHeld,
  readHeld,
  readOpenTask,
  type WaitingMessage,
} from './held-message.ts'
import { newDelivery } from './new-delivery.ts'
import { requireAllowed } from './place.ts'
import { type ProfileGate, requireProfiles } from './profile-gate.ts'
import { atVersions } from './provenance.ts'
import { isRaced } from './raced.ts'
import { receiversOf } from './receivers.ts'
import type { Transformer } from './transform.ts'

export interface ResumptionPorts {
  store: Store
  access: Access
  audit: Audit
  vault: Pick<Vault, 'deriveId'>
  clock: Clock
  ids: Ids
  transformer: Transformer
  validator: ProfileGate
  flows: readonly Flow[]
  report(fault: unknown): void
}

export interface Resumption {
  /** Takes up every message whose codes are known by now. Resolves with how many. Rejects when the store cannot answer. */
  run(): Promise<number>
  /** Resolves when what is under way is done. */
  stop(): Promise<void>
}

/** How often a message is tried again when somebody changed what it changes at the same moment. */
const tries = 8

/** What a person has to look at; anything else is tried again with the next round. */
const forPeople: readonly FailureKind[] = ['conflict', 'forbidden', 'invalid', 'unsupported', 'not-found']

/**
 * Messages that wait for a code are taken up again by themselves (I14): when mappings or tables change, and with the
 * clinic's upkeep, which mends what a crash left. In the order they came; the second of a patient waits for the first.
 * Each is one commit: what the answer changes, a Provenance of its own, the Task, and the deliveries that were held.
 */
export function createResumption(ports: ResumptionPorts): Resumption {
  let last: Promise<number> = Promise.resolve(0)
  const run = () => {
    last = last.catch(() => 0).then(() => takeUpAll(ports))
    return last
  }
  ports.store.onCommit(({ registrations }) => {
    if (registrations?.some(({ kind }) => kind === 'artifacts-in-force')) run().catch(ports.report)
  })
  return { run, stop: () => last.then(() => {}).catch(() => {}) }
}

type Outcome = 'resumed' | 'waits' | 'ended'

async function takeUpAll(ports: ResumptionPorts): Promise<number> {
  const behind = new Set<string>()
  let count = 0
  for (const waiting of await findWaiting(ports.store)) {
    const { patient } = waiting
    if (patient && behind.has(patient)) continue
    const outcome = await takeUp(ports, waiting)
    if (outcome === 'waits' && patient) behind.add(patient)
    if (outcome === 'resumed') count += 1
  }
  return count
}

async function takeUp(ports: ResumptionPorts, { task: { id } }: WaitingMessage): Promise<Outcome> {
  for (let attempt = 1; attempt <= tries; attempt++) {
    const task = await readOpenTask(ports.store, id)
    const held = task && (await readHeld(ports.store, id))
    if (!held) return 'ended'
    try {
      return await resume(ports, task, held).catch((cause) => handOver(ports, task, cause))
    } catch (cause) {
      if (isRaced(cause)) continue
      ports.report(cause)
      return 'waits'
    }
  }
  return 'waits'
}

async function resume(ports: ResumptionPorts, task: Identified<Task>, held: HeldMessage): Promise<Outcome> {
  const { store, access, vault, clock } = ports
  const at = clock.now()
  const { flow, resources, unmapped } = await mapHeld(ports, held)
  if (unmapped.length > 0) {
    if (!sameValue(unmapped, held.codes)) await waitFor(ports, { ...held, codes: unmapped }, at)
    return 'waits'
  }
  const made = resources.filter(({ resourceType }) => resourceType !== 'Provenance')
  const { writes, current } = await answeredWrites(store, { ...held, made, at })
  const changes = writes.map(({ resource }) => resource)
  requireProfiles(ports.validator, flow, changes)
  await requireAllowed(access, held.caller, { writes, unchanged: [] }, changes.map(referenceTo))
  const cared = writes.filter(({ resource }) => hasConsequences(resource))
  const following = { caller: held.caller, messageId: `${held.messageId}/answered/${task.id}`, at }
  const follow = await withFollowUps({ store, access, vault }, cared, following)
  const results = [...writes.filter((write) => !cared.includes(write)), ...follow.results]
  const standing = current.map(
    (each) => results.find(({ resource }) => referenceTo(resource) === referenceTo(each))?.resource ?? each,
  )
  const provenance = resources.find(
    (each): each is Identified<Provenance> => each.resourceType === 'Provenance',
  )
  const told =
    provenance && results.length > 0 ? [provenanceWrite(ports, { provenance, results, held, at })] : []
  const done = changed(task, { status: 'completed', lastModified: new Date(at).toISOString() }, at)
  const all = [...results, ...told, ...follow.writes, done]
  await store.commit({
    audit: entriesOf(ports, 'code answered: message taken up again', all, at),
    writes: [...all, gone(held.binary, at)],
    nonces: follow.nonces,
    deliveries: follow.deliveries,
    releases: await releasesOf(ports, { flow, held, standing, at }),
  })
  return 'resumed'
}

/** By the rules of care, as when it first came: dispenses are summed, consents read, Tasks moved. */
function hasConsequences({ resourceType }: Identified): boolean {
  return resourceType === 'Task' || followed.has(resourceType)
}

/** The answer to one code may show that another one is missing. */
async function waitFor({ store, audit, ids }: ResumptionPorts, held: HeldMessage, at: number): Promise<void> {
  const { binary, body, ...facts } = held
  const next = heldBinary(binary.id, body, facts, patientOf(binary))
  const write = changed<Identified<Binary>>(binary, next, at)
  await store.commit({
    audit: entriesOf({ audit, ids }, 'message waits for other codes', [write], at),
    writes: [write],
  })
}

function gone(binary: Identified<Binary>, at: number): ResourceWrite {
  return { resource: binary, version: versionOf(binary) + 1, updated: at, deleted: true, previous: binary }
}

interface Told {
  provenance: Identified<Provenance>
  results: readonly ResourceWrite[]
  held: HeldMessage
  at: number
}

/** What it was then stays as it was told then; this is about the versions that the answer made. */
function provenanceWrite({ vault }: ResumptionPorts, { provenance, results, held, at }: Told): ResourceWrite {
  const id = vault.deriveId('answered', held.caller.clientId, held.binary.id)
  const written = results.map(({ resource }) => resource)
  const now = { ...provenance, id, recorded: new Date(at).toISOString() }
  return { resource: versioned(atVersions(now, written), id, 1, at), version: 1, updated: at }
}

interface Releasing {
  flow: Flow
  held: HeldMessage
  standing: readonly Identified[]
  at: number
}

/** To whom it would have gone then, as it stands now: an order that was stopped since goes to no pharmacy. */
async function releasesOf({ store, vault }: ResumptionPorts, { flow, held, standing, at }: Releasing) {
  const destinations = (await store.registrations('destination')).map(
    ({ json }) => JSON.parse(json) as Destination,
  )
  return receiversOf(destinations, flow.receivers, standing)
    .map(({ destination, resources }) => {
      const id = vault.deriveId('delivery', destination.id, held.caller.clientId, held.messageId)
      return newDelivery({ id, destination, resources, due: at, held: false })
    })
    .filter(({ id }) => held.deliveries.includes(id))
}

/** What cannot go on by itself says so in its Task, and is not tried again until somebody works on that. */
async function handOver(ports: ResumptionPorts, task: Identified<Task>, cause: unknown): Promise<Outcome> {
  if (!(cause instanceof Failure) || isRaced(cause) || !forPeople.includes(cause.kind)) throw cause
  const at = ports.clock.now()
  const why = cause.issues.map(({ text, expression }) => [expression, text].filter(Boolean).join(': '))
  const write = changed(
    task,
    {
      status: 'on-hold',
      statusReason: { text: [...new Set(why)].slice(0, 5).join('; ') },
      lastModified: new Date(at).toISOString(),
    },
    at,
  )
  await ports.store.commit({
    audit: entriesOf(ports, 'held message needs a person', [write], at),
    writes: [write],
  })
  return 'ended'
}

function entriesOf(
  { audit, ids }: Pick<ResumptionPorts, 'audit' | 'ids'>,
  outcomeText: string,
  writes: readonly ResourceWrite[],
  at: number,
) {
  const resources = writes.map(({ resource }) => resource)
  const patients = [...new Set(resources.map(patientOf).filter((each) => each !== undefined))]
  return audit.record({
    kind: 'update',
    outcome: 'success',
    outcomeText,
    at,
    requestId: ids.random(),
    patients,
    entities: resources.map(versionReferenceTo),
  })
}
