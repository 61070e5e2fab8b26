import { equalsFixed, matchesPattern } from './pattern.ts'
import { textOf } from './probe.ts'
import type { ProfileNode } from './profile-tree.ts'
import { isRecord, newReport, type Report } from './report.ts'
import type { Surroundings } from './surroundings.ts'
import { type Found, valuesAt } from './values.ts'

export interface Slice {
  name: string
  /** For people: what makes a value belong to this slice. */
  what: string
  min: number
  max: number
  matches(item: Found): boolean
  check(item: Found, report: Report): void
}

interface Discriminator {
  type: string
  path: string
}

type Belongs = (item: Found) => boolean
type CompileValue = (node: ProfileNode, surroundings: Surroundings) => Slice['check']

/**
 * Compiles a slice (https://hl7.org/fhir/R4/profiling.html#slicing). A slice whose discriminator cannot be decided
 * here matches nothing and asks for nothing: a profile may then let too much pass, never too little.
 */
export function compileSlice(
  name: string,
  slice: ProfileNode,
  sliced: ProfileNode,
  surroundings: Surroundings,
  compileValue: CompileValue,
): Slice {
  const tests = discriminators(sliced, slice).map((by) => compileDiscriminator(by, slice, surroundings))
  const decidable = tests.length > 0 && tests.every((test) => test !== undefined)
  const { min = 0, max = '*' } = slice.definition
  return {
    name,
    what: slice.definition.type?.[0]?.profile?.[0] ?? slice.definition.short ?? `the slice ${name}`,
    min: decidable ? min : 0,
    max: decidable && max !== '*' ? Number(max) : Number.POSITIVE_INFINITY,
    matches: (item) => decidable && tests.every((test) => test?.(item)),
    check: compileValue(slice, surroundings),
  }
}

/** Slicing by url goes without saying for extensions, slicing by type for choices. */
function discriminators(sliced: ProfileNode, slice: ProfileNode): readonly Discriminator[] {
  const declared = sliced.definition.slicing?.discriminator
  if (declared) return declared
  if (slice.name === 'extension' || slice.name === 'modifierExtension')
    return [{ type: 'value', path: 'url' }]
  return slice.name.endsWith('[x]') ? [{ type: 'type', path: '$this' }] : []
}

function compileDiscriminator(
  by: Discriminator,
  slice: ProfileNode,
  surroundings: Surroundings,
): Belongs | undefined {
  if (by.type === 'type') return byType(by.path, slice)
  if (by.type === 'exists') return byExistence(by.path, slice)
  if (by.type === 'profile') return byProfile(by.path, slice, surroundings)
  const extension = slice.definition.type?.find((type) => type.code === 'Extension')?.profile?.[0]
  if (by.path === 'url' && extension)
    return (item) => isRecord(item.value) && item.value.url === extension.split('|')[0]
  return byValue(by.path, slice, surroundings)
}

function byValue(path: string, slice: ProfileNode, surroundings: Surroundings): Belongs | undefined {
  const steps = path === '$this' ? [] : path.split('.')
  let node: ProfileNode | undefined = slice
  // A pattern may stand at the element itself or above it: take the first on the way down, with the path to it.
  for (let depth = 0; node; depth++) {
    const at = steps.slice(0, depth).join('.') || '$this'
    const test = expectation(node, surroundings)
    if (test) return (item) => valuesAt(item.value, at).some(test)
    const step: string | undefined = steps[depth]
    if (step === undefined) return below(node, at, surroundings)
    node = node.children.get(step) ?? node.children.get(`${step}[x]`)
  }
  return undefined
}

/** Where nothing is fixed at the discriminator itself but below it: all that is fixed there must hold. */
function below(node: ProfileNode, at: string, surroundings: Surroundings): Belongs | undefined {
  const tests = [...node.children].flatMap(([name, child]) => {
    const test = expectation(child, surroundings)
    return test ? [{ name: name.replace('[x]', ''), test }] : []
  })
  if (tests.length === 0) return undefined
  return (item) =>
    valuesAt(item.value, at).some((value) =>
      tests.every(({ name, test }) => valuesAt(value, name).some(test)),
    )
}

/** What a node's definition fixes its value to, as a predicate; undefined where it fixes nothing. */
function expectation(
  node: ProfileNode,
  surroundings: Surroundings,
): ((value: unknown) => boolean) | undefined {
  const entries = Object.entries(node.definition)
  const fixed = entries.find(([key]) => /^fixed[A-Z]/.test(key))?.[1]
  if (fixed !== undefined) return (value) => equalsFixed(value, fixed)
  const pattern = entries.find(([key]) => /^pattern[A-Z]/.test(key))?.[1]
  if (pattern !== undefined) return (value) => matchesPattern(value, pattern)
  const { binding } = node.definition
  const systems =
    binding?.strength === 'required' && binding.valueSet ? surroundings.codes(binding.valueSet) : undefined
  if (!systems) return undefined
  const listed = (coding: unknown) =>
    systems[textOf(coding, 'system') ?? '']?.includes(textOf(coding, 'code') ?? '') ?? false
  const all = new Set(Object.values(systems).flat())
  return (value) =>
    typeof value === 'string'
      ? all.has(value)
      : isRecord(value) && (listed(value) || (Array.isArray(value.coding) && value.coding.some(listed)))
}

function byType(path: string, slice: ProfileNode): Belongs {
  const at = path === '$this' ? slice : slice.children.get(path)
  const types = (at?.definition.type ?? []).map((type) => type.code)
  return (item) => {
    if (path === '$this' && item.type !== undefined) return types.includes(item.type)
    return valuesAt(item.value, path).some((value) => types.includes(textOf(value, 'resourceType') ?? ''))
  }
}

function byExistence(path: string, slice: ProfileNode): Belongs | undefined {
  const at = slice.children.get(path)
  if (!at) return undefined
  const absent = at.definition.max === '0'
  return (item) => valuesAt(item.value, path).length > 0 !== absent
}

function byProfile(path: string, slice: ProfileNode, surroundings: Surroundings): Belongs | undefined {
  const at = path === '$this' ? slice : slice.children.get(path)
  const check = surroundings.profile(at?.definition.type?.[0]?.profile?.[0] ?? '')
  if (!check) return undefined
  return (item) =>
    valuesAt(item.value, path).some((value) => {
      const trial = newReport('')
      check(value, trial)
      return trial.issues.length === 0
    })
}
