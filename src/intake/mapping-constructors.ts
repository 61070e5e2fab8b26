import { fault, limits } from './mapping-limits.ts'
import type { Evaluate, Pairs, Place, SyntaxNode } from './mapping-syntax.ts'
import { append, type Sequence } from './mapping-values.ts'

/** `[a, b]`: what is nothing left out, arrays in it taken apart unless they are written there as arrays. */
export function compileArray(expressions: SyntaxNode[], consarray: boolean, place: Place): Evaluate {
  const inside = { ...place, unordered: true }
  const members = expressions.map((node) => ({
    value: place.compile(node, inside),
    whole: node.type === 'unary' && node.value === '[',
  }))
  return (input, frame, run) => {
    const result: Sequence = []
    for (const member of members) {
      const value = member.value(input, frame, run)
      if (value === undefined) continue
      if (member.whole || !Array.isArray(value)) {
        if (result.length >= limits.sequence && !member.whole) throw fault('D2015')
        result.push(value)
        continue
      }
      if (result.length + value.length > limits.sequence) throw fault('D2015')
      for (const item of value) result.push(item)
    }
    if (consarray) Object.defineProperty(result, 'cons', { value: true })
    return result
  }
}

/** Which items belong to a key, and which of the pairs made it. */
interface Member {
  data: unknown
  pair: number
}

/** `{ key: value }` over one context value, or over many: then the values that have a key in common meet in it. */
export function compileObject({ lhs, position }: Pairs, place: Place): Evaluate {
  const inside = { ...place, unordered: true }
  const pairs = lhs.map(([key, value]) => ({
    key: place.compile(key, inside),
    value: place.compile(value, inside),
  }))
  const fixed = fixedKeys(lhs)
  return (input, frame, run) => {
    if (fixed && !Array.isArray(input)) {
      const result: Record<string, unknown> = {}
      for (let index = 0; index < fixed.length; index++) {
        const value = pairs[index]?.value(input, frame, run)
        if (value !== undefined) result[fixed[index] as string] = value
      }
      return result
    }
    // jsonata puts the missing item into the array it was given, even where that is the source's; here it stays out.
    const items =
      Array.isArray(input) && input.length > 0 ? input : [Array.isArray(input) ? undefined : input]
    const members: Record<string, Member> = Object.create(null)
    for (const item of items) {
      for (let pair = 0; pair < pairs.length; pair++) {
        const key = pairs[pair]?.key(item, frame, run)
        if (key !== undefined) gather(members, key, { data: item, pair }, position)
      }
    }
    const result: Record<string, unknown> = Object.create(null)
    for (const key of Object.keys(members)) {
      const { data, pair } = members[key] as Member
      const value = pairs[pair]?.value(data, frame, run)
      if (value !== undefined) result[key] = value
    }
    return result
  }
}

/** The keys, when they are texts, each once, in an order that an object keeps, and none that an object is made of. */
function fixedKeys(pairs: Pairs['lhs']): string[] | undefined {
  const keys = pairs.map(([key]) =>
    key.type === 'string' && !key.predicate && !key.group ? String(key.value) : '',
  )
  const plain = keys.every((key) => /^[A-Za-z][A-Za-z0-9]*$/.test(key) || /^_\d/.test(key))
  return plain && new Set(keys).size === keys.length ? keys : undefined
}

function gather(members: Record<string, Member>, key: unknown, member: Member, position?: number): void {
  if (typeof key !== 'string') throw fault('T1003', position)
  if (key === '_jsonata_lambda' || key === '_jsonata_function') throw fault('D1013', position)
  const known = members[key]
  if (!known) {
    members[key] = member
    return
  }
  if (known.pair !== member.pair) throw fault('D1009', position)
  known.data = append(known.data, member.data)
}
