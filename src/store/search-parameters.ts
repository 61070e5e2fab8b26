import { defined } from './search-definitions.ts'

/**
 * What can be searched, as data: https://hl7.org/fhir/R4/searchparameter-registry.html for the types served here. The
 * store writes the rows that this table asks for (index-rows), fhir/search reads queries by it, and the
 * CapabilityStatement tells it.
 */
export interface SearchParameter {
  name: string
  /** Canonical of the SearchParameter it is compiled from. */
  definition?: string
  kind: 'token' | 'reference' | 'date' | 'uri' | 'string' | 'quantity' | 'composite'
  /** Element paths below the resource; arrays are walked through. */
  paths: readonly string[]
  /** Types a reference may point to: others are not indexed, and a bare id in a query means these. */
  targets?: readonly string[]
  /**
   * The value tells too much for an index under one key for the whole clinic, so it is indexed under the patient's own
   * and found only together with `patient` or `subject` (CRY8).
   */
  perPatient?: true
  /**
   * Never indexed, since its few values or its order would tell too much: looked at in the opened candidates of another,
   * selective parameter (docs/threat-model.md).
   */
  opened?: true
  /** Contact points of this system only. */
  system?: string
  /** Told as a reference, compared as a URI. */
  canonical?: true
  /** Only whether there is a value other than false: the token is `true` or `false`. */
  present?: true
  /** Of a composite: what stands together in one element, with paths below that element. */
  components?: readonly SearchParameter[]
}

/** Names of parameters, by how their values may be kept. */
interface Served {
  /** Under the clinic's key; dates in the clear. */
  indexed: string
  /** `perPatient` */
  telling?: string
  opened?: string
}

const conformance = 'url version name status date description publisher'
const contact = 'address address-city address-state address-postalcode address-country'
const reach = `telecom phone email ${contact}`

/**
 * Which of the defined parameters are served, and how much of their values an index may show (docs/threat-model.md).
 * `phonetic` is not: sounds cannot be looked for in keyed hashes. A new name here is indexed by itself (reindex).
 */
const served: Readonly<Record<string, Served>> = {
  Communication: {
    indexed:
      'patient subject sender recipient identifier status sent received medium based-on part-of in-response-to encounter',
    telling: 'category instantiates-canonical instantiates-uri',
  },
  QuestionnaireResponse: {
    indexed: 'patient subject identifier status authored author source based-on part-of encounter',
    telling: 'questionnaire',
  },
  MedicationRequest: {
    indexed:
      'patient subject identifier status intent priority authoredon requester intended-performer intended-dispenser encounter',
    telling: 'code medication category intended-performertype',
    opened: 'date',
  },
  MedicationDispense: {
    indexed:
      'patient subject identifier status prescription performer receiver type whenhandedover whenprepared context destination responsibleparty',
    telling: 'code medication',
  },
  MedicationAdministration: {
    indexed: 'patient subject identifier status request performer effective-time context device',
    telling: 'code medication reason-given reason-not-given',
  },
  Patient: {
    indexed: `identifier active name family given ${reach} general-practitioner organization link`,
    opened: 'birthdate gender death-date deceased language address-use',
  },
  RelatedPerson: {
    indexed: `patient identifier active name ${reach} relationship`,
    opened: 'birthdate gender address-use',
  },
  Practitioner: {
    indexed: `identifier active name family given ${reach}`,
    opened: 'gender communication address-use',
  },
  PractitionerRole: {
    indexed:
      'identifier active practitioner organization role specialty date location service endpoint telecom phone email',
  },
  Organization: { indexed: `identifier active name ${contact} type partof endpoint`, opened: 'address-use' },
  Medication: {
    indexed: 'identifier status code form ingredient ingredient-code lot-number manufacturer expiration-date',
  },
  Device: {
    indexed: 'identifier status patient type organization location',
    telling: 'device-name manufacturer model url',
  },
  CareTeam: {
    indexed: 'patient subject identifier status participant date encounter',
    telling: 'category role',
  },
  Subscription: { indexed: 'status type url criteria' },
  Group: {
    indexed: 'identifier type actual code characteristic exclude value member managing-entity',
    opened: 'characteristic-value',
  },
  Task: {
    indexed:
      'patient subject identifier status intent priority code business-status group-identifier authored-on modified period focus based-on part-of owner requester performer encounter',
  },
  Consent: {
    indexed:
      'patient identifier status scope category date period organization consentor actor action data source-reference',
    telling: 'purpose security-label',
  },
  Provenance: {
    indexed: 'patient target recorded when agent entity location agent-type agent-role signature-type',
  },
  DetectedIssue: { indexed: 'patient identifier code implicated author identified' },
  /** Rows of these are made by the store from the audit entry; `agent` holds the client id. */
  AuditEvent: {
    indexed: 'patient entity agent date',
    opened: 'action outcome type subtype entity-type entity-role agent-role site',
  },
  CommunicationRequest: {
    indexed:
      'patient subject identifier status priority authored occurrence sender recipient requester medium based-on replaces group-identifier encounter',
    telling: 'category',
  },
  Encounter: {
    indexed:
      'patient subject identifier status class date participant practitioner participant-type service-provider location location-period part-of based-on episode-of-care appointment account',
    telling: 'type reason-code reason-reference diagnosis special-arrangement discharge-disposition',
    opened: 'length',
  },
  EpisodeOfCare: {
    indexed: 'patient identifier status date organization care-manager incoming-referral',
    telling: 'type condition',
  },
  Coverage: {
    indexed: 'patient beneficiary identifier status payor policy-holder subscriber type class-type',
    telling: 'class-value dependent',
  },
  Flag: { indexed: 'patient subject identifier date author encounter' },
  DocumentReference: {
    indexed:
      'patient subject identifier status date period author authenticator custodian encounter related relatesto relation contenttype language format',
    telling: 'category type event facility setting security-label description location',
    opened: 'relationship',
  },
  /** Looked up by its id, which the resource that speaks of it names. */
  Binary: { indexed: '' },
  Endpoint: { indexed: 'identifier status name organization connection-type payload-type' },
  Questionnaire: {
    indexed:
      'identifier status url version name title code subject-type date effective definition description publisher jurisdiction context context-type',
    opened: 'context-quantity context-type-value context-type-quantity',
  },
  // Definitions are looked at as they stand (fhir/definitions): they have no rows.
  StructureDefinition: {
    indexed: `identifier ${conformance} title type base kind derivation abstract ext-context valueset`,
  },
  SearchParameter: { indexed: `${conformance} base code target type derived-from component` },
  ValueSet: { indexed: `identifier ${conformance} title reference code` },
  CodeSystem: { indexed: `identifier ${conformance} title system code content-mode supplements` },
  ConceptMap: {
    indexed: `identifier ${conformance} title source-system target-system source-code target-code source-uri target-uri`,
  },
  CapabilityStatement: {
    indexed: `${conformance} title resource mode format fhirversion supported-profile resource-profile`,
  },
}

/** By resource type, and in it by the order in which the CapabilityStatement lists them. */
export const searchParameters: Readonly<Record<string, readonly SearchParameter[]>> = Object.fromEntries(
  Object.entries(served).map(([type, { indexed, telling, opened }]) => [
    type,
    [
      ...words(indexed).map((name) => defined(type, name)),
      ...words(telling).map((name): SearchParameter => ({ ...defined(type, name), perPatient: true })),
      ...words(opened).map((name): SearchParameter => ({ ...defined(type, name), opened: true })),
    ],
  ]),
)

function words(text = ''): string[] {
  return text.split(' ').filter(Boolean)
}

/** Of every type. Labels and tags are looked at in opened candidates; `meta.security` is hidden from a narrowed view. */
export const generalParameters: readonly SearchParameter[] = [
  { name: '_tag', kind: 'token', paths: ['meta.tag'], opened: true },
  { name: '_security', kind: 'token', paths: ['meta.security'], opened: true },
  { name: '_profile', kind: 'uri', paths: ['meta.profile'], opened: true },
]

/** When a resource was changed last: the store's own. */
export const lastUpdated: SearchParameter = { name: '_lastUpdated', kind: 'date', paths: [] }

export function searchParameter(type: string, name: string): SearchParameter | undefined {
  const own = Object.hasOwn(searchParameters, type) ? searchParameters[type] : undefined
  return (
    own && (own.find((each) => each.name === name) ?? generalParameters.find((each) => each.name === name))
  )
}
