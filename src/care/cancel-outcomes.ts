import type { Coding, Task } from 'fhir/r4'
import type { OrderStatus } from './order-states.ts'

export const cancelOutcomeSystem = 'https://postern.health/fhir/CodeSystem/cancel-outcome'

/** What an answer to a cancellation comes to. */
export interface CancelOutcome {
  /** What the order becomes; absent: it stays as it is. */
  order?: OrderStatus
  /** What the cancel Task becomes, where its state allows; else the nearest definite one. */
  task: 'completed' | 'rejected' | 'in-progress' | 'failed'
  /** A person has to see to it. */
  alert: boolean
}

/**
 * By our own codes (R38). The order changes by what the body of the answer says and by nothing else: the same answer has
 * come with HTTP 200 and 400.
 */
export const cancelOutcomes = {
  confirmed: { order: 'cancelled', task: 'completed', alert: false },
  discontinued: { order: 'stopped', task: 'completed', alert: false },
  /** The pharmacy has it and will not hand it out; it has not said its last word. */
  marked: { order: 'active', task: 'in-progress', alert: false },
  'too-late': { order: 'completed', task: 'rejected', alert: true },
  expired: { order: 'stopped', task: 'completed', alert: false },
  'already-cancelled': { order: 'cancelled', task: 'completed', alert: false },
  'not-dispensed': { order: 'stopped', task: 'completed', alert: false },
  'other-prescriber': { order: 'unknown', task: 'rejected', alert: true },
  'not-found': { task: 'rejected', alert: true },
  disabled: { task: 'rejected', alert: true },
  refused: { task: 'rejected', alert: true },
  fault: { task: 'failed', alert: true },
} as const satisfies Record<string, CancelOutcome>

export type CancelOutcomeCode = keyof typeof cancelOutcomes

/** NHS EPS, medicationrequest-status-history and the OperationOutcome codes (reference §1.5). */
const eps: Readonly<Record<string, CancelOutcomeCode>> = {
  'R-0001': 'confirmed',
  'R-0002': 'marked',
  'R-0003': 'marked',
  'R-0004': 'too-late',
  'R-0005': 'expired',
  'R-0006': 'already-cancelled',
  'R-0007': 'other-prescriber',
  'R-0008': 'not-found',
  'R-0009': 'disabled',
  'R-0010': 'not-dispensed',
  'R-5000': 'fault',
  'R-5888': 'fault',
}

/** HL7 v2 table 0119, ORC-1 of an answer: cancelled, unable to cancel, discontinued, unable to; OC and OD unasked. */
const orderControls: Readonly<Record<string, CancelOutcomeCode>> = {
  CR: 'confirmed',
  UC: 'refused',
  DR: 'discontinued',
  UD: 'refused',
  OC: 'confirmed',
  OD: 'discontinued',
}

const answers: Readonly<Record<string, Readonly<Record<string, CancelOutcomeCode>>>> = {
  'https://fhir.nhs.uk/CodeSystem/medicationrequest-status-history': eps,
  'https://fhir.nhs.uk/CodeSystem/Spine-ErrorOrWarningCode': eps,
  'http://terminology.hl7.org/CodeSystem/v2-0119': orderControls,
}

/** The outcome that a partner's code means; undefined for a code that is in no table. */
export function cancelOutcomeOf({ system, code }: Coding): CancelOutcomeCode | undefined {
  if (!system || !code) return undefined
  if (system === cancelOutcomeSystem) return code in cancelOutcomes ? (code as CancelOutcomeCode) : undefined
  return answers[system]?.[code]
}

/** By status alone, where the holder of the order gives no code. */
const byStatus: Partial<Record<Task['status'], CancelOutcomeCode>> = {
  completed: 'confirmed',
  rejected: 'refused',
  failed: 'fault',
}

/** What a cancel Task as its holder left it means; undefined while it has given no answer. */
export function cancelAnswerOf({
  status,
  businessStatus,
  statusReason,
}: Task): CancelOutcomeCode | undefined {
  const codings = [...(businessStatus?.coding ?? []), ...(statusReason?.coding ?? [])]
  return codings.map(cancelOutcomeOf).find((code) => code !== undefined) ?? byStatus[status]
}
