const partial = /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2})(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?$/

/** How far a time without zone may lie from UTC: https://hl7.org/fhir/R4/datatypes.html#dateTime */
const widestOffsetMs = 14 * 3600 * 1000

/**
 * Whether a FHIR date or dateTime may lie at or before another: what is imprecise, or says no zone, gets the benefit of
 * the doubt, and so does what is no date at all (its form is checked elsewhere).
 */
export function mayPrecede(start: unknown, end: unknown): boolean {
  const from = typeof start === 'string' ? span(start) : undefined
  const to = typeof end === 'string' ? span(end) : undefined
  if (!from || !to) return true
  return from.low <= to.high + (from.zoned === to.zoned ? 0 : widestOffsetMs)
}

/** The first and last millisecond that a date or dateTime may mean. */
function span(text: string): { low: number; high: number; zoned: boolean } | undefined {
  const parts = partial.exec(text)
  if (!parts) return undefined
  const [, year = '', month, day, hour] = parts
  if (hour !== undefined) {
    // A leap second is the next one to Date.
    const at = Date.parse(text.replace(/:60(?=[.Z+-])/, ':59'))
    return Number.isNaN(at) ? undefined : { low: at, high: at, zoned: true }
  }
  const low = Date.UTC(Number(year), Number(month ?? 1) - 1, Number(day ?? 1))
  const next = day
    ? low + 24 * 3600 * 1000
    : Date.UTC(Number(year) + (month ? 0 : 1), month ? Number(month) : 0, 1)
  return { low, high: next - 1, zoned: false }
}
