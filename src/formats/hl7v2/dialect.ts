import type { Identifier } from 'fhir/r4'
import { type Hl7v2Dialect, type WrittenVersion, writtenVersions } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import { encodeText } from './charset.ts'
import { composed, segmentOf, universalId } from './compose.ts'
import { dtmText } from './date-time.ts'
import { encodingCharacters, standardDelimiters } from './delimiters.ts'

/** What is written where a partner's settings say nothing else. */
const defaultDialect = { version: '2.5.1', charset: 'UNICODE UTF-8' } as const

/** One message to one partner, whatever it tells. */
export interface Envelope {
  dialect: Hl7v2Dialect
  /** MSH-10: at most 20 characters, the same at every attempt. */
  controlId: string
  /** MSH-7, milliseconds since the epoch. */
  at: number
}

/** MSH-9, as it is since a version: `['RDE', 'O11', 'RDE_O11']`. */
export type MessageType = readonly [code: string, trigger: string, structure: string]

export function headerSegment({ dialect, controlId, at }: Envelope, type: MessageType): string {
  if (controlId === '' || controlId.length > 20)
    throw new Failure('internal', 'MSH-10 holds 1 to 20 characters')
  const { sending, receiving, acknowledgement } = dialect
  const asked = acknowledgement === 'enhanced' ? 'AL' : ''
  return segmentOf('MSH', {
    1: encodingCharacters(standardDelimiters),
    2: composed([sending.application]),
    3: composed([sending.facility]),
    4: composed([receiving.application]),
    5: composed([receiving.facility]),
    6: dtm(dialect, `${new Date(at).toISOString().slice(0, 19)}Z`),
    8: composed([...type]),
    9: composed([controlId]),
    10: 'P',
    11: dialect.version ?? defaultDialect.version,
    14: asked,
    15: asked,
    17: composed([dialect.charset ?? defaultDialect.charset]),
  })
}

/** Whether the partner's version is this one or a later one. */
export function isSince(dialect: Hl7v2Dialect, version: WrittenVersion): boolean {
  const own = dialect.version ?? defaultDialect.version
  return writtenVersions.indexOf(own) >= writtenVersions.indexOf(version)
}

/** A FHIR date or time as the partner reads it; empty for none. */
export function dtm(dialect: Hl7v2Dialect, fhir: string | undefined): string {
  return fhir === undefined ? '' : dtmText(fhir, dialect.timeZone)
}

/** HD: namespace, universal id and its type of a system; by the partner's own name for it where it has one. */
export function authority(dialect: Hl7v2Dialect, system: string | undefined): (string | undefined)[] {
  const named = dialect.authorities?.[system ?? '']
  return named === undefined ? [undefined, ...universalId(system)] : named.split('&')
}

/** EI, or the components of it where it stands inside another type. */
export function entity(dialect: Hl7v2Dialect, { value, system }: Identifier): (string | undefined)[] {
  return [value, ...authority(dialect, system)]
}

/**
 * The bytes of a message in the partner's character set. Throws Failure `unsupported` for a character it lacks: what is
 * replaced in a prescription is a changed prescription.
 */
export function requireWritable(text: string, dialect: Hl7v2Dialect): void {
  const name = dialect.charset ?? defaultDialect.charset
  const missing = new Failure('unsupported', [
    { text: `A character cannot be written in ${name}`, expression: 'MSH-18' },
  ])
  if (name === 'ASCII' && /[^\t\r -~]/.test(text)) throw missing
  // C1 controls: the web's labels put other characters there than the standard's character sets do.
  if (name !== 'UNICODE UTF-8' && name !== 'ASCII') {
    if (encodeText(text, charsetLabel(dialect)).some((byte) => byte >= 0x80 && byte <= 0x9f)) throw missing
  }
}

/** WHATWG label of the partner's character set. */
export function charsetLabel(dialect: Hl7v2Dialect): string {
  return labels[dialect.charset ?? defaultDialect.charset]
}

const labels: Record<NonNullable<Hl7v2Dialect['charset']>, string> = {
  ASCII: 'utf-8',
  'UNICODE UTF-8': 'utf-8',
  '8859/1': 'windows-1252',
  '8859/2': 'iso-8859-2',
  '8859/5': 'iso-8859-5',
  '8859/7': 'iso-8859-7',
  '8859/9': 'windows-1254',
  '8859/15': 'iso-8859-15',
}

/** What an NTE tells; `isCopied` where the copy beside it (formats/hl7v2/copy) tells it to machines. */
export interface Note {
  text: string
  isCopied?: boolean
}

/** Notes, numbered. Those that a reader of the copy has to leave alone say so in NTE-4. */
export function noteSegments(notes: readonly (Note | string)[]): string[] {
  return notes.map((note, index) => {
    const { text, isCopied = false } = typeof note === 'string' ? { text: note } : note
    return segmentOf('NTE', {
      1: String(index + 1),
      3: composed([text]),
      4: isCopied ? composed(['ZFH', 'Also in ZFH-3', 'L']) : '',
    })
  })
}
