/** What must be known of a JSON text before it is parsed. */
export interface Scan {
  tooDeep: boolean
  /** Members of all objects as written: more than the parsed value has when a name is given twice. */
  members: number
  /** Some number needs its text kept: fraction, exponent, minus zero or more than 15 digits. */
  exactNumbers: boolean
}

const QUOTE = 34
const MINUS = 45
const COLON = 58
const OPEN_ARRAY = 91
const BACKSLASH = 92
const CLOSE_ARRAY = 93
const OPEN_OBJECT = 123
const CLOSE_OBJECT = 125

/** One pass over the text, without recursion. On text that is not JSON it says nothing reliable; the parser refuses that. */
export function scanJson(text: string, maxDepth: number): Scan {
  let depth = 0
  let members = 0
  let exactNumbers = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === COLON) members++
    else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      if (++depth > maxDepth) return { tooDeep: true, members, exactNumbers }
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) depth--
    else if (code === MINUS || isDigit(code)) {
      const end = endOfNumber(text, at)
      exactNumbers ||= needsText(text.slice(at, end))
      at = end - 1
    }
  }
  return { tooDeep: false, members, exactNumbers }
}

function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0
    while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return quote
  }
  return text.length
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1
  while (end < text.length && /[0-9.eE+-]/.test(text.charAt(end))) end++
  return end
}

function needsText(literal: string): boolean {
  return literal.length > 15 || literal === '-0' || /[.eE]/.test(literal)
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}
