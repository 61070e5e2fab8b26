import { Failure } from '#core/failure.ts'
import { isDecimal } from '#formats/json.ts'

const maxOperations = 200

type Container = Record<string, unknown> | unknown[]

/**
 * RFC 6902 on a copy, all operations or none. Throws Failure `malformed` for what is no patch, `invalid` where it does
 * not fit the document or a `test` fails; neither says what stands there.
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new Failure('malformed', 'A JSON Patch is a list of operations.')
  if (patch.length > maxOperations)
    throw new Failure('too-large', `Send at most ${maxOperations} operations.`)
  return patch.reduce((value, operation, at) => apply(value, readOperation(operation, at)), copied(document))
}

interface Operation {
  op: keyof typeof operations
  path: string[]
  from: string[]
  value: unknown
  at: number
}

function readOperation(operation: unknown, at: number): Operation {
  const { op, path, from, value } = (typeof operation === 'object' && operation ? operation : {}) as Record<
    string,
    unknown
  >
  if (typeof op !== 'string' || !Object.hasOwn(operations, op)) throw malformed(at, 'op is none of RFC 6902')
  const needsValue = ['add', 'replace', 'test'].includes(op)
  if (needsValue && value === undefined) throw malformed(at, `${op} needs a value`)
  const source = op === 'move' || op === 'copy' ? pointer(from, at) : []
  return { op: op as Operation['op'], path: pointer(path, at), from: source, value, at }
}

/** RFC 6901 */
function pointer(text: unknown, at: number): string[] {
  if (typeof text !== 'string' || !/^(?:\/(?:[^~/]|~[01])*)*$/.test(text))
    throw malformed(at, 'a path is a JSON Pointer')
  return text
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

const operations = {
  add: (document: unknown, { path, value, at }: Operation) => put(document, path, copied(value), at),
  remove: (document: unknown, { path, at }: Operation) => take(document, path, at).rest,
  replace: (document: unknown, { path, value, at }: Operation) => {
    if (path.length === 0) return copied(value)
    const key = path.at(-1) ?? ''
    const container = containerOf(document, path, at)
    requireThere(container, key, at)
    if (Array.isArray(container)) container[Number(key)] = copied(value)
    else container[key] = copied(value)
    return document
  },
  move: (document: unknown, { path, from, at }: Operation) => {
    if (from.every((part, index) => part === path[index]) && from.length < path.length)
      throw unfit(at, 'nothing moves into itself')
    const { value, rest } = take(document, from, at)
    return put(rest, path, value, at)
  },
  copy: (document: unknown, { path, from, at }: Operation) =>
    put(document, path, copied(find(document, from, at)), at),
  test: (document: unknown, { path, value, at }: Operation) => {
    if (!same(find(document, path, at), value)) throw unfit(at, 'the test does not hold')
    return document
  },
} as const

function apply(document: unknown, operation: Operation): unknown {
  return operations[operation.op](document, operation)
}

function find(document: unknown, path: readonly string[], at: number): unknown {
  return path.reduce<unknown>((value, key) => {
    if (!isContainer(value)) throw unfit(at, 'there is nothing at the path')
    requireThere(value, key, at)
    return Array.isArray(value) ? value[Number(key)] : value[key]
  }, document)
}

function containerOf(document: unknown, path: readonly string[], at: number): Container {
  const container = find(document, path.slice(0, -1), at)
  if (!isContainer(container)) throw unfit(at, 'there is nothing at the path')
  return container
}

function put(document: unknown, path: readonly string[], value: unknown, at: number): unknown {
  if (path.length === 0) return value
  const container = containerOf(document, path, at)
  const key = path.at(-1) ?? ''
  if (!Array.isArray(container)) {
    if (key === '__proto__') throw malformed(at, 'a member may not be called __proto__')
    container[key] = value
    return document
  }
  const index = key === '-' ? container.length : indexOf(key)
  if (index === undefined || index > container.length) throw unfit(at, 'the list has no such place')
  container.splice(index, 0, value)
  return document
}

function take(document: unknown, path: readonly string[], at: number): { value: unknown; rest: unknown } {
  if (path.length === 0) return { value: document, rest: undefined }
  const container = containerOf(document, path, at)
  const key = path.at(-1) ?? ''
  requireThere(container, key, at)
  if (Array.isArray(container)) return { value: container.splice(Number(key), 1)[0], rest: document }
  const value = container[key]
  delete container[key]
  return { value, rest: document }
}

function requireThere(container: Container, key: string, at: number): void {
  const there = Array.isArray(container)
    ? (indexOf(key) ?? container.length) < container.length
    : Object.hasOwn(container, key)
  if (!there) throw unfit(at, 'there is nothing at the path')
}

function indexOf(key: string): number | undefined {
  return /^(?:0|[1-9]\d{0,8})$/.test(key) ? Number(key) : undefined
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null && !isDecimal(value)
}

/** Equality of RFC 6902 §4.6: numbers by value, members in any order. */
function same(a: unknown, b: unknown): boolean {
  if (!isContainer(a) || !isContainer(b)) return plain(a) === plain(b)
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))]
  return (
    left.length === right.size && left.every(([key, value]) => right.has(key) && same(value, right.get(key)))
  )
}

function plain(value: unknown): unknown {
  return isDecimal(value) ? Number(value.rawJSON) : value
}

/** A copy that may be written to; kept numbers are frozen and shared. */
export function copied(value: unknown): unknown {
  if (!isContainer(value)) return value
  if (Array.isArray(value)) return value.map(copied)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copied(item)]))
}

function malformed(at: number, text: string): Failure {
  return new Failure('malformed', `Operation ${at} of the patch cannot be read: ${text}.`)
}

function unfit(at: number, text: string): Failure {
  return new Failure('invalid', `Operation ${at} of the patch does not fit the resource: ${text}.`)
}
