import type { Coding, ConceptMap, ConceptMapGroup, ConceptMapGroupElementTarget } from 'fhir/r4'

type Equivalence = ConceptMapGroupElementTarget['equivalence']

/** One counterpart of a concept, and the map that said so. */
export interface Match {
  equivalence: Equivalence
  /** None where the map says that there is no counterpart. */
  concept?: Coding
  /** `url|version` of the map. */
  source: string
}

export interface Wanted {
  code: string
  system?: string
  /** Counterparts of this system only. */
  targetSystem?: string
  /** From targets to sources. */
  reverse: boolean
}

/** What a map says of a code: https://hl7.org/fhir/R4/conceptmap.html. Maps that a map refers to are not followed. */
export function matchesIn(map: ConceptMap, wanted: Wanted): Match[] {
  const source = map.version ? `${map.url}|${map.version}` : (map.url ?? '')
  const found = (map.group ?? []).flatMap((group) =>
    wanted.reverse ? backward(group, wanted) : forward(group, wanted),
  )
  return found.map((each) => ({ ...each, source }))
}

/** Whether a match is one: `unmatched` and `disjoint` say that there is none. */
export function isCounterpart({ equivalence }: Match): boolean {
  return equivalence !== 'unmatched' && equivalence !== 'disjoint'
}

type Found = Omit<Match, 'source'>

function forward(group: ConceptMapGroup, { code, system, targetSystem }: Wanted): Found[] {
  if (!fits(system, group.source) || !fits(targetSystem, group.target)) return []
  const elements = group.element.filter((each) => each.code === code)
  if (elements.length === 0) return unmapped(group, code)
  return elements.flatMap(({ target = [] }) =>
    target.map(({ equivalence, code: counterpart, display }) => ({
      equivalence,
      ...(counterpart === undefined ? {} : { concept: coding(group.target, counterpart, display) }),
    })),
  )
}

function backward(group: ConceptMapGroup, { code, system, targetSystem }: Wanted): Found[] {
  if (!fits(system, group.target) || !fits(targetSystem, group.source)) return []
  return group.element.flatMap(({ code: origin, display, target = [] }) =>
    target.flatMap((each) => {
      if (each.code !== code || origin === undefined) return []
      const equivalence = inverse[each.equivalence] ?? each.equivalence
      return [{ equivalence, concept: coding(group.source, origin, display) }]
    }),
  )
}

/** What stands for every code without a row of its own. How near it is nobody said. */
function unmapped({ unmapped: otherwise, target }: ConceptMapGroup, code: string): Found[] {
  if (otherwise?.mode === 'provided') return [{ equivalence: 'equal', concept: coding(target, code) }]
  if (otherwise?.mode !== 'fixed' || otherwise.code === undefined) return []
  return [{ equivalence: 'relatedto', concept: coding(target, otherwise.code, otherwise.display) }]
}

function fits(asked: string | undefined, system: string | undefined): boolean {
  return asked === undefined || asked === system
}

/** Read the other way round: https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html */
const inverse: Readonly<Partial<Record<Equivalence, Equivalence>>> = {
  wider: 'narrower',
  narrower: 'wider',
  subsumes: 'specializes',
  specializes: 'subsumes',
}

function coding(system: string | undefined, code: string, display?: string): Coding {
  return { ...(system ? { system } : {}), code, ...(display ? { display } : {}) }
}
