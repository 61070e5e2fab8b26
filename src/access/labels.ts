import type { Coding } from 'fhir/r4'
import type { Resource } from '#core/resource.ts'
import type { LabelRules, Sensitivity } from './label-rules.ts'

/** What is known of how sensitive a resource is. */
export interface Labels {
  /** Place in `confidentialities`: the highest that applies. */
  level: number
  /** `system|code`: labels sent with it, and sensitivities that its codes and names of drugs show. */
  codes: ReadonlySet<string>
  /** Somebody looked: it was labelled by its sender, or all of it is coded. */
  known: boolean
}

export type Labeller = (resource: Resource) => Labels

/** http://terminology.hl7.org/CodeSystem/v3-Confidentiality, lowest first. */
export const confidentialities: readonly string[] = ['U', 'L', 'M', 'N', 'R', 'V']
export const confidentialitySystem = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality'
const sensitivitySystem = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
const [normal, restricted] = [confidentialities.indexOf('N'), confidentialities.indexOf('R')]

export function levelOf(label: string): number | undefined {
  if (!label.startsWith(`${confidentialitySystem}|`)) return undefined
  const level = confidentialities.indexOf(label.slice(confidentialitySystem.length + 1))
  return level < 0 ? undefined : level
}

/** The labels that a resource brings along, and nothing else; what brings none is restricted. */
export function sentLabels(resource: Resource): Labels {
  const codes = new Set((resource.meta?.security ?? []).map(({ system, code }) => `${system}|${code}`))
  const levels = [...codes].flatMap((label) => levelOf(label) ?? [])
  return {
    level: levels.length > 0 ? Math.max(...levels) : restricted,
    codes,
    known: levels.length > 0,
  }
}

/**
 * Labels by rules (DS4P's security labelling service): what was sent, and what codes and drug names anywhere in the
 * resource show, contained resources and extensions too; the highest mark counts for the whole. Free text is restricted
 * unless its sender labelled it, and its sender's label never lowers what a code shows.
 *
 * Worked out when a consent asks for it, from the resource and the rules in force: so a change of the rules counts for
 * every stored version from the next request on, and labels, which tell what is in a record, are kept nowhere.
 */
export function createLabeller(rules: LabelRules): Labeller {
  const bySystem = indexCodes(rules)
  const byName = new RegExp(`\\b(?:${rules.names.flatMap(({ words }) => words).join('|')})\\b`, 'gi')
  const freeTypes: ReadonlySet<string> = new Set(rules.freeText)
  const freeElements: ReadonlySet<string> = new Set(rules.freeElements)

  function sensitivitiesOf({ system, code }: Coding): Iterable<Sensitivity> {
    const table = system === undefined ? undefined : bySystem.get(system)
    if (!table || code === undefined) return []
    const found = new Set(table.whole.get(code))
    for (const { prefix, sensitivity } of table.prefixes) if (code.startsWith(prefix)) found.add(sensitivity)
    return found
  }

  function namesIn(text: string): Sensitivity[] {
    const words = new Set(text.match(byName)?.map((word) => word.toLowerCase()))
    if (words.size === 0) return []
    return rules.names.flatMap((each) =>
      each.words.some((word) => words.has(word)) ? [each.sensitivity] : [],
    )
  }

  function label(resource: Resource): Labels {
    const sent = sentLabels(resource)
    const found = new Set<Sensitivity>()
    let isFree = freeTypes.has(resource.resourceType)
    const walk = (value: unknown): void => {
      if (value === null || typeof value !== 'object') return
      for (const sensitivity of sensitivitiesOf(value as Coding)) found.add(sensitivity)
      for (const [name, item] of Object.entries(value)) {
        if (freeElements.has(name)) isFree = true
        if ((name === 'display' || name === 'text') && typeof item === 'string') {
          for (const sensitivity of namesIn(item)) found.add(sensitivity)
        }
        if (name === 'resourceType' && freeTypes.has(String(item))) isFree = true
        walk(item)
      }
    }
    walk(resource)
    const floor = found.size > 0 ? restricted : normal
    const assumed = isFree ? restricted : floor
    return {
      level: Math.max(sent.known ? sent.level : assumed, floor),
      codes: new Set([...sent.codes, ...[...found].map((each) => `${sensitivitySystem}|${each}`)]),
      known: sent.known || !isFree,
    }
  }
  // Every provision of every consent asks about the same value.
  const known = new WeakMap<Resource, Labels>()
  return (resource) => {
    const labels = known.get(resource) ?? label(resource)
    known.set(resource, labels)
    return labels
  }
}

interface SystemTable {
  whole: Map<string, Sensitivity[]>
  prefixes: { prefix: string; sensitivity: Sensitivity }[]
}

function indexCodes({ codes }: LabelRules): Map<string, SystemTable> {
  const index = new Map<string, SystemTable>()
  for (const rule of codes) {
    const table: SystemTable = index.get(rule.system) ?? { whole: new Map(), prefixes: [] }
    index.set(rule.system, table)
    for (const code of rule.codes ?? []) {
      table.whole.set(code, [...(table.whole.get(code) ?? []), rule.sensitivity])
    }
    for (const prefix of rule.prefixes ?? []) table.prefixes.push({ prefix, sensitivity: rule.sensitivity })
  }
  return index
}
