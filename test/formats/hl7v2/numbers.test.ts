import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withoutExponent } from '#core/decimal.ts'
import { numeral } from '#formats/hl7v2/compose.ts'

/** Whole units and their power of ten: another way to say what a decimal is, without rounding. */
function exactly(text: string): [units: bigint, power: number] {
  const [, digits = '', fraction = '', power = '0'] =
    /^(-?\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? []
  return [BigInt(digits + fraction), Number(power) - fraction.length]
}

const digits = (most: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${most}}$`))
const decimals = fc
  .tuple(fc.boolean(), fc.bigInt(0n, 10n ** 20n), fc.option(digits(12)), fc.integer({ min: -40, max: 40 }))
  .map(
    ([minus, whole, fraction, power]) =>
      `${minus ? '-' : ''}${whole}${fraction ? `.${fraction}` : ''}e${power}`,
  )

describe('NM, which has no exponents,', () => {
  it('is the same number to the last digit, and as precise', () => {
    fc.assert(
      fc.property(decimals, (text) => {
        const plain = numeral(JSON.rawJSON(text))
        expect(plain).toMatch(/^-?(?:0|[1-9]\d*)(?:\.\d+)?$/)
        const [units, power] = exactly(text)
        const [told, places] = exactly(plain)
        const scale = Math.min(power, places)
        expect(told * 10n ** BigInt(places - scale)).toBe(units * 10n ** BigInt(power - scale))
        // As many places after the point as were given; a whole number has none to give.
        expect(places).toBe(Math.min(power, 0))
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['1E3', '1000'],
    ['1.50e1', '15.0'],
    ['2.50E-3', '0.00250'],
    ['-0e0', '-0'],
    ['0.50', '0.50'],
    ['12345678901234567', '12345678901234567'],
  ])('says %s as %s', (text, plain) => {
    expect(numeral(JSON.rawJSON(text))).toBe(plain)
  })

  it('is refused where it would take more than a hundred digits', () => {
    expect(withoutExponent('1e99')).toHaveLength(100)
    expect(withoutExponent('1e100')).toBeUndefined()
    expect(() => numeral(JSON.rawJSON('1e-300'))).toThrow('hundred digits')
  })
})
