import { Failure } from '#core/failure.ts'
import { type Fault, fault, limits, type Run, spend } from './mapping-limits.ts'
import { frameOf } from './mapping-scope.ts'
import {
  type CallNode,
  type Evaluate,
  isAlone,
  type LambdaNode,
  notCompiled,
  type Place,
} from './mapping-syntax.ts'
import { collapse } from './mapping-values.ts'

/** A function of JSONata, its own or one of the mapping's. */
export interface Callable {
  (parameters: readonly unknown[], context: unknown, run: Run): unknown
  readonly callable: true
  /** How many parameters a function that calls it (`$map`) hands over at most. */
  readonly arity: number
  /** The context value when such a function calls it. */
  readonly home: unknown
}

export function callable(
  arity: number,
  home: unknown,
  call: (parameters: readonly unknown[], context: unknown, run: Run) => unknown,
): Callable {
  // Written one by one: Object.assign costs more than the call, and a mapping makes some hundred of these.
  const made = call as { -readonly [Part in keyof Callable]: Callable[Part] } & typeof call
  made.callable = true
  made.arity = arity
  made.home = home
  return made
}

/** What the body of a function gives when it ends in a call: `run.left` says which. */
const leftToCaller = Symbol('left to the caller')

export function compileCall(node: CallNode, place: Place): Evaluate {
  const { callee, parameters } = compileParts(node, place)
  const { depth } = place
  const { position } = node
  const alone = isAlone(node)
  return (input, frame, run) => {
    spend(run)
    const called = callee(input, frame, run)
    const values: unknown[] = []
    for (const parameter of parameters) values.push(asParameter(parameter(input, frame, run)))
    const before = run.depth
    run.depth = before + depth
    if (run.depth > limits.depth) throw fault('D1011', position)
    try {
      const value = apply(called, values, input, run)
      return alone ? collapse(value, false) : value
    } catch (cause) {
      throw placed(cause, position)
    } finally {
      run.depth = before
    }
  }
}

/** The innermost call that knows where it stands says so. */
function placed(cause: unknown, position: number | undefined): unknown {
  if (typeof cause === 'object' && cause !== null && !(cause instanceof Error)) {
    const told = cause as Fault
    told.position ??= position
  }
  return cause
}

export function compileLambda(node: LambdaNode, place: Place): Evaluate {
  if (node.thunk) return compileLastCall(node, place)
  const names = node.arguments.map(({ value }) => value)
  const scope = place.names.open(place.scope, names)
  const slots = names.map((name) => place.names.bind(scope, name))
  const body = place.compile(node.body, { ...place, scope, depth: 0, unordered: false })
  const { signature } = node
  return (input, frame) =>
    callable(names.length, input, (given, context, run) => {
      const parameters = signature ? signature.validate(given, context) : given
      const inner = frameOf(scope, frame)
      for (let at = 0; at < slots.length; at++) inner.slots[slots[at] as number] = parameters[at]
      return body(input, inner, run)
    })
}

/** The call that ends a function's body: JSONata neither groups its result nor wraps the functions it is given. */
function compileLastCall({ body }: LambdaNode, place: Place): Evaluate {
  if (body.type !== 'function' || body.group || body.keepArray) throw notCompiled('group of a last call')
  const { callee, parameters } = compileParts(body, place)
  return (input, frame, run) => {
    const called = callee(input, frame, run)
    const values: unknown[] = []
    for (const parameter of parameters) values.push(parameter(input, frame, run))
    run.left = { callee: called, parameters: values }
    return leftToCaller
  }
}

function compileParts(node: CallNode, place: Place): { callee: Evaluate; parameters: Evaluate[] } {
  // `name(…)` without its `$`: jsonata has a hint for the author.
  if (node.procedure.type === 'path') throw notCompiled('call of a field')
  return {
    callee: place.compile(node.procedure, place),
    parameters: node.arguments.map((parameter) => place.compile(parameter, place)),
  }
}

/** A function that is handed over forgets the context that it is called in. */
function asParameter(value: unknown): unknown {
  if (typeof value !== 'function' || !isCallable(value)) return value
  return callable(value.arity, null, (parameters, _context, run) => apply(value, parameters, null, run))
}

function isCallable(value: object): value is Callable {
  return 'callable' in value
}

/** Calls, and goes on with what the called function left to call. */
function apply(callee: unknown, parameters: readonly unknown[], context: unknown, run: Run): unknown {
  let result = applyOnce(callee, parameters, context, run)
  while (result === leftToCaller && run.left) {
    spend(run)
    result = applyOnce(run.left.callee, run.left.parameters, context, run)
  }
  return result
}

function applyOnce(callee: unknown, parameters: readonly unknown[], context: unknown, run: Run): unknown {
  if (typeof callee !== 'function') throw fault('T1006')
  if (isCallable(callee)) return callee(parameters, context, run)
  const result: unknown = Reflect.apply(callee, context, parameters)
  if (
    typeof result === 'object' &&
    result !== null &&
    'then' in result &&
    typeof result.then === 'function'
  ) {
    throw new Failure('internal', 'A function given to a mapping has to answer at once')
  }
  return result
}

/** Calls a function that was given as a parameter, with as many of the values as it takes but at least one. */
export function callBack(callee: unknown, values: readonly unknown[], run: Run): unknown {
  spend(run)
  if (typeof callee !== 'function') throw fault('T1006')
  const arity = isCallable(callee) ? callee.arity : callee.length
  const home = isCallable(callee) ? callee.home : null
  return apply(callee, values.slice(0, Math.max(1, arity)), home, run)
}
