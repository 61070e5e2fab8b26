import type { ElementDefinition } from 'fhir/r4'
import { compileBinding, compilePreference } from './coding.ts'
import { compileConstraint, inOrder } from './invariant.ts'
import { requiredText } from './members.ts'
import { equalsFixed, matchesPattern } from './pattern.ts'
import type { ProfileNode } from './profile-tree.ts'
import { compileReference } from './reference.ts'
import { below, type Check, isRecord, note, noteAt, type Report } from './report.ts'
import { compileSlice, type Slice } from './slice.ts'
import type { Surroundings } from './surroundings.ts'
import { type Found, valuesOf } from './values.ts'

/** Compiles what a profile says of the elements below a node into one check of the value that holds them. */
function compileConstraints(node: ProfileNode, surroundings: Surroundings): Check {
  const children = [...node.children.values()].map((child) => compileChild(child, surroundings))
  return (value, report) => {
    if (!isRecord(value)) return
    for (const check of children) check(value, report)
  }
}

/** The whole of a profile: what it says of the element itself (its own constraints), and of those below. */
export function compileProfile(root: ProfileNode, surroundings: Surroundings, url: string): Check {
  const { constraint, path } = root.definition
  const ofRoot = [...valueChecks({ constraint, path }, surroundings)]
  const whole = inOrder([...ofRoot, compileConstraints(root, surroundings)])
  return (value, report) => {
    const outer = report.profile
    report.profile = url
    whole(value, report)
    report.profile = outer
  }
}

function compileChild(node: ProfileNode, surroundings: Surroundings): Check {
  const stem = node.name.replace('[x]', '')
  const { min = 0, max } = node.definition
  const most = max === undefined || max === '*' ? Number.POSITIVE_INFINITY : Number(max)
  const ofEach = compileValue(node, surroundings)
  const slices = [...node.slices].map(([name, slice]) =>
    compileSlice(name, slice, node, surroundings, compileValue),
  )
  const closed = node.definition.slicing?.rules === 'closed'
  const lacking = requiredText(node.name, min)
  const excess = most === 0 ? `${node.name} may not be given in this profile; leave it out.` : ''
  return (owner, report) => {
    const found = valuesOf(owner, node.name)
    if (found.length < min) noteAt(report, stem, 'minimum', lacking)
    if (found.length > most) {
      noteAt(
        report,
        stem,
        'maximum',
        excess || `${node.name} may appear at most ${most} times in this profile.`,
      )
    }
    for (const item of found) at(report, stem, item, ofEach)
    if (slices.length) checkSlices(found, slices, { closed, stem }, report)
  }
}

/** What holds for each value of an element: types, fixed value, pattern, binding, and the elements below. */
function compileValue(node: ProfileNode, surroundings: Surroundings): (found: Found, report: Report) => void {
  const checks = [...valueChecks(node.definition, surroundings)]
  if (node.children.size) checks.push(compileConstraints(node, surroundings))
  const types = node.name.endsWith('[x]') ? node.definition.type?.map((type) => type.code) : undefined
  const typeText = `${node.name} must be of type ${types?.join(' or ')} in this profile.`
  return (found, report) => {
    if (types && found.type && !types.includes(found.type)) note(report, 'type', typeText)
    for (const check of checks) check(found.value, report)
  }
}

function* valueChecks(definition: Partial<ElementDefinition>, surroundings: Surroundings): Generator<Check> {
  const entries = Object.entries(definition)
  const fixed = entries.find(([key]) => /^fixed[A-Z]/.test(key))?.[1]
  const pattern = entries.find(([key]) => /^pattern[A-Z]/.test(key))?.[1]
  if (fixed !== undefined) {
    const text = `The profile fixes this value: it must be ${JSON.stringify(fixed)}.`
    yield (value, report) => equalsFixed(value, fixed) || note(report, 'fixed', text)
  }
  if (pattern !== undefined) {
    const text = `The profile fixes a pattern here: the value must hold ${JSON.stringify(pattern)}.`
    yield (value, report) => matchesPattern(value, pattern) || note(report, 'pattern', text)
  }
  const { binding, maxLength, type } = definition
  const valueSet = binding?.valueSet?.split('|')[0]
  const systems = valueSet ? surroundings.codes(valueSet) : undefined
  if (valueSet && systems && binding?.strength === 'required') yield compileBinding(valueSet, systems)
  if (valueSet && systems && binding?.strength === 'extensible') yield compilePreference(valueSet, systems)
  if (maxLength !== undefined) {
    const text = `The value may have at most ${maxLength} characters in this profile.`
    yield (value, report) =>
      typeof value === 'string' && value.length > maxLength && note(report, 'max-length', text)
  }
  if (type) yield* typeChecks(type, surroundings)
  for (const { key, severity, human, expression } of definition.constraint ?? []) {
    if (!expression || surroundings.isBase(key, expression)) continue
    yield compileConstraint(
      { key, human, expression, warning: severity === 'warning' },
      definition.path ?? '',
    )
  }
}

function* typeChecks(
  types: NonNullable<ElementDefinition['type']>,
  surroundings: Surroundings,
): Generator<Check> {
  const reference = types.find((type) => type.code === 'Reference')
  const targets = reference?.targetProfile?.map(surroundings.typeOf)
  if (targets?.every((target) => target !== undefined) && !targets.includes('Resource')) {
    yield compileReference(targets, surroundings.resourceTypes)
  }
  const [only, second] = types
  const [profile, other] = only?.profile ?? []
  // Extensions are checked by their own definition wherever they stand (base.ts).
  if (profile && !second && !other && only?.code !== 'Extension') {
    yield (value, report) => surroundings.profile(profile)?.(value, report)
  }
}

function checkSlices(
  found: readonly Found[],
  slices: readonly Slice[],
  slicing: { closed: boolean; stem: string },
  report: Report,
): void {
  const counts = new Map<Slice, number>()
  for (const item of found) {
    const slice = slices.find((candidate) => candidate.matches(item))
    if (slice) {
      counts.set(slice, (counts.get(slice) ?? 0) + 1)
      at(report, slicing.stem, item, slice.check)
    } else if (slicing.closed) {
      const text = `Only these are allowed here: ${slices.map((one) => one.name).join(', ')} (closed slicing).`
      at(report, slicing.stem, item, (_item, inner) => note(inner, 'closed-slicing', text))
    }
  }
  for (const slice of slices) {
    const count = counts.get(slice) ?? 0
    if (count >= slice.min && count <= slice.max) continue
    const text = `${slicing.stem}:${slice.name} must appear ${slice.min}..${slice.max} times in this profile; it is ${slice.what}.`
    noteAt(report, slicing.stem, count < slice.min ? 'slice-minimum' : 'slice-maximum', text)
  }
}

function at(report: Report, stem: string, item: Found, check: (found: Found, report: Report) => void): void {
  const run: Check = (_value, inner) => check(item, inner)
  if (item.index === undefined) {
    below(report, stem, run, item.value)
    return
  }
  report.path.push(stem)
  below(report, item.index, run, item.value)
  report.path.pop()
}
