import type { MedicationRequest, Provenance } from 'fhir/r4'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import { ledgerText } from '#core/ledger.ts'
import type { Identified, Reference } from '#core/resource.ts'
import type { CarePorts } from './change.ts'
import { type EvidencePorts, ledgersOf } from './evidence.ts'
import { incoming } from './ledger-reading.ts'
import { all } from './order-file.ts'
import { findSigner, type SignerRegistration } from './signer.ts'

export const evidenceForm = 'postern-evidence/1'

/** All that shows what a signer had seen: exact texts, so that every hash can be made anew. */
export interface EvidenceBundle {
  form: typeof evidenceForm
  /** The version that signing put in force, the record of the signature, and the order before. */
  order: string
  record: string
  prior?: string
  signer: SignerRegistration
  /** Of each record of the patient: the texts of its entries, in order. */
  ledgers: { patient: Reference; entries: string[] }[]
  /** The versions that came in. */
  contents: { what: string; text: string }[]
}

type Ports = EvidencePorts & Pick<CarePorts, 'parse'> & { store: CarePorts['store'] }

/** The evidence of an order. Throws Failure `not-found` for one that was never signed here. */
export async function collectEvidence(ports: Ports, id: string): Promise<EvidenceBundle> {
  const { store, parse } = ports
  const named = { kind: 'token', param: 'target', values: [`MedicationRequest/${id}`] } as const
  const records = await all<Identified<Provenance>>(ports, 'Provenance', {
    ...named,
    values: [...named.values],
  })
  const record = records.find(({ signature, activity }) => signature && activity?.coding?.[0]?.code === 'LA')
  const target = record?.target.find(({ reference }) =>
    reference?.startsWith('MedicationRequest/'),
  )?.reference
  if (!record || !target) throw new Failure('not-found', 'There is no such order that was signed here')
  const text = await textOf(ports, target)
  const order = parse(text) as MedicationRequest
  const patient = patientOf(order as Identified)
  const signer = await findSigner(store, order.requester?.reference ?? '')
  if (!patient || !signer)
    throw new Failure('not-found', 'The patient or the signer of this order is not known')
  const { ledgers } = await ledgersOf(ports, patient)
  const contents = await Promise.all(
    ledgers
      .flatMap((ledger) => incoming(ledger))
      .flatMap(({ entry }) => (entry.kind === 'received' ? [entry.what] : []))
      .map(async (what) => ({ what, text: await textOf(ports, what) })),
  )
  const prior = record.entity?.find(({ role }) => role === 'revision')?.what.reference
  return {
    form: evidenceForm,
    order: text,
    record: await textOf(ports, `Provenance/${record.id}/_history/${record.meta?.versionId}`),
    ...(prior ? { prior: await textOf(ports, prior) } : {}),
    signer,
    ledgers: ledgers.map((each) => ({
      patient: each.patient,
      entries: each.entries.map(({ entry }) => ledgerText(entry)),
    })),
    contents,
  }
}

async function textOf({ store }: Ports, what: string): Promise<string> {
  const [type = '', id = '', , version] = what.split('/')
  const stored = await store.readVersion(type, id, Number(version))
  if (!stored || stored.deleted)
    throw new Failure('gone', 'A version that the evidence names is no longer there')
  return stored.json
}

export interface UnseenSigning {
  at: string
  order: string
  person: string
  code: string
  text: string
}

/** What was signed by override since a time (R28), oldest first. */
export async function overridesSince(
  ports: Pick<CarePorts, 'parse'> & { store: Pick<CarePorts['store'], 'search'> },
  since: number,
): Promise<UnseenSigning[]> {
  const records = await all<Provenance>(
    ports,
    'Provenance',
    { kind: 'token', param: 'signature-type', values: [authorSignature] },
    { kind: 'date', param: 'recorded', windows: [{ lowFrom: since }] },
  )
  return records
    .flatMap(({ recorded, target, agent, reason = [] }) =>
      reason.map((why) => ({
        at: recorded,
        order: target[0]?.reference ?? '',
        person: agent[0]?.who.reference ?? '',
        code: why.coding?.[0]?.code ?? '',
        text: why.text ?? '',
      })),
    )
    .sort((one, other) => (one.at < other.at ? -1 : 1))
}

const authorSignature = 'urn:iso-astm:E1762-95:2013|1.2.840.10065.1.12.1.1'
