import type { CodeableConcept, Period, Quantity, Range, Ratio, Timing, TimingRepeat } from 'fhir/r4'
import { decimalText, withoutExponent } from '#core/decimal.ts'

/** FHIR's data types in plain words; nothing where there is nothing to say. Numbers keep their digits, without exponents. */

export function conceptWords(concept: CodeableConcept | undefined): string {
  const said = concept?.coding?.map(({ display, code }) => display ?? code).find((each) => each !== undefined)
  return concept?.text ?? said ?? ''
}

export function quantityWords(quantity: Quantity | undefined): string {
  const value = numberWords(quantity?.value)
  return value === undefined ? '' : [value, quantity?.unit ?? quantity?.code].filter(Boolean).join(' ')
}

export function rangeWords(range: Range | undefined): string {
  const [low, high] = [quantityWords(range?.low), quantityWords(range?.high)]
  if (low && high) return `${low} to ${high}`
  return low ? `at least ${low}` : high && `up to ${high}`
}

export function ratioWords(ratio: Ratio | undefined, between: string): string {
  return [quantityWords(ratio?.numerator), quantityWords(ratio?.denominator)].filter(Boolean).join(between)
}

export function periodWords(period: Period | undefined): string {
  const { start, end } = period ?? {}
  return [start && `from ${start}`, end && `until ${end}`].filter(Boolean).join(' ')
}

const units: Record<string, string> = {
  s: 'second',
  min: 'minute',
  h: 'hour',
  d: 'day',
  wk: 'week',
  mo: 'month',
  a: 'year',
}

/** https://hl7.org/fhir/R4/valueset-event-timing.html */
const events: Record<string, string> = {
  MORN: 'in the morning',
  'MORN.early': 'early in the morning',
  'MORN.late': 'late in the morning',
  NOON: 'at noon',
  AFT: 'in the afternoon',
  'AFT.early': 'early in the afternoon',
  'AFT.late': 'late in the afternoon',
  EVE: 'in the evening',
  'EVE.early': 'early in the evening',
  'EVE.late': 'late in the evening',
  NIGHT: 'at night',
  PHS: 'after sleep',
  HS: 'before sleep',
  WAKE: 'upon waking',
  C: 'with a meal',
  CM: 'with breakfast',
  CD: 'with lunch',
  CV: 'with dinner',
  AC: 'before a meal',
  ACM: 'before breakfast',
  ACD: 'before lunch',
  ACV: 'before dinner',
  PC: 'after a meal',
  PCM: 'after breakfast',
  PCD: 'after lunch',
  PCV: 'after dinner',
}

/** https://hl7.org/fhir/R4/datatypes.html#Timing, all of it: `1 to 3 times every 8 hours, for up to 10 days`. */
export function timingWords(timing: Timing | undefined): string {
  const { event = [], repeat, code } = timing ?? {}
  return [
    repeat && rhythmWords(repeat),
    repeat?.timeOfDay && `at ${repeat.timeOfDay.join(', ')}`,
    repeat?.when && eventWords(repeat),
    repeat?.dayOfWeek && `on ${repeat.dayOfWeek.join(', ')}`,
    repeat && lastingWords(repeat),
    repeat && boundsWords(repeat),
    event.length > 0 && `on ${event.join(', ')}`,
    conceptWords(code),
  ]
    .filter(Boolean)
    .join(', ')
}

function rhythmWords(repeat: TimingRepeat): string {
  const { frequency, frequencyMax, period, periodMax, periodUnit, count, countMax } = repeat
  const times = fromTo(frequency, frequencyMax)
  const every = fromTo(period, periodMax)
  const unit = units[periodUnit ?? ''] ?? ''
  const often = times && `${times} ${times === '1' ? 'time' : 'times'}`
  const single = often ? `per ${unit}` : `every ${unit}`
  const rhythm = every && (every === '1' ? single : `every ${every} ${unit}s`)
  const total = fromTo(count, countMax)
  return [[often, rhythm].filter(Boolean).join(' '), total && `${total} in all`].filter(Boolean).join(', ')
}

function eventWords({ when = [], offset }: TimingRepeat): string {
  const words = when.map((code) => events[code] ?? code).join(' and ')
  return offset === undefined ? words : `${numberWords(offset)} minutes ${words}`
}

function lastingWords({ duration, durationMax, durationUnit }: TimingRepeat): string {
  const lasting = fromTo(duration, durationMax)
  return lasting && `each lasting ${lasting} ${units[durationUnit ?? ''] ?? ''}${lasting === '1' ? '' : 's'}`
}

function boundsWords({ boundsDuration, boundsPeriod, boundsRange }: TimingRepeat): string {
  const long = quantityWords(boundsDuration) || rangeWords(boundsRange)
  return long ? `for ${long}` : periodWords(boundsPeriod)
}

function fromTo(low: unknown, high: unknown): string {
  const [from, to] = [numberWords(low), numberWords(high)]
  if (from !== undefined && to !== undefined) return `${from} to ${to}`
  return from ?? (to === undefined ? '' : `up to ${to}`)
}

/** Its digits; an exponent is written out where that can be read. */
function numberWords(value: unknown): string | undefined {
  const text = decimalText(value)
  return text && (withoutExponent(text) ?? text)
}

/** `At most ` before what there is to say; nothing where there is nothing. */
export function prefixed(before: string, words: string, after = ''): string {
  return words === '' ? '' : `${before}${words}${after}`
}
