/**
 * The base definitions of FHIR R4, compact: profiles/base/r4.json, written by generate.ts. Everything a check needs to
 * know about the served types and their data types, and nothing to read for people.
 */
export interface BaseTable {
  fhirVersion: string
  /** Names of all R4 resource types: those without an entry in `types` can be referred to, not checked. */
  resourceTypes: readonly string[]
  /** Types by name. */
  types: Readonly<Record<string, TypeEntry>>
  /** Codes of required and extensible bindings: value set canonical → system → codes. */
  codes: CodeTable
  /** Constraints by key, but for those that the walk itself holds (ele-1, ext-1, dom-*, ref-1). */
  constraints: Readonly<Record<string, ConstraintEntry>>
}

/** https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint */
export interface ConstraintEntry {
  /** Paths of the elements it stands at: `Period`, `Timing.repeat`. */
  at: readonly string[]
  human: string
  /** FHIRPath. */
  expression: string
  /** Worth a warning only. */
  warning?: boolean
}

interface TypeEntry {
  kind: string
  elements: ElementEntries
}

/**
 * Elements by name (`value[x]` for a choice), in the order of the definition. An element is a line such as
 * `1..1 code @http://…/event-status` (required binding), `0..1 CodeableConcept ~http://…/identifier-type` (extensible),
 * `0..* Reference(Patient|Group)`, `0..1 string|Attachment` or `0..* #Questionnaire.item`; one with elements of its own is a record with its line under the empty name.
 */
export interface ElementEntries {
  readonly [name: string]: string | ElementEntries
}

type CodeTable = Readonly<Record<string, SystemCodes>>
export type SystemCodes = Readonly<Record<string, readonly string[]>>

export interface ElementType {
  code: string
  /** Resource types a Reference may point at; absent for any. */
  targets?: readonly string[]
}

export interface ElementLine {
  min: number
  /** Infinity for `*`. */
  max: number
  types: readonly ElementType[]
  /** Element whose content this one has, e.g. `Questionnaire.item`. */
  contentOf?: string
  /** Value set of a required binding. */
  codes?: string
  /** Value set of an extensible binding. */
  preferred?: string
}

/** Reads one line of the table; the inverse of `writeLine`. */
export function readLine(line: string): ElementLine {
  const [cardinality = '', content = '', binding] = line.split(' ')
  const [min, max] = cardinality.split('..')
  const common = { min: Number(min), max: max === '*' ? Number.POSITIVE_INFINITY : Number(max) }
  if (content.startsWith('#')) return { ...common, types: [], contentOf: content.slice(1) }
  // A type list splits at bars outside of parentheses: `string|Reference(Patient|Group)`.
  const types = (content.match(/[A-Za-z0-9]+(?:\([^)]*\))?/g) ?? []).map(readType)
  if (binding?.startsWith('~')) return { ...common, types, preferred: binding.slice(1) }
  return { ...common, types, codes: binding?.slice(1) }
}

export function writeLine(line: ElementLine): string {
  const max = line.max === Number.POSITIVE_INFINITY ? '*' : String(line.max)
  const types = line.types.map((type) =>
    type.targets ? `${type.code}(${type.targets.join('|')})` : type.code,
  )
  const content = line.contentOf ? `#${line.contentOf}` : types.join('|')
  const binding = line.codes ? ` @${line.codes}` : line.preferred ? ` ~${line.preferred}` : ''
  return `${line.min}..${max} ${content}${binding}`
}

function readType(text: string): ElementType {
  const [code = '', targets] = text.split('(')
  return targets ? { code, targets: targets.slice(0, -1).split('|') } : { code }
}
