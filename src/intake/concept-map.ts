import type { ConceptMap, ConceptMapGroup } from 'fhir/r4'
import { Failure } from '#core/failure.ts'

/** What a code becomes. */
export interface Target {
  system?: string
  code: string
  display?: string
}

/**
 * What a table says of a code: what it becomes, that there is deliberately nothing for it, or nothing known. `by` is the
 * canonical of the table that said it, where that is another one than the one asked.
 */
type Translation = { by?: string } & ({ found: Target } | { found?: undefined; known: boolean })

export interface CodeTable {
  /** `url|version`, by which Provenance names it. */
  canonical: string
  translate(code: string, system?: string): Translation
}

/**
 * A ConceptMap (https://hl7.org/fhir/R4/conceptmap.html) as a table. Without a system, groups are asked in their
 * order. An element without target or with equivalence `unmatched` or `disjoint` is known to have no counterpart.
 * `unmapped` may be `fixed` or `provided`. Throws Failure `internal` for what is no ConceptMap.
 */
export function codeTable(name: string, resource: unknown): CodeTable {
  const map = resource as Partial<ConceptMap> | null
  if (map?.resourceType !== 'ConceptMap' || typeof map.url !== 'string') {
    throw new Failure('internal', `mappings/${name}.json is no ConceptMap with a url`)
  }
  const groups = (map.group ?? []).map((group) => ({ group, rows: rowsOf(group) }))
  return {
    canonical: map.version ? `${map.url}|${map.version}` : map.url,
    translate(code, system) {
      const asked = groups.filter(({ group }) => system === undefined || group.source === system)
      for (const { rows } of asked) {
        const row = rows.get(code)
        if (row) return row
      }
      for (const { group } of asked) {
        const otherwise = otherwiseOf(group, code)
        if (otherwise) return { found: otherwise }
      }
      return { known: false }
    },
  }
}

/** A table whose rows go before those of another one; what it does not know, the other one is asked. */
export function overriding(own: CodeTable, common: CodeTable): CodeTable {
  return {
    canonical: common.canonical,
    translate(code, system) {
      const translation = own.translate(code, system)
      if (!translation.found && !translation.known) return common.translate(code, system)
      return { ...translation, by: translation.by ?? own.canonical }
    },
  }
}

function rowsOf(group: ConceptMapGroup): Map<string, Translation> {
  const rows = new Map<string, Translation>()
  for (const element of group.element) {
    const target = (element.target ?? []).find(
      ({ code, equivalence }) =>
        code !== undefined && equivalence !== 'unmatched' && equivalence !== 'disjoint',
    )
    if (element.code === undefined) continue
    const translation = target?.code
      ? { found: targetOf(group.target, target.code, target.display) }
      : { known: true }
    rows.set(element.code, translation)
  }
  return rows
}

function otherwiseOf(group: ConceptMapGroup, code: string): Target | undefined {
  if (group.unmapped?.mode === 'provided') return targetOf(group.target, code, undefined)
  const fixed = group.unmapped?.mode === 'fixed' ? group.unmapped.code : undefined
  return fixed === undefined ? undefined : targetOf(group.target, fixed, group.unmapped?.display)
}

function targetOf(system: string | undefined, code: string, display: string | undefined): Target {
  return { ...(system ? { system } : {}), code, ...(display ? { display } : {}) }
}
