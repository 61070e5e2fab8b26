import type { CodeableConcept, Coding, Identifier } from 'fhir/r4'
import { decimalText } from '#core/decimal.ts'
import { Failure } from '#core/failure.ts'
import { standardDelimiters } from './delimiters.ts'
import { escapeText } from './escape.ts'

/** A field: its components, escaped here. An inner array is a component of sub-components. */
export function composed(parts: readonly (string | undefined | readonly (string | undefined)[])[]): string {
  const { component, subcomponent } = standardDelimiters
  const texts = parts.map((part) => {
    if (part === undefined || typeof part === 'string') return escapeText(part ?? '')
    return trimmed(part.map((each) => escapeText(each ?? ''))).join(subcomponent)
  })
  return trimmed(texts).join(component)
}

/** A segment from ready fields by number; the gaps are empty. */
export function segmentOf(name: string, fields: Readonly<Record<number, string>>): string {
  const line: string[] = [name]
  for (const [number, field] of Object.entries(fields)) line[Number(number)] = field
  return `${trimmed(Array.from(line, (field) => field ?? '')).join(standardDelimiters.field)}\r`
}

/** Repetitions of a field; those that are empty fall away. */
export function repeated(repetitions: readonly string[]): string {
  return repetitions.filter((text) => text !== '').join(standardDelimiters.repetition)
}

/**
 * A decimal as NM, digit for digit. Throws Failure `unsupported` for an exponent, which NM does not have, and `invalid`
 * for what is no number.
 */
export function numeral(value: unknown): string {
  const text = decimalText(value)
  if (text === undefined) throw new Failure('invalid', 'A quantity is not a number')
  if (/e/i.test(text)) throw new Failure('unsupported', 'HL7 v2 has no exponents')
  return text
}

/** FHIR systems by their names in table 0396. */
const systems: Record<string, string> = {
  'http://www.nlm.nih.gov/research/umls/rxnorm': 'RXNORM',
  'http://hl7.org/fhir/sid/ndc': 'NDC',
  'http://snomed.info/sct': 'SCT',
  'https://dmd.nhs.uk': 'SCT',
  'http://unitsofmeasure.org': 'UCUM',
  'http://loinc.org': 'LN',
}

/** Those that name a product; they go first (prescriptions R8). */
const primary = [
  'http://www.nlm.nih.gov/research/umls/rxnorm',
  'https://dmd.nhs.uk',
  'http://snomed.info/sct',
]

/** CE: the primary coding, an alternate one, and the text where no code says it. Empty for nothing. */
export function codedElement(concept: CodeableConcept | undefined): string {
  const codings = [...(concept?.coding ?? [])]
    .filter((coding) => coding.code)
    .sort((a, b) => rank(a) - rank(b))
  const [first, second] = codings
  if (!first) return composed([undefined, concept?.text])
  const alternate = second ? [second.code, second.display, systemName(second)] : []
  return composed([first.code, first.display ?? concept?.text, systemName(first), ...alternate])
}

/** `urn:oid:…` as an OID, else the URI itself: the last two sub-components of HD, or components of EI. */
export function universalId(system: string | undefined): [string | undefined, string | undefined] {
  if (!system) return [undefined, undefined]
  const oid = wellKnownOids[system] ?? /^urn:oid:([\d.]+)$/.exec(system)?.[1]
  return oid ? [oid, 'ISO'] : [system, 'URI']
}

export function identifierType(identifier: Identifier): string | undefined {
  if (identifier.system === 'http://hl7.org/fhir/sid/us-npi') return 'NPI'
  return identifier.type?.coding?.[0]?.code
}

const wellKnownOids: Record<string, string> = {
  'http://hl7.org/fhir/sid/us-npi': '2.16.840.1.113883.4.6',
  'http://hl7.org/fhir/sid/us-ssn': '2.16.840.1.113883.4.1',
}

function rank(coding: Coding): number {
  const place = primary.indexOf(coding.system ?? '')
  return place === -1 ? primary.length : place
}

function systemName(coding: Coding): string {
  return systems[coding.system ?? ''] ?? 'L'
}

function trimmed(parts: readonly string[]): string[] {
  return parts.slice(0, parts.findLastIndex((part) => part !== '') + 1)
}
