import { boundedPad, builtins, otherBuiltins } from './mapping-builtins.ts'
import { compileCall, compileLambda } from './mapping-call.ts'
import { compileArray, compileObject } from './mapping-constructors.ts'
import { compileFilter } from './mapping-filter.ts'
import { fault, limits, type Run } from './mapping-limits.ts'
import { compileBinary } from './mapping-operators.ts'
import { compilePath } from './mapping-path.ts'
import { compileRegex } from './mapping-regex.ts'
import { createNames, frameOf } from './mapping-scope.ts'
import {
  type BindNode,
  type BlockNode,
  type ConditionNode,
  type Evaluate,
  isAlone,
  type LiteralNode,
  type NotCompiled,
  notCompiled,
  type Place,
  type SyntaxNode,
  type UnaryNode,
  type VariableNode,
} from './mapping-syntax.ts'
import {
  append,
  collapse,
  isNumeric,
  isTrue,
  lookup,
  push,
  type Sequence,
  sequenceOf,
} from './mapping-values.ts'

export type Compiled =
  | { run(input: unknown, functions: Readonly<Record<string, unknown>>): unknown }
  | NotCompiled

/**
 * A syntax tree of jsonata's parser to closures that do what its evaluator does, without a promise for each node.
 * Members of arrays and objects are made in the order they are written; jsonata starts them all at once. What is not
 * known here, or could tell the difference, is not compiled, with the reason.
 */
export function compileTree(tree: SyntaxNode): Compiled {
  const names = createNames()
  const scope = names.open(undefined)
  try {
    const evaluate = compile(tree, { names, scope, depth: 0, unordered: false, compile })
    const globals = names.settle()
    const other = globals.find((name) => otherBuiltins.has(name))
    if (other) return notCompiled(`function $${other}`)
    return {
      run(input, functions) {
        const whole = Array.isArray(input) ? wrapped(input) : input
        const run: Run = {
          steps: 0,
          depth: 0,
          started: Date.now(),
          globals: globals.map((name) => globalOf(name, input, functions)),
          left: undefined,
        }
        return evaluate(whole, frameOf(scope, { slots: [], parent: undefined }), run)
      },
    }
  } catch (cause) {
    if (typeof cause === 'object' && cause !== null && 'notCompiled' in cause) return cause as NotCompiled
    throw cause
  }
}

function wrapped(input: unknown[]): Sequence {
  const sequence = sequenceOf(input)
  sequence.outerWrapper = true
  return sequence
}

function globalOf(name: string, input: unknown, functions: Readonly<Record<string, unknown>>): unknown {
  if (name === '$') return input
  if (Object.hasOwn(functions, name)) return functions[name]
  if (name === 'pad') return boundedPad
  return Object.hasOwn(builtins, name) ? builtins[name] : undefined
}

/** A node, with what any node may carry: filters, a group, `[]`. */
function compile(node: SyntaxNode, around: Place): Evaluate {
  const place = { ...around, depth: around.depth + 1 }
  if (place.depth > limits.depth) throw notCompiled('depth')
  const evaluate = compileBare(node, place)
  const { predicate = [], keepArray = false } = node
  const group = node.type === 'path' ? undefined : groupOf(node)
  if (predicate.length === 0 && !group) {
    const isDone = neverSequences.has(node.type) || (isAlone(node) && collapsedAlready.has(node.type))
    return isDone ? evaluate : (input, frame, run) => collapse(evaluate(input, frame, run), keepArray)
  }
  if (mayLeaveCall(node)) throw notCompiled('filter or group of a last call')
  const filters = predicate.map((stage) => {
    if (stage.type !== 'filter') throw notCompiled('position variable')
    return compileFilter(stage.expr, place)
  })
  return (input, frame, run) => {
    let value = evaluate(input, frame, run)
    for (const filter of filters) value = filter.all(value, frame, run)
    return collapse(group ? group(value, frame, run) : value, keepArray)
  }

  function groupOf({ group }: SyntaxNode): Evaluate | undefined {
    return group && compileObject(group, place)
  }
}

/** These give what a node in them gave, or see to it themselves: a closure less at most of the steps. */
const collapsedAlready: ReadonlySet<string> = new Set([
  'bind',
  'block',
  'condition',
  'function',
  'name',
  'path',
  'variable',
])

const neverSequences: ReadonlySet<string> = new Set([
  'string',
  'number',
  'value',
  'regex',
  'lambda',
  'binary',
  'unary',
])

/** Whether the value may be a call that is left to the caller of the function this node ends. */
function mayLeaveCall(node: SyntaxNode): boolean {
  if (node.type === 'lambda') return node.thunk === true
  if (node.type === 'condition')
    return [node.then, node.else].some((branch) => branch && mayLeaveCall(branch))
  const last = node.type === 'block' ? node.expressions.at(-1) : undefined
  return last !== undefined && mayLeaveCall(last)
}

function compileBare(node: SyntaxNode, place: Place): Evaluate {
  switch (node.type) {
    case 'path':
      return compilePath(node, place)
    case 'binary':
      return compileBinary(node, place)
    case 'unary':
      return compileUnary(node, place)
    case 'name':
      return compileName(node)
    case 'string':
    case 'number':
    case 'value':
      return () => node.value
    case 'wildcard':
      return everyField
    case 'condition':
      return compileCondition(node, place)
    case 'block':
      return compileBlock(node, place)
    case 'bind':
      return compileBind(node, place)
    case 'regex':
      return compileRegex(node)
    case 'function':
      return compileCall(node, place)
    case 'variable':
      return compileVariable(node, place)
    case 'lambda':
      return compileLambda(node, place)
    default:
      throw notCompiled(`node ${(node as SyntaxNode).type}`)
  }
}

function compileUnary(node: UnaryNode, place: Place): Evaluate {
  if (node.value === '[') return compileArray(node.expressions, node.consarray === true, place)
  if (node.value === '{') return compileObject(node, place)
  const operand = place.compile(node.expression, place)
  return (input, frame, run) => {
    const value = operand(input, frame, run)
    if (value === undefined) return undefined
    if (!isNumeric(value)) throw fault('D1002', node.position)
    return -value
  }
}

function compileName(node: LiteralNode): Evaluate {
  const name = String(node.value)
  return isAlone(node) ? (input) => collapse(lookup(input, name), false) : (input) => lookup(input, name)
}

/** `*`: the values of all fields, arrays in them taken apart to the last. */
function everyField(given: unknown): unknown {
  const input = Array.isArray(given) && (given as Sequence).outerWrapper ? given[0] : given
  let found: unknown = sequenceOf()
  if (typeof input !== 'object' || input === null) return found
  for (const value of Array.isArray(input) ? input : Object.values(input)) {
    if (Array.isArray(value)) found = append(found, value.flat(Number.POSITIVE_INFINITY))
    else push(found as unknown[], value)
  }
  return found
}

function compileCondition(node: ConditionNode, place: Place): Evaluate {
  const condition = place.compile(node.condition, place)
  const yes = place.compile(node.then, place)
  const no = node.else && place.compile(node.else, place)
  return (input, frame, run) => {
    if (isTrue(condition(input, frame, run))) return yes(input, frame, run)
    return no?.(input, frame, run)
  }
}

function compileBlock({ expressions }: BlockNode, place: Place): Evaluate {
  const scope = place.names.open(place.scope)
  const parts = expressions.map((node) => place.compile(node, { ...place, scope, unordered: false }))
  return (input, frame, run) => {
    const inner = frameOf(scope, frame)
    let value: unknown
    for (const part of parts) value = part(input, inner, run)
    return value
  }
}

function compileBind({ lhs, rhs }: BindNode, place: Place): Evaluate {
  if (place.unordered) throw notCompiled('variable bound in an array or object')
  const slot = place.names.bind(place.scope, lhs.value)
  const evaluate = place.compile(rhs, place)
  return (input, frame, run) => {
    const value = evaluate(input, frame, run)
    frame.slots[slot] = value
    return value
  }
}

function compileVariable(node: VariableNode, place: Place): Evaluate {
  const keeps = !isAlone(node)
  if (node.value === '') {
    return (input) => {
      const value = (input as Sequence | undefined | null)?.outerWrapper ? (input as Sequence)[0] : input
      return keeps ? value : collapse(value, false)
    }
  }
  const read = place.names.refer(place.scope, node.value)
  return keeps ? read : (input, frame, run) => collapse(read(input, frame, run), false)
}
