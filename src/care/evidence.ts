import { recordsOfPerson } from '#access/same-person.ts'
import type { Caller } from '#core/caller.ts'
import type { VersionRef } from '#core/commit.ts'
import type { LedgerEntry, LedgerStore, ReceivedEntry, ViewedEntry } from '#core/ledger.ts'
import type { Store } from '#core/ports.ts'
import { type Identified, type Reference, referenceTo, versionOf } from '#core/resource.ts'
import type { CarePorts } from './change.ts'
import { incoming, type Ledger, readLedger } from './ledger-reading.ts'

export interface EvidencePorts {
  store: Pick<Store, 'read' | 'readVersion'> & Pick<LedgerStore, 'ledger'>
  access: CarePorts['access']
}

/** What came in for one person, under all the records that were merged into one. */
export interface PersonLedgers {
  ledgers: Ledger[]
  /** The records as they were read: a merge in between brings in what nobody looked at. */
  records: VersionRef[]
}

/** Throws Failure `unavailable`, `internal` or `too-costly` (care/ledger-reading). */
export async function ledgersOf({ store }: EvidencePorts, patient: Reference): Promise<PersonLedgers> {
  const records = await recordsOfPerson(store, patient)
  const references = records.map(referenceTo)
  const all = references.includes(patient) ? references : [patient, ...references]
  return {
    ledgers: await Promise.all(all.map((each) => readLedger(store, each))),
    records: records.map((each) => ({ type: 'Patient', id: each.id ?? '', version: versionOf(each) })),
  }
}

/** The last version of each message and of each set of answers, in the order in which they came; not what was deleted. */
export function latestIn(ledgers: readonly Ledger[]): ReceivedEntry[] {
  const latest = new Map<string, ReceivedEntry | undefined>()
  const entries = ledgers.flatMap((ledger) => incoming(ledger).map(({ entry }) => entry))
  for (const entry of entries.sort((a, b) => versionIn(a.what) - versionIn(b.what))) {
    latest.set(entry.what.replace(/\/_history\/.*$/, ''), entry.kind === 'received' ? entry : undefined)
  }
  return [...latest.values()].filter((each) => each !== undefined).sort((a, b) => a.at - b.at)
}

function versionIn(what: string): number {
  return Number(what.split('/').at(-1))
}

/** What a person has not had before them. Somebody else's views, their staff's among them, do not count (R26). */
export function unseenBy(person: Reference, ledgers: readonly Ledger[]): ReceivedEntry[] {
  const seen = new Set(viewsOf(person, ledgers).flatMap((view) => view.seen.map(seenKey)))
  return latestIn(ledgers).filter((entry) => !seen.has(seenKey(entry)))
}

function viewsOf(person: Reference, ledgers: readonly Ledger[]): ViewedEntry[] {
  const entries: LedgerEntry[] = ledgers.flatMap(({ entries: each }) => each.map(({ entry }) => entry))
  return entries.filter((entry) => entry.kind === 'viewed').filter((entry) => entry.person === person)
}

function seenKey({ what, sha256 }: { what: string; sha256: string }): string {
  return `${what} ${sha256}`
}

/**
 * Of what was not seen, what this caller may read, and what is kept from them: by consent or label. That cannot be asked
 * of them, nor may they be told of it (ACC12); the record of the signature says that it was so.
 */
export async function byVisibility(
  { store, access }: EvidencePorts,
  caller: Caller,
  entries: readonly ReceivedEntry[],
): Promise<{ visible: string[]; withheld: string[] }> {
  const visible: string[] = []
  const withheld: string[] = []
  for (const { what } of entries) {
    const [type = '', id = '', , version] = what.split('/')
    const stored = await store.readVersion(type, id, Number(version))
    const resource = stored && !stored.deleted ? (JSON.parse(stored.json) as Identified) : undefined
    const decision =
      resource && (await access.decide({ caller, interaction: 'read', type, stored: resource }))
    const isWhole = decision?.permit && decision.fields === undefined
    ;(isWhole ? visible : withheld).push(what)
  }
  return { visible, withheld }
}
