import { decimalText } from '#core/decimal.ts'
import { Failure } from '#core/failure.ts'

/**
 * Keeps account of what a message says of a resource, so that nothing is left out in silence: what has no field goes
 * into a note, or the message is not written.
 */
export interface Said {
  /** Marks an element, and all below it, as told: `dosageInstruction[0].route`. */
  say(...paths: readonly string[]): void
  /** The values that were not marked, each by its path. */
  rest(resource: object): Left[]
}

export interface Left {
  path: string
  text: string
}

export function createSaid(): Said {
  const told = new Set<string>()
  return {
    say(...paths) {
      for (const path of paths) told.add(path)
    },
    rest: (resource) => [...leavesOf(resource, '', told)],
  }
}

/** What every note of ours about an element without a field begins with. */
const restPrefix = 'FHIR '

/** One note each, `FHIR dispenseRequest.validityPeriod.end: 2026-02-01`. */
export function restNotes(rest: readonly Left[]): string[] {
  return rest.map(({ path, text }) => `${restPrefix}${path}: ${text}`)
}

/** What an OBX said beside its value, kept beside the answer it became. */
export const detailsUrl = 'https://postern.health/fhir/StructureDefinition/observation-details'

/** When our source said what stands here: ours to compare by. What we send says when we send it, in MSH-7. */
export const sourceTimeUrl = 'https://postern.health/fhir/StructureDefinition/source-time'

/**
 * Throws Failure `unsupported` for an element that changes the meaning of others: a note beside them would not do.
 * Those whose path is of the form `sayable` have a field.
 */
export function requireNoModifiers(resource: object, sayable = /^$/): void {
  for (const { path } of leavesOf(resource, '', new Set())) {
    if (!sayable.test(path) && /(?:^|\.)(?:modifierExtension|implicitRules|comparator)\b/.test(path))
      throw new Failure('unsupported', [{ text: 'HL7 v2 cannot say this modifier', expression: path }])
  }
}

function* leavesOf(value: unknown, path: string, told: ReadonlySet<string>): Generator<Left> {
  if (value === undefined || value === null || told.has(path)) return
  const text = decimalText(value) ?? (typeof value === 'object' ? undefined : String(value))
  if (text !== undefined) yield { path, text }
  else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* leavesOf(item, `${path}[${index}]`, told)
  } else if ((value as { url?: unknown }).url !== sourceTimeUrl) {
    for (const [name, item] of Object.entries(value as object))
      yield* leavesOf(item, path === '' ? name : `${path}.${name}`, told)
  }
}
