import base from '#profiles/base/r4.json' with { type: 'json' }
import type { SearchParameter } from '#store/search-parameters.ts'
import { type BaseTable, type ElementEntries, readLine, type SystemCodes } from '#validator/table.ts'

const { types, codes } = base as unknown as BaseTable
const known = new Map<string, SystemCodes | undefined>()

/**
 * What a token asks of elements of type `code`, which are kept without a system because their binding says it:
 * `http://hl7.org/fhir/event-status|completed` asks for `completed`, `http://hl7.org/fhir/event-status|` for any code of
 * that system. Every other value as it is. https://hl7.org/fhir/R4/search.html#token
 */
export function withoutImpliedSystem(type: string, parameter: SearchParameter, value: string): string[] {
  const bar = value.lastIndexOf('|')
  if (bar <= 0) return [value]
  const implied = impliedBy(type, parameter)?.[value.slice(0, bar)] ?? []
  const code = value.slice(bar + 1)
  if (code === '' && implied.length > 0) return [...implied]
  return implied.includes(code) ? [code] : [value]
}

/** Codes by system, where each element the parameter looks at is a code of one value set. */
function impliedBy(type: string, { name, paths }: SearchParameter): SystemCodes | undefined {
  const key = `${type}.${name}`
  if (known.has(key)) return known.get(key)
  const sets = new Set(paths.map((path) => boundTo(types[type]?.elements, path.split('.'))))
  const [only] = sets
  const found = sets.size === 1 && only ? codes[only] : undefined
  known.set(key, found)
  return found
}

/** The value set that the code at a path must be of; undefined for elements of other types. */
function boundTo(elements: ElementEntries | undefined, [step = '', ...rest]: string[]): string | undefined {
  const entry = elements && Object.hasOwn(elements, step) ? elements[step] : undefined
  if (entry === undefined) return undefined
  const line = readLine(typeof entry === 'string' ? entry : String(entry['']))
  const [only, ...more] = line.types
  if (rest.length > 0)
    return boundTo(typeof entry === 'string' ? types[only?.code ?? '']?.elements : entry, rest)
  return only?.code === 'code' && more.length === 0 ? line.codes : undefined
}
