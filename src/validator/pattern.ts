import { decimalText } from '#core/decimal.ts'
import { isRecord } from './report.ts'

/** `fixed[x]`: the same value, nothing more (https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_). */
export function equalsFixed(value: unknown, fixed: unknown): boolean {
  if (Array.isArray(fixed)) {
    return (
      Array.isArray(value) &&
      value.length === fixed.length &&
      fixed.every((item, index) => equalsFixed(value[index], item))
    )
  }
  if (isRecord(fixed)) {
    const keys = Object.keys(fixed)
    return (
      isRecord(value) &&
      Object.keys(value).length === keys.length &&
      keys.every((key) => equalsFixed(value[key], fixed[key]))
    )
  }
  return sameScalar(value, fixed)
}

/** `pattern[x]`: at least what the pattern holds; for each item of a pattern's list some item of the value. */
export function matchesPattern(value: unknown, pattern: unknown): boolean {
  if (Array.isArray(pattern)) {
    return Array.isArray(value) && pattern.every((item) => value.some((other) => matchesPattern(other, item)))
  }
  if (isRecord(pattern)) {
    return isRecord(value) && Object.keys(pattern).every((key) => matchesPattern(value[key], pattern[key]))
  }
  return sameScalar(value, pattern)
}

function sameScalar(value: unknown, other: unknown): boolean {
  if (typeof other === 'number') return Number(decimalText(value)) === other && typeof value !== 'string'
  return value === other
}
