/** Both ends inclusive, in milliseconds since the epoch. */
export interface DateRange {
  low: number
  high: number
}

/** What a Period without start or end reaches to: the first and last instant that a Date can hold. */
export const farPast = -8.64e15
export const farFuture = 8.64e15

/** The place of a resource without a date in the order of that date: before all others. It is in no window. */
export const undated = -9e15

const form =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/

/**
 * The stretch of time that a FHIR date, dateTime or instant covers by its precision: `2024-05` is the whole of May.
 * Without an offset it is read as UTC. Between two milliseconds the range is empty (low > high): it equals what was
 * told as exactly in the same millisecond, and before and after come out right. Undefined when the text is no date.
 * https://hl7.org/fhir/R4/search.html#date
 */
export function dateRange(text: string): DateRange | undefined {
  const parts = form.exec(text)
  if (!parts) return undefined
  const [, year, month, day, hour, minute, second, fraction, zone] = parts
  const numbers = [year, month ?? '01', day ?? '01', hour ?? '00', minute ?? '00', second ?? '00'].map(Number)
  const [y = 0, mo = 1, d = 1, h = 0, mi = 0, s = 0] = numbers
  const start = new Date(0)
  start.setUTCFullYear(y, mo - 1, d)
  if (start.getUTCMonth() !== mo - 1 || start.getUTCDate() !== d || h > 24 || mi > 59 || s > 60)
    return undefined
  start.setUTCHours(h, mi, s)
  const whole = start.getTime() - offsetMs(zone)
  if (fraction !== undefined) return fractionRange(whole, fraction)
  if (second !== undefined) return { low: whole, high: whole + 999 }
  if (minute !== undefined) return { low: whole, high: whole + 59_999 }
  return { low: whole, high: endOf(y, mo, d, month, day) - 1 }
}

function endOf(y: number, mo: number, d: number, month?: string, day?: string): number {
  const end = new Date(0)
  if (day !== undefined) end.setUTCFullYear(y, mo - 1, d + 1)
  else if (month !== undefined) end.setUTCFullYear(y, mo, 1)
  else end.setUTCFullYear(y + 1, 0, 1)
  return end.getTime()
}

function fractionRange(whole: number, fraction: string): DateRange {
  const digits = fraction.slice(0, 3)
  const low = whole + Number(digits.padEnd(3, '0'))
  if (/[1-9]/.test(fraction.slice(3))) return { low: low + 1, high: low }
  return { low, high: low + 10 ** (3 - digits.length) - 1 }
}

function offsetMs(zone: string | undefined): number {
  if (!zone || zone === 'Z') return 0
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6))
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000
}
