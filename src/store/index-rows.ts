import type { Resource } from '#core/resource.ts'
import { type DateRange, dateRange, farFuture, farPast, undated } from './date-range.ts'
import { type SearchParameter, searchParameters } from './search-parameters.ts'
import { prefixesOf } from './string-prefixes.ts'

/** One value for equality search; `perPatient` values are hashed under the patient's own key. */
interface TokenRow {
  param: string
  value: string
  perPatient?: true
}

interface DateRow extends DateRange {
  param: string
}

export interface IndexRows {
  tokens: TokenRow[]
  dates: DateRow[]
}

/**
 * Everything a resource can be found by, each row once. A coded value or identifier gives `system|code`, `code` and
 * `system|`, or `|code` and `code` where it has no system; a reference gives `Type/id` without version, and what it
 * names by identifier goes under `<param>:identifier`; a canonical gives itself and itself without version; a string gives
 * its beginnings. A date that is absent has a row too, so that the order of that date holds every resource.
 * `_id` and `_lastUpdated` are the store's own.
 */
export function indexRows(
  resource: Resource,
  parameters: readonly SearchParameter[] = searchParameters[resource.resourceType] ?? [],
): IndexRows {
  const tokens: TokenRow[] = []
  const dates: DateRow[] = []
  for (const parameter of parameters) {
    if (parameter.opened) continue
    const rows = parameterRows(resource, parameter)
    tokens.push(...rows.tokens)
    dates.push(...rows.dates)
  }
  return { tokens, dates }
}

/** The rows of one parameter. */
export function parameterRows(resource: Resource, parameter: SearchParameter): IndexRows {
  const { name, kind, perPatient } = parameter
  const elements = parameter.paths
    .flatMap((path) => elementsAt(resource, path.split('.')))
    .filter((element) => !parameter.system || isOfSystem(element, parameter.system))
  if (kind === 'date') {
    const dates = elements.flatMap((element) => dateRows(name, element))
    return { tokens: [], dates: dates.length > 0 ? dates : [{ param: name, low: undated, high: undated }] }
  }
  if (parameter.present) {
    const value = String(elements.some((element) => element !== false))
    return { tokens: [{ param: name, value }], dates: [] }
  }
  const tokens = new Map<string, TokenRow>()
  const add = (value: string, param = name) =>
    tokens.set(`${param} ${value}`, { param, value, ...(perPatient ? { perPatient } : {}) })
  for (const element of elements) {
    if (kind === 'reference') addReference(parameter, element, add)
    else for (const value of valuesOf[kind](element)) add(value)
  }
  return { tokens: [...tokens.values()], dates: [] }
}

const valuesOf = {
  token: tokenValues,
  uri: uriValues,
  string: stringValues,
  // Never indexed (opened): only that there is one counts here, for `:missing`.
  quantity: presence,
  composite: presence,
} as const

function presence(): string[] {
  return ['present']
}

/** The values at a path: arrays are walked through, absent steps give nothing. */
export function elementsAt(value: unknown, steps: readonly string[]): unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => elementsAt(item, steps))
  const [step, ...rest] = steps
  if (value === undefined || value === null) return []
  if (step === undefined) return [value]
  return typeof value === 'object' ? elementsAt((value as Record<string, unknown>)[step], rest) : []
}

/** `Type/id` of a relative reference, without its version; undefined for every other form. */
export function relativeReference(text: string): string | undefined {
  return /^([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64})(?:\/_history\/[A-Za-z0-9.-]{1,64})?$/.exec(text)?.[1]
}

type Add = (value: string, param?: string) => void

function addReference(parameter: SearchParameter, element: unknown, add: Add): void {
  const { reference, identifier } = typeof element === 'object' ? (element as Record<string, unknown>) : {}
  if (identifier) for (const value of tokenValues(identifier)) add(value, `${parameter.name}:identifier`)
  if (typeof reference !== 'string' || reference.startsWith('#')) return
  const relative = relativeReference(reference)
  if (!parameter.targets) add(relative ?? reference)
  else if (relative && parameter.targets.includes(relative.slice(0, relative.indexOf('/')))) add(relative)
  else if (!relative && parameter.name !== 'patient') add(reference)
}

function tokenValues(element: unknown): string[] {
  if (typeof element === 'string') return element ? [element] : []
  if (typeof element === 'boolean') return [String(element)]
  if (typeof element !== 'object' || element === null) return []
  const { coding, system, code, value } = element as Record<string, unknown>
  if (Array.isArray(coding)) return coding.flatMap(tokenValues)
  const text = code ?? value
  if (typeof text !== 'string') return typeof system === 'string' ? [`${system}|`] : []
  return typeof system === 'string' ? [`${system}|${text}`, text, `${system}|`] : [`|${text}`, text]
}

function uriValues(element: unknown): string[] {
  if (typeof element !== 'string') return []
  const bar = element.indexOf('|')
  return bar < 0 ? [element] : [element, element.slice(0, bar)]
}

function stringValues(element: unknown): string[] {
  return typeof element === 'string' ? prefixesOf(element) : []
}

function isOfSystem(element: unknown, system: string): boolean {
  return (element as { system?: unknown } | null)?.system === system
}

function dateRows(param: string, element: unknown): DateRow[] {
  if (typeof element === 'string') {
    const range = dateRange(element)
    return range ? [{ param, ...range }] : []
  }
  if (typeof element !== 'object' || element === null) return []
  const { start, end } = element as Record<string, unknown>
  const from = typeof start === 'string' ? dateRange(start) : undefined
  const to = typeof end === 'string' ? dateRange(end) : undefined
  return from || to ? [{ param, low: from?.low ?? farPast, high: to?.high ?? farFuture }] : []
}
