import type { Run } from './mapping-limits.ts'
import type { Frame, Names, Scope } from './mapping-scope.ts'

/** What jsonata's parser makes of a text (`expression.ast()`), as far as mappings are compiled. */
export type SyntaxNode =
  | PathNode
  | BinaryNode
  | UnaryNode
  | LiteralNode
  | ConditionNode
  | BlockNode
  | BindNode
  | RegexNode
  | CallNode
  | VariableNode
  | LambdaNode
  | (Common & { type: 'wildcard' })

/** What any node may carry. */
interface Common {
  position?: number
  /** `a[]`: a sequence of one stays an array. */
  keepArray?: boolean
  /** Filters of what is not a step of a path. */
  predicate?: Stage[]
  /** Filters and position variables of a step. */
  stages?: Stage[]
  group?: Pairs
  /** The step binds a variable (`@`, `#`). */
  tuple?: boolean
  focus?: string
  index?: string
  consarray?: boolean
}

export type Stage = { type: 'filter'; expr: SyntaxNode } | { type: 'index'; value: string }

export interface Pairs {
  lhs: [SyntaxNode, SyntaxNode][]
  position?: number
}

export interface PathNode extends Common {
  type: 'path'
  steps: SyntaxNode[]
  keepSingletonArray?: boolean
}
export interface BinaryNode extends Common {
  type: 'binary'
  value: string
  lhs: SyntaxNode
  rhs: SyntaxNode
}
export type UnaryNode = Common & { type: 'unary' } & (
    | { value: '-'; expression: SyntaxNode }
    | { value: '['; expressions: SyntaxNode[] }
    | ({ value: '{' } & Pairs)
  )
/** `name` is a field; the others are themselves. */
export interface LiteralNode extends Common {
  type: 'name' | 'string' | 'number' | 'value'
  value: unknown
}
export interface ConditionNode extends Common {
  type: 'condition'
  condition: SyntaxNode
  then: SyntaxNode
  else?: SyntaxNode
}
export interface BlockNode extends Common {
  type: 'block'
  expressions: SyntaxNode[]
}
export interface BindNode extends Common {
  type: 'bind'
  lhs: { value: string }
  rhs: SyntaxNode
}
export interface RegexNode extends Common {
  type: 'regex'
  value: RegExp
}
export interface CallNode extends Common {
  type: 'function'
  procedure: SyntaxNode
  arguments: SyntaxNode[]
}
export interface VariableNode extends Common {
  type: 'variable'
  value: string
}
export interface LambdaNode extends Common {
  type: 'lambda'
  arguments: { value: string }[]
  signature?: { validate(parameters: readonly unknown[], context: unknown): unknown[] }
  body: SyntaxNode
  /** Not a function of the author's: a call that ends a function's body, left to the caller so that the stack does not grow. */
  thunk?: boolean
}

/** A compiled node: the value of its text for a context value, in a frame of variables. */
export type Evaluate = (input: unknown, frame: Frame, run: Run) => unknown

/** Where a node stands, while it is compiled. */
export interface Place {
  names: Names
  scope: Scope
  /** Nodes around it, up to the function it stands in. */
  depth: number
  /** In a member of an array or object constructor, whose order of evaluation JSONata leaves open. */
  unordered: boolean
  compile(node: SyntaxNode, place: Place): Evaluate
}

/** Thrown while compiling: jsonata's own evaluator has to run this text. */
export interface NotCompiled {
  notCompiled: string
}

export function notCompiled(reason: string): NotCompiled {
  return { notCompiled: reason }
}

/** Nothing is done to the value of the node afterwards: whoever evaluates it may collapse it there and then. */
export function isAlone(node: SyntaxNode): boolean {
  if (node.type === 'path' && node.keepSingletonArray) return false
  return !node.keepArray && !node.group && (node.predicate ?? []).length === 0
}
