import { Failure } from '#core/failure.ts'
import type { Call } from '#fhir/call.ts'
import { findVisible, type Shown, seenOf } from '#fhir/show.ts'
import { elementsAt, relativeReference } from '#store/index-rows.ts'
import { noteElements } from './elements.ts'
import type { Include } from './include-table.ts'
import { visibleMatch } from './page.ts'
import type { Search } from './parse.ts'

/** Resources that go along with one page. */
const maxIncluded = 500
/** Rows that one `_revinclude` looks at. */
const maxReferring = 1000
/** How far `:iterate` goes. */
const maxRounds = 4

/**
 * What the matches refer to, and what refers to them, each once, decided one by one; what the caller may not see, or
 * what is hidden in the resource that refers, is not there. `:iterate` goes on from what was found.
 * https://hl7.org/fhir/R4/search.html#include
 */
export async function findIncluded(
  call: Call,
  search: Pick<Search, 'includes' | 'revincludes'>,
  matches: readonly Shown[],
): Promise<Shown[]> {
  const known = new Set(matches.map(nameOf))
  const all: Shown[] = []
  let frontier = matches
  for (let round = 0; round < maxRounds && frontier.length > 0; round++) {
    const follows = (each: Include) => round === 0 || each.iterate
    const found = [
      ...(await findReferred(call, search.includes.filter(follows), frontier, known)),
      ...(await findReferring(call, search.revincludes.filter(follows), frontier)),
    ]
    const fresh: Shown[] = []
    for (const shown of found) {
      if (known.has(nameOf(shown))) continue
      known.add(nameOf(shown))
      fresh.push(shown)
    }
    all.push(...fresh)
    if (all.length > maxIncluded) throw tooMuch()
    frontier = fresh
  }
  return all
}

/**
 * What the matches refer to, as many as go along with one page, those named first; `complete` says whether that was all.
 * For who cannot ask for less.
 */
export async function findSomeReferred(
  call: Call,
  includes: readonly Include[],
  matches: readonly Shown[],
): Promise<{ included: Shown[]; complete: boolean }> {
  const wanted = wantedOf(includes, matches, new Set(matches.map(nameOf)))
  const included = await readVisible(call, wanted.slice(0, maxIncluded))
  return { included, complete: wanted.length <= maxIncluded }
}

function tooMuch(): Failure {
  return new Failure('too-costly', 'Too much to include in one page; lower _count.')
}

function nameOf({ stored }: Shown): string {
  return `${stored.type}/${stored.id}`
}

async function findReferred(
  call: Call,
  includes: readonly Include[],
  from: readonly Shown[],
  known: ReadonlySet<string>,
): Promise<Shown[]> {
  const wanted = wantedOf(includes, from, known)
  if (wanted.length > maxIncluded) throw tooMuch()
  return readVisible(call, wanted)
}

/** Each once, in the order in which they are named. */
function wantedOf(
  includes: readonly Include[],
  from: readonly Shown[],
  known: ReadonlySet<string>,
): string[] {
  const referred = from.flatMap((shown) => includes.flatMap((include) => referencesOf(include, shown)))
  return [...new Set(referred.filter((each) => !known.has(each)))]
}

async function readVisible(call: Call, references: readonly string[]): Promise<Shown[]> {
  const found = await Promise.all(
    references.map(async (reference) => {
      const [type = '', id = ''] = reference.split('/')
      if (!call.ports.access.gate(call.request.caller, 'read', type).permit) return undefined
      const stored = await call.ports.store.read(type, id)
      return stored && !stored.deleted ? findVisible(call, stored, 'read') : undefined
    }),
  )
  return found.filter((shown) => shown !== undefined)
}

function referencesOf({ source, parameter, target }: Include, shown: Shown): string[] {
  if (shown.stored.type !== source) return []
  const seen = seenOf(shown)
  return parameter.paths
    .flatMap((path) => elementsAt(seen, [...path.split('.'), 'reference']))
    .flatMap((reference) => (typeof reference === 'string' ? (relativeReference(reference) ?? []) : []))
    .filter((reference) => {
      const type = reference.slice(0, reference.indexOf('/'))
      return (target ?? type) === type && (parameter.targets?.includes(type) ?? true)
    })
}

async function findReferring(
  call: Call,
  revincludes: readonly Include[],
  from: readonly Shown[],
): Promise<Shown[]> {
  const found = await Promise.all(revincludes.map((include) => referringBy(call, include, from)))
  return found.flat()
}

async function referringBy(call: Call, include: Include, from: readonly Shown[]): Promise<Shown[]> {
  const { source, parameter, target } = include
  if (!call.ports.access.gate(call.request.caller, 'search', source).permit) return []
  const values = from.filter(({ stored }) => (target ?? stored.type) === stored.type).map(nameOf)
  if (values.length === 0) return []
  const rows = await call.ports.store.search({
    type: source,
    criteria: [{ kind: 'token', param: parameter.name, values }],
    limit: maxReferring + 1,
  })
  if (rows.length > maxReferring) throw tooMuch()
  const looking = { elements: new Set<string>(), checks: [] }
  noteElements(looking, parameter)
  const visible = await Promise.all(rows.map(({ stored }) => visibleMatch(call, looking, stored)))
  return visible.filter((shown) => shown !== undefined)
}
