import { orderControlCodes } from '#care/order-control.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule, Flow } from '#core/flow.ts'
import { amountIssues, refillIssues } from './hl7v2-amounts.ts'
import { requireEach } from './hl7v2-needs.ts'
import {
  askingParties,
  hasPatientAndNumbers,
  type OrderDialogue,
  onlyControls,
  orderDialogue,
  orderTypes,
} from './order-dialogue.ts'

/**
 * ORC-1 = RF in an order's message: who fills an order asks its prescriber for a new one. A renewal Task on the order that
 * it names (prescriptions R30), never an order of its own; who asks again finds the Task that stands (care/renewal). One
 * that names no order here waits for a person (R31).
 */
export const renewalRequest: Flow<OrderDialogue> = {
  ...orderDialogue,
  name: 'renewal-request',
  title: 'Renewal request (HL7 v2)',
  door: {
    kind: 'hl7v2',
    messageTypes: orderTypes,
    orderControls: orderControlCodes('renewal'),
  },
  // Who asks is the pharmacy that has the order; where it names none, who entered the request (ORC-10) or placed it.
  parties: (source) => askingParties(source, [10, 12]),
  unmatched: 'queued',
  rules: [
    onlyControls('Send requests for renewal (ORC-1 = RF) and all else in messages of their own', 'renewal'),
    hasPatientAndNumbers,
    asksInNumbers,
  ],
  mapping: 'renewal-request',
  profiles: { Task: 'https://postern.health/fhir/StructureDefinition/RenewalTask' },
  receivers: [{ role: 'ehr', types: ['Task'] }],
}

/** RDE^O25, refill authorization request (from 2.6): the same by its event, also where ORC-1 says that it is new. */
export const refillRequest: Flow<OrderDialogue> = {
  ...renewalRequest,
  name: 'refill-request',
  title: 'Refill authorization request (HL7 v2)',
  door: { kind: 'hl7v2', messageTypes: ['RDE^O25'] },
  rules: [onlyRefills, hasPatientAndNumbers, asksInNumbers],
}

function onlyRefills({ controls }: OrderDialogue): ReturnType<CareRule<OrderDialogue>> {
  const issues = controls.flatMap(({ says, because }, index): Issue[] => {
    if (says === 'renewal' || says === 'order') return []
    const text = because ?? 'A refill authorization request asks for a renewal (ORC-1 = RF)'
    return [{ text, expression: `ORC[${index + 1}]-1` }]
  })
  if (issues.length > 0) throw new Failure('unsupported', issues)
  return { keep: true }
}

/** What is asked for is shown to a prescriber: a number that is none would be shown as something else. */
function asksInNumbers(source: OrderDialogue): ReturnType<CareRule<OrderDialogue>> {
  requireEach([], [...amountIssues(source, ['RXO', 'RXE']), ...refillIssues(source)])
  return { keep: true }
}
