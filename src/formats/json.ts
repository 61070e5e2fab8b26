import { isDecimal } from '#core/decimal.ts'
import { Failure } from '#core/failure.ts'
import { type Scan, scanJson } from './json-scan.ts'

export { decimalText, isDecimal } from '#core/decimal.ts'

export interface JsonLimits {
  /** Levels of objects and arrays; 64 where not given. */
  maxDepth?: number
  /** Bytes of UTF-8; 5 MiB where not given. */
  maxBytes?: number
}

/**
 * JSON text (RFC 8259) → value, for bodies from outside. Numbers that a double would not give back as they were
 * written, and all with a fraction or exponent, become decimals (core/decimal). Stricter than the grammar, as I-JSON
 * (RFC 7493) is: invalid UTF-8, duplicate members and `__proto__` are refused,
 * because two readers would otherwise see two different messages. Throws Failure `malformed` or `too-large`.
 */
export function parseJson(input: string | Uint8Array, limits: JsonLimits = {}): unknown {
  const { maxDepth = 64, maxBytes = 5 * 1024 * 1024 } = limits
  const size = typeof input === 'string' ? utf8Length(input) : input.byteLength
  if (size > maxBytes)
    throw new Failure('too-large', `The body is larger than ${maxBytes} bytes; send less at a time.`)
  const text = typeof input === 'string' ? input : decode(input)
  const scan = scanJson(text, maxDepth)
  if (scan.tooDeep) {
    throw new Failure('malformed', `The JSON nests deeper than ${maxDepth} levels; flatten it.`)
  }
  const value = parse(text, scan)
  if (countMembers(value) !== scan.members) {
    throw new Failure('malformed', 'An object in the JSON names a member twice; give each member once.')
  }
  return value
}

/** Value → JSON text; decimals are written with the digits they came with. */
export function stringifyJson(value: unknown): string {
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) throw new Failure('internal', 'There is no JSON for a value that is absent.')
  return text
}

/**
 * A copy in which decimals are strings of their digits, as schemas and mappings see them; parts without any are
 * shared with the original.
 */
export function asStrings(value: unknown): unknown {
  if (isDecimal(value)) return value.rawJSON
  if (Array.isArray(value)) {
    const items = value.map(asStrings)
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value)
  const copies = entries.map(([key, item]) => [key, asStrings(item)] as const)
  return copies.some(([, item], index) => item !== entries[index]?.[1]) ? Object.fromEntries(copies) : value
}

function parse(text: string, scan: Scan): unknown {
  try {
    return scan.exactNumbers ? JSON.parse(text, keepDigits) : JSON.parse(text)
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    // The parser's own message quotes the text, which may be about a patient: it stays in no failure.
    const at = /position (\d+)/.exec(String(cause))?.[1]
    throw new Failure(
      'malformed',
      `The body is not JSON${at ? ` (at character ${at})` : ''}; send RFC 8259 text.`,
    )
  }
}

/** Digits and exponent of a number: far more than any amount needs, and little enough to reckon with. */
const maxNumber = 100
const hugeExponent = /[eE][+-]?\d{4,}$/

function keepDigits(_key: string, value: unknown, context: { source?: string }): unknown {
  if (typeof value !== 'number' || context.source === undefined) return value
  if (context.source.length > maxNumber || hugeExponent.test(context.source)) {
    throw new Failure('malformed', `A number has more than ${maxNumber} digits or an exponent beyond 999.`)
  }
  return String(value) === context.source && Number.isSafeInteger(value)
    ? value
    : JSON.rawJSON(context.source)
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Failure('malformed', 'The body is not UTF-8; send JSON as UTF-8.')
  }
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).byteLength
}

function countMembers(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countMembers(item), 0)
  if (value === null || typeof value !== 'object' || isDecimal(value)) return 0
  let members = 0
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__')
      throw new Failure('malformed', 'A member may not be called __proto__; rename it.')
    members += 1 + countMembers(item)
  }
  return members
}
