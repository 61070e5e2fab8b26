import type { Dosage, Quantity, Timing, TimingRepeat } from 'fhir/r4'
import { quantityField, sayTime, type Telling } from './coded.ts'
import { composed, numeral, repeated, segmentOf } from './compose.ts'
import { dtm } from './dialect.ts'

/** Where a dosage stands among those of its order. */
export interface DosagePlace {
  /** `dosageInstruction[0]` */
  path: string
  /** From 1. */
  set: number
  /** The dose is said here, because dosages differ in it or there are several. */
  dose: Quantity | undefined
  /** What stands as text of this timing. */
  text: string | undefined
  /** Table 0472: S the next follows, A it goes beside. */
  conjunction: 'S' | 'A' | ''
  priority: string | undefined
}

/** TQ1 of a dosage (HL7 v2.5.1 §4.5.4). What table 0335 has no code for is not rounded: it is left to a note. */
export function timingSegment(dosage: Dosage, place: DosagePlace, telling: Telling): string {
  const parts = partsOf(dosage, place, telling)
  return segmentOf('TQ1', {
    1: String(place.set),
    2: parts.dose,
    3: repeated(parts.patterns.map((pattern) => composed([pattern]))),
    4: repeated(parts.times),
    6: parts.duration,
    7: parts.start,
    8: parts.end,
    9: parts.priority,
    10: composed([parts.condition]),
    11: composed([place.text]),
    12: place.conjunction,
    13: parts.each,
    14: parts.count,
  })
}

/** TQ of RXE-1 and ORC-7 before 2.5 (HL7 v2.4 §4.2.2): its components, in which a duration has a unit of one letter. */
export function timingField(dosage: Dosage, place: DosagePlace, telling: Telling): string {
  const bounds = dosage.timing?.repeat?.boundsDuration
  const letter = letters[bounds?.code ?? '']
  const whole = bounds !== undefined && letter !== undefined && /^\d+$/.test(numeral(bounds.value))
  // TQ has no place for these, so they must not be taken for told.
  const {
    duration: _each,
    durationUnit: _unit,
    boundsDuration: _bounds,
    ...repeat
  } = dosage.timing?.repeat ?? {}
  const timing: Timing | undefined = dosage.timing && { ...dosage.timing, repeat }
  const parts = partsOf({ ...dosage, ...(timing ? { timing } : {}) }, place, telling, 1)
  if (whole) telling.said.sayRoughly(`${place.path}.timing.repeat.boundsDuration`)
  return composed([
    place.dose ? [numeral(place.dose.value), place.dose.unit ?? place.dose.code] : undefined,
    [parts.patterns[0], parts.times.join(',') || undefined],
    whole ? `${letter}${numeral(bounds.value)}` : undefined,
    parts.start || undefined,
    parts.end || undefined,
    parts.priority || undefined,
    parts.condition,
    place.text,
    place.conjunction || undefined,
    undefined,
    undefined,
    parts.count || undefined,
  ])
}

interface Parts {
  dose: string
  patterns: string[]
  times: string[]
  duration: string
  start: string
  end: string
  priority: string
  condition: string | undefined
  each: string
  count: string
}

function partsOf(
  dosage: Dosage,
  { path, dose, priority }: DosagePlace,
  telling: Telling,
  mostPatterns = Number.POSITIVE_INFINITY,
): Parts {
  const { dialect, said } = telling
  const repeat = dosage.timing?.repeat
  const at = `${path}.timing.repeat`
  const bounds = repeat?.boundsPeriod
  said.say(`${at}.timeOfDay`, `${at}.count`)
  sayTime(telling, `${at}.boundsPeriod.start`, bounds?.start)
  sayTime(telling, `${at}.boundsPeriod.end`, bounds?.end)
  if (repeat?.durationUnit && repeat.duration !== undefined) said.say(`${at}.duration`, `${at}.durationUnit`)
  // Urgent is between routine and ASAP, and has no code of its own.
  if (priority !== 'urgent') said.say('priority')
  return {
    dose: dose ? quantityField(dose, `${path}.doseAndRate[0].doseQuantity`, telling) : '',
    patterns: patternsOf(dosage, path, telling, mostPatterns),
    times: (repeat?.timeOfDay ?? []).map((time) => time.replaceAll(':', '')),
    duration: repeat?.boundsDuration
      ? quantityField(repeat.boundsDuration, `${at}.boundsDuration`, telling)
      : '',
    start: dtm(dialect, bounds?.start),
    end: dtm(dialect, bounds?.end),
    priority: priorities[priority ?? ''] ?? '',
    condition: conditionOf(dosage, path, telling),
    each:
      repeat?.duration !== undefined && repeat.durationUnit
        ? composed([numeral(repeat.duration), repeat.durationUnit])
        : '',
    count: repeat?.count === undefined ? '' : numeral(repeat.count),
  }
}

const priorities: Record<string, string> = { routine: 'R', urgent: 'A', asap: 'A', stat: 'S' }

/** Units of time as table 0335 and TQ.3 spell them. */
const letters: Record<string, string> = { s: 'S', min: 'M', h: 'H', d: 'D', wk: 'W', mo: 'L' }

const perDay: Record<string, string> = { 1: 'Q1D', 2: 'BID', 3: 'TID', 4: 'QID' }

/** HL7 v3 timing events that table 0335 spells the same way. */
const events = /^(?:AC|PC|C|ACM|ACD|ACV|PCM|PCD|PCV|CM|CD|CV)$/
const named: Record<string, string> = { HS: 'QHS', MORN: 'QAM', EVE: 'QPM' }

/** Codes of HL7 v3 GTSAbbreviation that table 0335 has too. */
const abbreviations = /^(?:BID|TID|QID|QOD|Q[1-9]\d?H)$/

/** Table 0335, with PRN before it where it is as needed: `PRNBID`. */
function patternsOf(dosage: Dosage, path: string, { said }: Telling, most: number): string[] {
  const asNeeded = dosage.asNeededBoolean === true || dosage.asNeededCodeableConcept !== undefined
  said.say(`${path}.asNeededBoolean`)
  const { code, repeat } = dosage.timing ?? {}
  const at = code?.coding?.findIndex((coding) => abbreviations.test(coding.code ?? '')) ?? -1
  const abbreviation = code?.coding?.[at]?.code
  const rhythm = repeat ? patternsOfRepeat(repeat) : undefined
  const told = rhythm && rhythm.patterns.length <= most ? rhythm : undefined
  const patterns = told?.patterns ?? (abbreviation && !hasRhythm(repeat) ? [abbreviation] : [])
  // An event of the day is read back as once a day, whatever stood beside it.
  const say = repeat?.when ? said.sayRoughly : said.say
  for (const name of told?.elements ?? []) say(`${path}.timing.repeat.${name}`)
  if (abbreviation !== undefined && patterns.length === 1 && patterns[0] === abbreviation) {
    said.say(`${path}.timing.code.coding[${at}]`)
    if (code?.text === abbreviation) said.say(`${path}.timing.code.text`)
  }
  // A reader makes a rhythm of the abbreviation, beside what else is said of the timing.
  if (repeat && patterns[0] === abbreviation) said.keepCopy(path)
  if (!asNeeded) return patterns
  return patterns.length > 0 ? patterns.map((pattern) => `PRN${pattern}`) : ['PRN']
}

function hasRhythm(repeat: TimingRepeat | undefined): boolean {
  return repeat?.frequency !== undefined || repeat?.period !== undefined || repeat?.when !== undefined
}

/** Undefined where table 0335 cannot say it whole; else the elements that it says. */
function patternsOfRepeat(repeat: TimingRepeat): { patterns: string[]; elements: string[] } | undefined {
  const { frequency, period, periodUnit, when, dayOfWeek, offset } = repeat
  if (repeat.frequencyMax ?? repeat.periodMax ?? offset ?? repeat.countMax) return undefined
  const times = frequency === undefined ? '1' : numeral(frequency)
  const every = period === undefined ? undefined : numeral(period)
  const rhythm = ['frequency', 'period', 'periodUnit']
  if (when) {
    const daily = every === undefined || (every === '1' && periodUnit === 'd' && times === '1')
    const patterns = when.map((event) => named[event] ?? (events.test(event) ? event : ''))
    if (dayOfWeek || !daily || patterns.includes('')) return undefined
    return { patterns, elements: [...rhythm, 'when'] }
  }
  const unit = letters[periodUnit ?? '']
  if (every === undefined || !unit || !/^[1-9]\d{0,3}$/.test(every)) return undefined
  if (dayOfWeek) {
    if (times !== '1' || unit !== 'W' || every.length > 2) return undefined
    const days = dayOfWeek.map((day) => weekdays.indexOf(day) + 1)
    return { patterns: [`Q${every}J${days.join('')}`], elements: [...rhythm, 'dayOfWeek'] }
  }
  if (every === '1' && unit === 'D' && times.length <= 2)
    return { patterns: [perDay[times] ?? `${times}ID`], elements: rhythm }
  return times === '1' ? { patterns: [`Q${every}${unit}`], elements: rhythm } : undefined
}

const weekdays: readonly string[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

/** TQ1-10: when something is needed. */
function conditionOf(dosage: Dosage, path: string, { said }: Telling): string | undefined {
  const concept = dosage.asNeededCodeableConcept
  if (!concept) return undefined
  const at = `${path}.asNeededCodeableConcept`
  if (concept.text) said.say(`${at}.text`)
  if (!concept.text) said.sayRoughly(`${at}.coding[0].display`)
  return concept.text ?? concept.coding?.[0]?.display
}

/** Whether two dosages say the same dose, in the same unit. */
export function isSameDose(a: Quantity | undefined, b: Quantity | undefined): boolean {
  if (!a || !b) return a === b
  return numeral(a.value) === numeral(b.value) && a.unit === b.unit && a.code === b.code
}

/** `L` is a month in table 0335, so a rate has these only. */
export function rateTime(quantity: Quantity | undefined): string | undefined {
  const letter = letters[quantity?.code ?? '']
  const every = quantity?.value === undefined ? '' : numeral(quantity.value)
  return letter && /^[1-9]\d*$/.test(every) ? `${letter}${every}` : undefined
}
