import { Failure } from '#core/failure.ts'
import type { Answer, Call } from '#fhir/call.ts'
import { requireFormBody } from '#fhir/negotiate.ts'
import { ok } from '#fhir/respond.ts'
import { traceDecision, tracePatient } from '#fhir/trail.ts'
import { type BundleLink, bundleText, searchEntry } from './bundle.ts'
import { readSearch } from './chain.ts'
import { openContinuation, sealContinuation } from './cursor.ts'
import { findIncluded } from './include.ts'
import { countVisible, fillPage, type Position } from './page.ts'
import type { Search } from './parse.ts'
import { type View, viewed } from './view.ts'

/** https://hl7.org/fhir/R4/http.html#search by GET. */
export function searchByGet(call: Call): Promise<Answer> {
  return search(call, call.request.query)
}

/** Throws what the search would for how it is asked; nothing is looked up beside its chains. */
export async function requireSearch(call: Call): Promise<void> {
  await readAsked(call, call.request.method === 'POST' ? formOf(call) : call.request.query)
}

/** Bytes of a form: a search has a few parameters, of a few hundred values at the most. */
const maxForm = 64 * 1024

/** The same by POST to `_search`: parameters in the body, and in the URL too. */
export function searchByPost(call: Call): Promise<Answer> {
  return search(call, formOf(call))
}

function formOf(call: Call): URLSearchParams {
  requireFormBody(call.request)
  if (call.request.body.length > maxForm) {
    throw new Failure('too-large', `A search form has at most ${maxForm} bytes; ask in several searches.`)
  }
  const form = new URLSearchParams(new TextDecoder().decode(call.request.body))
  return new URLSearchParams([...call.request.query, ...form])
}

async function search(call: Call, asked: URLSearchParams): Promise<Answer> {
  const { parsed, after } = await readAsked(call, asked)
  return { response: ok(await answer(call, parsed, after)) }
}

async function readAsked(
  call: Call,
  asked: URLSearchParams,
): Promise<{ parsed: Search; after: Position | undefined }> {
  call.trail.query = `${call.type}?${asked}`
  const { query, after } = continued(call, asked)
  call.trail.query = `${call.type}?${query}`
  const parsed = await readSearch(call, query, call.prefer.handling)
  for (const patient of parsed.patients) call.trail.patients.add(patient)
  return { parsed, after }
}

/** MedplumClient adds a page length to every link it follows; the link's own stays. */
const besideCursor = ['_cursor', '_format', '_pretty', '_count']

/** A next link stands for the whole query that it goes on with. */
function continued(call: Call, asked: URLSearchParams): { query: URLSearchParams; after?: Position } {
  const cursor = asked.get('_cursor')
  if (cursor === null) return { query: asked }
  const others = [...asked.keys()].filter((key) => !besideCursor.includes(key))
  if (others.length > 0) throw new Failure('malformed', 'A page link is complete; follow it as it is.')
  const { query, after } = openContinuation(call, cursor)
  return { query: new URLSearchParams(query), after }
}

async function answer(call: Call, search: Search, after?: Position): Promise<string> {
  const { base, ids, clock } = call.ports
  const bundle = { id: ids.random(), type: 'searchset', at: clock.now() } as const
  const self: BundleLink = { relation: 'self', url: linkTo(call, search.used) }
  if (search.countOnly) {
    return bundleText({ ...bundle, total: await countVisible(call, search), links: [self], entries: [] })
  }
  const { matches, next } = await fillPage(call, search, after)
  const follows = search.includes.length + search.revincludes.length > 0
  const included = follows ? await findIncluded(call, search, matches) : []
  for (const shown of [...matches, ...included]) {
    traceDecision(call.trail, shown.decision)
    tracePatient(call.trail, shown.resource)
  }
  const total = search.total ? await countVisible(call, search) : undefined
  const links = next ? [self, nextLink(call, search, next)] : [self]
  const including: View = search.view.summary ? { summary: search.view.summary } : {}
  const entries = [
    ...matches.map((shown) => searchEntry(base, shown.stored, viewed(search.view, shown), 'match')),
    ...included.map((shown) => searchEntry(base, shown.stored, viewed(including, shown), 'include')),
  ]
  return bundleText({ ...bundle, total, links, entries })
}

function nextLink(call: Call, search: Search, after: Position): BundleLink {
  const cursor = sealContinuation(call, { query: search.used.toString(), after })
  return { relation: 'next', url: linkTo(call, new URLSearchParams({ _cursor: cursor })) }
}

function linkTo({ ports, type }: Call, query: URLSearchParams): string {
  return query.size > 0 ? `${ports.base}/${type}?${query}` : `${ports.base}/${type}`
}
