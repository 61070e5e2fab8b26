import { Failure } from '#core/failure.ts'

const maxPatternLength = 300
/** Characters of subject that any pattern may meet, and what it must be able to meet to be of use. */
const maxSubject = 1_000_000
const minSubject = 64
/** Ways to match that do not depend on the subject's length. */
const maxChoices = 2_000
/** Steps of the engine in the worst case: about a second. */
const maxSteps = 5e7

/**
 * The RegexEngine of mappings. JavaScript's engine backtracks, so a pattern is taken only when its worst case is
 * small: no repetition inside a repeated group or over alternatives (exponential), no back reference, few choices
 * (`?`, `{0,9}`, `|`: each multiplies the others), and a subject that is the shorter the more open repetitions stand
 * side by side (polynomial). Throws Failure `unsupported`.
 */
export class GuardedRegExp extends RegExp {
  readonly #maxSubject: number

  constructor(pattern: RegExp | string, flags?: string) {
    super(pattern, flags)
    this.#maxSubject = requireTamePattern(this.source, this.flags)
  }

  override exec(subject: string): RegExpExecArray | null {
    if (subject.length > this.#maxSubject) {
      throw new Failure('too-large', 'A text is too long for the pattern that the mapping asks of it')
    }
    return super.exec(subject)
  }
}

interface Group {
  risky: boolean
  alternatives: number
}

/** What `*`, `+`, `?` and `{n,m}` are, with the mark of a lazy one. */
const quantifier = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/

/** Returns how long a subject it may meet. */
export function requireTamePattern(source: string, flags: string): number {
  if (source.length > maxPatternLength) throw refusal('is too long')
  const bare = source
    .replace(/\[(?:\\.|[^\]\\])*\]/g, 'c')
    .replace(/\\[^1-9k]/g, 'c')
    // The question mark of `(?:` and its like repeats nothing.
    .replace(/\(\?(?:[:=!]|<[=!]|<\w+>)/g, '(')
  if (/\\/.test(bare)) throw refusal('refers back to a group')
  const whole: Group = { risky: false, alternatives: 1 }
  const open = [whole]
  let closed: Group | undefined
  let choices = 1
  let repetitions = 0
  for (let at = 0; at < bare.length; at++) {
    const character = bare[at]
    const [text = '', least = '', comma = '', most = ''] = quantifier.exec(bare.slice(at)) ?? []
    const inner = open.at(-1) ?? whole
    if (text === '') {
      closed = undefined
      if (character === '(') open.push({ risky: false, alternatives: 1 })
      if (character === '|') inner.alternatives++
      if (character === '|') for (const each of open) each.risky = true
      if (character !== ')' || open.length === 1) continue
      closed = open.pop()
      choices *= closed?.alternatives ?? 1
      continue
    }
    const isOptional = text.startsWith('?')
    if (closed?.risky && !isOptional) throw refusal('repeats a group that repeats or chooses')
    const isOpen = /^[*+]/.test(text) || (comma !== '' && most === '')
    if (isOpen) repetitions++
    else if (isOptional) choices *= 2
    else if (most !== '') choices *= Math.max(1, Number(most) - Number(least) + 1)
    for (const each of open) each.risky = true
    closed = undefined
    at += text.length - 1
  }
  choices *= whole.alternatives
  if (choices > maxChoices) throw refusal('has too many choices')
  const starts = bare.startsWith('^') && whole.alternatives === 1 && !flags.includes('m') ? 0 : 1
  return requireRoom(choices, repetitions + starts - (endsOpen(source, bare) ? 1 : 0))
}

/** What ends with a repetition has matched by then, and is never tried again. */
function endsOpen(source: string, bare: string): boolean {
  return /(?:[*+]|,\})\??\)*$/.test(bare) && !/\||\(\?<?[=!]/.test(source)
}

/** n characters can be shared out among k repetitions in about nᵏ / k! ways. */
function requireRoom(choices: number, repetitions: number): number {
  let factorial = 1
  for (let each = 2; each <= repetitions; each++) factorial *= each
  const subject = Math.floor(((maxSteps / choices) * factorial) ** (1 / Math.max(1, repetitions)))
  if (subject < minSubject) throw refusal('has too many repetitions')
  return Math.min(maxSubject, subject)
}

function refusal(what: string): Failure {
  return new Failure('unsupported', `A pattern of the mapping ${what}`)
}
