import { isDecimal } from '#core/decimal.ts'

/**
 * Whether two JSON values say the same, the order of members aside. 12.50 and 12.5 do: most clients send back what a
 * double makes of what they read.
 */
export function sameValue(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (isDecimal(one) || isDecimal(other)) return digits(one) === digits(other)
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const names = Object.keys(one)
  if (names.length !== Object.keys(other).length) return false
  const [left, right] = [one as Record<string, unknown>, other as Record<string, unknown>]
  return names.every((name) => name in right && sameValue(left[name], right[name]))
}

/** A decimal's text without the zeros that do not change its value. */
function digits(value: unknown): unknown {
  const text = isDecimal(value) ? value.rawJSON : typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || !/^-?\d+\.\d+$/.test(text)) return text
  return text.replace(/\.?0+$/, '')
}
