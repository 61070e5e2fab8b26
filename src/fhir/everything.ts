import { Failure } from '#core/failure.ts'
import { outcomeOf } from '#core/outcome.ts'
import { dateRange } from '#store/date-range.ts'
import { searchParameter, searchParameters } from '#store/search-parameters.ts'
import type { Answer, Call } from './call.ts'
import { ok } from './respond.ts'
import { type BundleLink, bundleText, outcomeEntry, searchEntry } from './search/bundle.ts'
import { readSearch } from './search/chain.ts'
import { openContinuation, sealContinuation } from './search/cursor.ts'
import { findSomeReferred } from './search/include.ts'
import type { Include } from './search/include-table.ts'
import { fillPage, type Position } from './search/page.ts'
import { absent, requireVisible, type Shown } from './show.ts'
import { traceDecision, tracePatient } from './trail.ts'

const defaultCount = 100
const maxCount = 200

/** Types with a patient of their own; the audit log has another door. */
const compartment = Object.keys(searchParameters).filter(
  (type) => type !== 'AuditEvent' && searchParameter(type, 'patient') !== undefined,
)

/**
 * https://hl7.org/fhir/R4/patient-operation-everything.html: the patient, all that is about the patient and who is named
 * in it, as far as the caller may search and see each. Pages end where they are full, types in the order of the table;
 * where more are named than go along with a page, an OperationOutcome says so.
 */
export async function everything(call: Call): Promise<Answer> {
  const { asked, after } = readAsked(call)
  const stored = await call.ports.store.read(call.type, call.id)
  if (!stored || stored.deleted) throw absent()
  const patient = await requireVisible(call, stored)
  const first = after === undefined ? [patient] : []
  const { matches, next } = await fill(call, asked, asked.count - first.length, after)
  const { included, complete } = await findSomeReferred(call, peopleOf, [...first, ...matches])
  for (const shown of [...matches, ...included]) {
    traceDecision(call.trail, shown.decision)
    tracePatient(call.trail, shown.resource)
  }
  const { base, ids, clock } = call.ports
  const url = `${base}/Patient/${call.id}/$everything`
  const links: BundleLink[] = [{ relation: 'self', url: asked.used.size > 0 ? `${url}?${asked.used}` : url }]
  if (next) {
    const cursor = sealContinuation(call, { query: asked.used.toString(), after: next })
    links.push({ relation: 'next', url: `${url}?${new URLSearchParams({ _cursor: cursor })}` })
  }
  const entries = [
    ...[...first, ...matches].map((shown) => searchEntry(base, shown.stored, shown.text, 'match')),
    ...included.map((shown) => searchEntry(base, shown.stored, shown.text, 'include')),
    ...(complete ? [] : [outcomeEntry(leftOut)]),
  ]
  return {
    response: ok(bundleText({ id: ids.random(), type: 'searchset', at: clock.now(), links, entries })),
  }
}

/** Throws what the operation would for how it is asked. */
export function requireEverything(call: Call): void {
  readAsked(call)
}

/** One message may name thousands: the rest of the file must not be lost over it. */
const leftOut = outcomeOf(
  [
    {
      severity: 'information',
      text: 'More people and organizations are named here than go along with one page: read those that are missing, or lower _count.',
    },
  ],
  'incomplete',
)

/** Professionals and organizations named in what is shown. */
const peopleOf: readonly Include[] = [...compartment, 'Patient'].flatMap((source) =>
  (searchParameters[source] ?? []).flatMap((parameter) =>
    parameter.kind === 'reference'
      ? ['Practitioner', 'PractitionerRole', 'Organization', 'Medication']
          .filter((target) => parameter.targets?.includes(target) ?? true)
          .map((target) => ({ source, parameter, target, iterate: false }))
      : [],
  ),
)

/** The type that is being read stands in the position's keys. */
async function fill(
  call: Call,
  asked: Asked,
  count: number,
  after: Position | undefined,
): Promise<{ matches: Shown[]; next?: Position }> {
  const types = compartment.filter((type) => asked.types?.includes(type) ?? true)
  const matches: Shown[] = []
  const from = Math.max(types.indexOf(String(after?.keys?.[0] ?? '')), 0)
  let position = after
  for (const type of types.slice(from)) {
    if (!call.ports.access.gate(call.request.caller, 'search', type).permit) continue
    const within: Call = { ...call, type }
    const query = new URLSearchParams({ patient: `Patient/${call.id}`, ...asked.since })
    const search = await readSearch(within, query, 'strict').catch(passOver)
    if (!search) continue
    const start =
      position?.keys?.[0] === type && position.id !== '' ? { key: position.key, id: position.id } : undefined
    position = undefined
    const left = count - matches.length
    if (left <= 0) return { matches, next: { key: 0, id: '', keys: [type] } }
    const page = await fillPage(within, { ...search, count: left }, start)
    matches.push(...page.matches)
    if (page.next) return { matches, next: { ...page.next, keys: [type] } }
  }
  return { matches }
}

/** A role that may not search a type by its patient has nothing of it here. */
function passOver(cause: unknown): undefined {
  if (cause instanceof Failure && cause.kind === 'forbidden') return undefined
  throw cause
}

interface Asked {
  count: number
  since: Record<string, string>
  types?: string[]
  used: URLSearchParams
}

function readAsked(call: Call): { asked: Asked; after?: Position } {
  const cursor = call.request.query.get('_cursor')
  const continued = cursor === null ? undefined : openContinuation(call, cursor)
  const query = continued ? new URLSearchParams(continued.query) : call.request.query
  const used = new URLSearchParams()
  for (const [key, text] of query) {
    if (['_count', '_since', '_type'].includes(key)) used.append(key, text)
    else if (!['_format', '_pretty'].includes(key)) {
      throw new Failure('unsupported', 'The operation takes the parameters _count, _since and _type.')
    }
  }
  const count = used.get('_count') ?? String(defaultCount)
  if (!/^[1-9]\d{0,8}$/.test(count))
    throw new Failure('malformed', 'The parameter _count is not a number from 1.')
  const since = used.get('_since')
  if (since !== null && !dateRange(since))
    throw new Failure('malformed', 'The parameter _since is not an instant.')
  const types = used.get('_type')?.split(',')
  if (types && !types.every((type) => compartment.includes(type) || type === 'Patient')) {
    throw new Failure('unsupported', `The parameter _type takes ${compartment.join(', ')}.`)
  }
  return {
    asked: {
      count: Math.min(Number(count), maxCount),
      since: since === null ? {} : { _lastUpdated: `ge${since}` },
      ...(types ? { types } : {}),
      used,
    },
    ...(continued ? { after: continued.after } : {}),
  }
}
