import type { MedicationRequest } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import { clinic, type Mover, pharmacies, prescribing } from './mover.ts'

export type OrderStatus = MedicationRequest['status']
/** What an order is before it is stored for the first time. */
export type OrderState = OrderStatus | 'new'

/** What must be so for a move, beside who makes it. */
export type OrderGuard =
  /** statusReason says why. */
  | 'reason'
  /** intent is `proposal`: who may not order may propose. */
  | 'proposal'
  /** Nothing has been handed over yet. */
  | 'not-dispensed'
  /** Something has been handed over. */
  | 'dispensed'
  /** Who may hold it has been asked to cancel, if anybody was ever sent it. */
  | 'cancel-asked'

/** What else happens in the same commit. */
export type OrderEffect = 'ask-suspend' | 'ask-resume' | 'ask-abort' | 'close-tasks'

export interface OrderMove {
  to: OrderStatus
  by: readonly Mover[]
  /** Also its author: requester or recorder. */
  author?: true
  /** Only as the end of signing (R18, R24), which a plain write is not. */
  signed?: true
  guards?: readonly OrderGuard[]
  effects?: readonly OrderEffect[]
}

const system: readonly Mover[] = ['system']

/** A mistake is marked by who made it or who answers for it; discontinuing is not a mistake. */
const mistaken: OrderMove = {
  to: 'entered-in-error',
  by: prescribing,
  author: true,
  guards: ['reason', 'cancel-asked'],
  effects: ['close-tasks'],
}

const confirmedCancel: OrderMove = {
  to: 'cancelled',
  by: system,
  guards: ['reason', 'not-dispensed'],
  effects: ['close-tasks'],
}

const stopped: readonly OrderMove[] = [
  { to: 'stopped', by: system, guards: ['reason'], effects: ['close-tasks'] },
  { to: 'stopped', by: prescribing, guards: ['reason', 'dispensed'], effects: ['ask-abort'] },
]

/** After a probe, or by a person who says how they know. */
const settled: readonly OrderMove[] = (['active', 'cancelled', 'stopped', 'completed'] as const).flatMap(
  (to): OrderMove[] => [
    { to, by: system },
    { to, by: clinic, guards: ['reason'] },
  ],
)

/**
 * The whole life of an order (R11): from → to, who may cause it, what must be so, what else happens. The pharmacy stands
 * here with its proposals only (R13); what it does to an order stands in Tasks and MedicationDispenses. There is no
 * line back: what has ended is corrected by a new order (R15).
 */
const orderMoves: Readonly<Record<OrderState, readonly OrderMove[]>> = {
  new: [
    { to: 'draft', by: [...clinic, 'platform', ...system] },
    { to: 'draft', by: ['patient', ...pharmacies], guards: ['proposal'] },
  ],
  draft: [
    { to: 'active', by: ['prescriber'], signed: true },
    { to: 'cancelled', by: [...prescribing, ...system], author: true },
    { to: 'entered-in-error', by: prescribing, author: true, guards: ['reason'] },
  ],
  active: [
    { to: 'on-hold', by: prescribing, guards: ['not-dispensed'], effects: ['ask-suspend'] },
    // Its holder says that it has put it on hold, or has taken it up again.
    { to: 'on-hold', by: system, guards: ['reason'] },
    confirmedCancel,
    ...stopped,
    { to: 'completed', by: system },
    { to: 'unknown', by: system },
    mistaken,
  ],
  'on-hold': [
    { to: 'active', by: prescribing, effects: ['ask-resume'] },
    { to: 'active', by: system },
    confirmedCancel,
    ...stopped,
    mistaken,
  ],
  unknown: [...settled, mistaken],
  cancelled: [mistaken],
  stopped: [mistaken],
  completed: [mistaken],
  'entered-in-error': [],
}

/** Who moves, as far as the table asks. */
export interface OrderMover {
  mover: Mover
  author?: boolean
  signing?: boolean
}

export type OrderFacts = Readonly<Record<OrderGuard, boolean>>

/** The moves of the table that this mover may cause from here, whatever their guards say. */
export function orderMovesOf(from: OrderState, who: OrderMover): OrderMove[] {
  return orderMoves[from].filter(
    ({ by, author, signed }) =>
      (by.includes(who.mover) || (author === true && who.author === true)) &&
      (signed !== true || who.signing === true),
  )
}

/**
 * The line of the table by which an order goes from one status to another. Throws Failure `invalid` (422) where there
 * is none for this mover, with those that there are, or where a guard does not hold.
 */
export function requireOrderMove(
  from: OrderState,
  to: OrderStatus,
  who: OrderMover,
  facts: OrderFacts,
): OrderMove {
  const moves = orderMovesOf(from, who)
  const candidates = moves.filter((move) => move.to === to)
  if (candidates.length === 0) throw refused(notAllowed(from, who, moves))
  const open = candidates.find(({ guards = [] }) => guards.every((guard) => facts[guard]))
  if (open) return open
  const missing = candidates.flatMap(({ guards = [] }) => guards.filter((guard) => !facts[guard]))
  throw refused([...new Set(missing)].map((guard) => guardTexts[guard]).join(' '))
}

function notAllowed(from: OrderState, who: OrderMover, moves: readonly OrderMove[]): string {
  const allowed = [...new Set(moves.map((move) => move.to))]
  const may = allowed.length > 0 ? `may be written as ${allowed.join(', ')} only` : 'may not be changed'
  const signing = from === 'draft' && !who.signing ? ' It is put in force by signing it.' : ''
  return `An order that is ${from} ${may} by ${who.mover}.${signing}`
}

const guardTexts: Readonly<Record<OrderGuard, string>> = {
  reason: 'This needs a statusReason.',
  proposal: 'Who may not order may propose only: intent has to be proposal.',
  'not-dispensed': 'Something has been dispensed on this order already; it can be stopped.',
  dispensed: 'Nothing has been dispensed on this order: ask for its cancellation with a Task (code abort).',
  'cancel-asked': 'The order has been sent: ask for its cancellation with a Task (code abort) first.',
}

function refused(text: string): Failure {
  return new Failure('invalid', [{ code: 'business-rule', text, expression: 'MedicationRequest.status' }])
}
