import { Failure } from '#core/failure.ts'

/** What came in one file, request or frame: messages, and the batch segments around them. */
export interface Payload {
  /** In order; joined, they are the payload again (terminators as CR). */
  parts: PayloadPart[]
}

export interface PayloadPart {
  /** A message (MSH and what follows), or a line of batch envelope: FHS, BHS, BTS, FTS (HL7 v2.9 §2.10.3). */
  kind: 'message' | 'envelope'
  text: string
}

/** Takes batches and several messages apart. Throws Failure `malformed` when something else comes first. */
export function splitPayload(text: string): Payload {
  const body = (text.includes('\n') ? text.replace(/\r\n?|\n/g, '\r') : text).replace(/^[\uFEFF\v\r \t]+/, '')
  const starts = [...body.matchAll(/(?:^|\r)((?:MSH|FHS|BHS|BTS|FTS)(?![A-Za-z0-9]))/g)].map(
    (match) => match.index + match[0].length - 3,
  )
  if (starts[0] !== 0) throw new Failure('malformed', 'A message must begin with an MSH segment')
  const parts = starts.map((start, index): PayloadPart => {
    const part = body.slice(start, starts[index + 1])
    return { kind: part.startsWith('MSH') ? 'message' : 'envelope', text: part }
  })
  return { parts }
}

/** The texts of the messages alone. */
export function messagesOf(payload: Payload): string[] {
  return payload.parts.filter((part) => part.kind === 'message').map((part) => part.text)
}
