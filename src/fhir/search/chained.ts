import { Failure } from '#core/failure.ts'
import { type SearchParameter, searchParameter, searchParameters } from '#store/search-parameters.ts'

/** One hop to other resources, and what is asked of them: https://hl7.org/fhir/R4/search.html#chaining and #has */
export interface Chained {
  /** `forward`: our `parameter` refers to them. `reverse`: theirs refers to us. */
  kind: 'forward' | 'reverse'
  /** The reference parameter: ours, or theirs. */
  parameter: SearchParameter
  /** Types of the other side; `named` when the client named the one. */
  types: readonly string[]
  named: boolean
  /** What is asked of them: a parameter, which may be a chain itself, and its value. */
  rest: string
  text: string
}

/** `subject:Patient.identifier` or `_has:Task:patient:owner`; undefined for what is no chain. */
export function readChained(type: string, key: string, text: string): Chained | undefined {
  const [, source, back, asked] = /^_has:([A-Za-z]{1,64}):([a-z-]{1,64}):(.{1,200})$/.exec(key) ?? []
  if (source && back && asked) return reverse(type, { source, back, rest: asked, text })
  const [, name, target, rest] = /^([a-z-]{1,64})(?::([A-Z][A-Za-z]{1,63}))?\.(.{1,200})$/.exec(key) ?? []
  if (!name || !rest) return undefined
  const parameter = searchParameter(type, name)
  if (parameter?.kind !== 'reference') {
    throw new Failure(
      'unsupported',
      'A chain starts from a reference parameter of the type that is searched.',
    )
  }
  if (target && parameter.targets && !parameter.targets.includes(target)) throw noSuchHop()
  const types = target ? [target] : parameter.targets
  if (!types) throw new Failure('unsupported', 'Name the type that the chain goes to, as subject:Patient.')
  const known = types.filter((each) => each in searchParameters)
  if (known.length === 0) throw noSuchHop()
  return { kind: 'forward', parameter, types: known, named: target !== undefined, rest, text }
}

function reverse(type: string, hop: { source: string; back: string; rest: string; text: string }): Chained {
  const { source, back, rest, text } = hop
  const parameter = searchParameter(source, back)
  if (parameter?.kind !== 'reference' || parameter.targets?.includes(type) === false) throw noSuchHop()
  return { kind: 'reverse', parameter, types: [source], named: true, rest, text }
}

function noSuchHop(): Failure {
  return new Failure('unsupported', 'There is no such reference from one of these types to the other.')
}
