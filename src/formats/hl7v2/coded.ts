import type { CodeableConcept, Coding, Quantity } from 'fhir/r4'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { composed, numeral } from './compose.ts'
import { isSince } from './dialect.ts'
import type { Said } from './said.ts'

/** Who is told, and the account of what they are told. */
export interface Telling {
  dialect: Hl7v2Dialect
  said: Said
}

/** FHIR systems by their names in table 0396. Tables of HL7 itself are HL7nnnn. */
const systems: Record<string, string> = {
  'http://www.nlm.nih.gov/research/umls/rxnorm': 'RXNORM',
  'http://hl7.org/fhir/sid/ndc': 'NDC',
  'http://snomed.info/sct': 'SCT',
  'https://dmd.nhs.uk': 'SCT',
  'http://unitsofmeasure.org': 'UCUM',
  'http://loinc.org': 'LN',
  'http://hl7.org/fhir/sid/cvx': 'CVX',
  'http://hl7.org/fhir/sid/icd-9-cm': 'I9C',
  'http://hl7.org/fhir/sid/icd-10': 'I10',
  'http://hl7.org/fhir/sid/icd-10-cm': 'I10C',
  'http://www.whocc.no/atc': 'ATC',
  'http://hl7.org/fhir/ndfrt': 'NDFRT',
  'http://fdasis.nlm.nih.gov': 'UNII',
  'https://postern.health/fhir/CodeSystem/questionnaire': 'POSTERN',
}

/** Those that name a product; they go first (prescriptions R8). */
const primary = [
  'http://www.nlm.nih.gov/research/umls/rxnorm',
  'https://dmd.nhs.uk',
  'http://snomed.info/sct',
]

/**
 * CWE (CE before 2.6): the primary coding, an alternate one, since 2.7 a third, and what was written originally where
 * the codes do not say the same; before 2.5 there is no place for that. A code of a system without name in table 0396 is
 * `L`, and its system is left to a note. Empty for nothing.
 */
export function coded(concept: CodeableConcept | undefined, path: string, telling: Telling): string {
  const codings = [...(concept?.coding ?? []).entries()]
    .filter(([, coding]) => coding.code)
    .sort(([, a], [, b]) => rank(a) - rank(b))
  const { said, dialect } = telling
  const [first, second, third] = codings
  // Those that name a product go first; who reads the field back has them in that order.
  if (codings.some(([index], place) => index !== codings[0]?.[0] && index < (codings[place - 1]?.[0] ?? 0)))
    said.keepCopy(path)
  if (!first) {
    said.say(`${path}.text`)
    return composed([undefined, concept?.text])
  }
  const triplet = (entry: [number, Coding] | undefined) => (entry ? codingOf(entry, path, said) : [])
  const [code, display = concept?.text, system] = triplet(first)
  const parts = [code, display, system, ...padded(triplet(second), 3)]
  const original = concept?.text === display ? undefined : concept?.text
  if (original === undefined || isSince(dialect, '2.5')) said.say(`${path}.text`)
  if (original !== undefined && isSince(dialect, '2.5')) parts.push(undefined, undefined, original)
  if (third && isSince(dialect, '2.7')) parts.splice(9, 0, ...padded([], 9 - parts.length), ...triplet(third))
  return composed(parts)
}

/** Code, display and system of those codings that `coded` has no place for: a field of their own, repeated. */
export function furtherCodings(
  concept: CodeableConcept | undefined,
  path: string,
  { said, dialect }: Telling,
): string[] {
  return [...(concept?.coding ?? []).entries()]
    .filter(([, coding]) => coding.code)
    .sort(([, a], [, b]) => rank(a) - rank(b))
    .slice(isSince(dialect, '2.7') ? 3 : 2)
    .map((entry) => composed(codingOf(entry, path, said)))
}

/** A single code as CWE. */
export function codingField(coding: Coding, path: string, { said }: Telling): string {
  const name = systemName(coding.system)
  said.say(`${path}.code`, `${path}.display`, ...(name ? [`${path}.system`] : []))
  return composed([coding.code, coding.display, coding.code ? (name ?? 'L') : undefined])
}

/** Marks a time as told; one that is told as the clock shows it in the partner's zone comes back in other words. */
export function sayTime({ dialect, said }: Telling, path: string, time: string | undefined): void {
  const say = dialect.timeZone && time?.includes('T') ? said.sayRoughly : said.say
  say(path)
}

/** A unit as CWE: by its code where it has one. The value is not marked here. */
export function unitField(quantity: Quantity | undefined, path: string, { said }: Telling): string {
  if (!quantity) return ''
  const { code, system, unit } = quantity
  said.say(`${path}.unit`, `${path}.code`)
  if (!code) return composed([undefined, unit])
  if (!system || systemName(system)) said.say(`${path}.system`)
  return composed([code, unit, systemName(system) ?? 'L'])
}

/** NM, digit for digit. */
export function amountField(quantity: Quantity | undefined, path: string, { said }: Telling): string {
  if (quantity?.value === undefined) return ''
  said.say(`${path}.value`)
  return numeral(quantity.value)
}

/** CQ: a quantity with its unit as sub-components of component 2. */
export function quantityField(quantity: Quantity, path: string, { said }: Telling): string {
  const { value, unit, code, system } = quantity
  said.say(`${path}.value`, `${path}.unit`, `${path}.code`, ...(systemName(system) ? [`${path}.system`] : []))
  return composed([numeral(value), code ? [code, unit, systemName(system)] : [undefined, unit]])
}

function codingOf([index, coding]: [number, Coding], path: string, said: Said): (string | undefined)[] {
  const place = `${path}.coding[${index}]`
  const name = systemName(coding.system)
  said.say(`${place}.code`, `${place}.display`, ...(name ? [`${place}.system`] : []))
  return [coding.code, coding.display, name ?? 'L']
}

/** What table 0396 calls a system; undefined for one that it does not name. */
export function systemName(system: string | undefined): string | undefined {
  const table = /^http:\/\/terminology\.hl7\.org\/CodeSystem\/v2-(\d{4})$/.exec(system ?? '')?.[1]
  return table ? `HL7${table}` : systems[system ?? '']
}

function rank(coding: Coding): number {
  const place = primary.indexOf(coding.system ?? '')
  return place === -1 ? primary.length : place
}

function padded(parts: readonly (string | undefined)[], length: number): (string | undefined)[] {
  return Array.from({ length: Math.max(length, parts.length) }, (_, index) => parts[index])
}
