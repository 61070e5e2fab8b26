import jsonata from 'jsonata'
import { Failure } from '#core/failure.ts'
import { boundedPad } from './mapping-builtins.ts'
import { compileTree } from './mapping-compile.ts'
import { type Fault, limits } from './mapping-limits.ts'
import { boundedText, countValue, emptySize, type Size } from './mapping-size.ts'
import type { SyntaxNode } from './mapping-syntax.ts'
import { GuardedRegExp, requireTamePattern } from './pattern-guard.ts'

/**
 * Not for mappings: code from data, and what makes the same message come out different the second time (ids and
 * resources are to be the same for a replay; times come in as input).
 */
const forbidden = new Set(['eval', 'now', 'millis', 'random', 'shuffle'])

export type MappingFunctions = Record<string, (...parameters: never[]) => unknown>

export interface CompiledMapping {
  /**
   * Why jsonata's evaluator runs this text, where it does: what the compiler does not know (`function $sum`,
   * `node sort`). The result is the same, for about ten times the processor time.
   */
  interpreted?: string
  /** Plain JSON out of the mapping; undefined parts left out. Rejects with Failure `internal`, or one a function threw. */
  run(input: unknown, functions: MappingFunctions): Promise<unknown>
}

/**
 * JSONata text → something that runs within limits: closures made of its syntax tree (mapping-compile.ts), or jsonata's
 * evaluator where the text asks for more. Throws Failure `unsupported` for what does not parse or asks for what mappings
 * may not do.
 */
export function compileMapping(name: string, text: string): CompiledMapping {
  const expression = parseMapping(name, text)
  const compiled = compileTree(expression.ast() as unknown as SyntaxNode)
  if ('notCompiled' in compiled) {
    return { interpreted: compiled.notCompiled, ...runnable(name, interpreter(expression)) }
  }
  return runnable(name, compiled.run)
}

function runnable(
  name: string,
  evaluate: (input: unknown, functions: MappingFunctions) => unknown,
): Pick<CompiledMapping, 'run'> {
  return {
    async run(input, functions) {
      try {
        return plain(await evaluate(input, functions), emptySize())
      } catch (cause) {
        throw failureOf(name, cause)
      }
    },
  }
}

function interpreter(expression: jsonata.Expression) {
  const stepsOfRun = new WeakMap<object, number>()
  expression.assign('pad', boundedPad)
  // Called at each step with the frame at hand; `base` is the frame of this very run.
  expression.assign(
    Symbol.for('jsonata.__evaluate_entry') as unknown as string,
    (_node: unknown, _input: unknown, frame: { base: object }) => {
      const steps = (stepsOfRun.get(frame.base) ?? 0) + 1
      if (steps > limits.steps) throw { code: 'D1012', message: 'too many steps' }
      stepsOfRun.set(frame.base, steps)
    },
  )
  expression.assign(
    Symbol.for('jsonata.__evaluate_exit') as unknown as string,
    (_node: unknown, _input: unknown, _frame: unknown, result: unknown) => {
      if (typeof result === 'string') boundedText(result)
    },
  )
  return (input: unknown, functions: MappingFunctions) => expression.evaluate(input, functions)
}

function parseMapping(name: string, text: string): jsonata.Expression {
  if (text.length > limits.text) throw new Failure('unsupported', `Mapping ${name} is too long`)
  let expression: jsonata.Expression
  try {
    expression = jsonata(text, {
      RegexEngine: GuardedRegExp as unknown as RegExpConstructor,
      timeout: limits.timeoutMs,
      stack: limits.depth,
      sequence: limits.sequence,
    })
  } catch (cause) {
    const { position, message } = cause as Partial<jsonata.JsonataError>
    throw new Failure(
      'unsupported',
      `Mapping ${name} does not compile at ${position ?? '?'}: ${message ?? ''}`,
      {
        cause,
      },
    )
  }
  checkSyntaxTree(name, expression.ast(), new Set())
  return expression
}

/** Nodes refer to each other in circles (lambdas, parents), hence `seen`. */
function checkSyntaxTree(name: string, node: unknown, seen: Set<object>): void {
  if (node instanceof RegExp) {
    requireTamePattern(node.source, node.flags)
    return
  }
  if (typeof node !== 'object' || node === null || seen.has(node)) return
  seen.add(node)
  const { type, value } = node as { type?: unknown; value?: unknown }
  if (type === 'variable' && typeof value === 'string' && forbidden.has(value)) {
    throw new Failure('unsupported', `Mapping ${name} may not use $${value}`)
  }
  for (const child of Object.values(node)) checkSyntaxTree(name, child, seen)
}

/**
 * Sequences to arrays, what is absent or empty left out (FHIR has no empty elements), numbers checked: a fraction, or an
 * integer beyond what a double holds, has been through arithmetic and is no longer what the source said.
 */
function plain(value: unknown, size: Size, depth = 0): unknown {
  countValue(size, value)
  if (depth > 64) throw new Failure('internal', 'A mapping returned something nested too deeply')
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new Failure('internal', 'A mapping computed with a decimal; decimals are texts and stay so')
  }
  if (typeof value === 'function') throw new Failure('internal', 'A mapping returned a function')
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const items: unknown[] = []
    for (const each of value) {
      const item = plain(each, size, depth + 1)
      if (item !== undefined) items.push(item)
    }
    return items.length > 0 ? items : undefined
  }
  const members: Record<string, unknown> = {}
  let empty = true
  for (const key of Object.keys(value)) {
    const item = plain((value as Record<string, unknown>)[key], size, depth + 1)
    if (item === undefined) continue
    empty = false
    // An assignment to this one would not make a member.
    if (key === '__proto__')
      Object.defineProperty(members, key, { value: item, enumerable: true, writable: true })
    else members[key] = item
  }
  return empty ? undefined : members
}

/** JSONata's own messages quote values, so only its code and place are told. */
function failureOf(name: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause
  const { code, position, late } = (cause ?? {}) as Partial<Fault>
  // As often as it comes: to send the same again would not help.
  if ((code === 'D1012' || code === 'D2015') && !late)
    return new Failure(
      'too-costly',
      `There is more in this message than mapping ${name} may read (${code}): send it in parts`,
    )
  return new Failure('internal', `Mapping ${name} failed with ${code ?? 'an error'} at ${position ?? '?'}`)
}
