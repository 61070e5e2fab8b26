/**
 * What can be searched, as data: https://hl7.org/fhir/R4/searchparameter-registry.html for the types served here. The
 * store writes the rows that this table asks for (index-rows), fhir/search reads queries by it, and the
 * CapabilityStatement tells it.
 */
export interface SearchParameter {
  name: string
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
  /** Of a composite: what stands together in one element, with paths below that element. */
  components?: readonly SearchParameter[]
}

const people = ['Practitioner', 'PractitionerRole', 'Organization', 'Patient', 'RelatedPerson', 'Device']

function token(name: string, ...paths: string[]): SearchParameter {
  return { name, kind: 'token', paths }
}

function date(name: string, ...paths: string[]): SearchParameter {
  return { name, kind: 'date', paths }
}

function reference(name: string, path: string, targets?: readonly string[]): SearchParameter {
  return { name, kind: 'reference', paths: [path], ...(targets ? { targets } : {}) }
}

function uri(name: string, ...paths: string[]): SearchParameter {
  return { name, kind: 'uri', paths }
}

function string(name: string, ...paths: string[]): SearchParameter {
  return { name, kind: 'string', paths }
}

function opened(parameter: SearchParameter): SearchParameter {
  return { ...parameter, opened: true }
}

/** Amounts are never indexed: they are compared on opened candidates. */
function quantity(name: string, ...paths: string[]): SearchParameter {
  return { name, kind: 'quantity', paths, opened: true }
}

function composite(name: string, path: string, ...components: SearchParameter[]): SearchParameter {
  return { name, kind: 'composite', paths: [path], opened: true, components }
}

function telling(parameter: SearchParameter): SearchParameter {
  return { ...parameter, perPatient: true }
}

/** `patient` beside the element's own parameter: the same element, but patients only. */
function patient(path: string): SearchParameter {
  return reference('patient', path, ['Patient'])
}

const nameParts = ['name.family', 'name.given', 'name.text', 'name.prefix', 'name.suffix']
const addressParts = ['line', 'city', 'district', 'state', 'postalCode', 'country', 'text']

/** What a person is found by beside an identifier. */
const person: readonly SearchParameter[] = [
  string('name', ...nameParts),
  string('family', 'name.family'),
  string('given', 'name.given'),
]
const phone: SearchParameter = { ...token('phone', 'telecom'), system: 'phone' }
const email: SearchParameter = { ...token('email', 'telecom'), system: 'email' }
const reach: readonly SearchParameter[] = [token('telecom', 'telecom'), phone, email]
const place: readonly SearchParameter[] = [
  string('address', ...addressParts.map((part) => `address.${part}`)),
  string('address-city', 'address.city'),
  string('address-state', 'address.state'),
  string('address-postalcode', 'address.postalCode'),
  string('address-country', 'address.country'),
]
const gender = opened(token('gender', 'gender'))
const birthdate = opened(date('birthdate', 'birthDate'))

const identifier = token('identifier', 'identifier')
const status = token('status', 'status')
const active = token('active', 'active')

/** By resource type, and in it by the order in which the CapabilityStatement lists them. */
export const searchParameters: Readonly<Record<string, readonly SearchParameter[]>> = {
  Communication: [
    patient('subject'),
    reference('subject', 'subject', ['Patient', 'Group']),
    reference('sender', 'sender', [...people, 'HealthcareService']),
    reference('recipient', 'recipient', [...people, 'CareTeam', 'Group', 'HealthcareService']),
    identifier,
    status,
    date('sent', 'sent'),
    date('received', 'received'),
    telling(token('category', 'category')),
    token('medium', 'medium'),
    reference('based-on', 'basedOn'),
    reference('part-of', 'partOf'),
    reference('in-response-to', 'inResponseTo', ['Communication']),
    reference('encounter', 'encounter', ['Encounter']),
  ],
  QuestionnaireResponse: [
    patient('subject'),
    reference('subject', 'subject'),
    identifier,
    status,
    date('authored', 'authored'),
    telling(uri('questionnaire', 'questionnaire')),
    reference('author', 'author', people),
    reference('source', 'source', ['Patient', 'Practitioner', 'PractitionerRole', 'RelatedPerson']),
    reference('based-on', 'basedOn', ['CarePlan', 'ServiceRequest']),
    reference('part-of', 'partOf', ['Observation', 'Procedure']),
    reference('encounter', 'encounter', ['Encounter']),
  ],
  MedicationRequest: [
    patient('subject'),
    reference('subject', 'subject', ['Patient', 'Group']),
    identifier,
    status,
    token('intent', 'intent'),
    token('priority', 'priority'),
    date('authoredon', 'authoredOn'),
    telling(token('code', 'medicationCodeableConcept')),
    telling(reference('medication', 'medicationReference', ['Medication'])),
    telling(token('category', 'category')),
    reference('requester', 'requester', people),
    reference('intended-performer', 'performer', [...people, 'CareTeam']),
    reference('intended-dispenser', 'dispenseRequest.performer', ['Organization']),
    reference('encounter', 'encounter', ['Encounter']),
  ],
  MedicationDispense: [
    patient('subject'),
    reference('subject', 'subject', ['Patient', 'Group']),
    identifier,
    status,
    telling(token('code', 'medicationCodeableConcept')),
    telling(reference('medication', 'medicationReference', ['Medication'])),
    reference('prescription', 'authorizingPrescription', ['MedicationRequest']),
    reference('performer', 'performer.actor', people),
    reference('receiver', 'receiver', ['Patient', 'Practitioner']),
    token('type', 'type'),
    date('whenhandedover', 'whenHandedOver'),
    date('whenprepared', 'whenPrepared'),
  ],
  MedicationAdministration: [
    patient('subject'),
    reference('subject', 'subject', ['Patient', 'Group']),
    identifier,
    status,
    telling(token('code', 'medicationCodeableConcept')),
    telling(reference('medication', 'medicationReference', ['Medication'])),
    reference('request', 'request', ['MedicationRequest']),
    reference('performer', 'performer.actor', people),
    date('effective-time', 'effectiveDateTime', 'effectivePeriod'),
  ],
  Patient: [
    identifier,
    active,
    ...person,
    birthdate,
    gender,
    opened(date('death-date', 'deceasedDateTime')),
    ...reach,
    ...place,
    reference('general-practitioner', 'generalPractitioner', [
      'Practitioner',
      'PractitionerRole',
      'Organization',
    ]),
    reference('organization', 'managingOrganization', ['Organization']),
    reference('link', 'link.other', ['Patient', 'RelatedPerson']),
  ],
  RelatedPerson: [
    patient('patient'),
    identifier,
    active,
    string('name', ...nameParts),
    birthdate,
    gender,
    ...reach,
    ...place,
    token('relationship', 'relationship'),
  ],
  Practitioner: [identifier, active, ...person, gender, ...reach, ...place],
  PractitionerRole: [
    identifier,
    active,
    reference('practitioner', 'practitioner', ['Practitioner']),
    reference('organization', 'organization', ['Organization']),
    token('role', 'code'),
    token('specialty', 'specialty'),
    date('date', 'period'),
  ],
  Organization: [
    identifier,
    active,
    string('name', 'name', 'alias'),
    ...place,
    token('type', 'type'),
    reference('partof', 'partOf', ['Organization']),
  ],
  Medication: [identifier, status, token('code', 'code')],
  Device: [
    identifier,
    status,
    patient('patient'),
    token('type', 'type'),
    reference('organization', 'owner', ['Organization']),
  ],
  CareTeam: [
    patient('subject'),
    reference('subject', 'subject', ['Patient', 'Group']),
    identifier,
    status,
    telling(token('category', 'category')),
    reference('participant', 'participant.member', [...people, 'CareTeam']),
    date('date', 'period'),
  ],
  Subscription: [
    status,
    token('type', 'channel.type'),
    uri('url', 'channel.endpoint'),
    uri('criteria', 'criteria'),
  ],
  Group: [
    identifier,
    token('type', 'type'),
    token('actual', 'actual'),
    token('code', 'code'),
    token('characteristic', 'characteristic.code'),
    token('exclude', 'characteristic.exclude'),
    token('value', 'characteristic.valueCodeableConcept', 'characteristic.valueBoolean'),
    composite(
      'characteristic-value',
      'characteristic',
      token('characteristic', 'code'),
      token('value', 'valueCodeableConcept', 'valueBoolean'),
    ),
    reference('member', 'member.entity', [...people, 'Medication', 'Group']),
    reference('managing-entity', 'managingEntity', [
      'Organization',
      'Practitioner',
      'PractitionerRole',
      'RelatedPerson',
    ]),
  ],
  Task: [
    patient('for'),
    reference('subject', 'for'),
    identifier,
    status,
    token('intent', 'intent'),
    token('priority', 'priority'),
    token('code', 'code'),
    token('business-status', 'businessStatus'),
    token('group-identifier', 'groupIdentifier'),
    date('authored-on', 'authoredOn'),
    date('modified', 'lastModified'),
    date('period', 'executionPeriod'),
    reference('focus', 'focus'),
    reference('based-on', 'basedOn'),
    reference('part-of', 'partOf', ['Task']),
    reference('owner', 'owner', [...people, 'CareTeam', 'HealthcareService']),
    reference('requester', 'requester', people),
    reference('encounter', 'encounter', ['Encounter']),
  ],
  Consent: [
    patient('patient'),
    identifier,
    status,
    token('scope', 'scope'),
    token('category', 'category'),
    date('date', 'dateTime'),
    date('period', 'provision.period'),
    reference('organization', 'organization', ['Organization']),
    reference('consentor', 'performer', people),
    reference('actor', 'provision.actor.reference', [...people, 'CareTeam', 'Group']),
    reference('source-reference', 'sourceReference'),
    telling(token('purpose', 'provision.purpose')),
    telling(token('security-label', 'provision.securityLabel')),
  ],
  Provenance: [
    patient('target'),
    reference('target', 'target'),
    date('recorded', 'recorded'),
    date('when', 'occurredDateTime'),
    reference('agent', 'agent.who', people),
    reference('entity', 'entity.what'),
    token('agent-type', 'agent.type'),
    token('agent-role', 'agent.role'),
    token('signature-type', 'signature.type'),
  ],
  DetectedIssue: [
    patient('patient'),
    identifier,
    token('code', 'code'),
    reference('implicated', 'implicated'),
    reference('author', 'author', ['Practitioner', 'PractitionerRole', 'Device']),
    date('identified', 'identifiedDateTime', 'identifiedPeriod'),
  ],
  /** Rows of these are made by the store from the audit entry; `agent` holds the client id. */
  AuditEvent: [
    patient('entity.what'),
    reference('entity', 'entity.what'),
    reference('agent', 'agent.who'),
    date('date', 'recorded'),
  ],
  Questionnaire: [
    identifier,
    status,
    uri('url', 'url'),
    token('version', 'version'),
    string('name', 'name'),
    string('title', 'title'),
    token('code', 'item.code'),
    token('subject-type', 'subjectType'),
    date('date', 'date'),
    date('effective', 'effectivePeriod'),
    uri('definition', 'item.definition'),
    string('description', 'description'),
    string('publisher', 'publisher'),
    token('jurisdiction', 'jurisdiction'),
    token('context', 'useContext.valueCodeableConcept'),
    token('context-type', 'useContext.code'),
    quantity('context-quantity', 'useContext.valueQuantity', 'useContext.valueRange'),
    composite(
      'context-type-value',
      'useContext',
      token('context-type', 'code'),
      token('context', 'valueCodeableConcept'),
    ),
    composite(
      'context-type-quantity',
      'useContext',
      token('context-type', 'code'),
      quantity('context-quantity', 'valueQuantity', 'valueRange'),
    ),
  ],
}

/** Of every type. Labels and tags are looked at in opened candidates; `meta.security` is hidden from a narrowed view. */
export const generalParameters: readonly SearchParameter[] = [
  opened(token('_tag', 'meta.tag')),
  opened(token('_security', 'meta.security')),
  opened(uri('_profile', 'meta.profile')),
]

/** When a resource was changed last: the store's own. */
export const lastUpdated: SearchParameter = { name: '_lastUpdated', kind: 'date', paths: [] }

export function searchParameter(type: string, name: string): SearchParameter | undefined {
  const own = Object.hasOwn(searchParameters, type) ? searchParameters[type] : undefined
  return (
    own && (own.find((each) => each.name === name) ?? generalParameters.find((each) => each.name === name))
  )
}
