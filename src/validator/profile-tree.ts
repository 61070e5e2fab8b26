import type { ElementDefinition, StructureDefinition } from 'fhir/r4'

/** An element of a profile with what is said about it there and in the profiles it builds on. */
export interface ProfileNode {
  /** `identifier`, `content[x]` */
  name: string
  definition: Partial<ElementDefinition>
  children: Map<string, ProfileNode>
  slices: Map<string, ProfileNode>
}

const core = 'http://hl7.org/fhir/StructureDefinition/'

/**
 * Lays a profile's differential over those of the profiles it derives from, down to the base type: what is left unsaid
 * stays as it was. (https://hl7.org/fhir/R4/profiling.html#snapshot) Where a profile in between is not known, the snapshot of the
 * one above it stands in for both; without one this throws.
 */
export function profileTree(
  profile: StructureDefinition,
  find: (url: string) => StructureDefinition | undefined,
): ProfileNode {
  const chain = [profile]
  let complete: StructureDefinition | undefined
  for (let below = profile; below.baseDefinition && !below.baseDefinition.startsWith(core); ) {
    const base = find(below.baseDefinition)
    if (!base && below.snapshot) {
      complete = below
      break
    }
    if (!base || chain.includes(base)) {
      throw new Error(`The profile ${below.url} builds on ${below.baseDefinition}, which is not loaded`)
    }
    chain.unshift(base)
    below = base
  }
  const root = node(profile.type)
  for (const step of chain) {
    const said = step === complete ? step.snapshot : step.differential
    for (const element of said?.element ?? []) place(root, element)
  }
  return root
}

function place(root: ProfileNode, element: ElementDefinition): void {
  const steps = (element.id ?? element.path).split('.').slice(1)
  let at = root
  for (const step of steps) {
    const [name = '', slice] = step.split(':')
    at = at.children.get(name) ?? put(at.children, name, name)
    if (slice) at = at.slices.get(slice) ?? put(at.slices, slice, name)
  }
  at.definition = { ...at.definition, ...element }
}

function put(map: Map<string, ProfileNode>, key: string, name: string): ProfileNode {
  const made = node(name)
  map.set(key, made)
  return made
}

function node(name: string): ProfileNode {
  return { name, definition: {}, children: new Map(), slices: new Map() }
}
