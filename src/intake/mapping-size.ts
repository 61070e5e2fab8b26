import { Failure } from '#core/failure.ts'
import { limits } from './mapping-limits.ts'

/** How much of a mapping's result was seen so far: the same value in two places is said twice, and counts twice. */
export interface Size {
  values: number
  characters: number
}

export function emptySize(): Size {
  return { values: 0, characters: 0 }
}

/** One more value. Throws Failure `internal` beyond what a mapping may make. */
export function countValue(size: Size, value: unknown): void {
  size.values++
  if (typeof value === 'string') size.characters += value.length
  if (size.values > limits.values || size.characters > limits.characters) throw tooMuch()
}

/** The text, where it is no longer than a mapping may make one. Throws as `countValue`. */
export function boundedText(text: string): string {
  if (text.length > limits.characters) throw tooMuch()
  return text
}

/** Texts as one, measured before it is made. Throws as `countValue`. */
export function joined(parts: readonly string[], separator: string): string {
  let length = 0
  for (const part of parts) length += part.length + separator.length
  if (length - separator.length > limits.characters) throw tooMuch()
  return parts.join(separator)
}

/** Counts a value and all in it. Throws as `countValue`. */
export function requireBounded(value: unknown, size = emptySize()): void {
  countValue(size, value)
  if (typeof value !== 'object' || value === null) return
  for (const each of Object.values(value)) requireBounded(each, size)
}

function tooMuch(): Failure {
  return new Failure('internal', 'A mapping made more than it may')
}
