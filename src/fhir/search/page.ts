import type { Cursor } from '#core/query.ts'
import type { Call } from '#fhir/call.ts'
import { findVisible, type Shown } from '#fhir/show.ts'
import type { Search } from './parse.ts'

/** Rows looked at for one page at the most; then it goes out short, with a next link from where it stopped. */
const maxRows = 2000
const maxBatch = 200
/** Beyond this a total is left out. */
const maxTotal = 1000

export interface Page {
  matches: Shown[]
  /** Where the next page goes on; none when nothing more is to be seen. */
  next?: Cursor
}

/**
 * A page is filled with what the caller may see, and has a next link only when there is one more of that: neither its
 * length nor its link tells of what is hidden (F8). The cursor stands after the last match shown, so what is hidden
 * behind it is decided again with the next page (F9).
 */
export async function fillPage(call: Call, search: Search, after?: Cursor): Promise<Page> {
  const matches: { shown: Shown; cursor: Cursor }[] = []
  let position = after
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
  let position: Cursor | undefined
  for (let looked = 0; looked < maxRows; looked += maxBatch) {
    const rows = await call.ports.store.search(queryOf(search, maxBatch, position))
    const visible = await Promise.all(rows.map(({ stored }) => visibleMatch(call, search, stored)))
    total += visible.filter(Boolean).length
    if (total > maxTotal) return undefined
    if (rows.length < maxBatch) return total
    position = rows.at(-1)?.cursor
  }
  return undefined
}

function queryOf({ type, criteria, sort }: Search, limit: number, after?: Cursor) {
  return { type, criteria, limit, ...(sort ? { sort } : {}), ...(after ? { after } : {}) }
}

function pageOf(matches: { shown: Shown }[], next?: Cursor): Page {
  return { matches: matches.map(({ shown }) => shown), ...(next ? { next } : {}) }
}

/** A match by an element that the caller may not see would give its value away: it is none. */
async function visibleMatch(call: Call, search: Search, stored: Shown['stored']): Promise<Shown | undefined> {
  if (stored.deleted) return undefined
  const shown = await findVisible(call, stored, 'search')
  const fields = shown?.decision.fields
  if (fields && [...search.elements].some((element) => !fields.includes(element))) return undefined
  return shown
}
