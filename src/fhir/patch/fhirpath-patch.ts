import fhirpath from 'fhirpath'
import r4 from 'fhirpath/fhir-context/r4/index.js'
import { Failure } from '#core/failure.ts'
import { childOf } from './cardinality.ts'
import { copied } from './json-patch.ts'

const maxOperations = 100
const maxPath = 500
/** Functions that pick an element; none that reads elsewhere or can take its time. */
const allowed = [
  'where',
  'first',
  'last',
  'extension',
  'exists',
  'not',
  'ofType',
  'empty',
  'single',
  'skip',
  'take',
]

type Json = Record<string, unknown>
type Step = string | number

/**
 * https://hl7.org/fhir/R4/fhirpatch.html on a copy, all operations or none. Throws Failure `malformed` for what is no
 * patch, `invalid` where it does not fit the resource.
 */
export function applyFhirpathPatch(resource: unknown, parameters: unknown): unknown {
  const list = (parameters as Json).parameter
  if (!Array.isArray(list) || list.length === 0)
    throw new Failure('malformed', 'The patch holds no operation.')
  if (list.length > maxOperations) throw new Failure('too-large', `Send at most ${maxOperations} operations.`)
  const document = copied(resource) as Json
  for (const [at, parameter] of list.entries()) apply(document, readOperation(parameter, at))
  return document
}

interface Operation {
  at: number
  type: keyof typeof operations
  path: string
  name: string
  value: { given: boolean; content: unknown; type: string }
  index: number
  source: number
  destination: number
}

function readOperation(parameter: Json, at: number): Operation {
  const parts = new Map<string, Json>()
  for (const part of Array.isArray(parameter?.part) ? (parameter.part as Json[]) : [])
    parts.set(String(part.name), part)
  const text = (name: string, member: string) => String(parts.get(name)?.[member] ?? '')
  const type = text('type', 'valueCode')
  if (parameter?.name !== 'operation' || !Object.hasOwn(operations, type)) {
    throw malformed(at, 'each parameter is an operation of type add, insert, delete, replace or move')
  }
  const path = text('path', 'valueString')
  const functions = [...path.matchAll(/([A-Za-z]+)\s*\(/g)].map(([, name]) => name ?? '')
  if (path === '' || path.length > maxPath || !functions.every((name) => allowed.includes(name))) {
    throw malformed(at, `path is a short FHIRPath of elements, indexes and ${allowed.join(', ')}`)
  }
  const numbers = { index: 'index', source: 'source', destination: 'destination' } as const
  const [index, source, destination] = Object.values(numbers).map((name) =>
    Number(parts.get(name)?.valueInteger ?? Number.NaN),
  ) as [number, number, number]
  return {
    at,
    type: type as Operation['type'],
    path,
    name: text('name', 'valueString'),
    value: partValue(parts.get('value')),
    index,
    source,
    destination,
  }
}

/** `value[x]`; the parts of an anonymous element are values of their own, lists where they repeat. */
function partValue(part: Json | undefined): Operation['value'] {
  if (Array.isArray(part?.part)) {
    const content: Json = {}
    for (const each of part.part as Json[]) {
      const name = String(each.name)
      const value = partValue(each).content
      if (name !== '__proto__') content[name] = name in content ? [content[name], value].flat() : value
    }
    return { given: true, content, type: '' }
  }
  const [member, content] = Object.entries(part ?? {}).find(([name]) => name.startsWith('value')) ?? []
  return { given: content !== undefined, content, type: member?.slice('value'.length) ?? '' }
}

function apply(document: Json, operation: Operation): void {
  operations[operation.type](document, operation)
}

const operations = {
  add(document: Json, operation: Operation): void {
    const { at, name } = operation
    const value = requireValue(operation)
    const place = requireOne(document, operation)
    const target = valueAt(document, place) as Json
    const child = childOf(typePath(document, place), name)
    if (!child || typeof target !== 'object') throw unfit(at, 'the element has no such child')
    const key = child.choice ? `${name}${operation.value.type}` : name
    if (child.list) target[key] = [...((target[key] as unknown[]) ?? []), value]
    else if (target[key] !== undefined) throw unfit(at, 'the element stands there already: replace it')
    else target[key] = value
  },
  insert(document: Json, operation: Operation): void {
    const list = requireList(document, operation)
    const { at, index } = operation
    if (!(index >= 0 && index <= list.length)) throw unfit(at, 'the list has no such place')
    list.splice(index, 0, requireValue(operation))
  },
  delete(document: Json, operation: Operation): void {
    const places = locate(document, operation)
    const [place] = places
    if (!place) return
    if (places.length > 1) throw unfit(operation.at, 'the path finds more than one element')
    const key = place.at(-1)
    const parent = valueAt(document, place.slice(0, -1))
    if (key === undefined) throw unfit(operation.at, 'a resource is deleted by DELETE')
    if (Array.isArray(parent)) {
      parent.splice(Number(key), 1)
      if (parent.length === 0) delete (valueAt(document, place.slice(0, -2)) as Json)[String(place.at(-2))]
    } else delete (parent as Json)[key]
  },
  replace(document: Json, operation: Operation): void {
    const place = requireOne(document, operation)
    const value = requireValue(operation)
    const parent = valueAt(document, place.slice(0, -1))
    const key = place.at(-1)
    if (key === undefined) throw unfit(operation.at, 'a resource is replaced by PUT')
    if (Array.isArray(parent)) {
      parent[Number(key)] = value
      return
    }
    const stem = choiceStem(typePath(document, place.slice(0, -1)), String(key))
    delete (parent as Json)[key]
    ;(parent as Json)[stem && operation.value.type ? `${stem}${operation.value.type}` : key] = value
  },
  move(document: Json, operation: Operation): void {
    const list = requireList(document, operation)
    const { at, source, destination } = operation
    const inside = (index: number) => index >= 0 && index < list.length
    if (!inside(source) || !inside(destination)) throw unfit(at, 'the list has no such place')
    list.splice(destination, 0, ...list.splice(source, 1))
  },
} as const

/** The stored name of a choice follows the type of its value: `deceased` of `deceasedBoolean`; undefined for no choice. */
function choiceStem(path: readonly string[], key: string): string | undefined {
  const ends = [...key.matchAll(/[A-Z]/g)].map(({ index }) => key.slice(0, index))
  return ends.find((stem) => childOf(path, stem)?.choice)
}

function requireValue({ value, at }: Operation): unknown {
  if (!value.given) throw malformed(at, 'the operation needs a value')
  return value.content
}

function requireOne(document: Json, operation: Operation): Step[] {
  const [place, ...more] = locate(document, operation)
  if (!place || more.length > 0) throw unfit(operation.at, 'the path does not find exactly one element')
  return place
}

function requireList(document: Json, operation: Operation): unknown[] {
  const [first] = locate(document, operation)
  const list = first && valueAt(document, first.slice(0, -1))
  if (!first || !Array.isArray(list)) throw unfit(operation.at, 'the path does not find a list')
  return list
}

/** Where the elements of a path stand: evaluated on a copy, since the evaluation marks what it is given. */
function locate(document: Json, { path, at }: Operation): Step[][] {
  try {
    const copy = JSON.parse(JSON.stringify(document))
    const nodes = fhirpath.evaluate(copy, path, {}, r4, { resolveInternalTypes: false }) as unknown[]
    return [nodes]
      .flat()
      .map((node) => stepsOf(document, (node as { fullPropertyName?(): string }).fullPropertyName?.()))
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw malformed(at, 'path is not FHIRPath')
  }
}

/** `Patient.name[0].given[1]` → steps; a choice is told without its type, so the member that is there is taken. */
function stepsOf(document: Json, name: string | null | undefined): Step[] {
  if (!name) throw new TypeError('not an element')
  const steps: Step[] = []
  for (const [, member = '', index] of name
    .split('.')
    .slice(1)
    .map((part) => /^([^[]+)(?:\[(\d+)\])?$/.exec(part) ?? [])) {
    const parent = valueAt(document, steps) as Json
    const key = member in parent ? member : Object.keys(parent).find((each) => isChoice(each, member))
    steps.push(key ?? member)
    if (index !== undefined && Array.isArray(parent[key ?? member])) steps.push(Number(index))
  }
  return steps
}

function isChoice(key: string, member: string): boolean {
  return key.startsWith(member) && /^[A-Z]/.test(key.slice(member.length))
}

function valueAt(document: unknown, steps: readonly Step[]): unknown {
  return steps.reduce<unknown>(
    (value, step) => (value as Record<Step, unknown> | undefined)?.[step],
    document,
  )
}

/** Names only, as the definitions have them. */
function typePath(document: Json, steps: readonly Step[]): string[] {
  return [String(document.resourceType), ...steps.filter((step) => typeof step === 'string')]
}

function malformed(at: number, text: string): Failure {
  return new Failure('malformed', `Operation ${at} of the patch cannot be read: ${text}.`)
}

function unfit(at: number, text: string): Failure {
  return new Failure('invalid', `Operation ${at} of the patch does not fit the resource: ${text}.`)
}
