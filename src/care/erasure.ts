import type { Act, Audit } from '#core/act.ts'
import type { Access } from '#core/decision.ts'
import { Failure } from '#core/failure.ts'
import type { Jurisdiction } from '#core/jurisdiction.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import { type ErasurePlan, planRecord, type RecordPlan } from './erasure-plan.ts'
import { type Asker, holdsOn, type Step } from './legal-hold.ts'
import { requireOfficer, requireOther, requirePerson } from './privacy-officer.ts'
import { auditRetention } from './retention.ts'

/** That a patient is to be erased. Stored sealed as registration `erasure`; it stays as the proof. */
export interface ErasureRequest {
  id: string
  revision: number
  patient: Reference
  /** Why: the patient's wish, a closed account, a court's order. No clinical content. */
  basis: string
  requested: Step
  approved?: Step
  /** `waiting`: what the law keeps is still there, and goes by itself at `due`. */
  state: 'requested' | 'approved' | 'waiting' | 'done'
  due?: number
  /** Signed notes, one for each run that erased something; they verify with the log's public key alone. */
  receipts: string[]
}

export interface ErasurePorts {
  store: Pick<
    Store,
    'registrations' | 'findRegistration' | 'commit' | 'findRecord' | 'erase' | 'settleErasures'
  >
  access: Pick<Access, 'recordsOf'>
  audit: Audit
  clock: Clock
  ids: Ids
  jurisdiction: Jurisdiction
  /** Makes a signed note of a text (audit/note). */
  sign(text: string): string
}

export interface Erasures {
  plan(patient: Reference, by: Asker): Promise<ErasurePlan>
  request(asked: Pick<ErasureRequest, 'patient' | 'basis'>, by: Asker): Promise<ErasureRequest>
  /** A second person's word, then it is done at once, as far as the law lets it. */
  approve(id: string, by: Asker): Promise<ErasureRequest>
  /** Goes on with what was approved: after a hold was lifted, or where it was broken off. */
  run(id: string, by: Asker): Promise<ErasureRequest>
  list(): Promise<ErasureRequest[]>
  /** What time lets go: run it with the upkeep. Resolves with how many erasures went on. */
  upkeep(): Promise<number>
}

/** A day is longer than any request lives. */
const nonceMs = 86_400_000
/** How often a record that changes meanwhile is planned anew. */
const tries = 5

/** The right to be forgotten against the duty to keep (J15): plan, two persons, erasure, proof. */
export function createErasures(ports: ErasurePorts): Erasures {
  const { store, access, audit, clock, ids } = ports

  async function records(patient: Reference): Promise<RecordPlan[]> {
    const at = { jurisdiction: ports.jurisdiction, now: clock.now() }
    const found = await Promise.all(
      (await access.recordsOf(patient)).map(async (each) => {
        const record = await store.findRecord(each)
        return record && planRecord(each, record, at)
      }),
    )
    return found.filter((each) => each !== undefined)
  }

  async function planOf(patient: Reference): Promise<ErasurePlan> {
    const planned = await records(patient)
    const patients = planned.map((each) => each.patient)
    const sum = (count: (each: RecordPlan) => number) => planned.reduce((all, each) => all + count(each), 0)
    const ends = planned.flatMap(({ completeAt }) => completeAt ?? [])
    return {
      patients,
      jurisdiction: ports.jurisdiction,
      holds: (await holdsOn(ports, patients)).map(({ id, placed }) => ({ id, placed })),
      lines: planned.flatMap(({ lines }) => lines),
      beside: {
        deliveries: sum(({ record }) => record.deliveries.open + record.deliveries.settled),
        receipts: sum(({ record }) => record.receipts),
        events: sum(({ record }) => record.events),
        ledgerEntries: sum(({ record, keeps }) => (keeps.size > 0 ? 0 : record.ledgerEntries)),
        accounts: (await accountsOf(store, patients)).length,
      },
      auditLog: { keptYears: auditRetention.years, source: auditRetention.source },
      ...(ends.length > 0 ? { completeAt: Math.max(...ends) } : {}),
    }
  }

  async function run(
    request: ErasureRequest,
    by: Pick<Asker, 'requestId'> & Partial<Asker>,
  ): Promise<ErasureRequest> {
    if (!request.approved) throw new Failure('conflict', 'A second person has to approve this erasure first')
    if (request.state === 'done') throw new Failure('conflict', 'This erasure is done')
    await store.settleErasures(clock.now())
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await runOnce(request, by)
      } catch (cause) {
        const isRaced = cause instanceof Failure && cause.kind === 'precondition-failed'
        if (!isRaced || attempt === tries) throw cause
      }
    }
  }

  async function runOnce(request: ErasureRequest, by: Pick<Asker, 'requestId'> & Partial<Asker>) {
    const planned = await records(request.patient)
    const patients = planned.map(({ patient }) => patient)
    const holds = await holdsOn(ports, [...patients, request.patient])
    if (holds.length > 0)
      throw new Failure('conflict', `A legal hold stands: ${holds.map(({ id }) => id).join(', ')}`)
    let standing = request
    for (const each of planned) {
      if (each.keeps.size === each.record.resources.length) continue
      const accounts = each.keeps.size > 0 ? [] : await accountsOf(store, [each.patient])
      const at = clock.now()
      const next = withReceipt(standing, each, at)
      await store.erase({ ...each, accounts, at }, unitOf(next, by, 'patient erased', at))
      standing = { ...next, revision: next.revision + 1 }
    }
    const ends = planned.flatMap(({ completeAt }) => completeAt ?? [])
    const { due: _, ...rest } = standing
    const ended: ErasureRequest =
      ends.length > 0 ? { ...rest, state: 'waiting', due: Math.min(...ends) } : { ...rest, state: 'done' }
    await store.commit(unitOf(ended, by, `erasure ${ended.state}`, clock.now()))
    return { ...ended, revision: ended.revision + 1 }
  }

  /** A receipt holds no name: whoever holds the gateway's word for the patient can tell whose it is. */
  function withReceipt(
    request: ErasureRequest,
    { record, keeps, lines, completeAt }: RecordPlan,
    at: number,
  ) {
    const receipt = {
      form: 'postern-erasure/1',
      erasure: request.id,
      at: new Date(at).toISOString(),
      key: record.key,
      basis: request.basis,
      requested: request.requested,
      approved: request.approved,
      resources: record.resources.length - keeps.size,
      stays: lines.filter(({ fate }) => fate === 'stays'),
      ...(completeAt ? { completeAt: new Date(completeAt).toISOString() } : {}),
    }
    return { ...request, receipts: [...request.receipts, ports.sign(`${JSON.stringify(receipt)}\n`)] }
  }

  function unitOf(
    request: ErasureRequest,
    { caller, requestId }: Pick<Asker, 'requestId'> & Partial<Asker>,
    outcomeText: string,
    at: number,
  ) {
    const stored = { ...request, revision: request.revision + 1 }
    const act: Act = {
      kind: 'erase',
      outcome: 'success',
      outcomeText,
      at,
      requestId,
      patients: [request.patient],
      entities: [],
      ...(caller ? { caller } : {}),
    }
    return {
      audit: audit.record(act),
      registrations: [{ kind: 'erasure' as const, id: request.id, json: JSON.stringify(stored) }],
      nonces: [{ issuer: `erasure ${request.id}`, value: String(stored.revision), expires: at + nonceMs }],
    }
  }

  async function commit(request: ErasureRequest, by: Asker, outcomeText: string): Promise<ErasureRequest> {
    await store.commit(unitOf(request, by, outcomeText, clock.now()))
    return { ...request, revision: request.revision + 1 }
  }

  async function requireRequest(id: string): Promise<ErasureRequest> {
    const json = await store.findRegistration('erasure', id)
    if (!json) throw new Failure('not-found', 'There is no such erasure')
    return JSON.parse(json) as ErasureRequest
  }

  async function list(): Promise<ErasureRequest[]> {
    return (await store.registrations('erasure')).map(({ json }) => JSON.parse(json) as ErasureRequest)
  }

  return {
    async plan(patient, by) {
      requireOfficer(by.caller)
      const plan = await planOf(patient)
      const { caller, requestId } = by
      const act = {
        kind: 'read',
        outcome: 'success',
        outcomeText: 'erasure planned',
        at: clock.now(),
      } as const
      await store.commit({
        audit: audit.record({ ...act, caller, requestId, patients: plan.patients, entities: [] }),
      })
      if (plan.patients.length === 0) throw new Failure('not-found', 'There is no such patient')
      return plan
    },
    async request({ patient, basis }, by) {
      const requested = { by: requireOfficer(by.caller), at: clock.now() }
      const { patients } = await planOf(patient)
      if (patients.length === 0) throw new Failure('not-found', 'There is no such patient')
      const open = (await list()).find((each) => each.patient === patient && each.state !== 'done')
      if (open) throw new Failure('conflict', `There is an erasure of this patient already: ${open.id}`)
      const request: ErasureRequest = {
        id: ids.random(),
        revision: 0,
        patient,
        basis,
        requested,
        state: 'requested',
        receipts: [],
      }
      return commit(request, by, 'erasure asked for')
    },
    async approve(id, by) {
      const approved = { by: requirePerson(by.caller), at: clock.now() }
      const request = await requireRequest(id)
      if (request.approved) throw new Failure('conflict', 'This erasure was approved already')
      requireOther(
        request.requested.by,
        approved.by,
        'An erasure is approved by another person than who asked for it',
      )
      return run(await commit({ ...request, approved, state: 'approved' }, by, 'erasure approved'), by)
    },
    async run(id, by) {
      requireOfficer(by.caller)
      return run(await requireRequest(id), by)
    },
    list,
    async upkeep() {
      const now = clock.now()
      await store.settleErasures(now)
      let count = 0
      for (const request of await list()) {
        const isDue =
          request.state === 'approved' || (request.state === 'waiting' && (request.due ?? 0) <= now)
        const isHeld =
          isDue && (await holdsOn(ports, [...(await access.recordsOf(request.patient))])).length > 0
        if (!isDue || isHeld) continue
        await run(request, { requestId: ids.random() })
        count += 1
      }
      return count
    },
  }
}

/** Ids of the accounts by which these patients sign in. */
async function accountsOf(
  store: Pick<Store, 'registrations'>,
  patients: readonly Reference[],
): Promise<string[]> {
  if (patients.length === 0) return []
  const all = (await store.registrations('account')).map(({ id, json }) => ({
    id,
    person: (JSON.parse(json) as { person: Reference }).person,
  }))
  return all.filter(({ person }) => patients.includes(person)).map(({ id }) => id)
}
