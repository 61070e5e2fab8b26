import type { Task } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import { cancelAnswerOf, cancelOutcomeOf, cancelOutcomes } from '#care/cancel-outcomes.ts'
import { cancelStep } from '#care/cancel-watch.ts'

const eps = 'https://fhir.nhs.uk/CodeSystem/medicationrequest-status-history'
const v2 = 'http://terminology.hl7.org/CodeSystem/v2-0119'

/** Reference §1.5: code in the body → status of the order, `-` where it stays. */
const expected = [
  [eps, 'R-0001', 'cancelled', false],
  [eps, 'R-0002', 'active', false],
  [eps, 'R-0003', 'active', false],
  [eps, 'R-0004', 'completed', true],
  [eps, 'R-0005', 'stopped', false],
  [eps, 'R-0006', 'cancelled', false],
  [eps, 'R-0007', 'unknown', true],
  [eps, 'R-0008', '-', true],
  [eps, 'R-0009', '-', true],
  [eps, 'R-0010', 'stopped', false],
  [eps, 'R-5000', '-', true],
  [eps, 'R-5888', '-', true],
  [v2, 'CR', 'cancelled', false],
  [v2, 'UC', '-', true],
  [v2, 'DR', 'stopped', false],
  [v2, 'UD', '-', true],
] as const

describe('an answer to a cancellation', () => {
  it.each(expected)(
    'of %s|%s makes the order %s, and a person is told: %s',
    (system, code, status, alert) => {
      const outcome = cancelOutcomeOf({ system, code })
      if (!outcome) throw new Error(`${code} is in no table`)
      const row: { order?: string; alert: boolean } = cancelOutcomes[outcome]
      expect([row.order ?? '-', row.alert]).toEqual([status, alert])
    },
  )

  it('of a code in another system, or of none, means nothing', () => {
    for (const coding of [
      { system: 'urn:other', code: 'R-0001' },
      { code: 'R-0001' },
      { system: eps, code: 'R-9999' },
      {},
    ])
      expect(cancelOutcomeOf(coding)).toBeUndefined()
  })

  it('is read from the codes before the status', () => {
    const task = { resourceType: 'Task', intent: 'order' } as const
    const coded = (code: string) => ({ coding: [{ system: eps, code }] })
    const answers: Task[] = [
      { ...task, status: 'completed', businessStatus: coded('R-0005') },
      { ...task, status: 'rejected', statusReason: coded('R-0004') },
      { ...task, status: 'completed' },
      { ...task, status: 'rejected', statusReason: { text: 'ready' } },
      { ...task, status: 'in-progress' },
      { ...task, status: 'accepted', businessStatus: coded('R-0002') },
    ]
    expect(answers.map(cancelAnswerOf)).toEqual([
      'expired',
      'too-late',
      'confirmed',
      'refused',
      undefined,
      'marked',
    ])
  })
})

describe('the patience with a cancellation', () => {
  const asked = Date.parse('2026-03-01T12:00:00Z')
  const task = (changes: Partial<Task> = {}): Task => ({
    resourceType: 'Task',
    status: 'requested',
    intent: 'order',
    code: { coding: [{ system: 'http://hl7.org/fhir/CodeSystem/task-code', code: 'abort' }] },
    authoredOn: new Date(asked).toISOString(),
    ...changes,
  })
  const hour = 3_600_000
  const own = (code: string) => ({
    coding: [{ system: 'https://postern.health/fhir/CodeSystem/cancel-outcome', code }],
  })

  it.each([
    ['before a day', task(), 24 * hour - 1, 'wait'],
    ['at a day', task(), 24 * hour, 'remind'],
    ['once reminded', task({ businessStatus: own('reminded') }), 47 * hour, 'wait'],
    ['at two days', task({ businessStatus: own('reminded') }), 48 * hour, 'give-up'],
    ['at two days, never reminded', task(), 48 * hour, 'give-up'],
    ['once given up', task({ businessStatus: own('no-answer') }), 100 * hour, 'wait'],
    ['with an answer that is not the last', task({ businessStatus: own('marked') }), 100 * hour, 'wait'],
    ['while it is worked on', task({ status: 'in-progress' }), 24 * hour, 'remind'],
    ['when answered', task({ status: 'completed' }), 100 * hour, 'wait'],
    ['when refused', task({ status: 'rejected' }), 100 * hour, 'wait'],
    ['as a draft', task({ status: 'draft' }), 100 * hour, 'wait'],
    ['of another kind', task({ code: { text: 'x' } }), 100 * hour, 'wait'],
  ] as const)('%s: %s', (_name, given, age, step) => {
    expect(cancelStep(given, asked + age)).toBe(step)
  })
})
