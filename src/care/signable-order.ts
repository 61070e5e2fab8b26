import type { MedicationRequest, Patient, Practitioner } from 'fhir/r4'
import { patientOf } from '#core/compartment.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Identified, Resource } from '#core/resource.ts'
import type { CarePorts } from './change.ts'
import { isControlled, namesOf } from './controlled-substances.ts'
import { hasExpired } from './expiry.ts'

type Order = Identified<MedicationRequest>

export interface SigningMoment {
  /** Milliseconds since the epoch. */
  at: number
  /** The clinic's, an IANA name. */
  timeZone: string
}

/**
 * Refuses an order that is not to be signed by anybody: no draft, incomplete (R3), for a controlled substance (R22), or
 * for somebody it must not be for (R23). Throws Failure `invalid` with every reason, each with a code of its own.
 */
export async function requireSignable(
  ports: Pick<CarePorts, 'store' | 'parse'>,
  order: Order,
  moment: SigningMoment,
): Promise<void> {
  const issues = [
    ...rules.flatMap(({ detail, text, expression, holds }) =>
      holds(order, moment) ? [] : [refusal(detail, text, expression)],
    ),
    ...(await patientIssues(ports, order)),
    ...(await prescriberIssues(ports, order)),
  ]
  if (issues.length > 0) throw new Failure('invalid', issues)
}

interface SigningRule {
  detail: string
  text: string
  expression?: string
  holds(order: Order, moment: SigningMoment): boolean
}

/** Orders to supply something; a proposal or a plan is none. */
const intents = ['order', 'original-order', 'instance-order']
/** What a pharmacy needs, and what must not be left to be guessed (R3). */
const required: readonly [string, (order: Order) => unknown][] = [
  ['identifier', ({ identifier }) => identifier?.[0]?.value],
  ['groupIdentifier', ({ groupIdentifier }) => groupIdentifier?.value],
  ['subject', ({ subject }) => subject.reference],
  ['requester', ({ requester }) => requester?.reference],
  ['authoredOn', ({ authoredOn }) => authoredOn],
  [
    'dosageInstruction.text',
    ({ dosageInstruction: all = [] }) => all.length > 0 && all.every((each) => each.text),
  ],
  [
    'substitution.allowed[x]',
    ({ substitution: { allowedBoolean, allowedCodeableConcept } = {} }) =>
      allowedBoolean !== undefined || allowedCodeableConcept,
  ],
  ['dispenseRequest.performer', ({ dispenseRequest }) => dispenseRequest?.performer?.reference],
]

const rules: readonly SigningRule[] = [
  {
    detail: 'not-a-draft',
    text: 'Only a draft is signed; what is in force is changed by a new order with priorPrescription.',
    expression: 'MedicationRequest.status',
    holds: ({ status }) => status === 'draft',
  },
  {
    detail: 'not-an-order',
    text: `What is signed is an order: intent is one of ${intents.join(', ')}.`,
    expression: 'MedicationRequest.intent',
    holds: ({ intent }) => intents.includes(intent),
  },
  {
    detail: 'reported',
    text: 'What was only reported is not ordered by signing it.',
    expression: 'MedicationRequest.reported',
    holds: ({ reportedBoolean, reportedReference }) => !reportedBoolean && !reportedReference,
  },
  ...required.map(
    ([name, found]): SigningRule => ({
      detail: 'incomplete',
      text: 'An order is not signed without this.',
      expression: `MedicationRequest.${name}`,
      holds: (order) => Boolean(found(order)),
    }),
  ),
  {
    // NHS EPS counts issues, 1 to 99; the first is no repeat (R5).
    detail: 'too-many-repeats',
    text: 'An order is repeated 98 times at the most.',
    expression: 'MedicationRequest.dispenseRequest.numberOfRepeatsAllowed',
    holds: ({ dispenseRequest }) => (dispenseRequest?.numberOfRepeatsAllowed ?? 0) <= 98,
  },
  {
    // What stands elsewhere may change after it was signed.
    detail: 'medication-elsewhere',
    text: 'What is prescribed must stand in the order itself: a concept, or a contained Medication, with its name.',
    expression: 'MedicationRequest.medication',
    holds: (order) => !order.medicationReference?.reference?.match(/^[^#]/) && namesOf(order).length > 0,
  },
  {
    detail: 'controlled-substance',
    text: 'Controlled substances are not signed here: no signer for them (21 CFR 1311) is set up.',
    expression: 'MedicationRequest.medication',
    holds: (order) => !isControlled(order),
  },
  {
    detail: 'expired',
    text: 'The time in which this order may be dispensed is over.',
    expression: 'MedicationRequest.dispenseRequest.validityPeriod',
    holds: ({ dispenseRequest }, { at, timeZone }) =>
      !hasExpired(dispenseRequest?.validityPeriod?.end, at, timeZone),
  },
  {
    detail: 'review-overdue',
    text: 'The date by which this repeat had to be reviewed is over.',
    expression: 'MedicationRequest.extension',
    holds: (order, { at, timeZone }) => reviewDates(order).every((date) => !hasExpired(date, at, timeZone)),
  },
]

/** NHS EPS keeps it in the repeat information: `authorisationExpiryDate`. */
function reviewDates({ extension, modifierExtension }: Order): string[] {
  return [...(extension ?? []), ...(modifierExtension ?? [])]
    .flatMap((each) => each.extension ?? [])
    .filter(({ url }) => url === 'authorisationExpiryDate')
    .flatMap(({ valueDateTime, valueDate }) => valueDateTime ?? valueDate ?? [])
}

async function patientIssues(ports: Pick<CarePorts, 'store' | 'parse'>, order: Order): Promise<Issue[]> {
  const at = 'MedicationRequest.subject'
  const patient = await standing<Patient>(ports, patientOf(order))
  if (!patient) return [refusal('patient-unknown', 'There is no record of this patient.', at)]
  const issues: Issue[] = []
  if (patient.deceasedBoolean || patient.deceasedDateTime)
    issues.push(refusal('patient-deceased', 'This patient’s record says that they have died.', at))
  if (patient.active === false || patient.link?.some(({ type }) => type === 'replaced-by'))
    issues.push(refusal('patient-merged', 'This patient’s record is not in use any more.', at))
  return issues
}

async function prescriberIssues(ports: Pick<CarePorts, 'store' | 'parse'>, order: Order): Promise<Issue[]> {
  const prescriber = await standing<Practitioner>(ports, order.requester?.reference)
  if (prescriber && prescriber.active !== false) return []
  const text = 'Who orders this has no active record here.'
  return [refusal('prescriber-inactive', text, 'MedicationRequest.requester')]
}

async function standing<R extends Resource>(
  { store, parse }: Pick<CarePorts, 'store' | 'parse'>,
  reference: string | undefined,
): Promise<R | undefined> {
  const [type = '', id = ''] = reference?.split('/') ?? []
  const stored = id === '' ? undefined : await store.read(type, id)
  return stored && !stored.deleted ? (parse(stored.json) as R) : undefined
}

function refusal(detail: string, text: string, expression?: string): Issue {
  return { code: 'business-rule', detail, text, ...(expression ? { expression } : {}) }
}
