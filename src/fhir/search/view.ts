import type { Resource } from '#core/resource.ts'
import type { Shown } from '#fhir/show.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'

/** How much of each match is wanted: https://hl7.org/fhir/R4/search.html#summary and #elements. */
export interface View {
  summary?: 'true' | 'text' | 'data'
  elements?: readonly string[]
}

const frame = ['resourceType', 'id', 'meta', 'implicitRules', 'modifierExtension']

/** The text to serve, narrowed; a match that loses something is tagged SUBSETTED. The stored text where all is wanted. */
export function viewed(view: View, { text, stored }: Pick<Shown, 'text' | 'stored'>): string {
  const keep = keptNames(view, stored.type)
  if (!keep) return text
  const whole = Object.entries(parseJson(text) as Resource)
  const kept = whole.filter(([name]) => keep(name.replace(/^_/, '')))
  if (kept.length === whole.length) return text
  const { resourceType, id, meta, ...rest } = Object.fromEntries(kept) as Record<string, unknown>
  return stringifyJson({ resourceType, id, meta: tagged(meta as Meta), ...rest })
}

type Meta = { tag?: { system?: string; code?: string }[] } | undefined

function keptNames({ summary, elements }: View, type: string): ((name: string) => boolean) | undefined {
  const required = fitting([...frame, ...(requiredElements[type] ?? [])])
  if (elements) return (name) => elements.includes(name) || required(name)
  if (summary === 'text') return (name) => name === 'text' || required(name)
  if (summary === 'data') return (name) => name !== 'text'
  if (summary === 'true') return fitting([...frame, ...(summaryElements[type] ?? [])])
  return undefined
}

/** `medication[x]` fits every element of the choice. */
function fitting(names: readonly string[]): (name: string) => boolean {
  const prefixes = names.flatMap((name) => (name.endsWith('[x]') ? [name.slice(0, -3)] : []))
  return (name) => names.includes(name) || prefixes.some((prefix) => name.startsWith(prefix))
}

function tagged(meta: Meta): Meta {
  const subsetted = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }
  const tags = meta?.tag ?? []
  return tags.some(({ code }) => code === subsetted.code) ? meta : { ...meta, tag: [...tags, subsetted] }
}

function table(rows: Readonly<Record<string, string>>): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(Object.entries(rows).map(([type, names]) => [type, names.split(' ')]))
}

/** Elements without which a resource is not valid, or means something else: no view leaves them out. */
const requiredElements = table({
  Communication: 'status',
  QuestionnaireResponse: 'status',
  MedicationRequest: 'status intent doNotPerform medication[x] subject',
  MedicationDispense: 'status medication[x]',
  MedicationAdministration: 'status medication[x] subject effective[x]',
  Patient: 'active deceased[x] link',
  RelatedPerson: 'active patient',
  Medication: 'status',
  Device: 'status',
  CareTeam: 'status',
  Task: 'status intent',
  Consent: 'status scope category',
  Provenance: 'target recorded agent',
  AuditEvent: 'type recorded agent source',
  Questionnaire: 'status',
  CommunicationRequest: 'status doNotPerform',
  Encounter: 'status class',
  EpisodeOfCare: 'status patient',
  Coverage: 'status beneficiary payor',
  Flag: 'status code subject',
  DocumentReference: 'status content',
  Binary: 'contentType',
  Endpoint: 'status connectionType payloadType address',
  StructureDefinition: 'url name status kind abstract type',
  SearchParameter: 'url name status description code base type',
  ValueSet: 'status',
  CodeSystem: 'status content',
  ConceptMap: 'status',
  CapabilityStatement: 'status date kind fhirVersion format',
})

/** The elements marked Σ in the definitions: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.isSummary */
const summaryElements = table({
  Communication:
    'identifier instantiatesCanonical instantiatesUri basedOn partOf status statusReason priority subject encounter reasonCode reasonReference',
  QuestionnaireResponse:
    'identifier basedOn partOf questionnaire status subject encounter authored author source',
  MedicationRequest:
    'identifier status intent priority doNotPerform reported[x] medication[x] subject authoredOn requester performerType instantiatesCanonical instantiatesUri basedOn groupIdentifier',
  MedicationDispense: 'status medication[x] subject whenPrepared',
  MedicationAdministration: 'instantiates partOf status medication[x] subject effective[x] performer',
  Patient: 'identifier active name telecom gender birthDate deceased[x] address managingOrganization link',
  RelatedPerson: 'identifier active patient relationship name telecom gender birthDate address',
  Practitioner: 'identifier active name telecom address gender birthDate',
  PractitionerRole: 'identifier active period practitioner organization code specialty location telecom',
  Organization: 'identifier active type name partOf',
  Medication: 'identifier code status manufacturer amount',
  Device: 'udiCarrier status safety',
  CareTeam: 'identifier status category name subject encounter period managingOrganization',
  Task: 'instantiatesCanonical instantiatesUri basedOn groupIdentifier partOf status statusReason businessStatus intent code description focus for encounter executionPeriod lastModified requester owner location',
  Consent:
    'identifier status scope category patient dateTime performer organization source[x] policyRule verification provision',
  Provenance: 'target recorded agent',
  AuditEvent: 'type subtype action recorded outcome outcomeDesc purposeOfEvent agent source',
  Questionnaire:
    'url identifier version name title status experimental subjectType date publisher contact useContext jurisdiction effectivePeriod code',
  CommunicationRequest:
    'identifier basedOn replaces groupIdentifier status priority doNotPerform encounter occurrence[x] authoredOn requester sender reasonCode reasonReference',
  Encounter:
    'identifier status class type serviceType subject episodeOfCare participant appointment reasonCode reasonReference diagnosis',
  EpisodeOfCare: 'status type diagnosis patient managingOrganization period',
  Coverage:
    'identifier status type policyHolder subscriber subscriberId beneficiary dependent period payor order network',
  Flag: 'identifier status category code subject period encounter author',
  DocumentReference:
    'masterIdentifier identifier status docStatus type category subject date author relatesTo description securityLabel content context',
  Binary: 'contentType securityContext',
  Endpoint:
    'identifier status connectionType name managingOrganization period payloadType payloadMimeType address',
  StructureDefinition:
    'url identifier version name title status experimental date publisher contact useContext jurisdiction keyword fhirVersion kind abstract context contextInvariant type baseDefinition derivation',
  SearchParameter:
    'url version name status experimental date publisher contact description useContext jurisdiction code base type',
  ValueSet:
    'url identifier version name title status experimental date publisher contact useContext jurisdiction immutable',
  CodeSystem:
    'url identifier version name title status experimental date publisher contact useContext jurisdiction caseSensitive valueSet hierarchyMeaning compositional versionNeeded content supplements count filter property',
  ConceptMap:
    'url identifier version name title status experimental date publisher contact useContext jurisdiction source[x] target[x]',
  CapabilityStatement:
    'url version name title status experimental date publisher contact useContext jurisdiction kind instantiates imports software implementation fhirVersion format patchFormat implementationGuide rest messaging document',
})
