import { Failure } from '#core/failure.ts'
import type { Call } from '#fhir/call.ts'
import { findOnly } from '#fhir/find-only.ts'
import type { Trail } from '#fhir/trail.ts'
import { isDecimal } from '#formats/json.ts'
import { searchParameters } from '#store/search-parameters.ts'
import type { Target } from './identify.ts'

const maxConditional = 50

/**
 * The entries with `Type/id` for every fullUrl of another entry and for every conditional reference
 * (`Practitioner?identifier=…`), which has to find exactly one resource that the caller may see. Throws Failure
 * `malformed` for a `urn:uuid` that no entry has. https://hl7.org/fhir/R4/http.html#transaction
 */
export async function resolveReferences(targets: readonly Target[], trail: Trail): Promise<Target[]> {
  const names = new Map<string, string>()
  for (const { entry, name } of targets) {
    if (entry.fullUrl === undefined) continue
    if (names.has(entry.fullUrl)) throw new Failure('malformed', 'Two entries have the same fullUrl.')
    names.set(entry.fullUrl, name)
  }
  const conditional = new Map<string, Call>()
  for (const { entry, call } of targets)
    for (const reference of conditionalIn(entry.resource)) conditional.set(reference, call)
  if (conditional.size > maxConditional)
    throw new Failure('too-costly', `Send at most ${maxConditional} conditional references.`)
  for (const [reference, call] of conditional)
    names.set(reference, await findNamed({ ...call, trail }, reference))
  return targets.map((target) => ({
    ...target,
    entry: { ...target.entry, resource: rewritten(target.entry.resource, names) },
  }))
}

async function findNamed(call: Call, reference: string): Promise<string> {
  const [type = '', query = ''] = reference.split('?')
  if (!(type in searchParameters))
    throw new Failure('unsupported', 'A conditional reference names no type served here.')
  const found = await findOnly({ ...call, type }, new URLSearchParams(query), 'A conditional reference')
  if (!found) throw new Failure('precondition-failed', 'A conditional reference finds no resource.')
  return `${type}/${found.stored.id}`
}

function conditionalIn(value: unknown): string[] {
  if (value === null || typeof value !== 'object' || isDecimal(value)) return []
  return Object.entries(value).flatMap(([key, item]) =>
    key === 'reference' && typeof item === 'string'
      ? /^[A-Z][A-Za-z]{1,63}\?.+$/.test(item)
        ? [item]
        : []
      : conditionalIn(item),
  )
}

/** Parts without such a reference are shared with the original. */
function rewritten(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (value === null || typeof value !== 'object' || isDecimal(value)) return value
  if (Array.isArray(value)) {
    const items = value.map((item) => rewrittenText(item, names) ?? rewritten(item, names))
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  const changed = Object.entries(value).flatMap(([key, item]) => {
    const next =
      (key === 'reference' ? named(item, names) : rewrittenText(item, names)) ?? rewritten(item, names)
    return next === item ? [] : [[key, next] as const]
  })
  return changed.length > 0 ? { ...value, ...Object.fromEntries(changed) } : value
}

function named(reference: unknown, names: ReadonlyMap<string, string>): string | undefined {
  if (typeof reference !== 'string') return undefined
  const name = names.get(reference)
  if (name === undefined && /^urn:(?:uuid|oid):/.test(reference))
    throw new Failure('malformed', 'A reference names no entry of the transaction by its fullUrl.')
  return name
}

/** A `urn:uuid` of an entry stands for its place wherever it is written, in url and uri elements too. */
function rewrittenText(value: unknown, names: ReadonlyMap<string, string>): string | undefined {
  return typeof value === 'string' && /^urn:(?:uuid|oid):/.test(value) ? names.get(value) : undefined
}
