import type { AuditEvent, AuditEventAgent, AuditEventEntity } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { Store, Vault } from '#core/ports.ts'
import type { Cursor, DateWindow } from '#core/query.ts'
import type { Reference } from '#core/resource.ts'
import { readCheckpoint } from './checkpoint.ts'
import { systems } from './codes.ts'
import { checkCommitment, openEvent } from './leaf.ts'
import { leafHash } from './merkle.ts'
import { verifyNote } from './note.ts'
import { verifyInclusion } from './proof.ts'
import type { Inclusion, Prover } from './prover.ts'
import { reporterOf } from './reported.ts'

/** Who did what with a patient's records, when and why, with proof that nothing of it was written afterwards. */
export interface Accounting {
  patient: Reference
  /** Signed note; every entry's path leads to its root. Absent where there are no entries. */
  checkpoint?: string
  entries: AccountingEntry[]
  /** Where older entries go on. */
  next?: Cursor
}

export interface AccountingEntry {
  id: string
  /** FHIR instant. */
  recorded: string
  /** The system that told of it, where it happened there; absent for what this gateway saw itself. */
  reportedBy?: string
  outcome: 'done' | 'refused' | 'failed'
  /** What was done, a code such as `read`, `search-type`, `disclose`. */
  action: string
  who: string
  /** In which role they asked. */
  role?: string
  /** The system they asked through, or that it was sent to. */
  through?: string
  /** Purposes of use, codes of v3-ActReason. */
  why: string[]
  /** References of what was touched. */
  what: string[]
  evidence: Evidence
}

/** All that is needed to check one entry with the log's public key and nothing else. */
export interface Evidence {
  /** The AuditEvent, JSON text, byte for byte. */
  event: string
  salt: string
  /** The leaf entry and its path, base64. */
  entry: string
  index: number
  path: string[]
}

export interface AccountingQuery {
  patient: Reference
  /** All records of the person, where there are more (`Access.recordsOf`). */
  records?: readonly Reference[]
  window?: DateWindow
  after?: Cursor
  limit: number
}

export interface AccountingPorts {
  store: Pick<Store, 'search'>
  vault: Pick<Vault, 'open'>
  prover: Prover
}

/** The accounting of one patient, newest first. 45 CFR 164.528; reference to each event's own record is its id. */
export async function accountingOf(
  { store, vault, prover }: AccountingPorts,
  { patient, records = [patient], window, after, limit }: AccountingQuery,
): Promise<Accounting> {
  const found = await store.search({
    type: 'AuditEvent',
    criteria: [
      { kind: 'token', param: 'patient', values: [...records] },
      ...(window ? [{ kind: 'date' as const, param: 'date', windows: [window] }] : []),
    ],
    sort: { param: 'date', descending: true },
    limit: limit + 1,
    ...(after ? { after } : {}),
  })
  const page = found.slice(0, limit)
  const inclusions = await prover.inclusions(page.map(({ stored }) => stored.id))
  const entries = await Promise.all(inclusions.map((inclusion) => entryOf(inclusion, vault)))
  const next = found.length > limit ? page.at(-1)?.cursor : undefined
  const checkpoint = inclusions[0]?.checkpoint.note
  return { patient, ...(checkpoint ? { checkpoint } : {}), entries, ...(next ? { next } : {}) }
}

/**
 * Checks an accounting with nothing but the log's verifier key: each event is the one that was logged, at its place, in
 * the log that was signed. Throws Failure `invalid` for the first entry that is not.
 */
export function checkAccounting({ checkpoint, entries }: Accounting, vkey: string): void {
  if (entries.length === 0) return
  const { size, root } = readCheckpoint(verifyNote(checkpoint ?? '', vkey))
  for (const { id, evidence } of entries) {
    const { event, salt, index, path } = evidence
    const entry = bytes(evidence.entry)
    const stands = verifyInclusion(index, size, leafHash(entry), path.map(bytes), bytes(root))
    if (!stands || !checkCommitment({ entry }, event, salt) || (JSON.parse(event) as AuditEvent).id !== id)
      throw new Failure('invalid', `event ${id} is not what the log holds`)
  }
}

async function entryOf({ row, path }: Inclusion, vault: Pick<Vault, 'open'>): Promise<AccountingEntry> {
  if (!row.sealed || !row.box) throw new Failure('internal', 'an event that was found has no body')
  const { json, salt } = openEvent(row.eventId, row.sealed, await vault.open(row.box))
  const event = JSON.parse(json) as AuditEvent
  const requestor = event.agent.find((agent) => agent.requestor)
  const other = event.agent.find((agent) => agent !== requestor && !isServer(agent, event))
  const role = requestor?.role?.[0]?.text
  return {
    id: row.eventId,
    recorded: event.recorded,
    ...reportOf(event),
    outcome: outcomes[event.outcome ?? ''] ?? 'failed',
    action: event.subtype?.[0]?.code ?? event.type.code ?? 'unknown',
    who: nameOf(requestor),
    ...(role ? { role } : {}),
    ...(other ? { through: nameOf(other) } : {}),
    why: purposesOf(event, requestor),
    what: (event.entity ?? []).flatMap(referenceOf),
    evidence: {
      event: json,
      salt,
      entry: base64(row.entry),
      index: row.position,
      path: path.map(base64),
    },
  }
}

function reportOf(event: AuditEvent): Pick<AccountingEntry, 'reportedBy'> {
  const by = reporterOf(event)
  return by ? { reportedBy: by } : {}
}

const outcomes: Readonly<Record<string, AccountingEntry['outcome']>> = {
  0: 'done',
  4: 'failed',
  8: 'refused',
}

function isServer(agent: AuditEventAgent, event: AuditEvent): boolean {
  return agent.who?.reference === event.source.observer.reference
}

function nameOf(agent: AuditEventAgent | undefined): string {
  const who = agent?.who
  return agent?.name ?? who?.display ?? who?.identifier?.value ?? who?.reference ?? 'unknown'
}

function purposesOf(event: AuditEvent, requestor: AuditEventAgent | undefined): string[] {
  const concepts = [...(event.purposeOfEvent ?? []), ...(requestor?.purposeOfUse ?? [])]
  return [...new Set(concepts.flatMap(({ coding }) => coding?.[0]?.code ?? []))]
}

/** What was touched: not the patient, whose accounting this is, and not the consents that decided. */
function referenceOf({ type, what, role }: AuditEventEntity): string[] {
  const consent = type?.system === systems.resourceType && role === undefined
  return what?.reference && role?.code !== '1' && !consent ? [what.reference] : []
}

function base64(value: Uint8Array): string {
  return Buffer.from(value).toString('base64')
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}
