import type { MedicationRequest } from 'fhir/r4'
import { authorsOf } from '#access/parties.ts'
import type { Caller } from '#core/caller.ts'
import type { ResourceWrite } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { Identified } from '#core/resource.ts'
import { type CarePorts, type Change, type Consequences, wholeBefore, writeOf } from './change.ts'
import { isHandedOver } from './dispense-facts.ts'
import { closedTasks, holderTask } from './holder-task.ts'
import { clinic, moverOf } from './mover.ts'
import { dispensesOf, holderOf, tasksOf, wasSent } from './order-file.ts'
import {
  type OrderEffect,
  type OrderFacts,
  type OrderMover,
  type OrderStatus,
  orderMovesOf,
  requireOrderMove,
} from './order-states.ts'
import { sameValue } from './same-value.ts'

type Order = Identified<MedicationRequest>

/**
 * What a plain write makes of an order. An order comes into force by being signed or through a door for orders
 * authorised elsewhere (ACC15, R18), and neither is a plain write; in force its content is never edited (R20). Throws
 * Failure `invalid` where the table of states has no line for it.
 */
export async function orderConsequences(ports: CarePorts, change: Change): Promise<Consequences> {
  const before = await wholeBefore<Order>(ports, change)
  const from = before?.status ?? 'new'
  const who = { mover: moverOf(change.caller), author: isAuthor(before, change.caller) }
  const order =
    from === 'draft' || !before ? (change.resource as Order) : moved(before, change.resource as Order)
  const result = writeOf({ ...change, resource: order })
  if (before && from === order.status) {
    requireEditor(before, order, who)
    return { result, writes: [result] }
  }
  const { effects = [] } = requireOrderMove(from, order.status, who, await factsOf(ports, order, before))
  const more = await Promise.all(effects.map((effect) => effectOf(effect, ports, order, change)))
  return { result, writes: [result, ...more.flat()] }
}

function isAuthor(order: Order | undefined, { actors }: Caller): boolean {
  return order !== undefined && authorsOf(order).some((author) => actors.includes(author))
}

/** What a status may change beside itself. Everything else of an order that is a draft no more stays as it is. */
const stateful = ['status', 'statusReason', 'meta', 'text']

/** The stored order, digit for digit, with the status it was sent back with. Throws where anything else differs. */
function moved(before: Order, sent: Order): Order {
  requireSameOrder(before, sent)
  const { statusReason: _before, ...kept } = before
  const { status, statusReason, meta } = sent
  return { ...kept, ...(meta ? { meta } : {}), status, ...(statusReason ? { statusReason } : {}) }
}

function requireSameOrder(before: Order, order: Order): void {
  const names = new Set([...Object.keys(before), ...Object.keys(order)])
  const [old, next] = [
    before as unknown as Record<string, unknown>,
    order as unknown as Record<string, unknown>,
  ]
  const issues = [...names]
    .filter((name) => !stateful.includes(name) && !sameValue(old[name], next[name]))
    .map((name) => ({
      code: 'business-rule',
      text: 'An order that is a draft no more is not edited: make a new one with priorPrescription.',
      expression: `MedicationRequest.${name}`,
    }))
  if (issues.length > 0) throw new Failure('invalid', issues)
}

/** A draft is edited by the clinic and its author; any other order sent back as it is changes nothing. */
function requireEditor(before: Order, order: Order, who: OrderMover): void {
  if (before.status === 'draft' && (clinic.includes(who.mover) || who.author)) return
  if (before.status !== 'draft' && sameValue(before.statusReason, order.statusReason)) return
  const allowed = [...new Set(orderMovesOf(before.status, who).map(({ to }) => to))]
  const may = allowed.length > 0 ? `may be written as ${allowed.join(', ')} only` : 'may not be changed'
  const text = `An order that is ${before.status} ${may} by ${who.mover}.`
  throw new Failure('invalid', [{ code: 'business-rule', text, expression: 'MedicationRequest.status' }])
}

async function factsOf(ports: CarePorts, order: Order, before: Order | undefined): Promise<OrderFacts> {
  const { statusReason } = order
  const reason = (statusReason?.coding ?? []).length > 0 || statusReason?.text !== undefined
  const proposal = order.intent === 'proposal'
  if (!before || before.status === 'draft') {
    return { reason, proposal, dispensed: false, 'not-dispensed': true, 'cancel-asked': true }
  }
  const dispensed = (await dispensesOf(ports, before)).some(isHandedOver)
  const sent = (await tasksOf(ports, before, 'fulfil')).some(wasSent)
  const asked = (await tasksOf(ports, before, 'cancel')).some(wasSent)
  return { reason, proposal, dispensed, 'not-dispensed': !dispensed, 'cancel-asked': !sent || asked }
}

const askedCodes: Partial<Record<OrderEffect, 'abort' | 'suspend' | 'resume'>> = {
  'ask-abort': 'abort',
  'ask-suspend': 'suspend',
  'ask-resume': 'resume',
}

async function effectOf(
  effect: OrderEffect,
  ports: CarePorts,
  order: Order,
  change: Change,
): Promise<ResourceWrite[]> {
  const code = askedCodes[effect]
  if (!code) return closedTasks(ports, order, change.at)
  const holder = await holderOf(ports, order)
  if (!holder) return []
  const [requester] = change.caller.actors
  return [holderTask(ports, { code, order, holder, requester, at: change.at })]
}

/** Whether the gateway itself may take an order there, by its own facts. */
export function systemMayMove(from: OrderStatus, to: OrderStatus, dispensed: boolean): boolean {
  return orderMovesOf(from, { mover: 'system' }).some(
    (move) => move.to === to && !(dispensed && move.guards?.includes('not-dispensed')),
  )
}
