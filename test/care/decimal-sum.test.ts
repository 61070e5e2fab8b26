import { describe, expect, it } from 'vitest'
import { compareSum } from '#care/decimal-sum.ts'

describe('a sum of decimals', () => {
  it.each([
    [['9e1'], '90', 0],
    [['9e3'], '90', 1],
    [['9.05E+1', '-5e-1'], '90.0', 0],
    [['1e-1', '0.2'], '0.3', 0],
  ])('of %j against %s is exact, with exponents too', (parts, whole, expected) => {
    expect(compareSum(parts, whole, 1)).toBe(expected)
  })

  it('of what is far too long is not worked out', () => {
    const started = performance.now()
    expect(compareSum(['1e400000000'], '90', 1)).toBeUndefined()
    expect(compareSum(['1'.repeat(4_000_000)], '90', 1)).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(500)
  })
})
