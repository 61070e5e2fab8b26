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
  /** From the wish to send to the answer. */
  timeoutMs: number
  /** Connections at a time; 1 where absent. */
  connections?: number
  /** Messages under way on one connection; 1 where absent. */
  pipeline?: number
  /** WHATWG label of what is sent; UTF-8 where absent. */
  charset?: string
}

export interface MllpAnswer {
  /** MSA-1: `AA`, `AE`, `AR`; `CA`, `CE`, `CR` where nothing more was asked for or the message was not accepted. */
  code: string
  /** The whole acknowledgement or response (ACK, RRE, ORP …) whose MSA-2 is our MSH-10. */
  message: string
}

/** Why nothing is known of the message: the text of the Failure `unavailable` that sending rejects with. */
export type MllpTrouble =
  | 'mllp-refused'
  | 'mllp-timeout'
  | 'mllp-reset'
  | 'mllp-closed'
  | 'mllp-junk'
  | 'mllp-tls'
  | 'mllp-unreachable'

/** One open connection. */
export interface MllpLine {
  send(message: string, timeoutMs: number, charset?: string): Promise<MllpAnswer>
  /** Messages that wait for their answer here; more than can be once the connection has ended. */
  underway(): number
  onClose(listener: () => void): void
  close(): void
}

interface Pending {
  sent: Message
  resolve(answer: MllpAnswer): void
  reject(failure: Failure): void
}

const maxAnswerBytes = 1024 * 1024
const maxJunkBytes = 65_536

/** Connects. Rejects with Failure `unavailable` (see MllpTrouble). */
export async function openLine(
  target: MllpTarget,
  { timeoutMs, idleMs }: { timeoutMs: number; idleMs: number },
): Promise<MllpLine> {
  const socket = target.tls
    ? connectTls({ ...target.tls, host: target.host, port: target.port, minVersion: 'TLSv1.2' })
    : connectPlain({ host: target.host, port: target.port, noDelay: true })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(trouble('mllp-timeout')), timeoutMs)
  const failed = (error: NodeJS.ErrnoException) => reject(trouble(troubleOf(error, target), error))
  const closed = () => reject(trouble('mllp-closed'))
  socket
    .once(target.tls ? 'secureConnect' : 'connect', resolve)
    .once('error', failed)
    .once('close', closed)
  try {
    await promise
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    clearTimeout(timer)
    socket.off('error', failed).off('close', closed)
  }
  return lineOn(socket, target, idleMs)
}

/**
 * Answers are told apart by MSA-2: whatever else arrives (a late answer to an earlier message, somebody else's) is
 * passed over. A connection on which an answer failed to come is closed: what comes on it later is not to be relied on.
 */
function lineOn(socket: Socket, target: MllpTarget, idleMs: number): MllpLine {
  const reader = createFrameReader(maxAnswerBytes)
  const pending = new Map<string, Pending>()
  const listeners: (() => void)[] = []
  let reason: MllpTrouble | undefined
  let cause: unknown
  let junk = false

  const end = (why: MllpTrouble, error?: unknown) => {
    reason ??= why
    cause ??= error
    socket.destroy()
  }
  socket.on('data', (chunk) => {
    for (const event of reader.push(chunk)) {
      if (event.kind === 'frame') answer(event)
      else junk = true
      if (event.kind === 'broken' && event.reason === 'too-large') end('mllp-junk')
    }
    if (reader.junk() > maxJunkBytes) end('mllp-junk')
  })
  socket.on('error', (error: NodeJS.ErrnoException) => end(troubleOf(error, target), error))
  socket.once('close', () => {
    const why = reason ?? (junk || reader.pending() !== undefined ? 'mllp-junk' : 'mllp-closed')
    for (const { reject } of pending.values()) reject(trouble(why, cause))
    pending.clear()
    for (const listener of listeners) listener()
  })
  // A connection that nobody waits on does not keep the process.
  socket.setTimeout(idleMs, () => pending.size === 0 && socket.destroy())
  socket.unref()

  function answer(event: Extract<FrameEvent, { kind: 'frame' }>): void {
    const read = readAnswer(event.bytes)
    const msa = read && findSegment(read.message, 'MSA')
    const waiting = msa && pending.get(value(msa, 2))
    const code = msa ? value(msa, 1) : ''
    if (!read || !waiting || isOnlyStored(code, waiting.sent)) return
    waiting.resolve({ code, message: read.text })
  }

  async function send(text: string, timeoutMs: number, charset = 'utf-8'): Promise<MllpAnswer> {
    const sent = readMessage(text)
    const bytes = frameOf(encodeText(text, charset))
    const [msh] = sent.segments
    const id = msh ? value(msh, 10) : ''
    if (pending.has(id)) throw new Failure('unavailable', 'mllp-underway')
    const { promise, resolve, reject } = Promise.withResolvers<MllpAnswer>()
    if (socket.destroyed) throw trouble(reason ?? 'mllp-closed')
    pending.set(id, { sent, resolve, reject })
    const timer = setTimeout(() => {
      reject(trouble(junk ? 'mllp-junk' : 'mllp-timeout'))
      end(junk ? 'mllp-junk' : 'mllp-closed')
    }, timeoutMs)
    socket.ref()
    socket.write(bytes)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      pending.delete(id)
      if (pending.size === 0) socket.unref()
    }
  }

  return {
    send,
    underway: () => (socket.destroyed ? Number.POSITIVE_INFINITY : pending.size),
    onClose: (listener) => listeners.push(listener),
    close: () => socket.destroy(),
  }
}

/** CA is an answer only where no application acknowledgement was asked for (MSH-16). */
function isOnlyStored(code: string, { segments: [msh] }: Message): boolean {
  return code === 'CA' && msh !== undefined && ['AL', 'SU', 'ER'].includes(value(msh, 16))
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
