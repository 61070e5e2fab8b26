import type { DetectedIssue, MedicationDispense, MedicationRequest } from 'fhir/r4'
import type { Nonce, ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure, type Issue } from '#core/failure.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import {
  type CarePorts,
  type Change,
  type Consequences,
  changed,
  made,
  wholeBefore,
  writeOf,
} from './change.ts'
import { compareSum } from './decimal-sum.ts'
import { dispenseFactOf, isHandedOver, isSameUnit, nextDispenseStatuses } from './dispense-facts.ts'
import { alertTask } from './holder-task.ts'
import { systemMayMove } from './order-change.ts'
import { dispensesOf, findOrder, seenNonce } from './order-file.ts'
import { sameValue } from './same-value.ts'

type Order = Identified<MedicationRequest>
type Dispense = Identified<MedicationDispense>

/**
 * What a pharmacy tells of a dispense (R51). It is a fact and kept whatever the order's state; what is wrong with it
 * becomes a DetectedIssue. The order changes by its own rules: the last of it dispensed, it is completed. Throws Failure
 * `invalid` for a dispense of no order, or one that contradicts itself.
 */
export async function dispenseConsequences(ports: CarePorts, change: Change): Promise<Consequences> {
  const dispense = change.resource as Dispense
  const before = await wholeBefore<Dispense>(ports, change)
  const orders = await requireOrders(ports, dispense)
  requireWellTold(dispense, before)
  const result = writeOf(change)
  const more: ResourceWrite[] = []
  const nonces: Nonce[] = []
  for (const order of orders) {
    const all = await dispensesOf(ports, order)
    const others = all.filter(({ id }) => id !== dispense.id)
    more.push(...(await toldOf(ports, { order, others }, dispense, before, change.at)))
    nonces.push(seenNonce('dispenses', order, all, change.at))
  }
  return { result, writes: [result, ...more], nonces }
}

interface Told {
  order: Order
  /** Its other dispenses. */
  others: readonly Dispense[]
}

async function requireOrders(ports: CarePorts, dispense: Dispense): Promise<Order[]> {
  // An order that is named twice is one order.
  const references = [...new Set((dispense.authorizingPrescription ?? []).map(({ reference }) => reference))]
  const orders = await Promise.all(references.map((reference) => findOrder(ports, reference)))
  const found = orders.filter((order) => order !== undefined)
  const patient = patientOf(dispense)
  const issue = (text: string): Issue => ({
    code: 'business-rule',
    text,
    expression: 'MedicationDispense.authorizingPrescription',
  })
  if (references.length === 0) throw new Failure('invalid', [issue('A dispense needs the order it is on.')])
  if (found.length < references.length || found.some((order) => !patient || patientOf(order) !== patient)) {
    throw new Failure('invalid', [issue('This is no order of this patient.')])
  }
  return found
}

function requireWellTold(dispense: Dispense, before: Dispense | undefined): void {
  const issues: Issue[] = []
  const allowed = before ? nextDispenseStatuses(before.status) : []
  if (before && before.status !== dispense.status && !allowed.includes(dispense.status)) {
    const may = allowed.length > 0 ? `may be written as ${allowed.join(', ')} only` : 'may not be changed'
    issues.push(problem(`A dispense that is ${before.status} ${may}.`, 'status'))
  }
  for (const name of ['subject', 'authorizingPrescription'] as const) {
    if (before && !sameValue(before[name], dispense[name])) {
      issues.push(problem('This stands for the life of a dispense.', name))
    }
  }
  // An amount below nothing, or too odd to be summed, would hide what is dispensed beyond the order.
  const amount = dispense.quantity?.value
  if (amount !== undefined && (compareSum([amount], '0', 1) ?? -1) < 0) {
    issues.push(problem('An amount is not negative, and of at most 100 digits.', 'quantity.value'))
  }
  // us-core-20
  if (dispense.status === 'completed' && !dispense.whenHandedOver) {
    issues.push(problem('What is completed was handed over at some time.', 'whenHandedOver'))
  }
  if (issues.length > 0) throw new Failure('invalid', issues)
}

function problem(text: string, element: string): Issue {
  return { code: 'business-rule', text, expression: `MedicationDispense.${element}` }
}

async function toldOf(
  ports: CarePorts,
  { order, others }: Told,
  dispense: Dispense,
  before: Dispense | undefined,
  at: number,
): Promise<ResourceWrite[]> {
  const fact = dispenseFactOf(dispense)
  const isNews = !before || dispenseFactOf(before) !== fact || !sameValue(before.quantity, dispense.quantity)
  if (!isNews) return []
  const about = { about: referenceTo(dispense), patient: patientOf(order), at }
  if (fact === 'not-dispensed') {
    const description = 'The pharmacy says that it has not dispensed an order, or not all of it'
    return [alertTask(ports, { text: 'Not dispensed', description, ...about })]
  }
  if (!isHandedOver(dispense)) return []
  if (['stopped', 'cancelled', 'entered-in-error'].includes(order.status)) {
    const description = 'An order that had been stopped was dispensed: call the pharmacy and the patient'
    return [
      detectedIssue(ports, 'dispensed-after-stop', order, dispense, at),
      alertTask(ports, { text: 'Dispensed after stop', description, ...about }),
    ]
  }
  const sum = compareToAuthorised(order, [...others, dispense])
  if (sum === 1) return [detectedIssue(ports, 'over-dispensed', order, dispense, at)]
  if (sum === 0 && systemMayMove(order.status, 'completed', true)) {
    return [changed<Order>(order, { status: 'completed' }, at)]
  }
  return []
}

/** Everything handed over on an order against its quantity × fills; undefined where amounts are not comparable. */
function compareToAuthorised(order: Order, dispenses: readonly Dispense[]): number | undefined {
  const { quantity, numberOfRepeatsAllowed = 0 } = order.dispenseRequest ?? {}
  if (!quantity) return undefined
  const amounts = dispenses.filter(isHandedOver).map((each) => each.quantity)
  if (amounts.some((amount) => !amount || !isSameUnit(amount, quantity))) return undefined
  const parts = amounts.map((amount) => amount?.value)
  return compareSum(parts, quantity.value, numberOfRepeatsAllowed + 1)
}

const issueSystem = 'https://postern.health/fhir/CodeSystem/dispense-issue'
const issueTexts = {
  'over-dispensed': 'More was dispensed than was authorised',
  'dispensed-after-stop': 'Dispensed after the order was stopped',
} as const

function detectedIssue(
  ports: Pick<CarePorts, 'ids'>,
  code: keyof typeof issueTexts,
  order: Order,
  dispense: Dispense,
  at: number,
): ResourceWrite {
  const patient = patientOf(order)
  const issue: Identified<DetectedIssue> = {
    resourceType: 'DetectedIssue',
    id: ports.ids.random(),
    status: 'final',
    code: { coding: [{ system: issueSystem, code, display: issueTexts[code] }], text: issueTexts[code] },
    severity: 'high',
    ...(patient ? { patient: { reference: patient } } : {}),
    identifiedDateTime: new Date(at).toISOString(),
    implicated: [{ reference: referenceTo(order) }, { reference: referenceTo(dispense) }],
  }
  return made(issue, at)
}
