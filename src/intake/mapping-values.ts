import { fault, limits } from './mapping-limits.ts'
import { requireBounded } from './mapping-size.ts'

/**
 * JSONata's arrays. A sequence is what a path or a function gathered: one item stands for itself, none is nothing.
 * `cons` is an array that was written as one inside a path, and stays one there.
 */
export interface Sequence extends Array<unknown> {
  sequence?: true
  keepSingleton?: boolean
  cons?: true
  /** The whole input is an array: it counts as one item. */
  outerWrapper?: true
}

export function sequenceOf(...items: unknown[]): Sequence {
  const sequence: Sequence = items
  sequence.sequence = true
  return sequence
}

export function isSequence(value: unknown): value is Sequence {
  return Array.isArray(value) && (value as Sequence).sequence === true
}

export function push(sequence: unknown[], item: unknown): void {
  if (sequence.length >= limits.sequence) throw fault('D2015')
  sequence.push(item)
}

/** What a node's value is to those around it. `keep`: the node was marked with `[]`. */
export function collapse(value: unknown, keep: boolean): unknown {
  if (!Array.isArray(value) || !isSequence(value)) return value
  if (keep) value.keepSingleton = true
  if (value.length === 0) return undefined
  return value.length === 1 && !value.keepSingleton ? value[0] : value
}

export function append(before: unknown, after: unknown): unknown {
  if (before === undefined) return after
  if (after === undefined) return before
  const first = Array.isArray(before) ? before : [before]
  const second = Array.isArray(after) ? after : [after]
  if (first.length + second.length > limits.sequence) throw fault('D2015')
  return [...first, ...second]
}

/** The field of an object, or of each object in an array, arrays in one. */
export function lookup(input: unknown, key: string): unknown {
  if (!Array.isArray(input)) return fieldOf(input, key)
  const found = sequenceOf()
  for (const item of input) {
    const value = lookup(item, key)
    if (value === undefined) continue
    if (Array.isArray(value)) for (const each of value) push(found, each)
    else push(found, value)
  }
  return found
}

function fieldOf(input: unknown, key: string): unknown {
  if (typeof input !== 'object' || input === null) return undefined
  const value = (input as Record<string, unknown>)[key]
  // What an object inherits is no text: most fields need no second look, which costs most where reads are watched.
  if (typeof value === 'string') return value
  return Object.hasOwn(input, key) ? value : undefined
}

/** A finite number. Throws for an infinite one. */
export function isNumeric(value: unknown): value is number {
  if (typeof value !== 'number' || Number.isNaN(value)) return false
  if (!Number.isFinite(value)) throw fault('D1001')
  return true
}

/** Effective boolean value; nothing and functions are false. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 1 ? isTrue(value[0]) : value.some(isTrue)
  if (typeof value === 'string') return value.length > 0
  if (isNumeric(value)) return value !== 0
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0
  return value === true
}

export function textOf(value: unknown, indent = 0): string {
  if (typeof value === 'string') return value
  if (typeof value === 'function') return ''
  if (typeof value === 'number' && !Number.isFinite(value)) throw fault('D3001')
  const shown = Array.isArray(value) && (value as Sequence).outerWrapper ? value[0] : value
  if (typeof shown === 'object') requireBounded(shown)
  return JSON.stringify(shown, written, indent)
}

/** Numbers as JSONata writes them: fifteen digits, so that sums look as expected. */
function written(_key: string, value: unknown): unknown {
  if (typeof value === 'function') return ''
  return isNumeric(value) && !Number.isInteger(value) ? Number(value.toPrecision(15)) : value
}

export function isEqual(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => isEqual(item, other[index]))
  }
  if (Array.isArray(one) || Array.isArray(other)) return false
  const names = Object.keys(one)
  if (names.length !== Object.keys(other).length) return false
  return names.every(
    (name) => Object.hasOwn(other, name) && isEqual(fieldOf(one, name), fieldOf(other, name)),
  )
}
