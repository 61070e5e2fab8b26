import type { CapabilityStatement, ConceptMap } from 'fhir/r4'
import type { Artifacts, Clock, Stored } from '#core/ports.ts'
import { type Identified, type Resource, versioned } from '#core/resource.ts'
import { stringifyJson } from '#formats/json.ts'
import { searchParameterResources } from './search-parameter-resources.ts'

/** What the gateway works by, as FHIR resources with a place each. */
export interface Definitions {
  /** Of one of core/unstored `definitionTypes`, in order of id. */
  list(type: string): Promise<readonly Stored[]>
}

export interface DefinitionPorts {
  /** What is in force now; the same value while nothing changed. */
  artifacts(): Promise<Pick<Artifacts, 'conceptMaps' | 'profiles'>>
  statement: CapabilityStatement
  clock: Clock
}

/**
 * StructureDefinition, ValueSet and CodeSystem of profiles/, the code tables in force as ConceptMap, the search
 * parameters that are served, and the CapabilityStatement. The rows that a table has for one sender only are that
 * sender's business and are not among them.
 */
export function createDefinitions({ artifacts, statement, clock }: DefinitionPorts): Definitions {
  const fixed: readonly Resource[] = [...searchParameterResources, { ...statement, id: 'postern' }]
  const made = new Map<string, Stored>()
  let known: { of: unknown; byType: Map<string, Stored[]> } | undefined

  /** A text that did not change stays the version that it was, and as old. */
  function stored(resource: Identified): Stored {
    const { resourceType: type, id } = resource
    const version = versionOfText(stringifyJson(resource))
    const before = made.get(`${type}/${id}`)
    if (before?.version === version) return before
    const updated = clock.now()
    const json = stringifyJson(versioned(resource, id, version, updated))
    const next: Stored = { type, id, version, updated, deleted: false, json }
    made.set(`${type}/${id}`, next)
    return next
  }

  return {
    async list(type) {
      const current = await artifacts()
      if (known?.of !== current) {
        const { profiles, conceptMaps } = current
        const all = [...profiles, ...mapsOf(conceptMaps), ...fixed].filter(isIdentified)
        const sorted = all.map(stored).sort((a, b) => (a.id < b.id ? -1 : 1))
        known = { of: current, byType: Map.groupBy(sorted, (each) => each.type) }
      }
      return known.byType.get(type) ?? []
    },
  }
}

function mapsOf(conceptMaps: Artifacts['conceptMaps']): ConceptMap[] {
  const common = [...conceptMaps].filter(([stem]) => !stem.includes('@'))
  return common.map(([id, map]) => ({ ...(map as ConceptMap), id }))
}

function isIdentified(resource: Resource): resource is Identified {
  return resource.id !== undefined
}

/** A number that changes with the text (FNV-1a): releases do not count their definitions. */
function versionOfText(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return (hash >>> 1) + 1
}
