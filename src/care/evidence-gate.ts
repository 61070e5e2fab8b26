import type { CodeableConcept, MedicationRequest, ProvenanceEntity } from 'fhir/r4'
import type { Caller } from '#core/caller.ts'
import type { CommitUnit, VersionRef } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import { hashHex, type LedgerPlace, type SignedEntry } from '#core/ledger.ts'
import type { Ids, Stored } from '#core/ports.ts'
import { type Identified, type Reference, versionReferenceTo } from '#core/resource.ts'
import type { CarePorts } from './change.ts'
import {
  byVisibility,
  type EvidencePorts,
  latestIn,
  ledgersOf,
  type PersonLedgers,
  unseenBy,
} from './evidence.ts'
import { seenThroughOf } from './ledger-reading.ts'
import { isRepeat } from './repeat.ts'

type Order = Identified<MedicationRequest>

/** The permission to sign a repeat unseen, among the grants of a registration (R28). */
const unseenGrant = 'sign-unseen'
export const overrideSystem = 'https://postern.health/fhir/CodeSystem/unseen-override'
/** Why a repeat may be signed although something has not been seen. */
export const overrideCodes = ['waiting-harms', 'told-otherwise', 'not-readable'] as const

export interface Override {
  code: (typeof overrideCodes)[number]
  text: string
}

export interface EvidenceAsked {
  caller: Caller
  person: Reference
  order: Order
  /** As the header of the signature says it. */
  seenThrough?: string | undefined
  override?: Override | undefined
}

type Ports = EvidencePorts &
  Pick<CarePorts, 'parse'> & { store: Pick<CarePorts['store'], 'search'>; ids: Ids }

/** What a signature rests on: to be named by its record, to stand in the ledger, and to hold when it is committed. */
export interface Evidence {
  verdict: Pick<SignedEntry, 'verdict' | 'seenThrough' | 'unseen' | 'withheld' | 'override'>
  prior?: { place: LedgerPlace; version: VersionRef }
  named: ProvenanceEntity[]
  reason?: CodeableConcept
  person: PersonLedgers
}

const headSystem = 'https://postern.health/fhir/sid/ledger-head'
/** What a record names of messages; what is older is in the head that it names. */
const maxNamed = 100

/**
 * The gate (R24): a repeat is signed by somebody who has had the last version of everything before them that came in for
 * the patient, and whose signature says up to where. Throws Failure `conflict` with the ids of what was not seen, or
 * where the signature is not over what came in last; `forbidden` for an override that was not granted.
 */
export async function requireEvidence(ports: Ports, asked: EvidenceAsked): Promise<Evidence> {
  const { caller, order, person, seenThrough, override } = asked
  const patient = patientOf(order) ?? 'Patient/unknown'
  const read = await ledgersOf(ports, patient)
  const { ledgers } = read
  const references = ledgers.map((each) => each.patient)
  if (!(await isRepeat(ports, order, references)))
    return { verdict: { verdict: 'not-asked', unseen: [], withheld: [] }, named: [], person: read }
  const { visible: unseen, withheld } = await byVisibility(ports, caller, unseenBy(person, ledgers))
  const isOverridden = unseen.length > 0 && override !== undefined
  if (isOverridden && !caller.grants.includes(unseenGrant))
    throw new Failure('forbidden', [
      { detail: 'override-not-granted', text: `To sign what was not seen takes the grant ${unseenGrant}.` },
    ])
  if (unseen.length > 0 && !isOverridden) throw new Failure('conflict', unseen.map(notSeen))
  const head = seenThroughOf(ledgers, person)
  if (seenThrough !== head) throw new Failure('conflict', [notThrough])
  const prior = await priorOf(ports, order)
  const entities = latestIn(ledgers)
    .slice(-maxNamed)
    .map(({ what }) => entityOf('source', what))
  return {
    verdict: {
      verdict: isOverridden ? 'overridden' : 'seen',
      seenThrough: head,
      unseen,
      withheld,
      ...(isOverridden ? { override } : {}),
    },
    ...(prior ? { prior } : {}),
    named: [
      { role: 'source', what: { identifier: { system: headSystem, value: head } } },
      ...(prior ? [entityOf('revision', prior.place.what)] : []),
      ...entities,
    ],
    ...(isOverridden ? { reason: reasonOf(override) } : {}),
    person: read,
  }
}

function notSeen(what: string) {
  const text = 'This came in, and the signer has not had it before them.'
  return { code: 'business-rule', detail: 'unseen', text, about: what }
}

const notThrough = {
  code: 'business-rule',
  detail: 'seen-through',
  text: 'The header of the signature does not name what came in last: ask $signable, look, and sign anew.',
  expression: 'signature',
}

function entityOf(role: 'source' | 'revision', reference: string): ProvenanceEntity {
  return { role, what: { reference } }
}

function reasonOf({ code, text }: Override): CodeableConcept {
  return { coding: [{ system: overrideSystem, code }], text }
}

async function priorOf({ store }: Ports, order: Order): Promise<Evidence['prior']> {
  const id = /^MedicationRequest\/([A-Za-z0-9.-]{1,64})/.exec(order.priorPrescription?.reference ?? '')?.[1]
  const stored: Stored | undefined = id ? await store.read('MedicationRequest', id) : undefined
  if (!stored || stored.deleted) return undefined
  const { type, version, json } = stored
  const what = `${type}/${stored.id}/_history/${version}`
  return { place: { what, sha256: await hashHex(json) }, version: { type, id: stored.id, version } }
}

/**
 * What has to be committed with a signature: its entry in each ledger, right after all that was looked at, and the
 * records of the patient and of the order before as they were. What came in between wins, and is looked at (R24, R25).
 */
export async function evidenceUnit(
  { verdict, prior, person: { ledgers, records } }: Evidence,
  signed: { person: Reference; order: Identified; record: Identified; at: number },
): Promise<Pick<CommitUnit, 'ledger' | 'expects'>> {
  const { person, at } = signed
  const [order, record] = await Promise.all([placeOf(signed.order), placeOf(signed.record)])
  const isAsked = verdict.verdict !== 'not-asked'
  const ledger = ledgers.map(({ patient, start, entries }, index) => ({
    patient,
    entry: {
      kind: 'signed' as const,
      id: `${signed.record.id}.${index}`,
      at,
      person,
      after: entries.at(-1)?.chain ?? start,
      order,
      record,
      ...(prior ? { prior: prior.place } : {}),
      ...verdict,
    },
    ...(isAsked ? { position: entries.length + 1 } : {}),
  }))
  return { ledger, expects: isAsked ? [...records, ...(prior ? [prior.version] : [])] : [] }
}

/** A version of ours, and the hash of the text that the store keeps of it. */
async function placeOf(resource: Identified): Promise<LedgerPlace> {
  return { what: versionReferenceTo(resource), sha256: await hashHex(JSON.stringify(resource)) }
}

/** Who is asked to sign an order: whether it is a repeat, up to where to look, and what is left to be seen. */
export async function evidenceAsked(
  ports: Ports,
  { caller, order }: Pick<EvidenceAsked, 'caller' | 'order'>,
): Promise<{ seenThrough: string; unseen: string[] } | undefined> {
  const patient = patientOf(order)
  const person = order.requester?.reference
  if (!patient || !person) return undefined
  const { ledgers } = await ledgersOf(ports, patient)
  if (
    !(await isRepeat(
      ports,
      order,
      ledgers.map((each) => each.patient),
    ))
  )
    return undefined
  const { visible } = await byVisibility(ports, caller, unseenBy(person as Reference, ledgers))
  return { seenThrough: seenThroughOf(ledgers, person as Reference), unseen: visible }
}
