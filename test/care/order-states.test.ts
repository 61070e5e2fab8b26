import { describe, expect, it } from 'vitest'
import type { Mover } from '#care/mover.ts'
import {
  type OrderFacts,
  type OrderGuard,
  type OrderState,
  type OrderStatus,
  orderMovesOf,
  requireOrderMove,
} from '#care/order-states.ts'
import { roles } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'

const statuses: readonly OrderStatus[] = [
  'draft',
  'active',
  'on-hold',
  'cancelled',
  'completed',
  'stopped',
  'entered-in-error',
  'unknown',
]
const movers: readonly Mover[] = [...roles, 'system']
const guards: readonly OrderGuard[] = ['reason', 'proposal', 'not-dispensed', 'dispensed', 'cancel-asked']
const all: OrderFacts = {
  reason: true,
  proposal: true,
  'not-dispensed': true,
  dispensed: true,
  'cancel-asked': true,
}

/**
 * Reference §2.1, copied cell by cell, apart from the table under test: who may take an order from → to. `author` is
 * whoever made it; `signing` is a prescriber at the end of signing.
 */
const reference: Readonly<Record<string, string>> = {
  'new > draft': 'ehr platform clinician prescriber patient pharmacy pharmacist system',
  'draft > active': 'signing',
  'draft > cancelled': 'author ehr prescriber system',
  'draft > entered-in-error': 'author ehr prescriber',
  'active > on-hold': 'ehr prescriber system',
  'on-hold > active': 'ehr prescriber system',
  'active > cancelled': 'system',
  'on-hold > cancelled': 'system',
  'active > stopped': 'ehr prescriber system',
  'on-hold > stopped': 'ehr prescriber system',
  'active > completed': 'system',
  'active > entered-in-error': 'author ehr prescriber',
  'on-hold > entered-in-error': 'author ehr prescriber',
  'unknown > entered-in-error': 'author ehr prescriber',
  'cancelled > entered-in-error': 'author ehr prescriber',
  'completed > entered-in-error': 'author ehr prescriber',
  'stopped > entered-in-error': 'author ehr prescriber',
  'active > unknown': 'system',
  'unknown > active': 'ehr clinician prescriber system',
  'unknown > cancelled': 'ehr clinician prescriber system',
  'unknown > stopped': 'ehr clinician prescriber system',
  'unknown > completed': 'ehr clinician prescriber system',
}

function mayMove(
  from: OrderState,
  to: OrderStatus,
  mover: Mover,
  author: boolean,
  signing: boolean,
): boolean {
  const who = (reference[`${from} > ${to}`] ?? '').split(' ')
  if (who.includes('signing')) return signing && mover === 'prescriber'
  return who.includes(mover) || (author && who.includes('author'))
}

function attempt(...asked: Parameters<typeof requireOrderMove>) {
  try {
    return { move: requireOrderMove(...asked) }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { failure: error }
  }
}

describe('an order', () => {
  for (const from of ['new', ...statuses] as const) {
    it(`that is ${from} moves as the reference says and no other way, whoever asks`, () => {
      for (const to of statuses)
        for (const mover of movers)
          for (const author of [false, true])
            for (const signing of [false, true]) {
              const who = { mover, author, signing }
              const { move, failure } = attempt(from, to, who, all)
              const cell = `${from} > ${to} by ${mover} author=${author} signing=${signing}`
              expect(move !== undefined, cell).toBe(mayMove(from, to, mover, author, signing))
              if (!failure) continue
              expect(failure.kind, cell).toBe('invalid')
              const allowed = statuses.filter((each) => mayMove(from, each, mover, author, signing))
              const listed = orderMovesOf(from, who).map((each) => each.to)
              expect([...new Set(listed)].sort(), cell).toEqual([...allowed].sort())
              for (const each of allowed) expect(failure.message, cell).toContain(each)
              if (allowed.length === 0) expect(failure.message).toContain('may not be changed')
            }
    })
  }

  it('is never moved by a pharmacy, a patient’s or an office’s client, whatever else is so', () => {
    for (const mover of [
      'pharmacy',
      'pharmacist',
      'patient',
      'proxy',
      'operator',
      'auditor',
      'privacy-officer',
    ] as const)
      for (const from of statuses) expect(orderMovesOf(from, { mover, signing: true })).toEqual([])
  })

  it('that has ended goes nowhere but into error', () => {
    for (const from of ['cancelled', 'completed', 'stopped', 'entered-in-error'] as const)
      for (const mover of movers)
        for (const { to } of orderMovesOf(from, { mover, author: true, signing: true }))
          expect(to).toBe('entered-in-error')
  })
})

describe('a guard', () => {
  /** For each move with guards: without any one of them it is refused, and the refusal says what is missing. */
  const guarded: readonly [OrderState, OrderStatus, Mover, readonly OrderGuard[]][] = [
    ['new', 'draft', 'pharmacy', ['proposal']],
    ['new', 'draft', 'patient', ['proposal']],
    ['draft', 'entered-in-error', 'prescriber', ['reason']],
    ['active', 'on-hold', 'prescriber', ['not-dispensed']],
    ['active', 'cancelled', 'system', ['reason', 'not-dispensed']],
    ['on-hold', 'cancelled', 'system', ['reason', 'not-dispensed']],
    ['active', 'stopped', 'prescriber', ['reason', 'dispensed']],
    ['active', 'stopped', 'system', ['reason']],
    ['active', 'entered-in-error', 'prescriber', ['reason', 'cancel-asked']],
    ['completed', 'entered-in-error', 'prescriber', ['reason', 'cancel-asked']],
    ['unknown', 'active', 'clinician', ['reason']],
    ['unknown', 'active', 'system', []],
    ['on-hold', 'active', 'prescriber', []],
  ]

  it.each(guarded)('of %s → %s by %s holds: %s', (from, to, mover, needed) => {
    for (const guard of guards) {
      const { move, failure } = attempt(from, to, { mover }, { ...all, [guard]: false })
      expect(move === undefined, guard).toBe(needed.includes(guard))
      if (failure) expect(failure.issues[0]?.expression).toBe('MedicationRequest.status')
    }
  })

  it('lets a clinic’s own draft be made whatever its intent', () => {
    expect(attempt('new', 'draft', { mover: 'ehr' }, { ...all, proposal: false }).move).toBeDefined()
  })
})
