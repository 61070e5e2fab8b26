import { compileFilter, type Filter } from './mapping-filter.ts'
import { type Run, spend } from './mapping-limits.ts'
import { type Frame, unbound } from './mapping-scope.ts'
import { type Evaluate, notCompiled, type Place, type Stage, type SyntaxNode } from './mapping-syntax.ts'
import { push, type Sequence, sequenceOf } from './mapping-values.ts'

/** One combination of items and the variables bound on the way to it. */
interface Tuple {
  value: unknown
  slots: unknown[]
}

interface TupleStep {
  evaluate: Evaluate
  /** Slots of the variables that take the item (`@`) and its position (`#`). */
  focus: number | undefined
  index: number | undefined
  stages: (Filter | number)[]
}

/** The steps of a path from the first that binds a variable: `items#$i.$f($, $i)`, `orders@$o.lines`. */
export function compileTuples(
  nodes: SyntaxNode[],
  place: Place,
): (items: unknown[], frame: Frame, run: Run) => Sequence {
  const scope = place.names.open(place.scope)
  const inside = { ...place, scope, unordered: false }
  const slotOf = (name: string | undefined) =>
    name === undefined ? undefined : place.names.bind(scope, name)
  const compileStage = (stage: Stage) =>
    stage.type === 'index' ? place.names.bind(scope, stage.value) : compileFilter(stage.expr, inside)
  const steps = nodes.map((node): TupleStep => {
    if ('ancestor' in node) throw notCompiled('parent operator')
    const [focus, index] = [slotOf(node.focus), slotOf(node.index)]
    return {
      evaluate: place.compile(node, inside),
      focus,
      index,
      stages: (node.stages ?? []).map(compileStage),
    }
  })
  return (items, frame, run) => {
    const none: unknown[] = new Array(scope.size).fill(unbound)
    let tuples: Tuple[] = items.map((value) => ({ value, slots: none }))
    for (const step of steps) tuples = stepOver(step, tuples, frame, run)
    const result = sequenceOf()
    for (const tuple of tuples) push(result, tuple.value)
    return result
  }
}

function stepOver(step: TupleStep, before: Tuple[], parent: Frame, run: Run): Tuple[] {
  let tuples: Tuple[] = []
  for (const tuple of before) {
    spend(run)
    // A copy, for what the step itself binds is not for the steps after it.
    const found = step.evaluate(tuple.value, { slots: tuple.slots.slice(), parent }, run)
    if (found === undefined) continue
    for (const [at, item] of (Array.isArray(found) ? found : [found]).entries()) {
      const slots = tuple.slots.slice()
      if (step.focus !== undefined) slots[step.focus] = item
      if (step.index !== undefined) slots[step.index] = at
      push(tuples, { value: step.focus === undefined ? item : tuple.value, slots })
    }
  }
  for (const stage of step.stages) {
    if (typeof stage === 'number') {
      for (const [at, tuple] of tuples.entries()) tuple.slots[stage] = at
      continue
    }
    const { length } = tuples
    tuples = tuples.filter(({ value, slots }, at) =>
      stage.keeps(value, at, length, { slots: slots.slice(), parent }, run),
    )
  }
  return tuples
}
