import type { CodeableConcept, MedicationRequest, Provenance, ProvenanceEntity, Signature } from 'fhir/r4'
import type { Store } from '#core/ports.ts'
import {
  type Identified,
  type Reference,
  referenceTo,
  versionOf,
  versionReferenceTo,
} from '#core/resource.ts'
import type { CarePorts } from './change.ts'
import { base64Of, isSignedBy, readDetached, textOf } from './detached-signature.ts'
import { all } from './order-file.ts'
import { orderForm, signedText } from './order-signature.ts'
import { findSigner, keyInForce } from './signer.ts'

type Order = Identified<MedicationRequest>

const signedBytes = 'https://postern.health/fhir/StructureDefinition/signed-bytes'
/** ASTM E1762-95(2013), as FHIR's signature types: author's signature. */
const authorSignature = { system: 'urn:iso-astm:E1762-95:2013', code: '1.2.840.10065.1.12.1.1' }

export interface SignedFacts {
  id: string
  /** The version that signing put in force. */
  order: Order
  prescriber: Reference
  organization?: Reference | undefined
  /** Detached JWS, and the text it is over. */
  signature: string
  text: string
  /** What the signer had seen by then, and why it was signed where that was not all (care/evidence-gate). */
  evidence: { named: ProvenanceEntity[]; reason?: CodeableConcept }
  /** Milliseconds since the epoch. */
  at: number
}

const evidencePolicy = 'https://postern.health/evidence-rule/1'

/**
 * Who signed which version, with the signature and exactly the bytes that it is over (R19): they are compared with what
 * is about to leave. https://hl7.org/fhir/R4/provenance.html
 */
export function signatureRecord(facts: SignedFacts): Identified<Provenance> {
  const { id, order, prescriber, organization, signature, text } = facts
  const { named, reason } = facts.evidence
  const when = new Date(facts.at).toISOString()
  const patient = order.subject.reference
  return {
    resourceType: 'Provenance',
    id,
    target: [{ reference: versionReferenceTo(order) }, ...(patient ? [{ reference: patient }] : [])],
    occurredDateTime: when,
    recorded: when,
    policy: [`https://postern.health/order-form/${orderForm}`, ...(named.length > 0 ? [evidencePolicy] : [])],
    ...(reason ? { reason: [reason] } : {}),
    activity: {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/v3-DocumentCompletion',
          code: 'LA',
          display: 'legally authenticated',
        },
      ],
    },
    agent: [
      {
        type: {
          coding: [
            { system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type', code: 'author' },
          ],
        },
        who: { reference: prescriber },
        ...(organization ? { onBehalfOf: { reference: organization } } : {}),
      },
    ],
    ...(named.length > 0 ? { entity: named } : {}),
    signature: [
      {
        extension: [{ url: signedBytes, valueBase64Binary: base64Of(text) }],
        type: [authorSignature],
        when,
        who: { reference: prescriber },
        sigFormat: 'application/jose',
        data: base64Of(signature),
      },
    ],
  }
}

export type SignatureFault =
  | 'not-signed'
  | 'signature-missing'
  | 'order-altered'
  | 'signature-format'
  | 'signature-invalid'
  | 'signer-unknown'
  | 'signer-other'

type Ports = Pick<CarePorts, 'parse'> & {
  store: Pick<Store, 'read' | 'readVersion' | 'search' | 'findRegistration'>
}

/**
 * What is wrong with the signature of an order that is about to leave; undefined for nothing (R19). An order that came
 * in force through a door for orders authorised elsewhere has none of ours to check: its first version says so, and a
 * plain write cannot make one (care/order-states).
 */
export async function signatureFaultOf(ports: Ports, order: Order): Promise<SignatureFault | undefined> {
  if (order.status === 'draft') return 'not-signed'
  if (versionOf(order) === 1) return undefined
  const first = await ports.store.readVersion('MedicationRequest', order.id, 1)
  if (first && !first.deleted && (ports.parse(first.json) as Order).status !== 'draft') return undefined
  const records = await all<Provenance>(ports, 'Provenance', {
    kind: 'token',
    param: 'target',
    values: [referenceTo(order)],
  })
  const signatures = records.flatMap(({ signature = [] }) => signature).filter((each) => bytesOf(each))
  const [one] = signatures
  // A draft is signed once: the version that signing makes can be made once.
  if (!one || signatures.length > 1) return 'signature-missing'
  return faultOf(ports, order, one)
}

async function faultOf(ports: Ports, order: Order, kept: Signature): Promise<SignatureFault | undefined> {
  const text = signedText(order)
  if (bytesOf(kept) !== base64Of(text)) return 'order-altered'
  const person = kept.who.reference ?? ''
  if (person !== order.requester?.reference) return 'signer-other'
  const read = readKept(kept)
  if (!read) return 'signature-format'
  const key = keyInForce(await findSigner(ports.store, person), read.kid, Date.parse(kept.when))
  if (!key) return 'signer-unknown'
  return (await isSignedBy(read.jws, text, key)) ? undefined : 'signature-invalid'
}

function readKept({ data = '' }: Signature): { jws: string; kid: string } | undefined {
  try {
    const jws = textOf(data)
    return { jws, ...readDetached(jws) }
  } catch {
    return undefined
  }
}

function bytesOf({ extension }: Signature): string | undefined {
  return extension?.find(({ url }) => url === signedBytes)?.valueBase64Binary
}
