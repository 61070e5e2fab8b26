import { Failure } from '#core/failure.ts'
import type { Stored } from '#core/ports.ts'
import { dateRange } from '#store/date-range.ts'
import type { Answer, Call } from './call.ts'
import { ok } from './respond.ts'
import { type BundleLink, bundleText, historyEntry } from './search/bundle.ts'
import { openContinuation, sealContinuation } from './search/cursor.ts'
import { absent, findEarlier, type Shown } from './show.ts'
import { traceDecision, traceResource } from './trail.ts'

const defaultCount = 50
const maxCount = 200
/** Versions looked at for one page at the most; then it goes out short, with a next link from where it stopped. */
const maxRows = 2000

/** Newest first, from `before` on. */
type Versions = (limit: number, before?: Stored) => Promise<Stored[]>

/** https://hl7.org/fhir/R4/http.html#history of one resource. */
export async function history(call: Call): Promise<Answer> {
  const { store } = call.ports
  const { type, id } = call
  const page = await readPage(call, (limit, before) => store.history(type, id, limit, before?.version))
  // What never was and what may not be seen answer alike; a page link was given out for what was seen.
  if (page.entries.length === 0 && !page.asked.filtered) {
    call.trail.denied = page.looked > 0
    throw absent()
  }
  return answer(call, `${type}/${id}`, page)
}

/** The same for all resources of a type. */
export async function typeHistory(call: Call): Promise<Answer> {
  const { store } = call.ports
  const page = await readPage(call, (limit, before) => store.changes(call.type, limit, before))
  return answer(call, call.type, page)
}

/** Throws what the history would for how it is asked. */
export function requireHistory(call: Call): void {
  readAsked(call)
}

interface Page {
  asked: Asked
  entries: string[]
  /** Where the next page goes on. */
  next?: Stored
  looked: number
}

/** Each version is decided by itself and as the resource stands now; a deletion shows where the version before it does. */
async function readPage(call: Call, versions: Versions): Promise<Page> {
  const asked = readAsked(call)
  const entries: { text: string; stored: Stored }[] = []
  let before = asked.before
  for (let looked = 0; looked < maxRows; ) {
    const limit = Math.min(asked.count + 1, maxCount)
    const rows = await versions(limit, before)
    const recent = rows.filter(({ updated }) => updated >= asked.since)
    const found = await Promise.all(recent.map((stored) => findVersion(call, stored)))
    for (const { stored, shown } of found) {
      if (!shown) continue
      if (entries.length === asked.count) {
        return { asked, entries: entries.map(({ text }) => text), next: entries.at(-1)?.stored, looked }
      }
      traceDecision(call.trail, shown.decision)
      traceResource(call.trail, shown.resource)
      entries.push({
        text: historyEntry(call.ports.base, stored, stored.deleted ? undefined : shown.text),
        stored,
      })
    }
    looked += rows.length
    if (rows.length < limit || recent.length < rows.length)
      return { asked, entries: entries.map(({ text }) => text), looked }
    before = rows.at(-1)
  }
  return { asked, entries: entries.map(({ text }) => text), next: before, looked: maxRows }
}

async function findVersion(call: Call, stored: Stored): Promise<{ stored: Stored; shown?: Shown }> {
  if (!stored.deleted) return { stored, shown: await findEarlier(call, stored, 'history') }
  const before = await call.ports.store.readVersion(stored.type, stored.id, stored.version - 1)
  if (!before || before.deleted) return { stored }
  return { stored, shown: await findEarlier(call, before, 'history') }
}

function answer(call: Call, path: string, { asked, entries, next }: Page): Answer {
  const { ids, clock, base } = call.ports
  const url = `${base}/${path}/_history`
  const links: BundleLink[] = [{ relation: 'self', url: asked.used.size > 0 ? `${url}?${asked.used}` : url }]
  if (next) {
    const { updated, id, version } = next
    const after = { key: updated, id, keys: [version] }
    const cursor = new URLSearchParams({
      _cursor: sealContinuation(call, { query: asked.used.toString(), after }),
    })
    links.push({ relation: 'next', url: `${url}?${cursor}` })
  }
  return { response: ok(bundleText({ id: ids.random(), type: 'history', at: clock.now(), links, entries })) }
}

interface Asked {
  count: number
  /** Milliseconds since the epoch. */
  since: number
  before?: Stored
  /** By time or page: then nothing is an answer too. */
  filtered: boolean
  used: URLSearchParams
}

function readAsked(call: Call): Asked {
  const cursor = call.request.query.get('_cursor')
  const { query, before } = cursor === null ? { query: call.request.query } : continued(call, cursor)
  const used = new URLSearchParams()
  for (const [key, text] of query) {
    if (['_count', '_since'].includes(key)) used.append(key, text)
    else if (!['_format', '_pretty'].includes(key) && call.prefer.handling === 'strict') {
      throw new Failure('unsupported', 'The history takes the parameters _count and _since only.')
    }
  }
  const count = used.get('_count') ?? String(defaultCount)
  if (!/^[1-9]\d{0,8}$/.test(count))
    throw new Failure('malformed', 'The parameter _count is not a number from 1.')
  const since = used.get('_since')
  const range = since === null ? undefined : dateRange(since.replace(' ', '+'))
  if (since !== null && !range) throw new Failure('malformed', 'The parameter _since is not an instant.')
  return {
    count: Math.min(Number(count), maxCount - 1),
    since: range?.low ?? Number.NEGATIVE_INFINITY,
    ...(before ? { before } : {}),
    filtered: since !== null || before !== undefined,
    used,
  }
}

function continued(call: Call, cursor: string): { query: URLSearchParams; before: Stored } {
  const { query, after } = openContinuation(call, cursor)
  const place = { type: call.type, id: after.id, version: Number(after.keys?.[0]), updated: after.key }
  return { query: new URLSearchParams(query), before: { ...place, deleted: false, json: '' } }
}
