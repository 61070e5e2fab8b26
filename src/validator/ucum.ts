/**
 * Whether a text has the form of a UCUM unit (https://ucum.org/ucum#section-Grammar-of-Units-and-Unit-Terms): terms of unit
 * symbols with exponents, joined by `.` and `/`, with annotations in braces. Which symbols there are is not asked.
 */
export function isUcumForm(unit: string): boolean {
  const at = term(unit, unit.startsWith('/') ? 1 : 0, 0)
  return at === unit.length && unit.length > 0
}

/** Deeper parentheses are in no real unit. */
const maxDepth = 8

const annotation = /\{[\x20-\x7a|~]*\}/y
const factor = /[0-9]+/y
/** Symbols may hold brackets with anything but blanks in them, and end in no digit but that of the exponent. */
const symbol = /(?:[A-Za-z%*^'"_]|\[[^\s[\]]+\]|[0-9]+(?=[A-Za-z%*^'"_[]))+/y
const exponent = /[+-]?[0-9]+/y

/** Reads a term; the position behind it, or -1. */
function term(text: string, from: number, depth: number): number {
  let at = component(text, from, depth)
  while (at > 0 && (text[at] === '.' || text[at] === '/')) at = component(text, at + 1, depth)
  return at
}

function component(text: string, from: number, depth: number): number {
  if (text[from] === '(') {
    const inner = depth < maxDepth ? term(text, from + 1, depth + 1) : -1
    return inner > 0 && text[inner] === ')' ? inner + 1 : -1
  }
  const unit = read(symbol, text, from)
  if (unit > from) return read(annotation, text, read(exponent, text, unit))
  const plain = read(annotation, text, from)
  if (plain > from) return plain
  const number = read(factor, text, from)
  return number > from ? read(annotation, text, number) : -1
}

/** The position behind what a pattern matches at a place; the place itself where it does not. */
function read(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex : from
}
