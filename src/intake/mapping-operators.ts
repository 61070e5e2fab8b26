import { fault, limits, type Run, spend } from './mapping-limits.ts'
import { boundedText } from './mapping-size.ts'
import type { BinaryNode, Evaluate, Place } from './mapping-syntax.ts'
import { notCompiled } from './mapping-syntax.ts'
import { collapse, isEqual, isNumeric, isTrue, sequenceOf, textOf } from './mapping-values.ts'

type Operator = (left: unknown, right: unknown, position: number | undefined) => unknown

const operators: Record<string, Operator> = {
  '+': arithmetic((left, right) => left + right),
  '-': arithmetic((left, right) => left - right),
  '*': arithmetic((left, right) => left * right),
  '/': arithmetic((left, right) => left / right),
  '%': arithmetic((left, right) => left % right),
  '<': comparison((left, right) => left < right),
  '<=': comparison((left, right) => left <= right),
  '>': comparison((left, right) => left > right),
  '>=': comparison((left, right) => left >= right),
  // Nothing is neither equal to anything nor different from it.
  '=': (left, right) => left !== undefined && right !== undefined && isEqual(left, right),
  '!=': (left, right) => left !== undefined && right !== undefined && !isEqual(left, right),
  '&': (left, right) =>
    boundedText((left === undefined ? '' : textOf(left)) + (right === undefined ? '' : textOf(right))),
  in: (left, right) =>
    left !== undefined &&
    right !== undefined &&
    (Array.isArray(right) ? right : [right]).some((item) => item === left),
}

export function compileBinary(node: BinaryNode, place: Place): Evaluate {
  const left = place.compile(node.lhs, place)
  const right = place.compile(node.rhs, place)
  if (node.value === 'and') {
    return (input, frame, run) => isTrue(left(input, frame, run)) && isTrue(right(input, frame, run))
  }
  if (node.value === 'or') {
    return (input, frame, run) => isTrue(left(input, frame, run)) || isTrue(right(input, frame, run))
  }
  if (node.value === '..') {
    return (input, frame, run) => range(left(input, frame, run), right(input, frame, run), node.position, run)
  }
  const operator = operators[node.value]
  if (!operator) throw notCompiled(`operator ${node.value}`)
  const { position } = node
  return (input, frame, run) => operator(left(input, frame, run), right(input, frame, run), position)
}

/** `[1..3]` */
function range(first: unknown, last: unknown, position: number | undefined, run: Run): unknown {
  if (first !== undefined && !Number.isInteger(first)) throw fault('T2003', position)
  if (last !== undefined && !Number.isInteger(last)) throw fault('T2004', position)
  if (first === undefined || last === undefined) return undefined
  const [from, to] = [first as number, last as number]
  if (to - from + 1 > limits.sequence) throw fault('D2015', position)
  const items = sequenceOf()
  for (let item = from; item <= to; item++) {
    // Many small ones cost time too.
    if (item % 64 === 0) spend(run)
    items.push(item)
  }
  return collapse(items, false)
}

function arithmetic(compute: (left: number, right: number) => number): Operator {
  return (left, right, position) => {
    if (left !== undefined && !isNumeric(left)) throw fault('T2001', position)
    if (right !== undefined && !isNumeric(right)) throw fault('T2002', position)
    return left === undefined || right === undefined ? undefined : compute(left, right)
  }
}

/** Texts with texts and numbers with numbers; nothing with anything is nothing. */
function comparison(compare: (left: string | number, right: string | number) => boolean): Operator {
  return (left, right, position) => {
    if (!isComparable(left) || !isComparable(right)) throw fault('T2010', position)
    if (left === undefined || right === undefined) return undefined
    if (typeof left !== typeof right) throw fault('T2009', position)
    return compare(left, right)
  }
}

function isComparable(value: unknown): value is string | number | undefined {
  return value === undefined || typeof value === 'string' || typeof value === 'number'
}
