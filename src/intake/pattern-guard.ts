import { Failure } from '#core/failure.ts'

const maxPatternLength = 300
/** Characters of subject that a pattern with one open repetition may meet (linear), and with several (polynomial). */
const maxSubject = 1_000_000
const maxSubjectOfSeveral = 2_000

/**
 * The RegexEngine of mappings. JavaScript's engine backtracks, so a pattern is taken only when its worst case is
 * small: no repetition inside a repeated group or over alternatives (exponential), no back reference, and a short
 * subject where several repetitions stand side by side (polynomial). Throws Failure `unsupported`.
 */
export class GuardedRegExp extends RegExp {
  readonly #maxSubject: number

  constructor(pattern: RegExp | string, flags?: string) {
    super(pattern, flags)
    this.#maxSubject = requireTamePattern(this.source) > 1 ? maxSubjectOfSeveral : maxSubject
  }

  override exec(subject: string): RegExpExecArray | null {
    if (subject.length > this.#maxSubject) {
      throw new Failure('too-large', 'A text is too long for the pattern that the mapping asks of it')
    }
    return super.exec(subject)
  }
}

/** Returns the number of open repetitions (`*`, `+`, `{n,}`). */
export function requireTamePattern(source: string): number {
  if (source.length > maxPatternLength) throw refusal('is too long')
  const bare = source.replace(/\[(?:\\.|[^\]\\])*\]/g, 'c').replace(/\\[^1-9k]/g, 'c')
  if (/\\/.test(bare)) throw refusal('refers back to a group')
  const open: { risky: boolean }[] = []
  let repetitions = 0
  for (let at = 0; at < bare.length; at++) {
    const character = bare[at]
    const group = character === ')' ? open.pop() : undefined
    const repeat = /^(?:[*+]|\{\d+,?\d*\})/.exec(bare.slice(character === ')' ? at + 1 : at))?.[0]
    if (character === '(') open.push({ risky: false })
    if (character === '|') for (const each of open) each.risky = true
    if (group && repeat && group.risky) throw refusal('repeats a group that repeats or chooses')
    if (group?.risky) for (const each of open) each.risky = true
    if (character === ')' || !repeat) continue
    if (/^(?:[*+]|\{\d+,\})$/.test(repeat)) repetitions++
    for (const each of open) each.risky = true
    at += repeat.length - 1
  }
  return repetitions
}

function refusal(what: string): Failure {
  return new Failure('unsupported', `A pattern of the mapping ${what}`)
}
