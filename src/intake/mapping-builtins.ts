import { Failure } from '#core/failure.ts'
import { type Callable, callable, callBack } from './mapping-call.ts'
import { fault, limits, type Run } from './mapping-limits.ts'
import {
  any,
  type Check,
  func,
  list,
  number,
  objects,
  parametersOf,
  scalar,
  text,
  textOrFunc,
  texts,
} from './mapping-parameters.ts'
import { contains, match, replace, split } from './mapping-regex.ts'
import { joined } from './mapping-size.ts'
import {
  append,
  isEqual,
  isNumeric,
  isSequence,
  isTrue,
  lookup,
  push,
  sequenceOf,
  textOf,
} from './mapping-values.ts'

/** jsonata's functions that compiled mappings have. They give what they are given when that is nothing. */
export const builtins: Readonly<Record<string, Callable>> = {
  append: builtin('<xx:a>', [any, any], (_run, first, second) => append(first, second)),
  base64encode: builtin('<s-:s>', [text], (_run, value) => given(value, base64)),
  boolean: builtin('<x-:b>', [any], (_run, value) => given(value, isTrue)),
  ceil: builtin('<n-:n>', [number], (_run, value) => given(value as number, Math.ceil)),
  contains: builtin('<s-(sf):b>', [text, textOrFunc], (run, value, token) =>
    contains(run, value as string, token),
  ),
  count: builtin('<a:n>', [list], (_run, items) => (items as unknown[] | undefined)?.length ?? 0),
  distinct: builtin('<x:x>', [any], (_run, value) => distinct(value)),
  encodeUrlComponent: builtin('<s-:s>', [text], (_run, value) => given(value as string, encoded)),
  exists: builtin('<x:b>', [any], (_run, value) => value !== undefined),
  filter: builtin('<af>', [list, func], (run, items, keeps) => filter(run, items as unknown[], keeps)),
  floor: builtin('<n-:n>', [number], (_run, value) => given(value as number, Math.floor)),
  join: builtin(
    '<a<s>s?:s>',
    [texts, text],
    (_run, parts, separator = '') => given(parts as string[], (all) => joined(all, separator as string)),
    1,
  ),
  length: builtin('<s-:n>', [text], (_run, value) => given(value as string, (all) => [...all].length)),
  lookup: builtin('<x-s:x>', [any, text], (_run, input, key) => lookup(input, String(key))),
  lowercase: builtin('<s-:s>', [text], (_run, value) => given(value as string, (all) => all.toLowerCase())),
  map: builtin('<af>', [list, func], (run, items, change) => map(run, items as unknown[], change)),
  match: builtin(
    '<s-f<s:o>n?:a<o>>',
    [text, func, number],
    (run, value, pattern, limit) => match(run, value as string, pattern, limit as number),
    2,
  ),
  merge: builtin('<a<o>:o>', [objects], (_run, parts) =>
    given(parts as object[], (all) => Object.assign(Object.create(null), ...all)),
  ),
  not: builtin('<x-:b>', [any], (_run, value) => given(value, (all) => !isTrue(all))),
  number: builtin('<(nsb)-:n>', [scalar], (_run, value) => given(value, numberOf)),
  replace: builtin(
    '<s-(sf)(sf)n?:s>',
    [text, textOrFunc, textOrFunc, number],
    (run, value, pattern, by, limit) => replace(run, value as string, pattern, by, limit as number),
    3,
  ),
  reverse: builtin('<a:a>', [list], (_run, items) =>
    given(items as unknown[], (all) => (all.length > 1 ? [...all].reverse() : all)),
  ),
  split: builtin(
    '<s-(sf)n?:a<s>>',
    [text, textOrFunc, number],
    (run, value, separator, limit) => split(run, value as string, separator, limit as number),
    2,
  ),
  string: builtin('<x-b?:s>', [any], (_run, value, pretty) =>
    given(value, (all) => textOf(all, pretty ? 2 : 0)),
  ),
  substring: builtin(
    '<s-nn?:s>',
    [text, number, number],
    (_run, value, start, length) =>
      given(value as string, (all) => substring(all, start as number, length as number)),
    2,
  ),
  substringAfter: builtin('<s-s:s>', [text, text], (_run, value, mark) =>
    given(value as string, (all) => {
      const at = all.indexOf(mark as string)
      return at < 0 ? all : all.slice(at + (mark as string).length)
    }),
  ),
  substringBefore: builtin('<s-s:s>', [text, text], (_run, value, mark) =>
    given(value as string, (all) => {
      const at = all.indexOf(mark as string)
      return at < 0 ? all : all.slice(0, at)
    }),
  ),
  trim: builtin('<s-:s>', [text], (_run, value) =>
    given(value as string, (all) => all.replace(/[ \t\n\r]+/g, ' ').replace(/^ | $/g, '')),
  ),
  type: builtin('<x:s>', [any], (_run, value) => given(value, typeOf)),
  uppercase: builtin('<s-:s>', [text], (_run, value) => given(value as string, (all) => all.toUpperCase())),
}

/** A mapping that names one of these is left to jsonata. */
export const otherBuiltins: ReadonlySet<string> = new Set(
  `abs assert average base64decode clone decodeUrl decodeUrlComponent each encodeUrl error eval formatBase
   formatInteger formatNumber fromMillis keys max millis min now parseInteger power random reduce round shuffle sift
   single sort spread sqrt sum toMillis zip`.split(/\s+/),
)

type Body = (run: Run, ...parameters: unknown[]) => unknown

/** `least`: how many parameters have to be given for nothing to be completed. */
function builtin(signature: string, checks: readonly Check[], body: Body, least = checks.length): Callable {
  const complete = parametersOf(signature, least, checks)
  return callable(checks.length, null, (parameters, context, run) =>
    body(run, ...complete(parameters, context)),
  )
}

function given<Value>(value: Value, make: (value: NonNullable<Value> | Value) => unknown): unknown {
  return value === undefined ? undefined : make(value)
}

function map(run: Run, items: unknown[] | undefined, change: unknown): unknown {
  if (items === undefined) return undefined
  const result = sequenceOf()
  for (let index = 0; index < items.length; index++) {
    const value = callBack(change, [items[index], index, items], run)
    if (value !== undefined) push(result, value)
  }
  return result
}

function filter(run: Run, items: unknown[] | undefined, keeps: unknown): unknown {
  if (items === undefined) return undefined
  const result = sequenceOf()
  for (let index = 0; index < items.length; index++) {
    if (isTrue(callBack(keeps, [items[index], index, items], run))) push(result, items[index])
  }
  return result
}

function distinct(value: unknown): unknown {
  if (!Array.isArray(value) || value.length <= 1) return value
  const result: unknown[] = isSequence(value) ? sequenceOf() : []
  for (const item of value) if (!result.some((known) => isEqual(item, known))) result.push(item)
  return result
}

/** By characters, not by halves of them. A negative start counts from the end. */
function substring(whole: string, start: number, length: number | undefined): string {
  const characters = [...whole]
  const from = characters.length + start < 0 ? 0 : start
  if (length === undefined) return characters.slice(from).join('')
  if (length <= 0) return ''
  return characters.slice(from, from >= 0 ? from + length : characters.length + from + length).join('')
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'string') {
    if (/^-?[0-9]+(\.[0-9]+)?([Ee][-+]?[0-9]+)?$/.test(value) && Number.isFinite(Number(value)))
      return Number(value)
    // As loosely anchored as jsonata's own.
    if (/^(0[xX][0-9A-Fa-f]+)|(0[oO][0-7]+)|(0[bB][0-1]+)$/.test(value)) return Number(value)
  }
  throw fault('D3030')
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (isNumeric(value)) return 'number'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'number' ? 'object' : typeof value
}

function encoded(value: string): string {
  try {
    return encodeURIComponent(value)
  } catch {
    throw fault('D3140')
  }
}

/** Each character by its low byte, as Node's `binary` has it. */
function base64(value: unknown): string {
  const bytes = Array.from(
    { length: (value as string).length },
    (_, at) => (value as string).charCodeAt(at) & 255,
  )
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

/** `$pad`, for both engines: jsonata's own would pad without end. */
export function boundedPad(value: string | undefined, width: number, character = ' '): string | undefined {
  if (value === undefined) return undefined
  if (Math.abs(width) > limits.padding) throw new Failure('unsupported', 'A mapping pads a text too far')
  return width < 0 ? value.padStart(-width, character) : value.padEnd(width, character)
}
