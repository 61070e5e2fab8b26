import type { MedicationRequest, Task } from 'fhir/r4'
import type { Audit } from '#core/act.ts'
import type { NewDelivery, ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'
import type { Criterion, Cursor } from '#core/query.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import { type CancelPatience, watchedCancel } from './cancel-watch.ts'
import type { CarePorts } from './change.ts'
import { expired, mayExpire } from './expiry.ts'
import { watchedRenewal } from './renewal-watch.ts'
import { deliveriesOf, sent } from './task-delivery.ts'
import { renewalCode } from './task-states.ts'

export interface UpkeepPorts {
  store: Pick<Store, 'read' | 'readVersion' | 'search' | 'registrations' | 'findRegistration' | 'commit'>
  audit: Audit
  clock: Clock
  ids: Ids
  parse: CarePorts['parse']
  /** IANA zone in which the clinic's days end. */
  timeZone: string
  patience?: CancelPatience
}

const pageSize = 200

/**
 * What time does to orders and Tasks: validity that has ended (R17), cancellations that nobody answers (R39), requests for
 * renewal that wait (R32, R33). Each is a
 * commit of its own; what somebody else changes meanwhile is left to the next round. Resolves with how many there were.
 * Rejects when the store cannot answer.
 */
export async function careUpkeep(ports: UpkeepPorts): Promise<number> {
  let count = 0
  for await (const order of each<Identified<MedicationRequest>>(ports, 'MedicationRequest', [
    { kind: 'token', param: 'status', values: [...mayExpire] },
  ])) {
    const at = ports.clock.now()
    const writes = await expired(ports, order, at, ports.timeZone)
    if (await done(ports, { writes, why: 'order expired', at })) count += 1
  }
  for await (const task of each<Identified<Task>>(ports, 'Task', [
    { kind: 'token', param: 'code', values: ['http://hl7.org/fhir/CodeSystem/task-code|abort'] },
    { kind: 'token', param: 'status', values: ['requested', 'received', 'accepted', 'in-progress'] },
  ])) {
    const at = ports.clock.now()
    const writes = await watchedCancel(ports, task, at, ports.patience)
    const [noted] = writes
    // Who is sent to is reminded by being sent it again; who polls sees the new version.
    const deliveries = noted && writes.length === 1 ? await sent(ports, noted) : []
    if (await done(ports, { writes, deliveries, why: 'cancellation unanswered', at })) count += 1
  }
  for await (const task of each<Identified<Task>>(ports, 'Task', [
    { kind: 'token', param: 'code', values: [`${renewalCode.system}|${renewalCode.code}`] },
    {
      kind: 'token',
      param: 'status',
      values: ['requested', 'received', 'accepted', 'ready', 'in-progress', 'on-hold'],
    },
  ])) {
    const at = ports.clock.now()
    const writes = await watchedRenewal(ports, task, at)
    const deliveries = await deliveriesOf(ports, writes)
    if (await done(ports, { writes, deliveries, why: 'renewal waited', at })) count += 1
  }
  return count
}

interface Due {
  writes: ResourceWrite[]
  deliveries?: NewDelivery[]
  why: string
  at: number
}

async function done(
  { store, audit, ids }: UpkeepPorts,
  { writes, deliveries, why, at }: Due,
): Promise<boolean> {
  if (writes.length === 0) return false
  const patients = new Set(
    writes.map(({ resource }) => patientOf(resource)).filter((each) => each !== undefined),
  )
  const entries = audit.record({
    kind: 'update',
    outcome: 'success',
    outcomeText: why,
    at,
    requestId: ids.random(),
    patients: [...patients],
    entities: writes.map(({ resource, version }) => `${referenceTo(resource)}/_history/${version}`),
  })
  try {
    await store.commit({ audit: entries, writes, ...(deliveries ? { deliveries } : {}) })
    return true
  } catch (cause) {
    if (cause instanceof Failure && cause.kind === 'precondition-failed') return false
    throw cause
  }
}

/** Page by page, so that what there is much of is never held at once. */
async function* each<R>(
  { store, parse }: UpkeepPorts,
  type: string,
  criteria: Criterion[],
): AsyncGenerator<R> {
  let after: Cursor | undefined
  for (;;) {
    const rows = await store.search({ type, criteria, limit: pageSize, ...(after ? { after } : {}) })
    for (const { stored } of rows) yield parse(stored.json) as R
    after = rows.at(-1)?.cursor
    if (rows.length < pageSize) return
  }
}
