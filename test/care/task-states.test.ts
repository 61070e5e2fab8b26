import { describe, expect, it } from 'vitest'
import type { Mover } from '#care/mover.ts'
import {
  kindOf,
  requireTaskMove,
  type TaskFacts,
  type TaskGuard,
  type TaskKind,
  type TaskState,
  type TaskStatus,
  taskKinds,
  taskMovesOf,
} from '#care/task-states.ts'
import { roles } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'

const statuses: readonly TaskStatus[] = [
  'draft',
  'requested',
  'received',
  'accepted',
  'rejected',
  'ready',
  'cancelled',
  'in-progress',
  'on-hold',
  'failed',
  'completed',
  'entered-in-error',
]
const movers: readonly Mover[] = [...roles, 'system']
const all: TaskFacts = { reason: true, output: true, answered: true, owner: true }

/** Who the words of reference §2.2 mean. `requester` is who asked for the Task, whatever its role. */
const people: Readonly<Record<string, string>> = {
  pharmacy: 'pharmacy pharmacist',
  holder: 'pharmacy pharmacist system',
  clinic: 'ehr clinician prescriber',
  staff: 'ehr clinician prescriber system',
  prescriber: 'ehr prescriber',
  issuer: 'ehr prescriber system',
  drafter: 'ehr clinician prescriber platform system',
  system: 'system',
  officer: 'privacy-officer',
  feed: 'platform ehr system',
  anybody: 'patient pharmacy pharmacist platform ehr clinician prescriber system',
  patient: 'patient',
  'prescriber alone': 'prescriber',
  gateway: 'system',
  requester: 'requester',
}

/** Reference §2.2, copied cell by cell, apart from the tables under test. */
const reference: Readonly<Record<TaskKind, Readonly<Record<string, string>>>> = {
  fulfil: {
    'new > draft': 'drafter',
    'new draft > requested': 'issuer',
    'requested > received': 'holder',
    'requested received > accepted': 'pharmacy',
    'requested received > rejected': 'pharmacy',
    'received > ready': 'pharmacy',
    'ready accepted > in-progress': 'pharmacy',
    'in-progress > ready on-hold completed failed': 'pharmacy',
    'on-hold > in-progress': 'pharmacy',
    'requested received accepted ready > cancelled': 'issuer|requester',
  },
  cancel: {
    'new > draft': 'drafter',
    'new draft > requested': 'issuer',
    'requested > received': 'holder',
    'requested received > accepted rejected': 'holder',
    'accepted > in-progress': 'holder',
    'in-progress > completed': 'holder',
    'in-progress > failed': 'gateway',
    'requested received accepted ready > cancelled': 'prescriber|requester',
  },
  renewal: {
    'new > draft': 'anybody',
    'new draft > requested': 'anybody',
    'requested > received': 'gateway',
    'requested received > accepted': 'clinic',
    // Ours beyond the reference: the gateway answers for who does not (R33).
    'requested received > rejected': 'staff',
    'received > ready': 'staff',
    'ready accepted > in-progress': 'prescriber',
    'in-progress > on-hold': 'staff',
    'on-hold > in-progress': 'staff',
    'in-progress > completed': 'issuer',
    'in-progress > failed': 'gateway',
    'requested received accepted ready > cancelled': 'patient|prescriber alone|requester',
  },
  work: {
    'new > draft': 'anybody',
    'new draft > requested': 'anybody',
    'requested > received': 'staff|pharmacy',
    'requested received > accepted rejected': 'staff|pharmacy',
    'received accepted > ready': 'staff|pharmacy',
    'requested received accepted ready > in-progress': 'staff|pharmacy',
    'in-progress > on-hold failed': 'staff|pharmacy',
    'on-hold > in-progress': 'staff|pharmacy',
    'requested received accepted ready in-progress on-hold > completed': 'staff|pharmacy',
    'requested received accepted ready > cancelled': 'staff|requester',
  },
  review: {
    'new > requested': 'system',
    'requested on-hold > in-progress': 'officer',
    'requested in-progress on-hold > completed': 'officer',
  },
  // Ours: an appointment or a referral is moved in the system that keeps it, and told by its interface.
  mirror: {
    'new draft requested received accepted ready in-progress on-hold > draft requested received accepted ready in-progress on-hold rejected cancelled failed completed':
      'feed',
    'new draft requested received accepted ready in-progress on-hold rejected cancelled failed completed > entered-in-error':
      'feed',
  },
}

const cells = new Map<string, Set<string>>()
for (const kind of taskKinds) {
  for (const [line, who] of Object.entries(reference[kind])) {
    const [from = '', to = ''] = line.split(' > ')
    for (const one of from.split(' '))
      for (const other of to.split(' '))
        cells.set(
          `${kind} ${one} ${other}`,
          new Set(who.split('|').flatMap((each) => (people[each] ?? '').split(' '))),
        )
  }
  // What waits for a privacy officer is nobody's mistake to take back, and what is mirrored its teller's alone.
  if (kind === 'review' || kind === 'mirror') continue
  for (const from of statuses.filter((status) => status !== 'entered-in-error'))
    cells.set(`${kind} ${from} entered-in-error`, new Set(['ehr', 'prescriber', 'requester']))
}

function mayMove(kind: TaskKind, from: TaskState, to: TaskStatus, mover: Mover, requester: boolean): boolean {
  const who = cells.get(`${kind} ${from} ${to}`)
  return who !== undefined && (who.has(mover) || (requester && who.has('requester')))
}

function attempt(...asked: Parameters<typeof requireTaskMove>) {
  try {
    return { move: requireTaskMove(...asked) }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { failure: error }
  }
}

describe.each(taskKinds)('a Task to %s', (kind) => {
  it.each(['new', ...statuses] as const)(
    'that is %s moves as the reference says and no other way',
    (from) => {
      for (const to of statuses)
        for (const mover of movers)
          for (const requester of [false, true]) {
            const { move, failure } = attempt(kind, { from, to }, { mover, requester }, all)
            const cell = `${from} > ${to} by ${mover}${requester ? ', who asked for it' : ''}`
            expect(move !== undefined, cell).toBe(mayMove(kind, from, to, mover, requester))
            if (!failure) continue
            expect(failure.kind).toBe('invalid')
            for (const each of statuses)
              if (mayMove(kind, from, each, mover, requester)) expect(failure.message, cell).toContain(each)
          }
    },
  )

  it('that has ended goes nowhere but into error, and that from nowhere', () => {
    for (const from of ['rejected', 'cancelled', 'failed', 'completed', 'entered-in-error'] as const)
      for (const mover of movers)
        for (const { to } of taskMovesOf(kind, from, { mover, requester: true })) {
          expect(to).toBe('entered-in-error')
          expect(from).not.toBe('entered-in-error')
        }
  })
})

describe('a guard', () => {
  const guarded: readonly [TaskKind, TaskState, TaskStatus, Mover, readonly TaskGuard[]][] = [
    ['fulfil', 'requested', 'accepted', 'pharmacy', ['owner']],
    ['fulfil', 'requested', 'rejected', 'pharmacy', ['owner', 'reason']],
    ['fulfil', 'in-progress', 'completed', 'pharmacist', ['owner']],
    ['fulfil', 'requested', 'cancelled', 'prescriber', []],
    ['cancel', 'new', 'requested', 'prescriber', ['reason']],
    ['cancel', 'received', 'rejected', 'pharmacy', ['owner', 'reason']],
    ['cancel', 'in-progress', 'failed', 'system', []],
    ['renewal', 'requested', 'rejected', 'prescriber', ['reason']],
    ['renewal', 'received', 'ready', 'clinician', ['answered']],
    ['renewal', 'accepted', 'in-progress', 'prescriber', ['answered']],
    ['renewal', 'ready', 'in-progress', 'prescriber', []],
    ['renewal', 'in-progress', 'completed', 'prescriber', ['output']],
    ['work', 'requested', 'rejected', 'ehr', ['reason']],
    ['work', 'requested', 'completed', 'ehr', []],
    ['work', 'requested', 'completed', 'pharmacy', ['owner']],
  ]
  it.each(guarded)('of a Task to %s, %s → %s by %s holds: %s', (kind, from, to, mover, needed) => {
    for (const guard of ['reason', 'output', 'answered', 'owner'] as const) {
      const { move } = attempt(kind, { from, to }, { mover }, { ...all, [guard]: false })
      expect(move === undefined, guard).toBe(needed.includes(guard))
    }
  })
})

it('the kind of a Task is what its code says, by system and code', () => {
  const taskCode = 'http://hl7.org/fhir/CodeSystem/task-code'
  const kinds = [
    [taskCode, 'fulfill'],
    [taskCode, 'abort'],
    [taskCode, 'suspend'],
    ['http://snomed.info/sct', '103742009'],
    ['https://postern.health/fhir/CodeSystem/mirrored-task', 'appointment'],
    ['urn:other', 'fulfill'],
    [taskCode, 'approve'],
  ].map(([system = '', code = '']) => kindOf({ code: { coding: [{ system, code }] } }))
  expect(kinds).toEqual(['fulfil', 'cancel', 'cancel', 'renewal', 'mirror', 'work', 'work'])
  expect(kindOf({})).toBe('work')
})
