import { orderControlCodes } from '#care/order-control.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule, Flow } from '#core/flow.ts'
import { fieldOf } from './hl7v2-source.ts'
import {
  askingParties,
  hasPatientAndNumbers,
  type OrderDialogue,
  onlyControls,
  orderDialogue,
  orderTypes,
} from './order-dialogue.ts'

/**
 * RDE^O11, OMP^O09 and ORM^O01 by which who placed an order asks its holder to cancel, discontinue, hold or release it:
 * a Task, and no change of the order until its holder has confirmed (care/order-control).
 */
export const orderRequest: Flow<OrderDialogue> = {
  ...orderDialogue,
  name: 'order-request',
  title: 'Request about an order (HL7 v2)',
  door: {
    kind: 'hl7v2',
    messageTypes: orderTypes,
    orderControls: orderControlCodes('request'),
  },
  // Who asks is the ordering provider (ORC-12), or who acts for them (ORC-19).
  parties: (source) => askingParties(source, [12, 19]),
  rules: [
    onlyControls('Send new orders and what is asked of others in messages of their own', 'request'),
    hasPatientAndNumbers,
    hasReasons,
  ],
  mapping: 'order-request',
  profiles: {},
  receivers: [],
}

/** R40: why is compulsory, and coded. */
function hasReasons({ orders }: OrderDialogue): ReturnType<CareRule<OrderDialogue>> {
  const issues = orders.flatMap(({ ORC }, index): Issue[] =>
    fieldOf(ORC, 16)[0]?._1
      ? []
      : [{ code: 'required', text: 'A coded reason is required', expression: `ORC[${index + 1}]-16` }],
  )
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}
