import { Failure } from '#core/failure.ts'
import { type Delimiters, readDelimiters } from './delimiters.ts'
import { unescapeText } from './escape.ts'

/**
 * One segment: its text exactly as it came. Fields are split when first asked for, so that what nobody reads costs
 * nothing.
 */
export interface Segment {
  /** `RXE`, `ZRX`. */
  name: string
  /** Place in the message, from 1. */
  position: number
  /** Without terminator. */
  text: string
  /** The CRs that follow it: one, several where blank lines stood there, none at the end of some messages. */
  end: string
  message: { delimiters: Delimiters; charset: string }
  /** Filled on first use by `fieldsOf`. */
  fields?: string[]
}

/** A message whose writing is what was read, but for segment terminators, which are CR. */
export interface Message {
  delimiters: Delimiters
  /** WHATWG label the text was decoded with: `\Xdd\` escapes are bytes of it. */
  charset: string
  segments: Segment[]
}

/** Reads one message (ER7, HL7 v2.9 §2.6). Throws Failure `malformed` when it does not begin with MSH. */
export function readMessage(text: string, charset = 'utf-8'): Message {
  const body = text.includes('\n') ? text.replace(/\r\n?|\n/g, '\r') : text
  const start = firstSegment(body)
  if (!body.startsWith('MSH', start))
    throw new Failure('malformed', 'A message must begin with an MSH segment')
  const message: Message = { delimiters: readDelimiters(headerText(body, start)), charset, segments: [] }
  let from = start
  while (from < body.length) {
    const cut = body.indexOf('\r', from)
    const stop = cut === -1 ? body.length : cut
    let next = stop
    while (next < body.length && body.charCodeAt(next) === 13) next++
    const line = body.slice(from, stop)
    message.segments.push({
      name: nameOf(line, message.delimiters.field),
      position: message.segments.length + 1,
      text: line,
      end: body.slice(stop, next),
      message,
    })
    from = next
  }
  return message
}

/** The text of a message, as it was read. */
export function writeMessage(message: Message): string {
  let text = ''
  for (const segment of message.segments) text += segment.text + segment.end
  return text
}

/** First segment of a name; `occurrence` counts from 1. */
export function findSegment(message: Message, name: string, occurrence = 1): Segment | undefined {
  let seen = 0
  for (const segment of message.segments) {
    if (segment.name === name && ++seen === occurrence) return segment
  }
  return undefined
}

/**
 * The text at a place, escapes resolved; all numbers count from 1 as the standard does. Empty and absent are `''`;
 * the explicit null is `""` (two quotation marks). A component without sub-components is its own first one.
 */
export function value(
  segment: Segment,
  field: number,
  repetition = 1,
  component = 1,
  subcomponent = 1,
): string {
  const raw = rawField(segment, field)
  if (raw === '') return ''
  const { delimiters, charset } = segment.message
  if (isDelimiterField(segment, field)) return repetition * component * subcomponent === 1 ? raw : ''
  const inRepetition = piece(raw, delimiters.repetition, repetition)
  const inComponent = piece(inRepetition, delimiters.component, component)
  return unescapeText(piece(inComponent, delimiters.subcomponent, subcomponent), delimiters, charset)
}

/** How many repetitions a field has; 0 when it is empty. */
export function repetitions(segment: Segment, field: number): number {
  const raw = rawField(segment, field)
  if (raw === '') return 0
  const { repetition } = segment.message.delimiters
  return isDelimiterField(segment, field) || repetition === '' ? 1 : raw.split(repetition).length
}

/** A field as sent, delimiters and escapes in it. */
export function rawField(segment: Segment, field: number): string {
  if (field < 1) return ''
  const fields = fieldsOf(segment)
  if (!isHeader(segment.name)) return fields[field] ?? ''
  return field === 1 ? segment.message.delimiters.field : (fields[field - 1] ?? '')
}

/** Number of the last field that is there. */
export function lastField(segment: Segment): number {
  return fieldsOf(segment).length - (isHeader(segment.name) ? 0 : 1)
}

/** MSH-1 and MSH-2 hold delimiters and are never split. */
export function isDelimiterField(segment: Segment, field: number): boolean {
  return field <= 2 && isHeader(segment.name)
}

function fieldsOf(segment: Segment): string[] {
  segment.fields ??= segment.text.split(segment.message.delimiters.field)
  return segment.fields
}

function isHeader(name: string): boolean {
  return name === 'MSH' || name === 'FHS' || name === 'BHS'
}

function piece(text: string, separator: string, number: number): string {
  if (separator === '') return number === 1 ? text : ''
  let from = 0
  for (let i = 1; i < number; i++) {
    const cut = text.indexOf(separator, from)
    if (cut === -1) return ''
    from = cut + 1
  }
  const end = text.indexOf(separator, from)
  return end === -1 ? text.slice(from) : text.slice(from, end)
}

function nameOf(line: string, separator: string): string {
  const cut = line.indexOf(separator)
  return cut === -1 ? line : line.slice(0, cut)
}

/** Byte order mark, MLLP start block and blank lines before the header say nothing. */
function firstSegment(body: string): number {
  let at = 0
  while (at < body.length && '\uFEFF\u000B\r \t'.includes(body.charAt(at))) at++
  return at
}

function headerText(body: string, start: number): string {
  const end = body.indexOf('\r', start)
  return body.slice(start, end === -1 ? undefined : end)
}
