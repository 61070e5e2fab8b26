import { describe, expect, it } from 'vitest'
import { reviewUrgent, type Screening, screeningRules } from '#care/screening.ts'
import type { Caller } from '#core/caller.ts'

const screening = (change: Partial<Screening>): Screening => ({
  authored: '2026-01-05T10:00:00Z',
  items: [{ sensitive: true, answeredAt: '2026-01-05T09:59:00+00:00', answers: [{}] }],
  pricing: { shownAt: '2026-01-05T10:58:59+01:00' },
  outcome: { result: 'eligible' },
  ...change,
})

const ask = (value: Screening) => {
  const verdicts = screeningRules.map((rule) => rule(value, {} as Caller))
  return verdicts.find((verdict) => !verdict.keep) ?? { keep: true }
}

describe('screening', () => {
  it('a price shown before the first sensitive answer lets it pass, whatever the offsets', () => {
    expect(ask(screening({}))).toEqual({ keep: true })
  })

  it('a price shown at the same moment was not shown before', () => {
    expect(() => ask(screening({ pricing: { shownAt: '2026-01-05T09:59:00Z' } }))).toThrow(/not shown before/)
  })

  it('without a time of its own, an answer is as old as the response', () => {
    const items = [{ sensitive: true, answers: [{}] }]
    expect(ask(screening({ items, pricing: { shownAt: '2026-01-05T09:59:59Z' } }))).toEqual({ keep: true })
    expect(() => ask(screening({ items, pricing: { shownAt: '2026-01-05T10:00:01Z' } }))).toThrow(
      /not shown before/,
    )
  })

  it('a sensitive question that was not answered needs no price', () => {
    expect(ask(screening({ items: [{ sensitive: true }], pricing: undefined }))).toEqual({ keep: true })
  })

  it('a sensitive answer deep in groups is found', () => {
    const items = [{ items: [{ items: [{ sensitive: true, answers: [{}] }] }] }]
    expect(() => ask(screening({ items, pricing: undefined }))).toThrow(
      expect.objectContaining({
        issues: [expect.objectContaining({ expression: 'items[0].items[0].items[0]' })],
      }),
    )
  })

  it('of a failed screening a counter stays, and it still had to show its price', () => {
    expect(ask(screening({ outcome: { result: 'ineligible' } }))).toEqual({
      keep: false,
      counter: 'screening-ineligible',
    })
    expect(() => ask(screening({ outcome: { result: 'ineligible' }, pricing: undefined }))).toThrow(/price/)
  })

  it('a failed screening with an urgent answer becomes one to be reviewed; others stay as they are', () => {
    const urgent = screening({ outcome: { result: 'ineligible' }, items: [{ urgent: true, answers: [{}] }] })
    expect(reviewUrgent(urgent).outcome.result).toBe('needs-review')
    const unanswered = screening({ outcome: { result: 'ineligible' }, items: [{ urgent: true }] })
    expect(reviewUrgent(unanswered).outcome.result).toBe('ineligible')
    expect(reviewUrgent(screening({})).outcome.result).toBe('eligible')
  })
})
