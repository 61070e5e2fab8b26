import type { AccountingQuery } from '#audit/accounting.ts'
import { Failure } from '#core/failure.ts'
import type { Cursor } from '#core/query.ts'
import type { Reference } from '#core/resource.ts'

export interface TilePath {
  level: number | 'entries'
  number: number
  /** Hashes or entries asked for: 256, or fewer of a tile that is not full. */
  width: number
}

/** `audit/tile/<level>/<x000/…/000>[.p/<width>]`, https://c2sp.org/tlog-tiles. Throws Failure `not-found`. */
export function readTilePath(path: string): TilePath {
  const form = /^audit\/tile\/(entries|[0-6])\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/
  const [, level, number, width] = form.exec(path) ?? []
  const wide = Number(width ?? 256)
  if (!level || !number || /^x000\//.test(number) || (width && wide > 255))
    throw new Failure('not-found', 'There is no such tile')
  return {
    level: level === 'entries' ? level : Number(level),
    number: Number(number.replace(/[x/]/g, '')),
    width: wide,
  }
}

export interface Asked {
  query: AccountingQuery
  /** The address of the page after a position. */
  url(next: Cursor): string
}

const maxEntries = 500
const defaultEntries = 100

/** `?patient=Patient/…[&from=…][&to=…][&_count=…][&after=…]`. Throws Failure `invalid` and says what to give. */
export function readAccountingQuery(parameters: URLSearchParams): Asked {
  const patient = parameters.get('patient') ?? ''
  if (!/^Patient\/[A-Za-z0-9.-]{1,64}$/.test(patient))
    throw new Failure('invalid', 'Name the patient: ?patient=Patient/<id>')
  const count = parameters.get('_count') ?? String(defaultEntries)
  if (!/^[1-9]\d{0,2}$/.test(count) || Number(count) > maxEntries)
    throw new Failure('invalid', `_count is a number from 1 to ${maxEntries}`)
  const after = readCursor(parameters.get('after'))
  const lowFrom = readTime(parameters.get('from'), 'T00:00:00.000Z')
  const lowTo = readTime(parameters.get('to'), 'T23:59:59.999Z')
  const window = {
    ...(lowFrom === undefined ? {} : { lowFrom }),
    ...(lowTo === undefined ? {} : { lowTo }),
  }
  return {
    query: {
      patient: patient as Reference,
      limit: Number(count),
      ...(Object.keys(window).length > 0 ? { window } : {}),
      ...(after ? { after } : {}),
    },
    url({ key, id }) {
      const next = new URLSearchParams(parameters)
      next.set('after', `${key}.${id}`)
      return `/audit/accounting?${next}`
    },
  }
}

/** A date stands for its beginning or its end, in UTC; an instant for itself. */
function readTime(text: string | null, ofDay: string): number | undefined {
  if (text === null) return undefined
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text)
  const isInstant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.test(text)
  const time = Date.parse(isDate ? `${text}${ofDay}` : text)
  if ((isDate || isInstant) && Number.isFinite(time)) return time
  throw new Failure('invalid', 'from and to are dates (2026-05-01) or instants (2026-05-01T10:00:00Z)')
}

function readCursor(text: string | null): Cursor | undefined {
  if (text === null) return undefined
  const [, key, id] = /^(\d{1,15})\.([A-Za-z0-9.-]{1,64})$/.exec(text) ?? []
  if (key && id) return { key: Number(key), id }
  throw new Failure('invalid', 'Follow nextPage as it was given')
}
