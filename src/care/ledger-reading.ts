import { Failure } from '#core/failure.ts'
import {
  chained,
  chainStart,
  hashText,
  type LedgerEntry,
  type LedgerRow,
  type LedgerStore,
  ledgerForm,
  type ReceivedEntry,
  type WithdrawnEntry,
} from '#core/ledger.ts'
import type { Reference } from '#core/resource.ts'

export interface ReadEntry {
  position: number
  entry: LedgerEntry
  /** base64url; stands for this entry and all before it. */
  chain: string
}

/** A ledger as read and checked: every entry follows from the one before. */
export interface Ledger {
  patient: Reference
  /** The chain before the first entry, base64url. */
  start: string
  entries: ReadEntry[]
}

const pageSize = 500
/** Messages of one person beyond this are no correspondence any more. */
const maxPages = 40

/** Throws Failure `unavailable` while ledgers are being completed, `internal` for one that was tampered with. */
export async function readLedger(store: Pick<LedgerStore, 'ledger'>, patient: Reference): Promise<Ledger> {
  const rows: LedgerRow[] = []
  for (let page = 0; page < maxPages; page++) {
    const some = await store.ledger(patient, rows.length + 1, pageSize)
    rows.push(...some)
    if (some.length < pageSize) return followed(patient, rows)
  }
  throw new Failure('too-costly', 'There is more in this ledger than can be looked through.')
}

async function followed(patient: Reference, rows: readonly LedgerRow[]): Promise<Ledger> {
  const texts = rows.map(({ text }) => text)
  for (const [index, { position, hash, text }] of rows.entries()) {
    if (position !== index + 1 || base64url(await hashText(text)) !== base64url(hash))
      throw new Failure('internal', 'A ledger has a gap, or an entry that does not fit its hash')
  }
  return chainedLedger(patient, texts)
}

/** The chain over the texts of entries, in order. Throws Failure `malformed` for a text that is no entry. */
export async function chainedLedger(patient: Reference, texts: readonly string[]): Promise<Ledger> {
  let chain = await chainStart(patient)
  const ledger: Ledger = { patient, start: base64url(chain), entries: [] }
  for (const [index, text] of texts.entries()) {
    chain = await chained(chain, await hashText(text))
    ledger.entries.push({ position: index + 1, entry: entryOf(text), chain: base64url(chain) })
  }
  return ledger
}

function entryOf(text: string): LedgerEntry {
  const { form, ...entry } = JSON.parse(text) as { form?: string } & LedgerEntry
  if (form !== ledgerForm)
    throw new Failure('malformed', 'An entry of a ledger is of a form that is not known')
  return entry as LedgerEntry
}

/** What came in, without what was seen and signed. */
export function incoming({ entries }: Ledger) {
  return entries.flatMap(({ entry, ...place }) => (isIncoming(entry) ? [{ ...place, entry }] : []))
}

function isIncoming(entry: LedgerEntry): entry is ReceivedEntry | WithdrawnEntry {
  return entry.kind === 'received' || entry.kind === 'withdrawn'
}

/**
 * Up to where somebody had looked, in each ledger of a patient: `Patient/1:12:<chain>`, separated by spaces, in order of
 * patient. The place is that of what came in last, or of what they said last that they saw, position 0 where there is
 * neither: so the chain covers all that came in and all that they saw of it. It stands in the header of their signature.
 */
export function seenThroughOf(ledgers: readonly Ledger[], person: Reference): string {
  return ledgers
    .map((ledger) => {
      const last = ledger.entries.findLast(
        ({ entry }) => isIncoming(entry) || (entry.kind === 'viewed' && entry.person === person),
      )
      return `${ledger.patient}:${last?.position ?? 0}:${last?.chain ?? ledger.start}`
    })
    .sort()
    .join(' ')
}

function base64url(bytes: Uint8Array): string {
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
  return text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}
