import { decimalText } from '#core/decimal.ts'
import { Failure } from '#core/failure.ts'

/**
 * JSON in one spelling only, after RFC 8785 (JCS), but for one thing: a number is written as a string of its own digits,
 * because JCS would make 1.5 of 1.50, and a dose of 1.50 mg was signed as it was shown. Throws Failure `invalid` for text
 * that no UTF-8 can hold (a lone surrogate).
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (value === null || typeof value === 'boolean') return String(value)
  const digits = decimalText(value)
  if (digits !== undefined) return quoted(digits)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const members = Object.entries(value as object)
    .filter(([, item]) => item !== undefined)
    // By UTF-16 code units (RFC 8785 §3.2.3), which is how JavaScript compares.
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, item]) => `${quoted(name)}:${canonicalJson(item)}`)
  return `{${members.join(',')}}`
}

/** JSON.stringify escapes as RFC 8785 §3.2.2.2 says. */
function quoted(text: string): string {
  if (!text.isWellFormed()) throw new Failure('invalid', 'A text holds half of a character.')
  return JSON.stringify(text)
}
