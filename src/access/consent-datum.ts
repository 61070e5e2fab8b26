import type { Reference, Resource } from '#core/resource.ts'
import type { Provision } from './consent-rule.ts'
import { type Interval, intervalOfDate, intervalOfPeriod } from './interval.ts'
import { confidentialitySystem, type Labeller, levelOf, sentLabels } from './labels.ts'
import { authorsOf, referencesIn } from './parties.ts'

/**
 * Whether a provision's words about data fit a resource: elements are ANDed, repetitions ORed, absent ones constrain
 * nothing. Where the resource does not tell (no date, no label, no code), a refusal fits and a permit does not.
 */
export function fitsDatum(provision: Provision, datum: Resource, labelsOf: Labeller = sentLabels): boolean {
  return (
    fitsData(provision, datum) &&
    fitsPeriod(provision, datum) &&
    fitsLabels(provision, datum, labelsOf) &&
    fitsClass(provision, datum) &&
    fitsCode(provision, datum)
  )
}

/** A refusal or permit of everything is less specific than one of some data, and that than one of this very resource. */
export function dataRank(provision: Provision): number {
  if (provision.data?.some((item) => item.meaning === 'instance')) return 2
  return hasDataWords(provision) ? 1 : 0
}

function hasDataWords(provision: Provision): boolean {
  const { data, dataPeriod, labels, classes, codes } = provision
  return (data ?? dataPeriod ?? labels ?? classes ?? codes) !== undefined
}

function fitsData({ data }: Provision, datum: Resource): boolean {
  if (!data) return true
  const self = `${datum.resourceType}/${datum.id ?? ''}`
  return data.some(({ meaning, reference }) => {
    if (meaning === 'authoredby') return authorsOf(datum).includes(reference)
    if (reference === self) return true
    return meaning !== 'instance' && pointsAt(datum, reference)
  })
}

/** `related` and `dependents` alike: R4 turns them round, PCF means what points at the Encounter. */
function pointsAt(datum: Resource, reference: Reference): boolean {
  return referencesIn(datum).includes(reference)
}

function fitsPeriod({ dataPeriod, permits }: Provision, datum: Resource): boolean {
  if (!dataPeriod) return true
  const dates = datesOf(datum)
  if (dates.length === 0) return !permits
  const inside = (date: Interval) => dataPeriod.from <= date.from && date.to <= dataPeriod.to
  const overlaps = (date: Interval) => date.from <= dataPeriod.to && dataPeriod.from <= date.to
  return permits ? dates.every(inside) : dates.some(overlaps)
}

/** When the content came about, not when it was stored. */
const dateElements = [
  'sent',
  'received',
  'authored',
  'authoredOn',
  'effectiveDateTime',
  'effectivePeriod',
  'effectiveInstant',
  'whenPrepared',
  'whenHandedOver',
  'executionPeriod',
  'recorded',
  'recordedDate',
  'identifiedDateTime',
  'date',
  'period',
]

function datesOf(datum: Resource): Interval[] {
  const record = datum as unknown as Record<string, unknown>
  return dateElements.flatMap((element) => {
    const value = record[element]
    if (value === undefined) return []
    const interval = typeof value === 'string' ? intervalOfDate(value) : intervalOfPeriod(value)
    return interval ? [interval] : []
  })
}

/** High-water mark: permit N covers N and below, deny R covers R and above. Sensitivity codes are compared as they are. */
function fitsLabels({ labels, permits }: Provision, datum: Resource, labelsOf: Labeller): boolean {
  if (!labels) return true
  const own = labelsOf(datum)
  return labels.some((label) => {
    const named = levelOf(label)
    if (named !== undefined) return permits ? own.level <= named : own.level >= named
    if (label.startsWith(confidentialitySystem)) return !permits
    // What nobody has looked into may hold what is refused.
    return own.codes.has(label) || (!permits && !own.known)
  })
}

const typeSystem = 'http://hl7.org/fhir/resource-types|'

function fitsClass({ classes, permits }: Provision, datum: Resource): boolean {
  if (!classes) return true
  return classes.some((item) =>
    item.startsWith(typeSystem) ? item.slice(typeSystem.length) === datum.resourceType : !permits,
  )
}

const codeElements = ['code', 'category', 'type', 'medicationCodeableConcept', 'topic', 'reasonCode']

function fitsCode({ codes, permits }: Provision, datum: Resource): boolean {
  if (!codes) return true
  const record = datum as unknown as Record<string, unknown>
  const own = codeElements.flatMap((element) =>
    [record[element]].flat().flatMap((concept) => {
      const codings = (concept as { coding?: unknown } | undefined)?.coding
      return Array.isArray(codings) ? codings.map((coding) => `${coding?.system}|${coding?.code}`) : []
    }),
  )
  return own.length === 0 ? !permits : own.some((code) => codes.includes(code))
}
