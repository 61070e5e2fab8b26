import type { ConceptMap, ConceptMapGroup } from 'fhir/r4'
import type { UnmappedCode } from './mapping-functions.ts'

export interface RowAnswer {
  code: string
  /** What the code becomes; without it the code is known to have no counterpart, and its text stands alone. */
  target?: { code: string; system?: string | undefined; display?: string | undefined } | undefined
}

/**
 * One sender's code table with one more row, or another one for a code it has: https://hl7.org/fhir/R4/conceptmap.html.
 * A target without system is of the one that the common table has for codes of the same system.
 */
export function withRow(
  own: ConceptMap | undefined,
  common: ConceptMap,
  asked: UnmappedCode & { client: string },
  { target }: RowAnswer,
): ConceptMap {
  const source = asked.system
  const like = (common.group ?? []).find((group) => source === undefined || group.source === source)
  const system = target?.system ?? like?.target
  const others = (own?.group ?? []).map((group) => without(group, asked))
  const row: ConceptMapGroup['element'][0] = {
    code: asked.code,
    target: target
      ? [
          {
            code: target.code,
            ...(target.display ? { display: target.display } : {}),
            equivalence: 'equivalent',
          },
        ]
      : [{ equivalence: 'unmatched' }],
  }
  const same = others.find((group) => group.source === source && group.target === system)
  const group = {
    ...(source ? { source } : {}),
    ...(system ? { target: system } : {}),
    ...same,
    element: [...(same?.element ?? []), row],
  }
  return {
    ...(own ?? {
      resourceType: 'ConceptMap',
      url: `${common.url}-of-${asked.client}`,
      status: 'active',
      description: `Rows of ${common.url} for the messages of ${asked.client}: they go before the common ones.`,
    }),
    version: String(Number(own?.version ?? '0') + 1),
    group: [...others.filter((each) => each !== same && each.element.length > 0), group],
  }
}

function without(group: ConceptMapGroup, { code, system }: UnmappedCode): ConceptMapGroup {
  if (system !== undefined && group.source !== system) return group
  return { ...group, element: group.element.filter((each) => each.code !== code) }
}
