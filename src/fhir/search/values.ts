import { Failure } from '#core/failure.ts'
import type { Criterion, DateWindow } from '#core/query.ts'
import { type DateRange, dateRange } from '#store/date-range.ts'
import { relativeReference } from '#store/index-rows.ts'
import type { SearchParameter } from '#store/search-parameters.ts'
import { searchedPrefix } from '#store/string-prefixes.ts'
import { type Check, holdsString, isMissing, meets, saysText } from './check.ts'
import { holdsTogether } from './composite.ts'
import { withoutImpliedSystem } from './implied-system.ts'
import { type FindCodes, inValueSet } from './in-value-set.ts'
import { holdsQuantity } from './quantity.ts'
import { uriHierarchy } from './uri-hierarchy.ts'

/** More alternatives than this in one parameter are refused. */
const maxValues = 100

export interface Asked {
  /** The resource's; none for a part of a composite. */
  type?: string
  parameter: SearchParameter
  modifier?: string
  text: string
  /** Absolute FHIR base of ours: references below it are relative ones. */
  base: string
  /** Milliseconds since the epoch, for `ap`. */
  now: number
  findCodes: FindCodes
}

/** What a parameter asks: of the index, of the opened match, or of both. */
export interface Condition {
  criterion?: Criterion
  check?: Check
  /** The check alone finds nothing: it needs candidates that another parameter names. */
  opening?: boolean
}

/** One parameter of a query as it is answered. Throws Failure `malformed`, `unsupported` or `too-costly`. */
export function readCondition(asked: Asked): Condition {
  const { parameter, modifier, text } = asked
  if (modifier === 'missing') {
    if (text !== 'true' && text !== 'false') {
      throw new Failure('malformed', `The parameter ${parameter.name}:missing takes true or false.`)
    }
    return { check: isMissing(parameter, text === 'true') }
  }
  const values = splitValues(parameter.name, text)
  if (modifier === 'text' && (parameter.kind === 'token' || parameter.kind === 'reference')) {
    return { check: saysText(parameter, values), opening: true }
  }
  if (modifier === 'in' && parameter.kind === 'token') {
    const { criterion, check } = inValueSet(parameter, values, asked.findCodes)
    return parameter.opened ? { check, opening: true } : { criterion, check }
  }
  if (parameter.kind === 'uri' && (modifier === 'above' || modifier === 'below')) {
    return uriHierarchy(parameter, modifier, values)
  }
  if (parameter.kind === 'string') return stringCondition(asked, values)
  if (parameter.kind === 'quantity' || parameter.kind === 'composite') return amountCondition(asked, values)
  const criterion = readCriterion(asked, values)
  return parameter.opened ? { check: meets(parameter, criterion), opening: true } : { criterion }
}

/**
 * From the beginning by the index of the first letters, and by the rest on the opened match; `:exact` likewise;
 * `:contains` by opening alone. https://hl7.org/fhir/R4/search.html#string
 */
function stringCondition({ parameter, modifier }: Asked, values: string[]): Condition {
  const { name } = parameter
  if (modifier === 'contains') return { check: holdsString(parameter, values, 'contains'), opening: true }
  if (modifier !== undefined && modifier !== 'exact') throw unknownModifier(name, modifier)
  const prefixes = values.map((value) => {
    const searched = searchedPrefix(value)
    if (!searched) throw new Failure('too-costly', `The parameter ${name} needs two letters at least.`)
    return searched
  })
  const criterion: Criterion = { kind: 'token', param: name, values: prefixes.map(({ prefix }) => prefix) }
  if (modifier === 'exact') return { criterion, check: holdsString(parameter, values, 'exact') }
  if (prefixes.every(({ whole }) => whole)) return { criterion }
  return { criterion, check: holdsString(parameter, values, 'prefix') }
}

/** What only the opened match tells: amounts, and what stands together in one element. */
function amountCondition(asked: Asked, values: string[]): Condition {
  const { parameter, modifier, text } = asked
  if (modifier !== undefined) throw unknownModifier(parameter.name, modifier)
  if (parameter.kind === 'quantity') return { check: holdsQuantity(parameter, values), opening: true }
  const readPart = (part: SearchParameter, partText: string): Check => {
    const { check } = readCondition({
      ...asked,
      type: undefined,
      parameter: { ...part, opened: true },
      text: partText,
    })
    if (!check) throw new RangeError('A part of a composite is asked of the opened match')
    return check
  }
  return { check: holdsTogether(parameter, alternatives(text), readPart), opening: true }
}

function readCriterion(asked: Asked, values: string[]): Criterion {
  const { parameter, modifier } = asked
  const { name, kind } = parameter
  if (kind === 'date') {
    if (modifier !== undefined) throw unknownModifier(name, modifier)
    return { kind, param: name, windows: values.flatMap((value) => dateWindows(name, value, asked.now)) }
  }
  if (kind === 'reference') return referenceCriterion(asked, values)
  const { type } = asked
  const wanted =
    type === undefined || kind !== 'token'
      ? values
      : values.flatMap((value) => withoutImpliedSystem(type, parameter, value))
  if (modifier === undefined) return { kind: 'token', param: name, values: wanted }
  if (modifier === 'not' && kind === 'token') return { kind: 'token', param: name, values: wanted, not: true }
  throw unknownModifier(name, modifier)
}

/** The alternatives of a value, at commas that are not escaped: https://hl7.org/fhir/R4/search.html#escaping */
export function splitValues(name: string, text: string): string[] {
  const values = alternatives(text).map((value) => value.replace(/\\([\\,|$])/g, '$1').trim())
  if (values.length === 0 || values.includes('')) {
    throw new Failure('malformed', `The parameter ${name} has an empty value; leave it out or give it one.`)
  }
  if (values.length > maxValues) {
    throw new Failure('too-costly', `The parameter ${name} has more than ${maxValues} values; ask in parts.`)
  }
  return values
}

function alternatives(text: string): string[] {
  return text.match(/(?:\\.|[^\\,])+|(?<=,|^)(?=,|$)/gs) ?? []
}

/**
 * `Type/id`, an absolute URL below our base, or a bare id of each type that the parameter may refer to. `:identifier`
 * asks for what is named by identifier, `:Patient` for a bare id of that type.
 */
function referenceCriterion({ parameter, modifier, base }: Asked, values: string[]): Criterion {
  const { name, targets } = parameter
  if (modifier === 'identifier') return { kind: 'token', param: `${name}:identifier`, values }
  if (modifier !== undefined && !isTarget(parameter, modifier)) throw unknownModifier(name, modifier)
  const types = modifier === undefined ? targets : [modifier]
  const references = values.flatMap((value) => {
    const own = value.startsWith(`${base}/`) ? value.slice(base.length + 1) : value
    const relative = relativeReference(own)
    if (relative) return [relative]
    return types && /^[A-Za-z0-9.-]{1,64}$/.test(own) ? types.map((type) => `${type}/${own}`) : [own]
  })
  return { kind: 'token', param: name, values: references }
}

function isTarget({ targets }: SearchParameter, type: string): boolean {
  return targets ? targets.includes(type) : /^[A-Z][A-Za-z]+$/.test(type)
}

/**
 * The prefixes as windows over a row's [low, high], with the precision of what was asked as a range of its own:
 * https://hl7.org/fhir/R4/search.html#prefix
 */
function dateWindows(name: string, text: string, now: number): DateWindow[] {
  const [, prefix = 'eq', date = ''] = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)$/s.exec(text) ?? []
  // A plus sign in a query that was not escaped arrives as a space.
  const range = dateRange(date.replace(' ', '+'))
  if (!range) {
    const forms = 'yyyy, yyyy-mm, yyyy-mm-dd or yyyy-mm-ddThh:mm:ss with an offset'
    throw new Failure('malformed', `The parameter ${name} is not a date; write ${forms}.`)
  }
  return prefixes[prefix as keyof typeof prefixes](range, now)
}

/** What is told more exactly than a millisecond has an empty range on both sides, and equals its like only. */
const equal = ({ low, high }: DateRange): DateWindow => ({
  lowFrom: low,
  highTo: high,
  ...(low > high ? {} : { highFrom: low }),
})
const after = ({ high }: DateRange): DateWindow => ({ highFrom: high + 1 })
const before = ({ low }: DateRange): DateWindow => ({ lowTo: low - 1 })

const prefixes = {
  eq: (range: DateRange) => [equal(range)],
  ne: (range: DateRange) => [before(range), after(range)],
  gt: (range: DateRange) => [after(range)],
  lt: (range: DateRange) => [before(range)],
  ge: (range: DateRange) => [after(range), equal(range)],
  le: (range: DateRange) => [before(range), equal(range)],
  sa: (range: DateRange) => [{ lowFrom: range.high + 1 }],
  eb: (range: DateRange) => [{ highTo: range.low - 1 }],
  ap: ({ low, high }: DateRange, now: number) => {
    // A tenth of the time between now and then, as the standard suggests.
    const slack = Math.round(Math.abs(now - low) / 10)
    return [{ lowTo: high + slack, highFrom: low - slack }]
  },
}

function unknownModifier(name: string, modifier: string): Failure {
  return new Failure('unsupported', `The modifier :${modifier} of the parameter ${name} is not supported.`)
}
