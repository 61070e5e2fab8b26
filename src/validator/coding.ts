import { type Check, isRecord, note } from './report.ts'
import type { SystemCodes } from './table.ts'

/**
 * Check of a required binding (https://hl7.org/fhir/R4/terminologies.html#required) for whichever coded type carries
 * it: a code, a Coding, or a CodeableConcept of which one coding must be from the set.
 */
export function compileBinding(valueSet: string, systems: SystemCodes): Check {
  const bySystem = new Map(Object.entries(systems).map(([system, codes]) => [system, new Set(codes)]))
  const all = new Set(Object.values(systems).flat())
  const shown = [...all].slice(0, 20).join(', ')
  const advice = `The code must be from the value set ${valueSet}: ${shown}${all.size > 20 ? ', …' : ''}.`
  const holds = (coding: unknown) =>
    isRecord(coding) &&
    typeof coding.code === 'string' &&
    (bySystem.get(String(coding.system))?.has(coding.code) ?? false)
  return (value, report) => {
    const satisfied = isRecord(value) ? hasCoding(value, holds) : typeof value !== 'string' || all.has(value)
    if (!satisfied) note(report, 'code-invalid', advice)
  }
}

function hasCoding(value: Record<string, unknown>, holds: (coding: unknown) => boolean): boolean {
  if ('coding' in value || 'text' in value) return Array.isArray(value.coding) && value.coding.some(holds)
  // A Coding or concept that has nothing but extensions (data-absent-reason) makes no claim to check.
  return !('code' in value || 'system' in value) || holds(value)
}
