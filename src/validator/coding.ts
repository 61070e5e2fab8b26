import type { CodedForm } from './coded-form.ts'
import { type Check, isRecord, note, warn } from './report.ts'
import type { SystemCodes } from './table.ts'

/**
 * Check of a required binding (https://hl7.org/fhir/R4/terminologies.html#required) for whichever coded type carries
 * it: a code, a Coding, or a CodeableConcept of which one coding must be from the set.
 */
export function compileBinding(valueSet: string, systems: SystemCodes): Check {
  const holds = compileMembership(systems)
  const advice = `The code must be from the value set ${valueSet}: ${shown(systems)}.`
  return (value, report) => {
    if (!holds(value)) note(report, 'binding', advice)
  }
}

/**
 * Check of an extensible binding (https://hl7.org/fhir/R4/terminologies.html#extensible): another code is right where none of the
 * set fits, which only a person can say. Text alone is allowed.
 */
export function compilePreference(valueSet: string, systems: SystemCodes): Check {
  const holds = compileMembership(systems)
  const advice = `Use a code of the value set ${valueSet} where one fits: ${shown(systems)}.`
  return (value, report) => {
    const coded = !isRecord(value) || 'code' in value || Array.isArray(value.coding)
    if (coded && !holds(value)) warn(report, 'preferred-binding', advice)
  }
}

export function compileForm({ valid, form }: CodedForm): Check {
  const advice = `The code must be ${form}.`
  return (value, report) => {
    if (typeof value === 'string' && !valid(value)) note(report, 'code-form', advice)
  }
}

function compileMembership(systems: SystemCodes): (value: unknown) => boolean {
  const bySystem = new Map(Object.entries(systems).map(([system, codes]) => [system, new Set(codes)]))
  const all = new Set(Object.values(systems).flat())
  const holds = (coding: unknown) =>
    isRecord(coding) &&
    typeof coding.code === 'string' &&
    typeof coding.system === 'string' &&
    (bySystem.get(coding.system)?.has(coding.code) ?? false)
  return (value) => (isRecord(value) ? hasCoding(value, holds) : typeof value !== 'string' || all.has(value))
}

function shown(systems: SystemCodes): string {
  const all = [...new Set(Object.values(systems).flat())]
  return `${all.slice(0, 20).join(', ')}${all.length > 20 ? ', …' : ''}`
}

function hasCoding(value: Record<string, unknown>, holds: (coding: unknown) => boolean): boolean {
  if ('coding' in value || 'text' in value) return Array.isArray(value.coding) && value.coding.some(holds)
  // A Coding or concept that has nothing but extensions (data-absent-reason) makes no claim to check.
  return !('code' in value || 'system' in value) || holds(value)
}
