import { type Failure, failures, type Issue } from '#core/failure.ts'
import { charsetName } from './charset.ts'
import { dtmAt } from './date-time.ts'
import { type Delimiters, encodingCharacters, requireDelimiters, standardDelimiters } from './delimiters.ts'
import { escapeText } from './escape.ts'
import { findSegment, type Message, rawField, type Segment, value } from './message.ts'
import { placePattern } from './place-of-refusal.ts'

export type AckCode = 'AA' | 'AE' | 'AR' | 'CA' | 'CE' | 'CR'

/** What became of a message: taken (with warnings perhaps), or refused. */
export interface Outcome {
  failure?: Failure
  warnings?: readonly Issue[]
}

/** What an acknowledgement has of its own. */
export interface AckSource {
  /** A control id that was never used before; asked once for each acknowledgement. */
  controlId(): string
  /** Milliseconds since the epoch. */
  now(): number
}

/**
 * The acknowledgements that a message asks for, in the order to send them (HL7 v2.9 §2.9): one in original mode; in
 * enhanced mode what MSH-15 and MSH-16 want. A refused message is not committed, so nothing follows its CE or CR. An
 * acknowledgement (ACK) is never acknowledged. Encode each with the message's charset.
 */
export function acknowledgements(message: Message, outcome: Outcome, own: AckSource): string[] {
  const [msh] = message.segments as [Segment]
  if (value(msh, 9) === 'ACK') return []
  const accept = value(msh, 15)
  // An answer (RRE, ORP …) that comes as a message of its own: who sent it learns that it came, and nothing answers that.
  const application = isAnswer(message) ? '' : value(msh, 16)
  const refusal = outcome.failure && failures[outcome.failure.kind].ack
  if (accept === '' && application === '') return [acknowledge(message, refusal ?? 'AA', outcome, own)]
  const codes: AckCode[] = []
  if (isWanted(accept, refusal)) codes.push(refusal ? (refusal === 'AR' ? 'CR' : 'CE') : 'CA')
  if (isWanted(application, refusal) && !(refusal && codes.length > 0)) codes.push(refusal ?? 'AA')
  return codes.map((code) => acknowledge(message, code, outcome, own))
}

/** One acknowledgement: MSH mirrored, MSA, an ERR for each issue (before v2.5 one ERR for all). */
export function acknowledge(
  message: Message | undefined,
  code: AckCode,
  outcome: Outcome,
  own: AckSource,
): string {
  const delimiters = message && isTrusted(message) ? message.delimiters : standardDelimiters
  const version = versionOf(message)
  const issues = [...(outcome.failure?.issues ?? []), ...(outcome.warnings ?? [])].slice(0, 20)
  const errors = issues.map((issue) => describe(issue, outcome.failure))
  const text = errors[0] && version < 2.7 ? escapeText(errors[0].text.slice(0, 80), delimiters) : ''
  const lines = [
    header(message, delimiters, version, own),
    ['MSA', code, rawHeader(message, 10), text],
    ...(version < 2.5 ? oldError(errors, delimiters) : errors.map((error) => newError(error, delimiters))),
  ]
  return lines.map((fields) => `${trimmed(fields).join(delimiters.field)}\r`).join('')
}

function isAnswer(message: Message): boolean {
  return findSegment(message, 'MSA') !== undefined
}

function isWanted(condition: string, refusal: string | undefined): boolean {
  return condition === 'AL' || condition === (refusal ? 'ER' : 'SU')
}

function header(
  message: Message | undefined,
  delimiters: Delimiters,
  version: number,
  own: AckSource,
): string[] {
  const trigger = message?.segments[0] ? escapeText(value(message.segments[0], 9, 1, 2), delimiters) : ''
  const parts =
    version >= 2.4 || version === 2.31 ? ['ACK', trigger, 'ACK'] : trigger ? ['ACK', trigger] : ['ACK']
  const fields = [
    'MSH',
    encodingCharacters(delimiters),
    rawHeader(message, 5),
    rawHeader(message, 6),
    rawHeader(message, 3),
    rawHeader(message, 4),
    dtmAt(own.now()),
    '',
    parts.join(delimiters.component),
    escapeText(own.controlId(), delimiters),
    rawHeader(message, 11) || 'P',
    rawHeader(message, 12) || '2.5.1',
  ]
  if (version >= 2.3) fields.push('', '', '', '', '', charset(message))
  return fields
}

/** Mirrored where declared; else named only where it is not the ASCII that silence means. */
function charset(message: Message | undefined): string {
  const declared = rawHeader(message, 18)
  if (declared !== '' || !message) return declared
  const mirrored = [3, 4, 5, 6, 10].map((field) => rawHeader(message, field)).join('')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is asked for
  return /^[\x00-\x7F]*$/.test(mirrored) ? '' : charsetName(message.charset)
}

/** MSH-12.1 as a number to compare by; 2.3.1 is 2.31. */
function versionOf(message: Message | undefined): number {
  const text = message?.segments[0] ? value(message.segments[0], 12) : ''
  const [, minor, patch] = /^2\.(\d)(?:\.(\d))?$/.exec(text) ?? []
  return minor === undefined ? 2.51 : Number(`2.${minor}${patch ?? ''}`)
}

/** As sent, since the delimiters are mirrored; where those make no sense, in ours. */
function rawHeader(message: Message | undefined, field: number): string {
  const [msh] = message?.segments ?? []
  if (!message || !msh) return ''
  return isTrusted(message) ? rawField(msh, field) : escapeText(value(msh, field))
}

function isTrusted(message: Message): boolean {
  try {
    requireDelimiters(message.segments[0]?.text ?? '')
    return true
  } catch {
    return false
  }
}

interface AckError {
  /** ERL: segment, occurrence, field, repetition, component, sub-component. */
  location: string[]
  /** Table 0357 and its text. */
  code: string
  name: string
  severity: 'E' | 'W' | 'I'
  text: string
}

const names: Record<string, string> = {
  0: 'Message accepted',
  100: 'Segment sequence error',
  101: 'Required field missing',
  102: 'Data type error',
  103: 'Table value not found',
  200: 'Unsupported message type',
  201: 'Unsupported event code',
  202: 'Unsupported processing id',
  203: 'Unsupported version id',
  204: 'Unknown key identifier',
  205: 'Duplicate key identifier',
  207: 'Application internal error',
}

/** Table 0357 by header field, FHIR issue type, then failure kind. */
const codes: Record<string, string> = {
  'MSH-9': '200',
  'MSH-9.2': '201',
  'MSH-11': '202',
  'MSH-12': '203',
  required: '101',
  'code-invalid': '103',
  value: '102',
  malformed: '100',
  invalid: '102',
  unsupported: '200',
  'not-found': '204',
  conflict: '205',
  'too-costly': '102',
  'too-large': '102',
}

function describe(issue: Issue, failure: Failure | undefined): AckError {
  const place = issue.code === 'required' ? '' : (issue.expression ?? '')
  // Of what is taken nothing is an error, whatever there is to say about it.
  const other = failure ? '207' : '0'
  const code = codes[place] ?? codes[issue.code ?? ''] ?? codes[failure?.kind ?? ''] ?? other
  const severity = issue.severity === 'warning' ? 'W' : issue.severity === 'information' ? 'I' : 'E'
  return {
    location: locationOf(issue.expression ?? ''),
    code,
    name: names[code] ?? '',
    severity,
    text: issue.text,
  }
}

/** A place as ERL components; anything else has none in a message. */
function locationOf(expression: string): string[] {
  const found = placePattern.exec(expression)
  if (!found) return []
  const [, segment = '', occurrence = '1', field, repetition, component, subcomponent] = found
  if (field === undefined) return [segment, occurrence]
  return trimmed([
    segment,
    occurrence,
    field,
    repetition ?? (component ? '1' : ''),
    component ?? '',
    subcomponent ?? '',
  ])
}

function newError(error: AckError, delimiters: Delimiters): string[] {
  const code = [error.code, error.name, 'HL70357'].join(delimiters.component)
  const text = escapeText(error.text.slice(0, 250), delimiters)
  return ['ERR', '', error.location.join(delimiters.component), code, error.severity, '', '', '', text]
}

/** ERR-1 (ELD) of the versions before 2.5. */
function oldError(errors: AckError[], delimiters: Delimiters): string[][] {
  if (errors.length === 0) return []
  const repetitions = errors.map(({ location, code, name }) => {
    const [segment = '', occurrence = '', field = ''] = location
    return [segment, occurrence, field, [code, name, 'HL70357'].join(delimiters.subcomponent)].join(
      delimiters.component,
    )
  })
  return [['ERR', repetitions.join(delimiters.repetition)]]
}

function trimmed(parts: string[]): string[] {
  return parts.slice(0, parts.findLastIndex((part) => part !== '') + 1)
}
