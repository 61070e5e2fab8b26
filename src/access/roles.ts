import { type Interaction, type Role, roles } from '#core/caller.ts'
import type { ResourceType } from '#core/resource.ts'
import { carriedTypes, definitionTypes } from '#core/unstored.ts'

/** Letters of SMART v2 scopes: create, read (vread and instance history too), update, delete, search. */
export type Letter = 'c' | 'r' | 'u' | 'd' | 's'

/**
 * What must hold between caller and resource.
 * - `any`: by office. No relation to the patient and no consent is asked.
 * - `own`: a treating party (J29), as far as consent allows; a consent that permits opens reading to others.
 * - `performer`: the organization that the order, task or dispense names to do it. Consent can only narrow.
 * - `self`: the patient the resource is about.
 * - `consent`: nothing but an explicit consent.
 * - `subscriber`: the client's own Subscriptions.
 * - `review`: the Tasks by which the gateway asks for a privacy officer's word, and no others.
 */
export type Condition = 'any' | 'own' | 'performer' | 'self' | 'consent' | 'review' | 'subscriber'

export interface Grant {
  types: readonly ResourceType[]
  /** In the order `cruds`. */
  may: string
  condition: Condition
  /** Top-level elements that are seen; all where absent. */
  fields?: readonly string[]
}

const frame = ['resourceType', 'id', 'meta', 'implicitRules', 'language', 'modifierExtension']

/** A pharmacy's view of an order: what to dispense to whom, and who ordered it; nothing of why or of what was said. */
const prescriptionFields = [
  ...frame,
  'contained',
  'identifier',
  'status',
  'statusReason',
  'intent',
  'category',
  'priority',
  'doNotPerform',
  'reportedBoolean',
  'reportedReference',
  'medicationCodeableConcept',
  'medicationReference',
  'subject',
  'authoredOn',
  'requester',
  'performer',
  'performerType',
  'groupIdentifier',
  'courseOfTherapyType',
  'dosageInstruction',
  'dispenseRequest',
  'substitution',
  'priorPrescription',
]

const demographics = [
  ...frame,
  'identifier',
  'active',
  'name',
  'telecom',
  'gender',
  'birthDate',
  'deceasedBoolean',
  'deceasedDateTime',
  'address',
]

/** Where a system can be reached; not the headers that open it. */
const endpointFields = [
  ...frame,
  'identifier',
  'status',
  'connectionType',
  'name',
  'managingOrganization',
  'contact',
  'period',
  'payloadType',
  'payloadMimeType',
  'address',
]

/** A task's thread of notes and its inputs may quote the conversation. */
const fulfilmentFields = [
  ...frame,
  'identifier',
  'basedOn',
  'groupIdentifier',
  'partOf',
  'status',
  'statusReason',
  'businessStatus',
  'intent',
  'priority',
  'code',
  'focus',
  'for',
  'executionPeriod',
  'authoredOn',
  'lastModified',
  'requester',
  'performerType',
  'owner',
  'restriction',
]

/** About nobody: who works where, and what can be asked or dispensed. */
const directory: readonly ResourceType[] = ['Practitioner', 'PractitionerRole', 'Organization']
const catalogue: readonly ResourceType[] = ['Questionnaire', 'Medication']
const content: readonly ResourceType[] = ['Communication', 'QuestionnaireResponse', 'MedicationRequest']
/** What came beside a message: requests to be told something, documents, and the files of either. */
const documents: readonly ResourceType[] = ['CommunicationRequest', 'DocumentReference']
/** Within which visit and treatment something was, and who pays. */
const circumstances: readonly ResourceType[] = ['Encounter', 'EpisodeOfCare', 'Coverage']

/** About nobody and of no secret: everybody who is known here may look by what it works. */
const published: readonly Grant[] = [
  { types: definitionTypes, may: 'rs', condition: 'any' },
  { types: carriedTypes, may: 'r', condition: 'any' },
]
/** What happened at their side, for the log; only with the permission to (fhir/report-event). */
const reported = (condition: Grant['condition']): Grant => ({ types: ['AuditEvent'], may: 'c', condition })
const reachable: Grant = { types: ['Endpoint'], may: 'rs', condition: 'any', fields: endpointFields }

/** What the people of the care see and do. */
const careTeamView: readonly Grant[] = [
  { types: ['Communication'], may: 'crus', condition: 'own' },
  {
    types: [
      'QuestionnaireResponse',
      'MedicationDispense',
      'MedicationAdministration',
      'DetectedIssue',
      'Provenance',
    ],
    may: 'rs',
    condition: 'own',
  },
  { types: ['Patient', 'CareTeam', 'Consent', 'RelatedPerson'], may: 'rs', condition: 'own' },
  { types: [...documents, 'Flag'], may: 'crus', condition: 'own' },
  { types: ['Binary'], may: 'cr', condition: 'own' },
  { types: circumstances, may: 'rs', condition: 'own' },
  { types: ['Task'], may: 'rus', condition: 'own' },
  // Lists that its own organization keeps, or that are kept for it.
  { types: ['Group'], may: 'rs', condition: 'own' },
  { types: ['Subscription'], may: 'cruds', condition: 'subscriber' },
  { types: [...directory, ...catalogue], may: 'rs', condition: 'any' },
  reachable,
  ...published,
]

const pharmacyView: readonly Grant[] = [
  { types: ['MedicationRequest'], may: 'rs', condition: 'performer', fields: prescriptionFields },
  { types: ['MedicationDispense'], may: 'crus', condition: 'performer' },
  { types: ['MedicationAdministration'], may: 'crs', condition: 'performer' },
  { types: ['Task'], may: 'crus', condition: 'performer', fields: fulfilmentFields },
  { types: ['Patient'], may: 'rs', condition: 'performer', fields: demographics },
  { types: ['Subscription'], may: 'cruds', condition: 'subscriber' },
  { types: [...directory, 'Medication'], may: 'rs', condition: 'any' },
  reachable,
  ...published,
]

/** Who may do what: the only place. What is not written here is refused (ACC1, ACC13). */
export const table: Readonly<Record<Role, readonly Grant[]>> = {
  // Hands in what its doors take and keeps the lists of people; the content it handed in is not served back to it.
  platform: [
    { types: [...content, ...documents, 'Flag', 'Binary', 'Task'], may: 'c', condition: 'any' },
    { types: ['Patient', 'RelatedPerson', 'CareTeam', 'Group', 'Consent'], may: 'cruds', condition: 'any' },
    { types: circumstances, may: 'cruds', condition: 'any' },
    { types: [...directory, ...catalogue, 'Endpoint'], may: 'cruds', condition: 'any' },
    reported('any'),
    ...published,
  ],
  // Reads as a treating party, answers and works on tasks, and may hand in orders with the task to fulfil them: drafts
  // unless it has `order-source`. Whom an order is by need not be known to work there.
  ehr: [
    ...careTeamView,
    { types: ['MedicationRequest'], may: 'rs', condition: 'own' },
    { types: ['MedicationRequest', 'Task'], may: 'c', condition: 'any' },
    // On an order that it is a party of, whoever else knows its number (access/relation).
    { types: ['MedicationAdministration'], may: 'c', condition: 'own' },
    reported('own'),
  ],
  // Sees its own orders and tells what became of them; never changes an order (R13).
  pharmacy: pharmacyView,
  pharmacist: pharmacyView,
  clinician: [
    ...careTeamView,
    { types: ['MedicationRequest'], may: 'rs', condition: 'own' },
    { types: ['Task'], may: 'c', condition: 'own' },
  ],
  prescriber: [
    ...careTeamView,
    { types: ['MedicationRequest'], may: 'crus', condition: 'own' },
    { types: ['Task'], may: 'c', condition: 'own' },
  ],
  patient: [
    { types: ['Communication', 'QuestionnaireResponse', 'Task'], may: 'crs', condition: 'self' },
    {
      types: ['MedicationRequest', 'MedicationDispense', 'MedicationAdministration'],
      may: 'rs',
      condition: 'self',
    },
    { types: ['Patient', 'CareTeam', 'RelatedPerson'], may: 'rs', condition: 'self' },
    // A Flag warns those who treat, sometimes of the patient: it is theirs.
    { types: [...documents, ...circumstances], may: 'rs', condition: 'self' },
    { types: ['Binary'], may: 'r', condition: 'self' },
    { types: ['Consent'], may: 'crus', condition: 'self' },
    { types: [...directory, ...catalogue], may: 'rs', condition: 'any' },
    reachable,
    ...published,
  ],
  // Acts for a patient only while a consent says so (CON12).
  proxy: [
    {
      types: [...content, ...documents, 'MedicationDispense', 'MedicationAdministration', 'Task', 'Patient'],
      may: 'rs',
      condition: 'consent',
    },
    { types: ['Binary'], may: 'r', condition: 'consent' },
    { types: [...directory, ...catalogue], may: 'rs', condition: 'any' },
    reachable,
    ...published,
  ],
  operator: [
    { types: [...directory, ...catalogue], may: 'cruds', condition: 'any' },
    { types: ['Device', 'Endpoint'], may: 'cruds', condition: 'any' },
    // Mappings with their code tables, by FHIR's name for them (docs/mapping.md).
    { types: ['StructureMap'], may: 'ru', condition: 'any' },
    ...published,
  ],
  auditor: [{ types: ['AuditEvent'], may: 'rs', condition: 'any' }, ...published],
  'privacy-officer': [
    { types: ['AuditEvent'], may: 'rs', condition: 'any' },
    { types: ['Consent'], may: 'crus', condition: 'any' },
    { types: ['Task'], may: 'rus', condition: 'review' },
    ...published,
  ],
}

const letters: Readonly<Record<Interaction, Letter>> = {
  create: 'c',
  read: 'r',
  vread: 'r',
  history: 'r',
  update: 'u',
  delete: 'd',
  search: 's',
}

export function letterOf(interaction: Interaction): Letter {
  return letters[interaction]
}

const grants = indexTable()

/** The row that lets a role do this, if any does. */
export function findGrant(role: Role, type: string, letter: Letter): Grant | undefined {
  return grants.get(`${role} ${type} ${letter}`)
}

/** Whether there is any role that may do this: what nobody may is not offered. */
export function someRoleMay(type: string, letter: Letter): boolean {
  return roles.some((role) => findGrant(role, type, letter) !== undefined)
}

/** Types a role has to do with, and the letters it has for each, in order. */
export function lettersOf(role: Role): Map<string, string> {
  const found = new Map<string, string>()
  for (const { types, may } of table[role]) {
    for (const type of types) {
      const all = (found.get(type) ?? '') + may
      found.set(type, [...'cruds'].filter((letter) => all.includes(letter)).join(''))
    }
  }
  return found
}

function indexTable(): Map<string, Grant> {
  const index = new Map<string, Grant>()
  for (const [role, rows] of Object.entries(table)) {
    for (const row of rows) {
      for (const type of row.types) for (const letter of row.may) index.set(`${role} ${type} ${letter}`, row)
    }
  }
  return index
}
