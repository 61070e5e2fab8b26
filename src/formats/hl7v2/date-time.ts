import { Failure } from '#core/failure.ts'

/**
 * A DTM, TS or DT (HL7 v2.9 §2A.2.22) as FHIR dateTime, with the precision and offset it was sent with. A time without
 * offset is taken to be in `timeZone` (IANA name); seconds that FHIR demands and v2 left out are `00`. Empty and null
 * give nothing. Throws Failure `invalid`.
 */
export function fhirDateTime(text: string, timeZone: string): string | undefined {
  if (text === '' || text === '""') return undefined
  const parts = readParts(text)
  if (!parts.hour) return dateOf(parts)
  const time = `${parts.hour}:${parts.minute ?? '00'}:${parts.second ?? '00'}${parts.fraction ?? ''}`
  return `${dateOf(parts)}T${time}${parts.offset ?? offsetIn(parts, timeZone)}`
}

/** The date of it alone, as it was written: never moved into another zone. For birthDate and other FHIR dates. */
export function fhirDate(text: string): string | undefined {
  return text === '' || text === '""' ? undefined : dateOf(readParts(text))
}

/** As `fhirDateTime`, but known to the minute at least. Throws Failure `invalid` for a date without time. */
export function fhirInstant(text: string, timeZone: string): string | undefined {
  const instant = fhirDateTime(text, timeZone)
  if (instant !== undefined && !instant.includes('T'))
    throw notATime('A time is required where only a date was sent')
  return instant
}

/**
 * A FHIR date, dateTime or instant as DTM, precision and offset kept; with `timeZone` (IANA name) a time is told as the
 * clock shows it there. A date is nobody's time and stays as it is.
 */
export function dtmText(fhir: string, timeZone?: string): string {
  const told = timeZone && fhir.includes('T') ? timeIn(fhir, timeZone) : fhir
  const [date = '', time] = told.split('T')
  return date.replaceAll('-', '') + (time === undefined ? '' : time.replace('Z', '+0000').replaceAll(':', ''))
}

function timeIn(fhir: string, timeZone: string): string {
  const at = Date.parse(fhir)
  if (Number.isNaN(at)) throw notATime('A date or time cannot be read')
  const minutes = zoneOffset(at, timeZone)
  const fraction = /\.\d+/.exec(fhir)?.[0] ?? ''
  return `${new Date(at + minutes * 60_000).toISOString().slice(0, 19)}${fraction}${offsetText(minutes)}`
}

/** Milliseconds since the epoch as DTM in UTC, to the second. */
export function dtmAt(at: number): string {
  return dtmText(`${new Date(at).toISOString().slice(0, 19)}Z`)
}

interface Parts {
  year: string
  month?: string
  day?: string
  hour?: string
  minute?: string
  second?: string
  fraction?: string
  offset?: string
}

const pattern =
  /^(?<year>\d{4})(?:(?<month>\d\d)(?:(?<day>\d\d)(?:(?<hour>\d\d)(?:(?<minute>\d\d)(?:(?<second>\d\d)(?<fraction>\.\d{1,9})?)?)?)?)?)?(?<offset>[+-]\d\d(?::?\d\d)?)?$/

function readParts(text: string): Parts {
  const parts = pattern.exec(text.trim())?.groups as Parts | undefined
  if (!parts) throw unreadable(text, 'A date or time is not in the form YYYYMMDDHHMMSS+ZZZZ')
  const days = new Date(Date.UTC(Number(parts.year), Number(parts.month ?? 1), 0)).getUTCDate()
  const inRange =
    parts.year !== '0000' &&
    within(parts.month, 1, 12) &&
    within(parts.day, 1, days) &&
    within(parts.hour, 0, 23) &&
    within(parts.minute, 0, 59) &&
    within(parts.second, 0, 60)
  if (!inRange) throw unreadable(text, 'A date or time does not exist')
  return parts.offset === undefined ? parts : { ...parts, offset: fhirOffset(parts.offset) }
}

function within(text: string | undefined, low: number, high: number): boolean {
  return text === undefined || (Number(text) >= low && Number(text) <= high)
}

function dateOf({ year, month, day }: Parts): string {
  return [year, month, day].filter((part) => part !== undefined).join('-')
}

function fhirOffset(sent: string): string {
  const digits = sent.slice(1).replace(':', '').padEnd(4, '0')
  const offset = `${sent.charAt(0)}${digits.slice(0, 2)}:${digits.slice(2)}`
  if (!/^[+-](?:0\d|1[0-3]):[0-5]\d$|^[+-]14:00$/.test(offset))
    throw notATime('A time zone offset does not exist')
  return offset
}

/**
 * Offset of a wall-clock time. One that a zone has twice (clocks set back) is the first of the two; one that it skips
 * (clocks set forward) is counted with the offset before the change.
 */
function offsetIn(parts: Parts, timeZone: string): string {
  const wall = Date.UTC(
    Number(parts.year),
    Number(parts.month) - 1,
    Number(parts.day),
    Number(parts.hour),
    Number(parts.minute ?? 0),
  )
  const before = zoneOffset(wall - 86_400_000, timeZone)
  const after = zoneOffset(wall + 86_400_000, timeZone)
  const minutes = zoneOffset(wall - before * 60_000, timeZone) === before ? before : after
  const chosen = zoneOffset(wall - minutes * 60_000, timeZone) === minutes ? minutes : before
  return offsetText(chosen)
}

function offsetText(minutes: number): string {
  const size = Math.abs(minutes)
  const hours = String(Math.floor(size / 60)).padStart(2, '0')
  return `${minutes < 0 ? '-' : '+'}${hours}:${String(size % 60).padStart(2, '0')}`
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** Minutes that a zone is ahead of UTC at an instant. */
function zoneOffset(at: number, timeZone: string): number {
  const format = formats.get(timeZone) ?? formatFor(timeZone)
  const found: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(at)) found[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = found
  return Math.round((Date.UTC(year, month - 1, day, hour, minute, second) - at) / 60_000)
}

function formatFor(timeZone: string): Intl.DateTimeFormat {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  formats.set(timeZone, format)
  return format
}

/** What could not be read, by the refusal, so that the door can say where it stands; told nobody else. */
const unreadableTexts = new WeakMap<Failure, string>()

function unreadable(text: string, why: string): Failure {
  const failure = notATime(why)
  unreadableTexts.set(failure, text)
  return failure
}

export function unreadableTimeOf(failure: Failure): string | undefined {
  return unreadableTexts.get(failure)
}

function notATime(text: string): Failure {
  return new Failure('invalid', text)
}
