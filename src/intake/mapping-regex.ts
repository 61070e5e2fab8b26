import { callBack } from './mapping-call.ts'
import { fault, type Run, spendTime } from './mapping-limits.ts'
import { boundedText, joined } from './mapping-size.ts'
import type { Evaluate, RegexNode } from './mapping-syntax.ts'
import { push, sequenceOf } from './mapping-values.ts'
import { GuardedRegExp } from './pattern-guard.ts'

/** What a pattern finds; mappings may call patterns, and write functions that find in the same manner. */
interface Match {
  match: string
  start: number
  end: number
  groups: (string | undefined)[]
  next: unknown
}

/** `/pattern/`: a function from a text to its first match. */
export function compileRegex({ value, position }: RegexNode): Evaluate {
  const pattern = new GuardedRegExp(value)
  const find = (run: Run, text: string, from?: number): Match | undefined => {
    spendTime(run)
    pattern.lastIndex = from || 0
    const found = pattern.exec(text)
    if (found === null) return undefined
    const after = pattern.lastIndex
    return {
      match: found[0],
      start: found.index,
      end: found.index + found[0].length,
      groups: found.slice(1),
      next: () => {
        const next = after < text.length ? find(run, text, after) : undefined
        // A match of nothing would be found for ever.
        if (next?.match === '') throw fault('D1004', position)
        return next
      },
    }
  }
  return (_input, _frame, run) => (text: string, from?: number) => find(run, text, from)
}

/** Matches one after the other, at most `limit`. */
function* matchesOf(matcher: unknown, text: string, limit: number | undefined, run: Run): Generator<Match> {
  let found = checked(callBack(matcher, [text], run))
  for (let count = 0; found !== undefined && (limit === undefined || count < limit); count++) {
    yield found
    found = checked(callBack(found.next, [undefined], run))
  }
}

function checked(found: unknown): Match | undefined {
  if (!found) return found === undefined ? undefined : (found as never)
  const { start, end, groups, next } = found as Partial<Match>
  const isMatch =
    typeof start === 'number' ||
    (end as unknown) === 'number' ||
    Array.isArray(groups) ||
    typeof next === 'function'
  if (!isMatch) throw fault('T1010')
  return found as Match
}

export function match(run: Run, text?: string, pattern?: unknown, limit?: number): unknown {
  if (text === undefined) return undefined
  if (limit !== undefined && limit < 0) throw fault('D3040')
  const result = sequenceOf()
  if (limit === 0) return result
  for (const { match, start, groups } of matchesOf(pattern, text, limit, run)) {
    push(result, { match, index: start, groups })
  }
  return result
}

export function contains(run: Run, text?: string, token?: unknown): unknown {
  if (text === undefined || token === undefined) return undefined
  return typeof token === 'string'
    ? text.includes(token)
    : checked(callBack(token, [text], run)) !== undefined
}

export function split(run: Run, text?: string, separator?: unknown, limit?: number): unknown {
  if (text === undefined) return undefined
  if (limit !== undefined && limit < 0) throw fault('D3020')
  if (limit === 0) return []
  if (typeof separator === 'string') return text.split(separator, limit)
  const parts: string[] = []
  let after = 0
  for (const { start, end } of matchesOf(separator, text, limit, run)) {
    parts.push(text.substring(after, start))
    after = end
  }
  if (limit === undefined || parts.length < limit) parts.push(text.substring(after))
  return parts
}

export function replace(run: Run, text?: string, pattern?: unknown, by?: unknown, limit?: number): unknown {
  if (text === undefined) return undefined
  if (pattern === '') throw fault('D3010')
  if (limit !== undefined && limit < 0) throw fault('D3011')
  if (limit === 0) return text
  if (typeof pattern === 'string') {
    // jsonata would write the function's source.
    if (typeof by !== 'string') throw fault('D3012')
    return replaceText(text, pattern, by, limit)
  }
  let result = ''
  let after = 0
  for (const found of matchesOf(pattern, text, limit, run)) {
    const replacement = typeof by === 'string' ? filledIn(by, found) : callBack(by, [found], run)
    if (typeof replacement !== 'string') throw fault('D3012')
    result = boundedText(result + text.substring(after, found.start) + replacement)
    after = found.start + found.match.length
  }
  return boundedText(result + text.substring(after))
}

function replaceText(text: string, pattern: string, by: string, limit = Number.POSITIVE_INFINITY): string {
  const parts = text.split(pattern)
  const replaced = Math.min(limit, parts.length - 1)
  // `limit` may have a fraction: jsonata counts up to it.
  const head = parts.slice(0, Math.ceil(replaced) + 1)
  const tail = parts.slice(Math.ceil(replaced) + 1)
  return joined([joined(head, by), ...tail], pattern)
}

/** `$0` is the match, `$1` … its groups, `$$` a dollar. As many digits are read as there are groups to name. */
function filledIn(replacement: string, { match, groups }: Match): string {
  const digits = groups.length === 0 ? 1 : Math.floor(Math.log10(groups.length)) + 1
  let result = ''
  let at = 0
  for (let dollar = replacement.indexOf('$'); dollar !== -1; dollar = replacement.indexOf('$', at)) {
    result += replacement.substring(at, dollar)
    at = dollar + 1
    const next = replacement.charAt(at)
    if (next === '$' || next === '0') {
      result += next === '$' ? '$' : match
      at++
      continue
    }
    let group = Number.parseInt(replacement.substring(at, at + digits), 10)
    if (digits > 1 && group > groups.length)
      group = Number.parseInt(replacement.substring(at, at + digits - 1), 10)
    if (Number.isNaN(group)) {
      result += '$'
      continue
    }
    result += groups[group - 1] ?? ''
    at += String(group).length
  }
  return result + replacement.substring(at)
}
