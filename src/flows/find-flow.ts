import type { Flow } from '#core/flow.ts'
import { headerOf } from '#formats/hl7v2/header.ts'
import { findSegment, type Message, value } from '#formats/hl7v2/message.ts'

/**
 * The flow that takes a message in. Where several share a message type, ORC-1 of its first order says which: orders,
 * what is asked about them and what is answered come as the same RDE^O11. Undefined where none does.
 */
export function findFlow(flows: readonly Flow[], message: Message): Flow | undefined {
  const { type, trigger } = headerOf(message)
  const order = findSegment(message, 'ORC')
  const control = order ? value(order, 1) : ''
  const taking = flows.filter(
    ({ door }) => door.kind === 'hl7v2' && door.messageTypes.includes(`${type}^${trigger}`),
  )
  const named = taking.find(({ door }) => door.kind === 'hl7v2' && door.orderControls?.includes(control))
  return named ?? taking.find(({ door }) => door.kind === 'hl7v2' && door.orderControls === undefined)
}
