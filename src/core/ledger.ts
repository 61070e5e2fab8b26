import type { Communication, Reference as FhirReference } from 'fhir/r4'
import { patientOf } from '#core/compartment.ts'
import type { Reference, Resource } from '#core/resource.ts'

/*
 * The ledger of a patient: what came in, who had it before them, and what was signed on it, each entry hashed together
 * with all before it. An entry's text is JSON of what stands below, with the form it is in.
 */

export const ledgerForm = 'postern-ledger/1'

interface Entry {
  /** Of a version that came in: a keyed id of it, so that nobody can guess the text of the entry by its hash. */
  id: string
  /** Milliseconds since the epoch. */
  at: number
}

/** A version of a message or of answers was stored. */
export interface ReceivedEntry extends Entry {
  kind: 'received'
  /** `Type/id/_history/version` */
  what: string
  /** SHA-256 of its JSON text as stored, hexadecimal. */
  sha256: string
}

/** A message or answers were deleted: nothing is left to be seen. */
export interface WithdrawnEntry extends Entry {
  kind: 'withdrawn'
  what: string
}

/** A person had versions before them that were given out to this very sign-in of theirs. */
export interface ViewedEntry extends Entry {
  kind: 'viewed'
  person: Reference
  /** The sign-in: application and person, when, and with how many factors. */
  session: { client: string; signedIn: number; factors: number }
  /** When it was shown, as the application says; milliseconds since the epoch. */
  shown?: number
  seen: { what: string; sha256: string }[]
}

/** An order was signed. Its place in the ledger says what had come in by then. */
export interface SignedEntry extends Entry {
  kind: 'signed'
  /** `id` is that of the record, and the number of the ledger among those of the patient. */
  person: Reference
  /** The version that signing put in force, the record of the signature, and the order before: what and SHA-256. */
  order: LedgerPlace
  record: LedgerPlace
  prior?: LedgerPlace
  /** `not-asked`: no repeat. `seen`: the signer had everything before them. `overridden`: not, and said why. */
  verdict: 'not-asked' | 'seen' | 'overridden'
  /** The chain up to the entry before this one, base64url. */
  after: string
  /** Up to where the signer had looked, as the signature covers it (care/ledger-reading). */
  seenThrough?: string
  /** Not seen, of what the signer may see; and what the signer may not see. */
  unseen: string[]
  withheld: string[]
  override?: { code: string; text?: string }
}

export interface LedgerPlace {
  what: string
  sha256: string
}

export type LedgerEntry = ReceivedEntry | WithdrawnEntry | ViewedEntry | SignedEntry

/** An entry to append. With a position it stands there or nowhere: whoever came in between wins. */
export interface NewLedgerEntry {
  patient: Reference
  entry: LedgerEntry
  position?: number
}

/** An entry as it stands: its exact text, and the hash that was kept beside it. */
export interface LedgerRow {
  /** From 1, without gaps. */
  position: number
  /** SHA-256 of the text, 32 bytes. */
  hash: Uint8Array
  text: string
}

/** A version that came in after something was signed for the same patient, and that nobody has looked at yet. */
export interface LateEntry {
  seq: number
  patient: Reference
  entry: ReceivedEntry
}

/** The part of the store that keeps ledgers. */
export interface LedgerStore {
  /**
   * Entries of a patient in order, from a position on. Throws Failure `unavailable` while entries for what was stored
   * by an earlier release are still being made.
   */
  ledger(patient: Reference, from: number, limit: number): Promise<LedgerRow[]>
  /** Gives up to so many versions of an earlier release their entries; resolves with whether there are more. */
  completeLedgers(limit: number): Promise<boolean>
  /** In the order in which they came; `CommitUnit.lateSeen` takes them off. */
  lateEntries(limit: number): Promise<LateEntry[]>
}

/**
 * Whether a version is evidence: what a prescriber has to have seen. Answers to a questionnaire, and every message but
 * those of the clinic's people to the patient or who acts for them. A message that does not say who it is from counts.
 */
export function isEvidence(resource: Resource): boolean {
  if (!isEvidenceType(resource.resourceType) || patientOf(resource) === undefined) return false
  return resource.resourceType !== 'Communication' || !isToPatient(resource)
}

export const evidenceTypes: readonly string[] = ['Communication', 'QuestionnaireResponse']

export function isEvidenceType(type: string): boolean {
  return evidenceTypes.includes(type)
}

const staff = ['Practitioner', 'PractitionerRole', 'Organization', 'CareTeam', 'HealthcareService', 'Device']
const patientSide = ['Patient', 'RelatedPerson']

function isToPatient({ sender, recipient }: Communication): boolean {
  return isOf(staff, sender) && (recipient ?? []).some((each) => isOf(patientSide, each))
}

function isOf(types: readonly string[], reference: FhirReference | undefined): boolean {
  const type = reference?.type ?? reference?.reference?.split('/')[0]
  return type !== undefined && types.includes(type)
}

export function ledgerText(entry: LedgerEntry): string {
  return JSON.stringify({ form: ledgerForm, ...entry })
}

/** SHA-256 of UTF-8, 32 bytes. */
export async function hashText(text: string): Promise<Uint8Array> {
  return digest(new TextEncoder().encode(text))
}

/** SHA-256 of UTF-8, hexadecimal. */
export async function hashHex(text: string): Promise<string> {
  return Array.from(await hashText(text), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** What the first entry of a patient's ledger is chained to. */
export function chainStart(patient: Reference): Promise<Uint8Array> {
  return hashText(`${ledgerForm}\n${patient}`)
}

/** SHA-256(chain before ‖ SHA-256 of the entry's text): one value stands for an entry and all before it. */
export function chained(before: Uint8Array, hash: Uint8Array): Promise<Uint8Array> {
  const both = new Uint8Array(before.length + hash.length)
  both.set(before)
  both.set(hash, before.length)
  return digest(both)
}

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}
