import { type Run, spend } from './mapping-limits.ts'
import type { Frame } from './mapping-scope.ts'
import type { Place, SyntaxNode } from './mapping-syntax.ts'
import { isNumeric, isTrue, push, type Sequence, sequenceOf } from './mapping-values.ts'

export interface Filter {
  /** What is left of a value, as an array. */
  all(found: unknown, frame: Frame, run: Run): unknown[]
  /** For a position that is written out: the item there, or nothing. */
  one?(found: unknown): unknown
  /** Whether the item at this index stays. `context` is what the condition is about. */
  keeps(context: unknown, index: number, length: number, frame: Frame, run: Run): boolean
}

/** `[0]`, `[-1]`, `[code = 'x']`: a number is a position (from the end when negative), several are several; else a condition. */
export function compileFilter(condition: SyntaxNode, place: Place): Filter {
  if (condition.type === 'number') return position(Math.floor(condition.value as number))
  const evaluate = place.compile(condition, place)
  const keeps: Filter['keeps'] = (context, index, length, frame, run) => {
    spend(run)
    const value = evaluate(context, frame, run)
    if (isNumeric(value)) return isAt(value, index, length)
    if (Array.isArray(value) && value.every(isNumeric)) return value.some((each) => isAt(each, index, length))
    return isTrue(value)
  }
  return {
    keeps,
    all(found, frame, run) {
      const items = Array.isArray(found) ? found : [found]
      const left = sequenceOf()
      for (let index = 0; index < items.length; index++) {
        if (keeps(items[index], index, items.length, frame, run)) push(left, items[index])
      }
      return left
    },
  }
}

/** An array that stands at the position is given as it is. */
function position(index: number): Filter {
  const one = (found: unknown): unknown => {
    if (!Array.isArray(found)) return index === 0 || index === -1 ? found : undefined
    return found[index < 0 ? found.length + index : index]
  }
  return {
    one,
    all(found) {
      const item = one(found)
      if (Array.isArray(item)) return item as Sequence
      return item === undefined ? sequenceOf() : sequenceOf(item)
    },
    keeps: (_context, at, length) => isAt(index, at, length),
  }
}

function isAt(position: number, index: number, length: number): boolean {
  const whole = Math.floor(position)
  return (whole < 0 ? length + whole : whole) === index
}
