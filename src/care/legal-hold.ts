import type { Audit } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import { requireOfficer, requireOther } from './privacy-officer.ts'

/** Nothing of this patient is erased or expires while it stands. Stored sealed as registration `legal-hold`. */
export interface LegalHold {
  id: string
  revision: number
  patient: Reference
  /** Why, in an officer's words: a case number, not the case. */
  reason: string
  placed: Step
  /** One officer asked that it end; another one ends it. */
  asked?: Step
  lifted?: Step
}

export interface Step {
  /** `Practitioner/…`, or the client id where it was the command line. */
  by: string
  /** Milliseconds since the epoch. */
  at: number
}

export interface HoldPorts {
  store: Pick<Store, 'registrations' | 'findRegistration' | 'commit' | 'findRecord'>
  audit: Audit
  clock: Clock
  ids: Ids
}

export interface Asker {
  caller: Caller
  requestId: string
}

/** A day is longer than any request lives. */
const nonceMs = 86_400_000

/** In force with this commit: to keep something takes one person. Throws Failure `not-found` for nobody's record. */
export async function placeHold(
  ports: HoldPorts,
  { patient, reason }: Pick<LegalHold, 'patient' | 'reason'>,
  by: Asker,
): Promise<LegalHold> {
  const placed = { by: requireOfficer(by.caller), at: ports.clock.now() }
  if (!(await ports.store.findRecord(patient))) throw new Failure('not-found', 'There is no such patient')
  const hold: LegalHold = { id: ports.ids.random(), revision: 0, patient, reason, placed }
  return commitHold(ports, hold, 'legal hold placed', by)
}

/** The first officer who says so asks for the end, another one ends it. Throws Failure `conflict` for one that ended. */
export async function liftHold(ports: HoldPorts, id: string, by: Asker): Promise<LegalHold> {
  const step = { by: requireOfficer(by.caller), at: ports.clock.now() }
  const json = await ports.store.findRegistration('legal-hold', id)
  if (!json) throw new Failure('not-found', 'There is no such hold')
  const hold = JSON.parse(json) as LegalHold
  if (hold.lifted) throw new Failure('conflict', 'This hold was lifted already')
  if (!hold.asked) return commitHold(ports, { ...hold, asked: step }, 'end of legal hold asked for', by)
  requireOther(hold.asked.by, step.by, 'A hold is lifted by another officer than the one who asked for it')
  return commitHold(ports, { ...hold, lifted: step }, 'legal hold lifted', by)
}

/** Those in force for any of these patients; all of them where none are named. */
export async function holdsOn(
  { store }: { store: Pick<Store, 'registrations'> },
  patients?: readonly Reference[],
): Promise<LegalHold[]> {
  const all = (await store.registrations('legal-hold')).map(({ json }) => JSON.parse(json) as LegalHold)
  return all.filter(({ patient, lifted }) => !lifted && (patients?.includes(patient) ?? true))
}

async function commitHold(
  { store, audit, clock }: HoldPorts,
  hold: LegalHold,
  outcomeText: string,
  { caller, requestId }: Asker,
): Promise<LegalHold> {
  const at = clock.now()
  const stored = { ...hold, revision: hold.revision + 1 }
  const act = { kind: 'configuration', outcome: 'success', outcomeText } as const
  await store.commit({
    audit: audit.record({ ...act, at, caller, requestId, patients: [hold.patient], entities: [] }),
    registrations: [{ kind: 'legal-hold', id: hold.id, json: JSON.stringify(stored) }],
    nonces: [{ issuer: `hold ${hold.id}`, value: String(stored.revision), expires: at + nonceMs }],
  })
  return stored
}
