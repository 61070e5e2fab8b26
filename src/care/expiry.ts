import type { MedicationRequest } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import type { Identified } from '#core/resource.ts'
import { type CarePorts, changed } from './change.ts'
import { closedTasks } from './holder-task.ts'
import { systemMayMove } from './order-change.ts'
import type { OrderStatus } from './order-states.ts'

type Order = Identified<MedicationRequest>

const reasonSystem = 'https://postern.health/fhir/CodeSystem/order-end-reason'

/**
 * Whether an order's time is over (R17): a date holds to its last second, 23:59:59 where the clinic is; a date with time
 * to that moment. `timeZone` is the clinic's, an IANA name.
 */
export function hasExpired(end: string | undefined, at: number, timeZone: string): boolean {
  if (end === undefined) return false
  if (end.length > 10) return at > Date.parse(end)
  // A month or a year is over with its last day: later texts of the same length compare as dates do.
  return localDate(at, timeZone).slice(0, end.length) > end
}

/** What an order may end as by itself: drafts were never sent, so they are withdrawn. */
const ends: Partial<Record<OrderStatus, OrderStatus>> = {
  draft: 'cancelled',
  active: 'stopped',
  'on-hold': 'stopped',
  unknown: 'stopped',
}

/** The orders that may expire, by status. */
export const mayExpire = Object.keys(ends) as readonly OrderStatus[]

/** What the end of its validity changes: the order, and its Tasks that nobody has begun. Nothing before that end. */
export async function expired(
  ports: Pick<CarePorts, 'store' | 'parse'>,
  order: Order,
  at: number,
  timeZone: string,
): Promise<ResourceWrite[]> {
  const to = ends[order.status]
  if (!to || !hasExpired(order.dispenseRequest?.validityPeriod?.end, at, timeZone)) return []
  if (!systemMayMove(order.status, to, false)) return []
  const statusReason = {
    coding: [{ system: reasonSystem, code: 'expired', display: 'Expired' }],
    text: 'expired',
  }
  const write = changed<Order>(order, { status: to, statusReason }, at)
  return [write, ...(await closedTasks(ports, write.resource as Order, at))]
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** The day it is there, `2026-03-29`. */
function localDate(at: number, timeZone: string): string {
  const known = formats.get(timeZone)
  // Sweden writes dates as ISO 8601 does.
  const format = known ?? new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' })
  if (!known) formats.set(timeZone, format)
  return format.format(at)
}
