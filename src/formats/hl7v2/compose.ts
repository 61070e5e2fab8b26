import type { Identifier } from 'fhir/r4'
import { decimalText, withoutExponent } from '#core/decimal.ts'
import { Failure } from '#core/failure.ts'
import { standardDelimiters } from './delimiters.ts'
import { escapeText } from './escape.ts'

/** A field: its components, escaped here. An inner array is a component of sub-components. */
export function composed(parts: readonly (string | undefined | readonly (string | undefined)[])[]): string {
  const { component, subcomponent } = standardDelimiters
  const texts = parts.map((part) => {
    if (part === undefined || typeof part === 'string') return textOf(part)
    return trimmed(part.map(textOf)).join(subcomponent)
  })
  return trimmed(texts).join(component)
}

/** Two quotation marks are a text here, not the explicit null. */
function textOf(text: string | undefined): string {
  return text === '""' ? '\\X2222\\' : escapeText(text ?? '')
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
 * A decimal as NM, digit for digit. NM has no exponent, so that one is written out: the number is the same, and its form
 * is left to the copy (formats/hl7v2/said). Throws Failure `unsupported` for more than a hundred digits and `invalid` for what
 * is no number.
 */
export function numeral(value: unknown): string {
  const text = decimalText(value)
  if (text === undefined) throw new Failure('invalid', 'A quantity is not a number')
  const plain = withoutExponent(text)
  if (plain === undefined) throw new Failure('unsupported', 'A number has more than a hundred digits')
  return plain
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

function trimmed(parts: readonly string[]): string[] {
  return parts.slice(0, parts.findLastIndex((part) => part !== '') + 1)
}
