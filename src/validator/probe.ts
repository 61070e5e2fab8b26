import { decimalText } from '#core/decimal.ts'
import { isRecord } from './report.ts'

/** What rules ask of an element's JSON. An element exists when it has a value or extensions in place of one. */

export function has(owner: unknown, name: string): boolean {
  return isRecord(owner) && (owner[name] !== undefined || owner[`_${name}`] !== undefined)
}

/** Whether a choice has a value of any type: `answer` for `answer[x]`. */
export function hasChoice(owner: unknown, stem: string): boolean {
  return isRecord(owner) && Object.keys(owner).some((key) => isChoiceOf(key.replace(/^_/, ''), stem))
}

export function isChoiceOf(key: string, stem: string): boolean {
  return key.startsWith(stem) && /^[A-Z]/.test(key.slice(stem.length))
}

/** The items of an element that repeats; records only. */
export function records(owner: unknown, name: string): Record<string, unknown>[] {
  const value = isRecord(owner) ? owner[name] : undefined
  return Array.isArray(value) ? value.filter(isRecord) : isRecord(value) ? [value] : []
}

export function textOf(owner: unknown, name: string): string | undefined {
  const value = isRecord(owner) ? owner[name] : undefined
  return typeof value === 'string' ? value : undefined
}

/** The number of a decimal or integer element; undefined where it has none. */
export function numberOf(owner: unknown, name: string): number | undefined {
  const value = isRecord(owner) ? owner[name] : undefined
  const digits = typeof value === 'string' ? undefined : decimalText(value)
  return digits === undefined ? undefined : Number(digits)
}

export function countOf(owner: unknown, name: string): number {
  const value = isRecord(owner) ? owner[name] : undefined
  return Array.isArray(value) ? value.length : has(owner, name) ? 1 : 0
}

export function distinct(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length
}
