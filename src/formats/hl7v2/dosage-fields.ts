import type { Dosage, DosageDoseAndRate, Quantity } from 'fhir/r4'
import { decimalText } from '#core/decimal.ts'
import { Failure } from '#core/failure.ts'
import { amountField, coded, quantityField, type Telling, unitField } from './coded.ts'
import { composed, repeated, segmentOf } from './compose.ts'
import { isSince } from './dialect.ts'
import { type DosagePlace, isSameDose, rateTime } from './order-timing.ts'

/** What RXO and RXE say of how much is given, and the words for it. */
export interface DosageFields {
  low: string
  high: string
  units: string
  directions: string
  per: string
  rate: string
  rateUnits: string
  daily: string
  /** Where each dosage stands, for its timing. */
  places: DosagePlace[]
  /** RXR, at least one: it is required, and says by the explicit null that no route was given. */
  routes: string[]
}

/**
 * The dosages of an order. HL7 v2 has one dose, one route and one rate an order: several dosages say theirs with their
 * timing (TQ1-2, TQ1-11). Throws Failure `unsupported` where that would leave out what no text says.
 */
export function dosageFields(
  dosages: readonly Dosage[],
  priority: string | undefined,
  telling: Telling,
): DosageFields {
  for (const [index, dosage] of dosages.entries()) requireSayable(dosage, index)
  const [first] = dosages
  const several = dosages.length > 1
  const doses = several ? commonDoses(dosages) : []
  const amounts = several ? amountsOf(doses[0], telling) : singleAmounts(first?.doseAndRate, telling)
  sayOrder(dosages, telling)
  return {
    ...amounts,
    directions: several
      ? repeated(dosages.map(({ text }) => composed([undefined, text])))
      : labelOf(first, telling),
    daily: several ? '' : dailyOf(first, telling),
    places: dosages.map((dosage, index) =>
      placeOf(dosages, dosage, index, { dose: doses[index], priority, telling }),
    ),
    routes: routeSegments(dosages, telling),
  }
}

/** What has no field of its own must stand in the text. */
function requireSayable(dosage: Dosage, index: number): void {
  const { text, doseAndRate = [], timing, maxDosePerPeriod } = dosage
  if (text) return
  const limits = [maxDosePerPeriod, dosage.maxDosePerAdministration, dosage.maxDosePerLifetime]
  const rates = doseAndRate.flatMap((each) => [each.rateQuantity, each.rateRange, each.rateRatio])
  const plain = doseAndRate.length <= 1 && !(index > 0 && doseAndRate.some((each) => each.doseRange))
  const repeat = timing?.repeat
  const odd = repeat?.frequencyMax ?? repeat?.periodMax ?? repeat?.offset ?? repeat?.boundsRange
  const rhythm =
    repeat?.frequency !== undefined &&
    repeat.period !== undefined &&
    !['s', 'min', 'h', 'd', 'wk', 'mo'].includes(repeat.periodUnit ?? '')
  const uneven =
    repeat?.frequency !== undefined &&
    repeat.frequency > 1 &&
    !(decimalText(repeat.period) === '1' && repeat.periodUnit === 'd')
  if (
    plain &&
    odd === undefined &&
    !rhythm &&
    !uneven &&
    [...limits, ...rates].every((each) => each === undefined)
  )
    return
  throw new Failure('unsupported', [
    { text: 'HL7 v2 cannot say this dosage and there is no text', expression: place },
  ])
}

const place = 'MedicationRequest.dosageInstruction'

/** Each dosage's one dose, where all have one; else none of them: one alone would be taken for the others'. */
function commonDoses(dosages: readonly Dosage[]): (Quantity | undefined)[] {
  const doses = dosages.map(({ doseAndRate = [] }) =>
    doseAndRate.length === 1 ? doseAndRate[0]?.doseQuantity : undefined,
  )
  return doses.every((dose) => dose !== undefined) ? doses : dosages.map(() => undefined)
}

const nothing = { low: '', high: '', units: '', per: '', rate: '', rateUnits: '' }

function amountsOf(dose: Quantity | undefined, telling: Telling): typeof nothing {
  if (!dose) return nothing
  const path = 'dosageInstruction[0].doseAndRate[0].doseQuantity'
  return { ...nothing, low: amountField(dose, path, telling), units: unitField(dose, path, telling) }
}

/** The only dosage's dose: least (or exact) and most, and its rate. */
function singleAmounts(doses: readonly DosageDoseAndRate[] = [], telling: Telling): typeof nothing {
  const [only, ...more] = doses
  if (!only || more.length > 0) return nothing
  const path = 'dosageInstruction[0].doseAndRate[0]'
  const { doseQuantity, doseRange, rateRatio, rateQuantity } = only
  const range =
    doseRange?.low &&
    doseRange.high &&
    isSameDose({ ...doseRange.low, value: 1 }, { ...doseRange.high, value: 1 })
  if (range)
    telling.said.say(
      `${path}.doseRange.high.unit`,
      `${path}.doseRange.high.code`,
      `${path}.doseRange.high.system`,
    )
  const dose = doseQuantity ? amountsOf(doseQuantity, telling) : nothing
  const per = rateTime(rateRatio?.denominator)
  // Its unit is told by a letter.
  if (per) telling.said.sayRoughly(`${path}.rateRatio.denominator`)
  const [rate, rateAt] = per
    ? [rateRatio?.numerator, `${path}.rateRatio.numerator`]
    : [rateQuantity, `${path}.rateQuantity`]
  return {
    ...dose,
    ...(range
      ? {
          low: amountField(doseRange.low, `${path}.doseRange.low`, telling),
          high: amountField(doseRange.high, `${path}.doseRange.high`, telling),
          units: unitField(doseRange.low, `${path}.doseRange.low`, telling),
        }
      : {}),
    per: per ?? '',
    rate: amountField(rate, rateAt, telling),
    rateUnits: unitField(rate, rateAt, telling),
  }
}

/** RXE-7, what the label must say: the directions, then further instructions that have a code. */
function labelOf(dosage: Dosage | undefined, telling: Telling): string {
  const further = (dosage?.additionalInstruction ?? []).map((concept, index) =>
    concept.coding?.some(({ code }) => code)
      ? coded(concept, `dosageInstruction[0].additionalInstruction[${index}]`, telling)
      : '',
  )
  return repeated([composed([undefined, dosage?.text]), ...further])
}

/** RXE-19, RXO-23 and RXD-12 are for a day. */
export function dailyOf(dosage: Dosage | undefined, telling: Telling): string {
  const most = dosage?.maxDosePerPeriod
  const day = most?.denominator?.code === 'd' && decimalText(most.denominator.value) === '1'
  if (!most?.numerator || !day || !isSince(telling.dialect, '2.3.1')) return ''
  const path = 'dosageInstruction[0].maxDosePerPeriod'
  const say = most.denominator?.unit === 'day' ? telling.said.say : telling.said.sayRoughly
  say(`${path}.denominator`)
  return quantityField(most.numerator, `${path}.numerator`, telling)
}

/** Their order is the order of the timings; a sequence that starts elsewhere or has gaps is left to notes. */
function sayOrder(dosages: readonly Dosage[], { said }: Telling): void {
  const numbers = dosages.map(({ sequence }) => sequence)
  const regular = numbers.every((number, index) => {
    const before = numbers[index - 1] ?? 0
    return number === undefined || (index === 0 ? number === 1 : number === before || number === before + 1)
  })
  for (const index of dosages.keys()) {
    const path = `dosageInstruction[${index}]`
    said.say(`${path}.text`)
    if (regular) said.say(`${path}.sequence`)
  }
  if (dosages.length === 1) said.say('dosageInstruction[0].patientInstruction')
  // What is told once is read back as said of each.
  if (dosages.some((dosage) => isToldOtherwise(dosage, dosages))) said.keepCopy('dosageInstruction')
}

function isToldOtherwise({ text, patientInstruction, ...own }: Dosage, dosages: readonly Dosage[]): boolean {
  const [first] = dosages
  if (dosages.length === 1) return text === undefined && patientInstruction !== undefined
  const place = (dosage: Partial<Dosage> | undefined) =>
    JSON.stringify([dosage?.route, dosage?.site, dosage?.method])
  return text === undefined || place(own) !== place(first)
}

function placeOf(
  dosages: readonly Dosage[],
  dosage: Dosage,
  index: number,
  { dose, priority, telling }: { dose: Quantity | undefined; priority: string | undefined; telling: Telling },
): DosagePlace {
  const next = dosages[index + 1]
  const beside = next?.sequence !== undefined && next.sequence === dosage.sequence
  if (dose) telling.said.say(`dosageInstruction[${index}].doseAndRate[0].doseQuantity`)
  return {
    path: `dosageInstruction[${index}]`,
    set: index + 1,
    dose,
    text: dosages.length > 1 ? dosage.text : dosage.patientInstruction,
    conjunction: next === undefined ? '' : beside ? 'A' : 'S',
    priority,
  }
}

/**
 * One RXR: several are alternatives of each other. Throws Failure `unsupported` for dosages that differ in their route,
 * site or method.
 */
function routeSegments(dosages: readonly Dosage[], telling: Telling): string[] {
  const segments = dosages.map(({ route, site, method }, index) => {
    const path = `dosageInstruction[${index}]`
    return segmentOf('RXR', {
      1: coded(route, `${path}.route`, telling) || '""',
      2: coded(site, `${path}.site`, telling),
      4: coded(method, `${path}.method`, telling),
    })
  })
  // A null beside a route would say that the route is to be deleted.
  const routes = new Set(segments.filter((segment) => segment !== 'RXR|""\r'))
  if (routes.size > 1)
    throw new Failure('unsupported', [
      { text: 'HL7 v2 has one route, site and method an order', expression: place },
    ])
  return routes.size > 0 ? [...routes] : ['RXR|""\r']
}
