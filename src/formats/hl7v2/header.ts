import { Failure, type Issue } from '#core/failure.ts'
import { requireDelimiters } from './delimiters.ts'
import { type Message, type Segment, value } from './message.ts'

/** What MSH says of a message (HL7 v2.9 §2.14.9), unescaped. */
export interface Header {
  application: string
  facility: string
  receivingApplication: string
  receivingFacility: string
  /** MSH-9: `RDE`, `O11`. */
  type: string
  trigger: string
  controlId: string
  /** `P`, `T` or `D`. */
  processingId: string
  version: string
  /** MSH-15 and MSH-16; both empty is original mode. */
  acceptAck: string
  applicationAck: string
}

export function headerOf(message: Message): Header {
  const [msh] = message.segments as [Segment]
  return {
    application: value(msh, 3),
    facility: value(msh, 4),
    receivingApplication: value(msh, 5),
    receivingFacility: value(msh, 6),
    type: value(msh, 9),
    trigger: value(msh, 9, 1, 2),
    controlId: value(msh, 10),
    processingId: value(msh, 11),
    version: value(msh, 12),
    acceptAck: value(msh, 15),
    applicationAck: value(msh, 16),
  }
}

/**
 * What must hold before a production store may take a message: telling delimiters, named segments, the required header
 * fields, a version we know, and processing id P in current processing. Throws Failure `malformed`, `invalid` or `unsupported`.
 */
export function requireProduction(message: Message): void {
  const [msh] = message.segments as [Segment]
  requireDelimiters(msh.text)
  for (const segment of message.segments) requireName(segment)
  const header = headerOf(message)
  const missing = (
    [
      ['type', 9],
      ['controlId', 10],
      ['processingId', 11],
      ['version', 12],
    ] as const
  )
    .filter(([name]) => header[name] === '' || header[name] === '""')
    .map(
      ([, field]): Issue => ({
        code: 'required',
        text: `MSH-${field} is required`,
        expression: `MSH-${field}`,
      }),
    )
  if (missing.length > 0) throw new Failure('malformed', missing)
  if (header.processingId !== 'P')
    throw unsupported('Only messages in production (MSH-11 = P) are taken', 'MSH-11')
  // Table 0207: what is of an archive, restored from one or loaded at first is history, and nobody is to act on it now.
  if (!['', '""', 'T'].includes(value(msh, 11, 1, 2)))
    throw unsupported('Only messages in current processing (MSH-11.2 empty or T) are taken', 'MSH-11')
  if (!/^2\.[1-9](?:\.\d)?$/.test(header.version))
    throw unsupported('This version is not supported', 'MSH-12')
}

function requireName(segment: Segment): void {
  if (/^[A-Z][A-Z0-9]{2}$/.test(segment.name)) return
  throw new Failure('malformed', `Line ${segment.position} does not begin with a segment name`)
}

function unsupported(text: string, expression: string): Failure {
  return new Failure('unsupported', [{ text, expression }])
}
