import type { DetectedIssue, Medication, MedicationRequest, Task } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import { type CarePorts, made } from './change.ts'
import { compareSum } from './decimal-sum.ts'
import { isSameUnit } from './dispense-facts.ts'
import { findOrder } from './order-file.ts'

type Order = Identified<MedicationRequest>

const issueSystem = 'https://postern.health/fhir/CodeSystem/renewal-issue'
const issueTexts = {
  'other-medication': 'The renewal asks for another medication than the order it names',
  'other-amount': 'The renewal asks for another amount than the order it names',
} as const
type Difference = keyof typeof issueTexts

/**
 * What a request for renewal says otherwise than the order that it names (R31): a DetectedIssue for the prescriber, whom
 * the number alone would let approve what was not meant. Only what can be compared is: codes of one system, amounts of
 * one unit.
 */
export async function renewalDifferences(
  ports: Pick<CarePorts, 'store' | 'parse' | 'ids'>,
  task: Identified<Task>,
  at: number,
): Promise<ResourceWrite[]> {
  const order = await findOrder(ports, task.focus?.reference)
  if (!order) return []
  return differencesBetween(task, order).map((code) => issueOf(ports, code, { task, order, at }))
}

/** What can be told of an order that is not what a request asks for; its repeats are another matter. */
export function differencesBetween(task: Task, order: Order): Difference[] {
  const found: Difference[] = []
  if (isOtherMedication(task, order)) found.push('other-medication')
  if (isOtherAmount(task, order)) found.push('other-amount')
  return found
}

function isOtherMedication(task: Task, order: Order): boolean {
  const asked = coded(inputOf(task, 'medication asked for')?.valueCodeableConcept?.coding)
  const contained = (order.contained ?? []).find(
    (each): each is Medication =>
      each.resourceType === 'Medication' && `#${each.id}` === order.medicationReference?.reference,
  )
  const ordered = coded((order.medicationCodeableConcept ?? contained?.code)?.coding)
  const comparable = asked.filter(({ system }) => ordered.some((other) => other.system === system))
  const isSame = comparable.some((each) =>
    ordered.some((other) => other.system === each.system && other.code === each.code),
  )
  return comparable.length > 0 && !isSame
}

function coded(codings: { system?: string; code?: string }[] | undefined) {
  return (codings ?? []).filter(({ system, code }) => system !== undefined && code !== undefined)
}

function isOtherAmount(task: Task, order: Order): boolean {
  const asked = inputOf(task, 'amount asked for')?.valueQuantity
  const ordered = order.dispenseRequest?.quantity
  if (!asked || !ordered || !isSameUnit(asked, ordered)) return false
  const compared = compareSum([asked.value], ordered.value, 1)
  return compared !== undefined && compared !== 0
}

export function inputOf({ input }: Task, kind: string) {
  return (input ?? []).find(({ type }) => type.text === kind)
}

function issueOf(
  ports: Pick<CarePorts, 'ids'>,
  code: Difference,
  { task, order, at }: { task: Identified<Task>; order: Order; at: number },
): ResourceWrite {
  const issue: Identified<DetectedIssue> = {
    resourceType: 'DetectedIssue',
    id: ports.ids.random(),
    status: 'final',
    code: { coding: [{ system: issueSystem, code, display: issueTexts[code] }], text: issueTexts[code] },
    severity: 'moderate',
    ...(order.subject.reference ? { patient: { reference: order.subject.reference } } : {}),
    identifiedDateTime: new Date(at).toISOString(),
    implicated: [{ reference: referenceTo(order) }, { reference: referenceTo(task) }],
  }
  return made(issue, at)
}
