import { compileObject } from './mapping-constructors.ts'
import { compileFilter, type Filter } from './mapping-filter.ts'
import { type Run, spend } from './mapping-limits.ts'
import type { Frame } from './mapping-scope.ts'
import {
  type Evaluate,
  isAlone,
  notCompiled,
  type PathNode,
  type Place,
  type SyntaxNode,
} from './mapping-syntax.ts'
import { compileTuples } from './mapping-tuples.ts'
import { collapse, isSequence, push, type Sequence, sequenceOf } from './mapping-values.ts'

interface Step {
  evaluate: Evaluate
  filters: Filter[]
  /** An array constructor at the beginning: it is made once, not for each item. */
  whole: boolean
}

/** `a.b[0].$f($)`: each step for each item of the step before; what they give flattened by one level. */
export function compilePath(node: PathNode, place: Place): Evaluate {
  if (node.tuple) throw notCompiled('parent operator')
  const evaluate = compileSteps(node, place)
  const group = node.group && compileObject(node.group, place)
  if (!node.keepSingletonArray && !group) return evaluate
  return (input, frame, run) => {
    const found = evaluate(input, frame, run)
    const result = node.keepSingletonArray ? kept(found) : found
    return group ? group(result, frame, run) : result
  }
}

function compileSteps(node: PathNode, place: Place): Evaluate {
  const bound = node.steps.findIndex((step) => step.tuple)
  const plain = bound < 0 ? node.steps : node.steps.slice(0, bound)
  const steps = plain.map((step, index) => compileStep(step, index === 0, place))
  const [first] = node.steps
  const spread = (input: unknown): unknown[] =>
    Array.isArray(input) && first?.type !== 'variable' ? input : sequenceOf(input)
  const alone = isAlone(node)
  const ended = (found: unknown) => (alone ? collapse(found, false) : found)
  if (bound >= 0) {
    if (node.group) throw notCompiled('group of a path with variables')
    if (bound === 0 && first?.consarray) throw notCompiled('variable of an array constructor')
    const tuples = compileTuples(node.steps.slice(bound), place)
    return (input, frame, run) => {
      const items = walk(steps, spread(input), false, frame, run) as unknown[] | undefined
      const isOver = items === undefined || (items.length === 0 && steps.length > 0)
      return ended(isOver ? items : tuples(items, frame, run))
    }
  }
  if (!alone || first?.consarray) {
    return (input, frame, run) => ended(walk(steps, spread(input), true, frame, run))
  }
  const fromVariable = first?.type === 'variable'
  return (input, frame, run) =>
    collapse(
      Array.isArray(input) && !fromVariable
        ? walk(steps, input, true, frame, run)
        : walkOne(steps, input, frame, run),
      false,
    )
}

function compileStep(node: SyntaxNode, first: boolean, place: Place): Step {
  const filters = (node.stages ?? []).map((stage) => {
    if (stage.type !== 'filter') throw notCompiled('position variable')
    return compileFilter(stage.expr, place)
  })
  return { evaluate: place.compile(node, place), filters, whole: first && node.consarray === true }
}

/** While there is one value and no array, no sequences need to be made: the same as `walk`, and most paths end here. */
function walkOne(steps: Step[], input: unknown, frame: Frame, run: Run): unknown {
  let value = input
  for (let at = 0; at < steps.length; at++) {
    spend(run)
    const step = steps[at] as Step
    value = step.evaluate(value, frame, run)
    for (const filter of step.filters) {
      value = filter.one ? filter.one(value) : filter.all(value, frame, run)
      if (value === undefined) return undefined
    }
    if (value === undefined) return undefined
    if (!Array.isArray(value) || (value as Sequence).cons) continue
    const last = at === steps.length - 1
    if (last) return isSequence(value) ? copied(value) : value
    if (value.length === 0) return undefined
    return walk(steps.slice(at + 1), copied(value), true, frame, run)
  }
  return value
}

function walk(steps: Step[], items: unknown, ends: boolean, frame: Frame, run: Run): unknown {
  let found = items
  for (let at = 0; at < steps.length; at++) {
    const step = steps[at] as Step
    found = step.whole
      ? step.evaluate(found, frame, run)
      : stepOver(step, found as unknown[], ends && at === steps.length - 1, frame, run)
    if (found === undefined || (found as unknown[]).length === 0) return found
  }
  return found
}

/** `items` may be what an array constructor with a filter gave, a text or an object: jsonata goes by its length too. */
function stepOver(step: Step, items: ArrayLike<unknown>, last: boolean, frame: Frame, run: Run): Sequence {
  const results: unknown[] = []
  for (let index = 0; index < items.length; index++) {
    spend(run)
    let value = step.evaluate(items[index], frame, run)
    for (const filter of step.filters) value = filter.all(value, frame, run)
    if (value !== undefined) push(results, value)
  }
  const only = results[0]
  if (last && results.length === 1 && Array.isArray(only) && !isSequence(only)) return only
  const flat = sequenceOf()
  for (const value of results) {
    if (Array.isArray(value) && !(value as Sequence).cons) for (const item of value) push(flat, item)
    else push(flat, value)
  }
  return flat
}

/** A new sequence, for the old one may be held by a variable. */
function copied(items: readonly unknown[]): Sequence {
  const copy = sequenceOf()
  for (const item of items) push(copy, item)
  return copy
}

/** `a[]` somewhere in the path: what was found is an array, even when it is one. */
function kept(found: unknown): unknown {
  if (found === undefined || found === null) throw new TypeError('Nothing to keep as an array')
  const result =
    Array.isArray(found) && (found as Sequence).cons && !isSequence(found) ? sequenceOf(found) : found
  if (isSequence(result)) result.keepSingleton = true
  return result
}
