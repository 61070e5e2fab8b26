import type { Caller } from '#core/caller.ts'
import { sessionOf } from '#core/caller.ts'
import type { Nonce } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import type { NewLedgerEntry } from '#core/ledger.ts'
import { isEvidenceType } from '#core/ledger.ts'
import type { Ids, Store } from '#core/ports.ts'
import type { Identified, Reference } from '#core/resource.ts'
import { byVisibility, type EvidencePorts, ledgersOf, unseenBy } from './evidence.ts'
import { incoming, type Ledger } from './ledger-reading.ts'

/** As long as a sign-in may last. */
const sessionMs = 12 * 3_600_000
/** Who sees patients' messages in order to treat them. */
const staff = ['clinician', 'prescriber']

/**
 * To be remembered when a version is given out whole and by itself to a person who signed in: what they say they had
 * before them is believed of these only (R26). Undefined for systems, and for what is no evidence.
 */
export function givenOut(caller: Caller, type: string, what: string, at: number): Nonce | undefined {
  const session = sessionOf(caller)
  if (session === undefined || !isEvidenceType(type)) return undefined
  return { issuer: givenIssuer(session), value: what, expires: at + sessionMs }
}

function givenIssuer(session: string): string {
  return `given out to ${session}`
}

export interface Viewing {
  caller: Caller
  /** Versions that the caller may see, with the name of each (`Type/id/_history/version`). */
  versions: { what: string; resource: Identified }[]
  /** When they were shown, as the application says. */
  shown?: number | undefined
  /** Milliseconds since the epoch. */
  at: number
}

export interface Viewed {
  /** None where nothing is new to this person. */
  ledger: NewLedgerEntry[]
  /** What is left, of what the caller may see. */
  unseen: string[]
}

type Ports = EvidencePorts & { store: Pick<Store, 'hasNonce'>; ids: Ids }

/**
 * What follows where a person says that they had versions before them: an entry in the ledger of each record that they
 * stand in. Throws Failure `forbidden` for whoever is no person of the clinic, `invalid` for versions that were not given
 * out to this sign-in, or that are about several people.
 */
export async function viewedConsequences(ports: Ports, viewing: Viewing): Promise<Viewed> {
  const { caller, versions, at, shown } = viewing
  const { signIn } = caller
  if (!signIn || !staff.includes(caller.role))
    throw new Failure('forbidden', [
      { detail: 'not-a-person', text: 'What was seen is told by the person who saw it, signed in.' },
    ])
  await requireGivenOut(ports, viewing)
  const patient = requireOnePatient(versions.map(({ resource }) => patientOf(resource)))
  const { ledgers } = await ledgersOf(ports, patient)
  requireSamePerson(versions, ledgers)
  const told = new Set(versions.map(({ what }) => what))
  const session = { client: caller.clientId, signedIn: signIn.at, factors: signIn.factors }
  const ledger = ledgers.flatMap((each): NewLedgerEntry[] => {
    const seen = newlySeen(each, told, signIn.person)
    if (seen.length === 0) return []
    const facts = { person: signIn.person, session, ...(shown === undefined ? {} : { shown }), seen }
    return [{ patient: each.patient, entry: { kind: 'viewed', id: ports.ids.random(), at, ...facts } }]
  })
  const left = unseenBy(signIn.person, ledgers).filter(({ what }) => !told.has(what))
  const { visible } = await byVisibility(ports, caller, left)
  return { ledger, unseen: visible }
}

async function requireGivenOut({ store }: Ports, { caller, versions }: Viewing): Promise<void> {
  const session = sessionOf(caller) ?? ''
  const given = await Promise.all(versions.map(({ what }) => store.hasNonce(givenIssuer(session), what)))
  const issues = versions
    .filter((_, index) => !given[index])
    .map(({ what }) => {
      const text = 'This was not read by itself and whole since this person signed in.'
      return { code: 'business-rule', detail: 'not-read', text, about: what }
    })
  if (issues.length > 0) throw new Failure('invalid', issues)
}

function requireOnePatient(patients: readonly (Reference | undefined)[]): Reference {
  const [patient] = patients
  if (!patient) throw new Failure('invalid', 'What is about no patient is in nobody’s ledger.')
  return patient
}

/** Merged records are one person's; anything else is told of one by one. */
function requireSamePerson(versions: Viewing['versions'], ledgers: readonly Ledger[]): void {
  const records = new Set<string | undefined>(ledgers.map(({ patient }) => patient))
  if (versions.every(({ resource }) => records.has(patientOf(resource)))) return
  throw new Failure('invalid', 'These are about several people: tell of each in a request of its own.')
}

function newlySeen(ledger: Ledger, told: ReadonlySet<string>, person: Reference) {
  const known = new Set(
    ledger.entries.flatMap(({ entry }) =>
      entry.kind === 'viewed' && entry.person === person ? entry.seen.map(({ what }) => what) : [],
    ),
  )
  return incoming(ledger).flatMap(({ entry }) =>
    entry.kind === 'received' && told.has(entry.what) && !known.has(entry.what)
      ? [{ what: entry.what, sha256: entry.sha256 }]
      : [],
  )
}
