import type { MedicationRequest, Provenance } from 'fhir/r4'
import { calculateJwkThumbprint } from 'jose'
import { Failure } from '#core/failure.ts'
import { hashHex, type SignedEntry } from '#core/ledger.ts'
import { type Identified, versionReferenceTo } from '#core/resource.ts'
import { isSignedBy, readDetached, textOf } from './detached-signature.ts'
import { unseenBy } from './evidence.ts'
import type { EvidenceBundle } from './evidence-export.ts'
import { chainedLedger, incoming, type Ledger, seenThroughOf } from './ledger-reading.ts'
import { signedText } from './order-signature.ts'
import { keyInForce } from './signer.ts'

type Order = Identified<MedicationRequest>

export interface EvidenceVerdict {
  /** Whether everything fits together; without it the rest is only what was said. */
  ok: boolean
  verdict: SignedEntry['verdict'] | 'none'
  order: string
  person: string
  /** When it was signed, and with which key (RFC 7638): to be compared with what the clinic told of its signers. */
  at: string
  key: string
  seenThrough: string
  unseen: string[]
  withheld: string[]
  findings: string[]
}

/**
 * Comes to the verdict of the gate anew, from an export alone: at that time this was what had come in, this is what the
 * signer had had before them, and the signature covers it (R27). Throws Failure `malformed` for what is no export.
 */
export async function verifyEvidence(
  bundle: EvidenceBundle,
  parse: (json: string) => unknown,
): Promise<EvidenceVerdict> {
  const findings: string[] = []
  const [order, record] = [parse(bundle.order) as Order, parse(bundle.record) as Provenance]
  const ledgers = await Promise.all(
    bundle.ledgers.map(({ patient, entries }) => chainedLedger(patient, entries)),
  )
  const what = versionReferenceTo(order)
  const ends = ledgers.map((ledger) => signedIn(ledger, what, findings))
  const signed = ends.find((each) => each !== undefined)?.entry
  if (!signed) throw new Failure('malformed', 'No ledger of this export says that its order was signed')
  const before = ledgers.map((ledger, index): Ledger => {
    const end = ends[index]?.position ?? 1
    return { ...ledger, entries: ledger.entries.slice(0, end - 1) }
  })
  checkEntries(before, ends, record, findings)
  await checkTexts(bundle, signed, ledgers, findings)
  const key = await checkSignature({ bundle, order, record, signed }, findings)
  const saysRepeat = order.priorPrescription !== undefined || order.intent === 'instance-order'
  if (signed.verdict !== 'not-asked') checkGate({ before, record, signed }, findings)
  else if (saysRepeat) findings.push('the order says that it is a repeat, and nothing was asked')
  return {
    ok: findings.length === 0,
    verdict: signed.verdict,
    order: signed.order.what,
    person: signed.person,
    at: new Date(signed.at).toISOString(),
    key,
    seenThrough: signed.seenThrough ?? '',
    unseen: signed.unseen,
    withheld: signed.withheld,
    findings,
  }
}

function signedIn(ledger: Ledger, what: string, findings: string[]) {
  const found = ledger.entries.flatMap(({ position, entry }) =>
    entry.kind === 'signed' && entry.order.what === what ? [{ position, entry }] : [],
  )
  if (found.length !== 1) findings.push(`${ledger.patient}: the order is signed ${found.length} times`)
  return found[0]
}

const members = [
  ...['kind', 'at', 'person', 'order', 'record', 'prior'],
  ...['verdict', 'seenThrough', 'unseen', 'withheld', 'override'],
]

/** Every ledger says the same of the signature, and each for itself what it comes after. */
function checkEntries(
  before: readonly Ledger[],
  ends: readonly ({ entry: SignedEntry } | undefined)[],
  record: Provenance,
  findings: string[],
): void {
  const said = ends.map((end, index) => {
    const { id, after, ...same } = end?.entry ?? {}
    const unknown = Object.keys(same).filter((name) => !members.includes(name))
    if (unknown.length > 0) findings.push('the entry of the signature says what is not known')
    const { start, entries } = before[index] ?? { start: '', entries: [] }
    if (after !== (entries.at(-1)?.chain ?? start))
      findings.push('what stood before the signature is not what it came after')
    if (id !== `${record.id}.${index}`) findings.push('the entry of the signature is not that of its record')
    return JSON.stringify(same)
  })
  if (new Set(said).size !== 1) findings.push('the ledgers do not say the same of the signature')
}

/** Every text is the one whose hash stands in a ledger, and none is missing. */
async function checkTexts(
  { order, record, prior, contents }: EvidenceBundle,
  signed: SignedEntry,
  ledgers: readonly Ledger[],
  findings: string[],
): Promise<void> {
  const expected: [string, string | undefined, string | undefined][] = [
    ['order', order, signed.order.sha256],
    ['record', record, signed.record.sha256],
    ['order before', prior, signed.prior?.sha256],
  ]
  for (const [name, text, sha256] of expected) {
    if ((text === undefined ? undefined : await hashHex(text)) !== sha256)
      findings.push(`the ${name} is not the text that was signed on`)
  }
  const received = ledgers
    .flatMap((ledger) => incoming(ledger))
    .flatMap(({ entry }) => (entry.kind === 'received' ? [`${entry.what} ${entry.sha256}`] : []))
  const given = await Promise.all(contents.map(async ({ what, text }) => `${what} ${await hashHex(text)}`))
  for (const each of given) if (!received.includes(each)) findings.push(`${nameOf(each)}: not what came in`)
  for (const each of received) if (!given.includes(each)) findings.push(`${nameOf(each)}: is missing`)
  if (given.length !== received.length) findings.push('not as many versions as came in')
}

function nameOf(line: string): string {
  return line.split(' ')[0] ?? ''
}

interface Signing {
  bundle: EvidenceBundle
  order: Order
  record: Provenance
  signed: SignedEntry
}

/** Resolves with the thumbprint of the key. */
async function checkSignature(
  { bundle, order, record, signed }: Signing,
  findings: string[],
): Promise<string> {
  const [kept] = record.signature ?? []
  const people = [bundle.signer.person, record.agent[0]?.who.reference, kept?.who.reference]
  if (people.some((each) => each !== signed.person) || order.requester?.reference !== signed.person)
    findings.push('signer, author and requester are not one person')
  const read = headerOf(kept?.data)
  if (!read || !kept) {
    findings.push('there is no signature that can be read')
    return ''
  }
  const key = keyInForce(bundle.signer, read.kid, Date.parse(kept.when))
  if (!key || (await calculateJwkThumbprint({ ...key })) !== read.kid)
    findings.push('the key of the signature was not granted to the signer then')
  else if (!(await isSignedBy(read.jws, signedText(order), key)))
    findings.push('the signature is not one over this order')
  if (read.seenThrough !== signed.seenThrough && signed.verdict !== 'not-asked')
    findings.push('the signature is over something else that came in last')
  if (signed.record.what !== versionReferenceTo(record)) findings.push('the ledger names another record')
  if (Date.parse(kept.when) !== signed.at) findings.push('ledger and record tell different times')
  return read.kid
}

function headerOf(data: string | undefined) {
  try {
    const jws = textOf(data ?? '')
    return { jws, ...readDetached(jws) }
  } catch {
    return undefined
  }
}

interface Gate {
  /** The ledgers as they were when it was signed. */
  before: readonly Ledger[]
  record: Provenance
  signed: SignedEntry
}

/** The gate once more, on what stood before the signature. */
function checkGate({ before, record, signed }: Gate, findings: string[]): void {
  const head = seenThroughOf(before, signed.person)
  if (head !== signed.seenThrough) findings.push('what came in last is not what was signed on')
  const unseen = unseenBy(signed.person, before).map(({ what }) => what)
  if (unseen.toSorted().join() !== [...signed.unseen, ...signed.withheld].toSorted().join())
    findings.push('what was not seen is not what was said')
  if (signed.verdict !== (signed.unseen.length > 0 ? 'overridden' : 'seen'))
    findings.push('the verdict is not that of what was seen')
  const [why] = record.reason ?? []
  const { code, text } = signed.override ?? {}
  if (why?.coding?.[0]?.code !== code || why?.text !== text)
    findings.push('record and ledger give different reasons')
  if (signed.prior?.what !== record.entity?.find(({ role }) => role === 'revision')?.what.reference)
    findings.push('record and ledger name different orders before')
  const named = record.entity?.find(({ what }) => what.identifier)?.what.identifier?.value
  if (named !== head) findings.push('the record names another head')
}
