import { Failure } from '#core/failure.ts'
import { unescapeText } from './escape.ts'
import { isDelimiterField, lastField, type Message, rawField, type Segment, value } from './message.ts'

/**
 * A message as plain JSON, for JSONata mappings. Every segment stands in it exactly once, where its position puts it.
 *
 * | part of the tree | holds |
 * |---|---|
 * | `MSH` | the header, and under it what precedes the patient (`MSH.EVN`, `MSH.SFT`) |
 * | `PID` | the patient, and under it what precedes the first order (`PID.PV1`, `PID.AL1`, `PID.IN1`) |
 * | `orders[]` | `ORC`, `RXO`, `RXE` (or `OBR`, `RXD`, `RXG`, `RXA`), each with what follows it (`RXE.RXR`, `ORC.TQ1`) |
 *
 * An NTE, PRT or TQ2 stands under the segment before it (`RXE.NTE`, `RXE.OBX[1].NTE`). Segments that stand under
 * another are always arrays by name, Z-segments too; `at` is the place in the message, from 1.
 *
 * A field is an array of its repetitions, `RXE_2[0]` is the first. A repetition holds its components as `_1`, `_2` …
 * and further sub-components as `_4_2`, `_4_3`; `_4` is the first sub-component of component 4. `_` is the whole
 * repetition with its delimiters: for free text whose sender forgot to escape `&` or `^`. A field of one component
 * is read as `._1` all the same. All values are text with escapes resolved, numbers too. What is empty is absent.
 * An explicit null (`""`: delete) is absent too and listed in `_null` (`"8"`, `"5.2"`, `"11[2].1"`).
 *
 *     MSH|^~\&|CLINIC|NORTH|POSTERN|HUB|20250101120000-0500||RDE^O11^RDE_O11|42|P|2.5.1
 *     PID|1||123^^^HOSP&1.2.3&ISO^MR||DOE^JANE||19800101|F
 *     ORC|NW|A1^CLINIC
 *     RXE||197361^Amlodipine 5 MG^RXNORM|1.50||mg
 *     NTE|1||after breakfast
 *     RXR|PO^Oral^HL70162
 *
 * becomes
 *
 *     { "type": "RDE", "trigger": "O11", "controlId": "42", "version": "2.5.1",
 *       "MSH": { "_": "MSH", "at": 1, "MSH_3": [{ "_": "CLINIC", "_1": "CLINIC" }], … },
 *       "PID": { "_": "PID", "at": 2,
 *                "PID_3": [{ "_": "123^^^HOSP&1.2.3&ISO^MR", "_1": "123", "_4": "HOSP", "_4_2": "1.2.3", "_4_3": "ISO", "_5": "MR" }],
 *                "PID_5": [{ "_": "DOE^JANE", "_1": "DOE", "_2": "JANE" }], "PID_7": [{ "_": "19800101", "_1": "19800101" }], … },
 *       "orders": [{
 *         "ORC": { "_": "ORC", "at": 3, "ORC_1": [{ "_": "NW", "_1": "NW" }], "ORC_2": [{ "_": "A1^CLINIC", "_1": "A1", "_2": "CLINIC" }] },
 *         "RXE": { "_": "RXE", "at": 4, "RXE_2": [{ "_": "197361^…", "_1": "197361", "_2": "Amlodipine 5 MG", "_3": "RXNORM" }],
 *                  "RXE_3": [{ "_": "1.50", "_1": "1.50" }], "RXE_5": [{ "_": "mg", "_1": "mg" }],
 *                  "NTE": [{ "_": "NTE", "at": 5, "NTE_3": [{ "_": "after breakfast", "_1": "after breakfast" }], … }],
 *                  "RXR": [{ "_": "RXR", "at": 6, "RXR_1": [{ "_": "PO^Oral^HL70162", "_1": "PO", "_2": "Oral", "_3": "HL70162" }] }] } }] }
 *
 * so that in JSONata `orders.RXE.RXE_2[0]._1` is the drug code, `orders[0].RXE.RXR.RXR_1._1` the route, and
 * `PID.PID_3[_5='MR']._1` the record number.
 */
export interface SourceTree {
  /** MSH-9.1, MSH-9.2, MSH-10 and MSH-12.1. */
  type: string
  trigger: string
  controlId: string
  version: string
  MSH: SourceSegment
  PID?: SourceSegment
  orders: SourceOrder[]
}

/** Segments that carry others, by name. An order that lacks ORC came without it. */
export type SourceOrder = Partial<Record<OrderOwner, SourceSegment>>

export interface SourceSegment {
  /** Segment name. */
  _: string
  /** Place in the message, from 1. */
  at: number
  /** Where explicit nulls stood. */
  _null?: string[]
  /** `RXE_2`: repetitions. `NTE`, `RXR`: segments that stand under this one. */
  [key: string]: string | number | string[] | SourceRepetition[] | SourceSegment[] | undefined
}

/** Components `_1`, sub-components `_4_2`, and the whole as `_`. Empty for an empty repetition. */
export type SourceRepetition = Record<string, string>

const orderOwners = ['ORC', 'RXO', 'RXE', 'RXD', 'RXG', 'RXA', 'OBR'] as const
type OrderOwner = (typeof orderOwners)[number]

/** Segments that say something about the one before them, whatever it is. */
const followers = ['NTE', 'PRT', 'TQ2']

/**
 * Throws Failure `malformed` for a segment without proper name, `invalid` for a second patient, unless the message is of
 * a kind that may speak of `several`: those after the first stand under it (`PID.PID[0]`), each with what follows it.
 */
export function sourceTree(message: Message, patients: 'one' | 'several' = 'one'): SourceTree {
  const [header, ...rest] = message.segments
  if (!header) throw new Failure('malformed', 'A message must begin with an MSH segment')
  const MSH = sourceSegment(header)
  const tree: SourceTree = { ...messageNames(header), MSH, orders: [] }
  let owner = MSH
  let previous = MSH
  for (const segment of rest) {
    const node = sourceSegment(segment)
    if (segment.name === 'PID') {
      if (tree.PID && patients === 'one')
        throw new Failure('invalid', [{ text: 'A message may speak of one patient', expression: 'PID' }])
      if (tree.PID) putUnder(tree.PID, node)
      else tree.PID = node
      owner = node
    } else if (isOrderOwner(segment.name)) {
      orderFor(tree.orders, segment.name)[segment.name] = node
      owner = node
    } else {
      putUnder(followers.includes(segment.name) ? previous : owner, node)
    }
    if (!followers.includes(segment.name) || segment.name === 'TQ2') previous = node
  }
  return tree
}

function messageNames(header: Segment): Pick<SourceTree, 'type' | 'trigger' | 'controlId' | 'version'> {
  return {
    type: value(header, 9),
    trigger: value(header, 9, 1, 2),
    controlId: value(header, 10),
    version: value(header, 12),
  }
}

/** ORC begins an order, and so does what the last one has already or must not follow (RXO after RXE). */
function orderFor(orders: SourceOrder[], name: OrderOwner): SourceOrder {
  const last = orders.at(-1)
  if (last && name !== 'ORC' && !last[name] && !(name === 'RXO' && last.RXE)) return last
  const order: SourceOrder = {}
  orders.push(order)
  return order
}

function putUnder(owner: SourceSegment, node: SourceSegment): void {
  const siblings = (owner[node._] ?? []) as SourceSegment[]
  siblings.push(node)
  owner[node._] = siblings
}

function sourceSegment(segment: Segment): SourceSegment {
  const { name, position, message } = segment
  if (!isSegmentName(name)) {
    throw new Failure('malformed', `Line ${position} does not begin with a segment name`)
  }
  const keys = fieldKeysOf(name)
  const node: SourceSegment = { _: name, at: position }
  const nulls: string[] = []
  const last = lastField(segment)
  for (let field = 1; field <= last; field++) {
    const raw = rawField(segment, field)
    if (raw === '') continue
    const repetitions = isDelimiterField(segment, field)
      ? [{ _: raw, _1: raw }]
      : sourceField(raw, message, (place) => nulls.push(field + place))
    if (repetitions) node[keys[field] ?? `${name}_${field}`] = repetitions
  }
  if (nulls.length > 0) node._null = nulls
  return node
}

/** Takes the place of an explicit null within its field: nothing, `.1`, `[2].5.3`. */
type NoteNull = (place: string) => void

const empty: SourceRepetition = {}

/** Undefined where no repetition holds anything. */
function sourceField(
  raw: string,
  message: Segment['message'],
  noteNull: NoteNull,
): SourceRepetition[] | undefined {
  const { repetition } = message.delimiters
  if (!isRepeated(raw, repetition)) {
    const only = sourceRepetition(raw, message, noteNull)
    return only === empty ? undefined : [only]
  }
  const found = raw
    .split(repetition)
    .map((text, index) =>
      sourceRepetition(text, message, index === 0 ? noteNull : (place) => noteNull(`[${index + 1}]${place}`)),
    )
  return found.every((each) => each === empty) ? undefined : found.map((each) => (each === empty ? {} : each))
}

/** Walks the text once, by the positions of its delimiters: this runs for every field of every message taken in. */
function sourceRepetition(
  text: string,
  { delimiters, charset }: Segment['message'],
  noteNull: NoteNull,
): SourceRepetition {
  if (text === '""') noteNull('')
  if (text === '' || text === '""') return empty
  const { component, subcomponent } = delimiters
  const whole = unescapeText(text, delimiters, charset)
  const composite = isRepeated(text, component)
  const nested = isRepeated(text, subcomponent)
  // Most fields are this, and an object of known shape costs less than one grown key by key.
  if (!composite && !nested) return { _: whole, _1: whole }
  const node: SourceRepetition = { _: whole }
  let found = false
  let from = 0
  for (let c = 1; from <= text.length; c++) {
    const end = composite ? endOf(text, component, from, text.length) : text.length
    let start = from
    for (let s = 1; start <= end; s++) {
      const stop = nested ? endOf(text, subcomponent, start, end) : end
      const sub = text.slice(start, stop)
      if (sub === '""') noteNull(s === 1 ? `.${c}` : `.${c}.${s}`)
      else if (sub !== '') {
        node[componentKey(c, s)] = unescapeText(sub, delimiters, charset)
        found = true
      }
      start = stop + 1
    }
    from = end + 1
  }
  return found ? node : empty
}

function isSegmentName(name: string): boolean {
  return fieldKeys.has(name) || /^[A-Z][A-Z0-9]{2}$/.test(name)
}

function isRepeated(text: string, separator: string): boolean {
  return separator !== '' && text.includes(separator)
}

function endOf(text: string, separator: string, from: number, end: number): number {
  const cut = text.indexOf(separator, from)
  return cut === -1 || cut > end ? end : cut
}

/** `_1` … `_32` and `_1_1` … : keys made once, so that they need not be put together for every value. */
const componentKeys = Array.from({ length: 33 }, (_none, c) =>
  Array.from({ length: 17 }, (_nothing, s) => (s === 1 ? `_${c}` : `_${c}_${s}`)),
)

function componentKey(c: number, s: number): string {
  return componentKeys[c]?.[s] ?? (s === 1 ? `_${c}` : `_${c}_${s}`)
}

const maxKeptNames = 500
const fieldKeys = new Map<string, string[]>()

/** `RXE_1`, `RXE_2` … by field number. Names come from outside, hence the limit. */
function fieldKeysOf(name: string): string[] {
  const known = fieldKeys.get(name)
  if (known) return known
  const keys = Array.from({ length: 64 }, (_none, field) => `${name}_${field}`)
  if (fieldKeys.size < maxKeptNames) fieldKeys.set(name, keys)
  return keys
}

function isOrderOwner(name: string): name is OrderOwner {
  return (orderOwners as readonly string[]).includes(name)
}
