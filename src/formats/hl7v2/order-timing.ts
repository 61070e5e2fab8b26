import type { Dosage, Quantity, TimingRepeat } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import { composed, numeral, repeated, segmentOf } from './compose.ts'
import { dtmText } from './date-time.ts'

/** TQ1 of a dosage (HL7 v2.5.1 §4.5.4). `set` counts from 1, `dose` is said where dosages differ in it. */
export function timingSegment(dosage: Dosage, set: number, priority: string | undefined): string {
  const repeat = dosage.timing?.repeat
  const bounds = repeat?.boundsPeriod
  const dose = dosage.doseAndRate?.[0]?.doseQuantity
  return segmentOf('TQ1', {
    1: String(set),
    2: dose ? quantityField(dose) : '',
    3: repeated([...patternsOf(dosage), ...(isAsNeeded(dosage) ? ['PRN'] : [])]),
    4: repeated((repeat?.timeOfDay ?? []).map((time) => time.replaceAll(':', ''))),
    6: repeat?.boundsDuration ? quantityField(repeat.boundsDuration) : '',
    7: bounds?.start ? dtmText(bounds.start) : '',
    8: bounds?.end ? dtmText(bounds.end) : '',
    9: priorities[priority ?? ''] ?? '',
    10: composed([
      dosage.asNeededCodeableConcept?.text ?? dosage.asNeededCodeableConcept?.coding?.[0]?.display,
    ]),
    11: composed([dosage.text]),
    14: repeat?.count === undefined ? '' : numeral(repeat.count),
  })
}

/** CQ: a quantity with its unit. */
function quantityField(quantity: Quantity): string {
  const system = quantity.system === 'http://unitsofmeasure.org' ? 'UCUM' : undefined
  const units = quantity.code ? [quantity.code, quantity.unit, system] : [undefined, quantity.unit]
  return composed([numeral(quantity.value), units])
}

const priorities: Record<string, string> = { routine: 'R', urgent: 'A', asap: 'A', stat: 'S' }

const periodUnits: Record<string, string> = { s: 'S', min: 'M', h: 'H', d: 'D', wk: 'W', mo: 'L' }

const perDay: Record<string, string> = { 1: 'Q1D', 2: 'BID', 3: 'TID', 4: 'QID' }

/** HL7 v3 timing events that table 0335 spells the same way, and bed time. */
const events = /^(?:AC|PC|C|ACM|ACD|ACV|PCM|PCD|PCV|CM|CD|CV)$/

/** Codes of HL7 v3 GTSAbbreviation that table 0335 has too. */
const abbreviations = /^(?:BID|TID|QID|QOD|QHS|QAM|QPM|Q[1-9]\d?H)$/

/**
 * Repeat patterns of table 0335. What it has no code for must stand in the dosage's text, or the order is refused:
 * Failure `unsupported`. Nothing is rounded to the nearest code.
 */
function patternsOf(dosage: Dosage): string[] {
  const { code, repeat } = dosage.timing ?? {}
  const named = code?.coding?.map((coding) => coding.code ?? '').find((each) => abbreviations.test(each))
  const patterns = named ? [named] : repeat ? patternsOfRepeat(repeat) : code ? undefined : []
  if (patterns) return patterns
  if (dosage.text) return []
  throw new Failure('unsupported', [
    {
      text: 'HL7 v2 cannot say this timing and there is no text',
      expression: 'MedicationRequest.dosageInstruction',
    },
  ])
}

/** Undefined where table 0335 cannot say it. */
function patternsOfRepeat(repeat: TimingRepeat): string[] | undefined {
  const { frequency, period, periodUnit, when, offset } = repeat
  const unsaid =
    repeat.frequencyMax ?? repeat.periodMax ?? repeat.dayOfWeek ?? repeat.duration ?? repeat.countMax
  if (unsaid !== undefined || repeat.boundsRange || offset !== undefined) return undefined
  if (when)
    return when.every((event) => event === 'HS' || events.test(event)) ? when.map(eventPattern) : undefined
  if (period === undefined) return frequency === undefined ? [] : undefined
  const every = numeral(period)
  const unit = periodUnits[periodUnit ?? '']
  if (!unit || !/^[1-9]\d*$/.test(every)) return undefined
  const times = frequency === undefined ? '1' : numeral(frequency)
  if (every === '1' && unit === 'D') return [perDay[times] ?? `${times}ID`]
  return times === '1' ? [`Q${every}${unit}`] : undefined
}

function eventPattern(event: string): string {
  return event === 'HS' ? 'QHS' : event
}

function isAsNeeded(dosage: Dosage): boolean {
  return dosage.asNeededBoolean === true || dosage.asNeededCodeableConcept !== undefined
}
