import type { Cursor } from '#core/query.ts'
import type { Call } from '#fhir/call.ts'
import { findVisible, type Shown, seenOf } from '#fhir/show.ts'
import { compareKeys, maxSorted, type SortValue, sortValues, tooManyToSort } from './order.ts'
import { isSortedByStore, type Search } from './parse.ts'

/** Rows looked at for one page at the most; then it goes out short, with a next link from where it stopped. */
const maxRows = 2000
const maxBatch = 200
/** Beyond this a total is left out. */
const maxTotal = 1000

/** Where a page ends. `keys` where the order is not the store's. */
export interface Position extends Cursor {
  keys?: SortValue[]
}

export interface Page {
  matches: Shown[]
  /** Where the next page goes on; none when nothing more is to be seen. */
  next?: Position
}

/**
 * A page is filled with what the caller may see, and has a next link only when there is one more of that: neither its
 * length nor its link tells of what is hidden (F8). The cursor stands after the last match shown, so what is hidden
 * behind it is decided again with the next page (F9).
 */
export async function fillPage(call: Call, search: Search, after?: Position): Promise<Page> {
  if (!ownOrder(search)) return sortedPage(call, search, after)
  const matches: { shown: Shown; cursor: Cursor }[] = []
  let position: Cursor | undefined = after
  for (let looked = 0; looked < maxRows; ) {
    // All that is missing and one more; when much is hidden, the later rounds reach further.
    const limit = looked === 0 ? Math.min(search.count + 1, maxBatch + 1) : maxBatch
    const rows = await call.ports.store.search(queryOf(search, limit, position))
    const visible = await Promise.all(rows.map(({ stored }) => visibleMatch(call, search, stored)))
    for (const [index, { cursor }] of rows.entries()) {
      const shown = visible[index]
      if (!shown) continue
      if (matches.length === search.count) return pageOf(matches, matches.at(-1)?.cursor)
      matches.push({ shown, cursor })
    }
    if (rows.length < limit) return pageOf(matches)
    looked += rows.length
    position = rows.at(-1)?.cursor
  }
  return pageOf(matches, position)
}

/** How many there are that the caller may see; undefined when that are more than are counted. */
export async function countVisible(call: Call, search: Search): Promise<number | undefined> {
  let total = 0
  for await (const visible of batches(call, search, maxRows)) {
    if (!visible) return undefined
    total += visible.length
    if (total > maxTotal) return undefined
  }
  return total
}

/** All that the caller may see, up to so many rows looked at; undefined when there are more. */
export async function allVisible(call: Call, search: Search, rows: number): Promise<Shown[] | undefined> {
  const all: Shown[] = []
  for await (const visible of batches(call, search, rows)) {
    if (!visible) return undefined
    all.push(...visible)
  }
  return all
}

/** The last is undefined when rows are left. */
async function* batches(call: Call, search: Search, rows: number): AsyncGenerator<Shown[] | undefined> {
  let position: Cursor | undefined
  for (let looked = 0; looked < rows; looked += maxBatch) {
    const found = await call.ports.store.search(queryOf(search, maxBatch, position))
    const visible = await Promise.all(found.map(({ stored }) => visibleMatch(call, search, stored)))
    yield visible.filter((shown) => shown !== undefined)
    if (found.length < maxBatch) return
    position = found.at(-1)?.cursor
  }
  yield undefined
}

/** Sealed values have an order only once they are opened: all matches are, and the page is cut from them. */
async function sortedPage(call: Call, search: Search, after?: Position): Promise<Page> {
  const all = await allVisible(call, search, maxSorted)
  if (!all) throw tooManyToSort()
  const placed = all
    .map((shown) => ({ shown, id: shown.stored.id, keys: sortValues(search.sort, seenOf(shown)) }))
    .sort((a, b) => compare(search, a, b))
    .filter((each) => !after || compare(search, each, { id: after.id, keys: after.keys ?? [] }) > 0)
  const page = placed.slice(0, search.count)
  const last = placed.length > search.count ? page.at(-1) : undefined
  return pageOf(page, last && { key: 0, id: last.id, keys: last.keys })
}

interface Placed {
  id: string
  keys: SortValue[]
}

function compare({ sort }: Search, a: Placed, b: Placed): number {
  return compareKeys(sort, a.keys, b.keys) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

/** The store can sort by one date. */
function ownOrder({ sort }: Search): boolean {
  const [only, ...more] = sort
  return !only || (more.length === 0 && isSortedByStore(only.parameter))
}

function queryOf(search: Search, limit: number, after?: Cursor) {
  const { type, criteria } = search
  const [key] = ownOrder(search) ? search.sort : []
  const sort = key && { param: key.parameter.name, descending: key.descending }
  return { type, criteria, limit, ...(sort ? { sort } : {}), ...(after ? { after } : {}) }
}

function pageOf(matches: readonly { shown: Shown }[], next?: Position): Page {
  return { matches: matches.map(({ shown }) => shown), ...(next ? { next } : {}) }
}

/** A match by an element that the caller may not see would give its value away: it is none. */
export async function visibleMatch(
  call: Call,
  search: Pick<Search, 'elements' | 'checks'>,
  stored: Shown['stored'],
): Promise<Shown | undefined> {
  if (stored.deleted) return undefined
  const shown = await findVisible(call, stored, 'search')
  const fields = shown?.decision.fields
  if (fields && [...search.elements].some((element) => !fields.includes(element))) return undefined
  if (!shown || search.checks.length === 0) return shown
  const seen = seenOf(shown)
  return search.checks.every((check) => check(seen)) ? shown : undefined
}
