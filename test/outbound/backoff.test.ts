import fc from 'fast-check'
import { expect, test } from 'vitest'
import { waitAfter } from '#outbound/backoff.ts'

const backoff = { baseMs: 1_000, capMs: 60_000, attempts: 10 }
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

test('waits double with each attempt up to the cap, and never fall below half of that', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), chance, (attempt, drawn) => {
      const whole = Math.min(60_000, 1_000 * 2 ** Math.min(attempt - 1, 30))
      const wait = waitAfter(attempt, drawn, backoff)
      expect(wait).toBeGreaterThanOrEqual(whole / 2)
      expect(wait).toBeLessThanOrEqual(whole)
    }),
  )
})

test('a receiver is not asked before it said, but no receiver can send us away for more than a day', () => {
  expect(waitAfter(1, 0, backoff, 7_000)).toBe(7_000)
  expect(waitAfter(10, 0, backoff, 7_000)).toBe(30_000)
  expect(waitAfter(1, 0, backoff, 1e12)).toBe(86_400_000)
})
