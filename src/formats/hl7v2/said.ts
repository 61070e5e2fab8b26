import { decimalText, isDecimal } from '#core/decimal.ts'
import { Failure } from '#core/failure.ts'

/**
 * Keeps account of what a message says of a resource, so that nothing is left out in silence: what has no field is told
 * beside the fields (formats/hl7v2/rest), or the message is not written.
 */
export interface Said {
  /** Marks an element, and all below it, as told: `dosageInstruction[0].route`. */
  say(...paths: readonly string[]): void
  /** Marks it as told to a person, while a machine that reads the fields would make something else of it. */
  sayRoughly(...paths: readonly string[]): void
  /** Says that an element's copy has to go along, whatever is told of it. */
  keepCopy(path: string): void
  /** The values that were not marked, each by its path. */
  rest(resource: object): Left[]
  /** Names of the elements whose marked values alone do not make them again. */
  inexact(resource: object): string[]
}

/** A value that no field told. */
export interface Left {
  path: string
  text: string
  /** Means something to machines only, beside words that say it: the system of a code, the code of a unit. */
  isTechnical: boolean
}

export function createSaid(): Said {
  const told = new Set<string>()
  const rough = new Set<string>()
  return {
    say(...paths) {
      for (const path of paths) told.add(path)
    },
    sayRoughly(...paths) {
      for (const path of paths) {
        told.add(path)
        rough.add(elementOf(path))
      }
    },
    keepCopy: (path) => rough.add(elementOf(path)),
    rest: (resource) => [...leavesOf(resource, '', told)],
    inexact(resource) {
      const left = [...leavesOf(resource, '', told)].map(({ path }) => elementOf(path))
      const present = [...rough].filter((name) => name in resource)
      const exponents = Object.entries(resource).flatMap(([name, each]) => (hasExponent(each) ? [name] : []))
      return [...new Set([...left, ...present, ...exponents])]
    },
  }
}

/** A number is told without its exponent, which is another way to write it. */
function hasExponent(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return isDecimal(value) ? /e/i.test(value.rawJSON) : Object.values(value).some(hasExponent)
}

/** `dosageInstruction[0].route` is of `dosageInstruction`. */
export function elementOf(path: string): string {
  return /^[^.[]+/.exec(path)?.[0] ?? path
}

/** What every note of ours about an element without a field begins with. */
const restPrefix = 'FHIR '

/** One note each, `FHIR dispenseRequest.validityPeriod.end: 2026-02-01`. */
export function restNotes(rest: readonly Pick<Left, 'path' | 'text'>[]): string[] {
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

function* leavesOf(
  value: unknown,
  path: string,
  told: ReadonlySet<string>,
  beside: object = {},
): Generator<Left> {
  if (value === undefined || value === null || told.has(path)) return
  const text = decimalText(value) ?? (typeof value === 'object' ? undefined : String(value))
  if (text !== undefined) yield { path, text, isTechnical: isTechnical(path, beside) }
  else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* leavesOf(item, `${path}[${index}]`, told, beside)
  } else if ((value as { url?: unknown }).url !== sourceTimeUrl) {
    for (const [name, item] of Object.entries(value as object))
      yield* leavesOf(item, path === '' ? name : `${path}.${name}`, told, value as object)
  }
}

function isTechnical(path: string, beside: object): boolean {
  if (/\.(?:system|version|userSelected|id|url|resourceType)$/.test(path)) return true
  if (/^identifier\[\d+\]\.(?!value)/.test(path)) return true
  return path.endsWith('.code') && ['display', 'unit', 'text'].some((name) => name in beside)
}
