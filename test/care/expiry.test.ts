import { describe, expect, it } from 'vitest'
import { hasExpired } from '#care/expiry.ts'

const london = 'Europe/London'
const newYork = 'America/New_York'
const auckland = 'Pacific/Auckland'

describe('validity', () => {
  it.each([
    // London is an hour ahead of UTC in July, New York four behind, Auckland twelve ahead.
    ['2026-07-05', london, '2026-07-05T22:59:59Z', false],
    ['2026-07-05', london, '2026-07-05T23:00:00Z', true],
    ['2026-07-05', newYork, '2026-07-06T03:59:59Z', false],
    ['2026-07-05', newYork, '2026-07-06T04:00:00Z', true],
    ['2026-07-05', auckland, '2026-07-05T11:59:59Z', false],
    ['2026-07-05', auckland, '2026-07-05T12:00:00Z', true],
    // The days on which the clocks change are 23 and 25 hours long.
    ['2026-03-29', london, '2026-03-29T22:59:59Z', false],
    ['2026-03-29', london, '2026-03-29T23:00:00Z', true],
    ['2026-10-25', london, '2026-10-25T23:59:59Z', false],
    ['2026-10-25', london, '2026-10-26T00:00:00Z', true],
    ['2026-02', london, '2026-02-28T23:59:59Z', false],
    ['2026-02', london, '2026-03-01T00:00:00Z', true],
    ['2026-07-05T12:00:00+02:00', newYork, '2026-07-05T10:00:00Z', false],
    ['2026-07-05T12:00:00+02:00', newYork, '2026-07-05T10:00:01Z', true],
  ])('to %s in %s is over at %s: %s', (end, timeZone, now, over) => {
    expect(hasExpired(end, Date.parse(now), timeZone)).toBe(over)
  })

  it('without an end is never over', () => {
    expect(hasExpired(undefined, Date.parse('2999-01-01T00:00:00Z'), london)).toBe(false)
  })
})
