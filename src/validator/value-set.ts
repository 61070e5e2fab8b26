import type { CodeSystem, CodeSystemConcept, ValueSet } from 'fhir/r4'
import type { SystemCodes } from './table.ts'

type Find = (kind: 'ValueSet' | 'CodeSystem', url: string) => ValueSet | CodeSystem | undefined

/**
 * The codes of a value set by system, where its definition enumerates them (concepts, whole complete code systems,
 * other such value sets); undefined where it cannot be decided offline (filters, exclusions, unknown systems).
 * https://hl7.org/fhir/R4/valueset.html#compositions
 */
export function expandValueSet(
  url: string,
  find: Find,
  within: readonly string[] = [],
): SystemCodes | undefined {
  const valueSet = find('ValueSet', url.split('|')[0] ?? '') as ValueSet | undefined
  if (!valueSet?.compose || valueSet.compose.exclude || within.includes(url)) return undefined
  const codes: Record<string, string[]> = {}
  for (const include of valueSet.compose.include) {
    if (include.filter) return undefined
    // "System and value set" means the intersection, which nothing of ours needs.
    if (include.system && include.valueSet) return undefined
    const parts = include.system
      ? [{ [include.system]: listed(include, find) }]
      : (include.valueSet ?? []).map((part) => expandValueSet(part, find, [...within, url]))
    if (!include.system && parts.length !== 1) return undefined
    for (const part of parts) {
      if (!part) return undefined
      for (const [system, list] of Object.entries(part)) {
        if (!list) return undefined
        codes[system] = [...new Set([...(codes[system] ?? []), ...list])]
      }
    }
  }
  return codes
}

function listed(
  include: { system?: string; concept?: { code: string }[] },
  find: Find,
): readonly string[] | undefined {
  if (include.concept) return include.concept.map((concept) => concept.code)
  const system = find('CodeSystem', include.system ?? '') as CodeSystem | undefined
  return system?.content === 'complete' && system.concept ? flatten(system.concept) : undefined
}

function flatten(concepts: readonly CodeSystemConcept[]): string[] {
  return concepts.flatMap((concept) => [concept.code, ...flatten(concept.concept ?? [])])
}
