import type { Reference as FhirReference, Provenance, ProvenanceAgent } from 'fhir/r4'
import type { Caller } from '#core/caller.ts'
import { patientOf } from '#core/compartment.ts'
import type { Attestation } from '#core/flow.ts'
import {
  type Identified,
  type Reference,
  type Resource,
  referenceTo,
  versionOf,
  versionReferenceTo,
} from '#core/resource.ts'

const participantType = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type'
const dataOperation = 'http://terminology.hl7.org/CodeSystem/v3-DataOperation'
/** ISO 21089 life cycle events, as https://hl7.org/fhir/R4/valueset-provenance-activity-type.html has them. */
const mergeEvent = { system: 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle', code: 'merge' }
/** R4 has no word for who passed it on; US Core has. */
const transmitter = {
  system: 'http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type',
  code: 'transmitter',
}
/** ASTM E1762-95(2013), as FHIR's signature types: author's signature. */
const authorSignature = { system: 'urn:iso-astm:E1762-95:2013', code: '1.2.840.10065.1.12.1.1' }

export interface ProvenanceFacts {
  id: string
  /** What the message became; first versions, unless `atVersions` says otherwise. */
  resources: readonly Identified[]
  caller: Caller
  /** ISO 8601, when the message came. */
  recorded: string
  /** SHA-256 of the message as received, hexadecimal. */
  sourceHash: string
  /** URIs of what decided: the mapping with its hash, and each code table that was asked. */
  policies: readonly string[]
  attestation?: Attestation | undefined
  references: Readonly<Record<string, Reference>>
}

/**
 * Where the resources of one message come from (https://hl7.org/fhir/R4/provenance.html): its sender, its hash, the
 * mapping and tables that made them, and for orders who authorised them elsewhere (ACC15). The patient is among the
 * targets because that puts it into the patient's compartment.
 */
export function provenanceOf(facts: ProvenanceFacts): Identified<Provenance> {
  const { resources, attestation } = facts
  const patients = [...new Set(resources.map(patientOf).filter((patient) => patient !== undefined))]
  const signature = attestation?.signature === undefined ? undefined : signatureOf(facts, attestation)
  return {
    resourceType: 'Provenance',
    id: facts.id,
    target: [
      ...resources.map((resource) => ({ reference: `${referenceTo(resource)}/_history/1` })),
      ...patients.map((reference) => ({ reference })),
    ],
    ...(attestation?.at ? { occurredDateTime: attestation.at } : {}),
    recorded: facts.recorded,
    policy: [...facts.policies],
    activity: {
      coding: [{ system: dataOperation, code: 'CREATE' }],
    },
    agent: [senderOf(facts), ...attestersOf(facts)],
    entity: [
      {
        role: 'source',
        what: { identifier: { system: 'https://postern.health/fhir/sid/sha-256', value: facts.sourceHash } },
      },
      ...(attestation?.reference
        ? [{ role: 'source' as const, what: { identifier: attestation.reference } }]
        : []),
    ],
    ...(signature ? { signature: [signature] } : {}),
  }
}

/** The same about the versions that were written: what a message changed is not what it made. */
export function atVersions(
  provenance: Identified<Provenance>,
  written: readonly Identified[],
): Identified<Provenance> {
  const patients = provenance.target.filter(({ reference }) => /^Patient\/[^/]+$/.test(reference ?? ''))
  const isUpdate = written.every((resource) => versionOf(resource) > 1)
  return {
    ...provenance,
    target: [...written.map((resource) => ({ reference: versionReferenceTo(resource) })), ...patients],
    activity: {
      coding: [
        { system: dataOperation, code: isUpdate ? 'UPDATE' : 'CREATE' },
        ...(written.some(isReplaced) ? [mergeEvent] : []),
      ],
    },
  }
}

function isReplaced(resource: Resource): boolean {
  return (
    resource.resourceType === 'Patient' && resource.link?.some(({ type }) => type === 'replaced-by') === true
  )
}

function senderOf({ caller }: ProvenanceFacts): ProvenanceAgent {
  const [organization] = caller.actors
  const client = { identifier: { system: 'https://postern.health/fhir/sid/client', value: caller.clientId } }
  return {
    type: { coding: [transmitter] },
    who: organization ? { reference: organization, ...client } : client,
  }
}

function attestersOf({ attestation, references }: ProvenanceFacts): ProvenanceAgent[] {
  if (!attestation) return []
  const agents = [{ slot: attestation.by, role: 'attester' }, ...(attestation.others ?? [])]
  return agents.flatMap(({ slot, role }): ProvenanceAgent[] => {
    const who = whoIs(references, slot)
    if (!who) return []
    const method = role === 'attester' ? [{ text: attestation.method }] : []
    return [
      {
        type: { coding: [{ system: participantType, code: role }] },
        ...(method.length > 0 ? { role: method } : {}),
        who,
      },
    ]
  })
}

function signatureOf({ references, recorded }: ProvenanceFacts, { by, at, signature = '' }: Attestation) {
  return {
    type: [authorSignature],
    when: at ?? recorded,
    who: whoIs(references, by) ?? { display: 'authoriser of the order' },
    sigFormat: 'application/jose',
    data: btoa(signature),
  }
}

function whoIs(references: Readonly<Record<string, Reference>>, slot: string): FhirReference | undefined {
  const reference = references[slot]
  return reference ? { reference } : undefined
}
