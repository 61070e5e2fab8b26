// Reached by the Node entry alone: sockets are node:net and node:tls.
import { connect as connectPlain, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { Failure } from '#core/failure.ts'
import { decodeText, encodeText } from '#formats/hl7v2/charset.ts'
import { createFrameReader, type FrameEvent, frameOf } from '#formats/hl7v2/frames.ts'
import { findSegment, type Message, readMessage, value } from '#formats/hl7v2/message.ts'

export interface MllpTarget {
  host: string
  port: number
  /** Present for TLS: trust anchors, and our key and certificate where the receiver asks for them. */
  tls?: Pick<ConnectionOptions, 'ca' | 'key' | 'cert' | 'servername'>
  /** From connecting to the answer. */
  timeoutMs: number
}

export interface MllpAnswer {
  /** The acknowledgement or response (ACK, RRE, ORP …) whose MSA-2 is our MSH-10. */
  ack: string
  /** MSA-1: `AA`, `AE`, `AR`; `CA`, `CE`, `CR` where nothing more was asked for or the message was not accepted. */
  code: string
}

/** Why nothing is known of the message: the text of the Failure `unavailable` that `sendMllp` rejects with. */
export type MllpTrouble =
  | 'mllp-refused'
  | 'mllp-timeout'
  | 'mllp-reset'
  | 'mllp-closed'
  | 'mllp-junk'
  | 'mllp-tls'
  | 'mllp-unreachable'

const maxAnswerBytes = 1024 * 1024

/**
 * Sends one message on a connection of its own and waits for its answer: whatever else arrives (a late answer to an
 * earlier message, somebody else's) is passed over. Rejects with Failure `unavailable` (see MllpTrouble).
 */
export async function sendMllp(target: MllpTarget, messageText: string): Promise<MllpAnswer> {
  const message = readMessage(messageText)
  const bytes = frameOf(encodeText(messageText, 'utf-8'))
  const socket = target.tls
    ? connectTls({ ...target.tls, host: target.host, port: target.port, minVersion: 'TLSv1.2' })
    : connectPlain({ host: target.host, port: target.port, noDelay: true })
  try {
    return await answerOn(socket, bytes, message, target)
  } finally {
    socket.destroy()
  }
}

function answerOn(socket: Socket, bytes: Uint8Array, sent: Message, target: MllpTarget): Promise<MllpAnswer> {
  const reader = createFrameReader(maxAnswerBytes)
  const { promise, resolve, reject } = Promise.withResolvers<MllpAnswer>()
  const timer = setTimeout(() => reject(trouble('mllp-timeout')), target.timeoutMs)
  const fail = (why: MllpTrouble, cause?: unknown) => reject(trouble(why, cause))
  let junk = false
  socket.once(target.tls ? 'secureConnect' : 'connect', () => socket.write(bytes))
  socket.on('data', (chunk) => {
    for (const event of reader.push(chunk)) {
      const answer = answerIn(event, sent)
      if (answer) resolve(answer)
      if (event.kind !== 'frame') junk = true
      if (event.kind === 'broken' && event.reason === 'too-large') fail('mllp-junk')
    }
    if (reader.junk() > 65_536) fail('mllp-junk')
  })
  socket.on('error', (error: NodeJS.ErrnoException) => fail(troubleOf(error, target), error))
  socket.once('close', () => fail(junk || reader.pending() !== undefined ? 'mllp-junk' : 'mllp-closed'))
  return promise.finally(() => clearTimeout(timer))
}

/** The answer to `sent`, if this is it. CA is one only where no application acknowledgement was asked for. */
function answerIn(event: FrameEvent, sent: Message): MllpAnswer | undefined {
  if (event.kind !== 'frame') return undefined
  const answer = readAnswer(event.bytes)
  const msa = answer && findSegment(answer.message, 'MSA')
  const [msh] = sent.segments
  if (!answer || !msa || !msh || value(msa, 2) !== value(msh, 10)) return undefined
  const code = value(msa, 1)
  if (code === 'CA' && ['AL', 'SU', 'ER'].includes(value(msh, 16))) return undefined
  return { ack: answer.text, code }
}

function readAnswer(bytes: Uint8Array): { text: string; message: Message } | undefined {
  try {
    const { text, charset } = decodeText(bytes)
    return { text, message: readMessage(text, charset) }
  } catch {
    return undefined
  }
}

function troubleOf(error: NodeJS.ErrnoException, target: MllpTarget): MllpTrouble {
  const code = error.code ?? ''
  if (code === 'ECONNREFUSED') return 'mllp-refused'
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'mllp-reset'
  if (code === 'ETIMEDOUT') return 'mllp-timeout'
  return target.tls && !/^E[A-Z]+$/.test(code) ? 'mllp-tls' : 'mllp-unreachable'
}

function trouble(why: MllpTrouble, cause?: unknown): Failure {
  return new Failure('unavailable', why, { cause })
}
