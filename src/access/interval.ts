/** Milliseconds since the epoch, both ends inclusive. */
export interface Interval {
  from: number
  to: number
}

const always: Interval = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY }

const form = /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}))?)?)?$/

/**
 * The stretch of time that a FHIR date, dateTime or instant covers: `2022` is a whole year, UTC where no offset is
 * given (https://hl7.org/fhir/R4/datatypes.html#dateTime). Undefined for what is no date.
 */
export function intervalOfDate(value: unknown): Interval | undefined {
  const parts = typeof value === 'string' ? form.exec(value) : null
  if (!parts || typeof value !== 'string') return undefined
  const [, year, month, day] = parts
  const from = Date.parse(value)
  if (Number.isNaN(from)) return undefined
  if (value.includes('T')) return { from, to: from + (value.includes('.') ? 0 : 999) }
  if (day) return { from, to: from + 86_399_999 }
  const next = month ? Date.UTC(Number(year), Number(month), 1) : Date.UTC(Number(year) + 1, 0, 1)
  return { from, to: next - 1 }
}

/** A Period, open where an end is absent. Undefined when it is unreadable: an unknown end must not be taken for open. */
export function intervalOfPeriod(value: unknown): Interval | undefined {
  if (value === undefined) return always
  if (value === null || typeof value !== 'object') return undefined
  const { start, end } = value as { start?: unknown; end?: unknown }
  const from = start === undefined ? always : intervalOfDate(start)
  const to = end === undefined ? always : intervalOfDate(end)
  return from && to && { from: from.from, to: to.to }
}

export function holds(interval: Interval, at: number): boolean {
  return interval.from <= at && at <= interval.to
}
