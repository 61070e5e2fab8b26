import { maySay, type OrderControl, type OrderControlSays, orderControlOf } from '#care/order-control.ts'
import { Failure, type FailureKind, type Issue } from '#core/failure.ts'
import type { CareRule, Flow, OrderLink, Party, ReadContext } from '#core/flow.ts'
import { controlNeeds, patientNeed, requireEach } from './hl7v2-needs.ts'
import { patientParty, practitionerParty } from './hl7v2-people.ts'
import { fieldOf, type Hl7v2Source, readSource } from './hl7v2-source.ts'
import { orderLinkOf } from './order-number.ts'

/** A message that speaks of orders that are here already. */
export interface OrderDialogue extends Hl7v2Source {
  /** What ORC-1 of each order means (care/order-control), in their order. */
  controls: OrderControl[]
}

type Rule = CareRule<OrderDialogue>

function readDialogue(body: Uint8Array, context: ReadContext): OrderDialogue {
  const source = readSource(body, context)
  const controls = source.orders.map(({ ORC }) =>
    orderControlOf(fieldOf(ORC, 1)[0]?._1, fieldOf(ORC, 5)[0]?._1),
  )
  return { ...source, controls }
}

/** Messages by which a side speaks of an order in the order's own type; ORC-1 says what it means. */
export const orderTypes = ['RDE^O11', 'OMP^O09', 'ORM^O01']

/** What every such flow is alike in: a Task about orders that are found by their numbers. */
export const orderDialogue = {
  read: readDialogue,
  messageId: ({ controlId }) => controlId,
  primary: 'Task',
  orders: dialogueLinks,
} satisfies Partial<Flow<OrderDialogue>>

function dialogueLinks({ facility, orders }: OrderDialogue): OrderLink[] {
  return orders.map((order, index) => ({ ...orderLinkOf(facility, order, index), asks: true }))
}

/** Whose orders they are, and who asks: the first that these fields of each ORC name by a number. */
export function askingParties({ facility, PID, orders }: OrderDialogue, fields: readonly number[]): Party[] {
  return [
    PID && patientParty(facility, PID),
    ...orders.map(({ ORC }, index) => {
      const asking = fields.flatMap((field) => fieldOf(ORC, field)).find((person) => person._1)
      return practitionerParty(facility, `requester-${index}`, asking)
    }),
  ].filter((party) => party !== undefined)
}

/** Every ORC-1 says one of these things, and its sender is who may say it. AR with the place for all else. */
export function onlyControls(text: string, ...says: OrderControlSays[]): Rule {
  return (source, caller) => {
    const { controls } = source
    requireEach(controlNeeds(source))
    refuseWhere(controls, 'unsupported', (control) =>
      says.includes(control.says) ? undefined : (control.because ?? text),
    )
    refuseWhere(controls, 'forbidden', (control) =>
      maySay(caller, control)
        ? undefined
        : `Only who ${control.by === 'filler' ? 'fills' : 'places'} orders may say this`,
    )
    return { keep: true }
  }
}

function refuseWhere(
  controls: readonly OrderControl[],
  kind: FailureKind,
  problemOf: (control: OrderControl) => string | undefined,
): void {
  const issues = controls.flatMap((control, index): Issue[] => {
    const text = problemOf(control)
    return text === undefined ? [] : [{ text, expression: `ORC[${index + 1}]-1` }]
  })
  if (issues.length > 0) throw new Failure(kind, issues)
}

/** An order is named by number; whose it is, by PID-3. */
export const hasPatientAndNumbers: Rule = (source, caller) => {
  requireEach([patientNeed(source.PID)])
  return hasNumbers(source, caller)
}

export const hasNumbers: Rule = (source) => {
  const issues = dialogueLinks(source)
    .filter(({ values }) => values.length === 0)
    .map(
      ({ place }): Issue => ({
        code: 'required',
        text: 'The number of the order is required',
        expression: place,
      }),
    )
  if (source.orders.length === 0)
    issues.push({ code: 'required', text: 'An order is required', expression: 'ORC' })
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}
