// Reached by the Node entry alone: sockets are node:net and node:tls.
import type { Socket } from 'node:net'
import { TLSSocket, type TlsOptions } from 'node:tls'
import { Failure } from '#core/failure.ts'
import { type AckSource, acknowledge, acknowledgements } from '#formats/hl7v2/ack.ts'
import { decodeText, encodeText } from '#formats/hl7v2/charset.ts'
import { createFrameReader, type FrameEvent, frameOf } from '#formats/hl7v2/frames.ts'
import { readMessage } from '#formats/hl7v2/message.ts'

export interface MllpLimits {
  /** One frame. */
  maxBytes: number
  /** Frames of one connection that are not answered yet; then nothing more is read from it. */
  maxWaiting: number
  maxConnections: number
  /** Silence between frames. */
  idleMs: number
  /** Silence within a frame. */
  stallMs: number
  /** A whole frame, from its first byte to its last. */
  frameMs: number
  /** Bad frames and runs of junk of one connection. */
  maxBad: number
}

export const mllpLimits: MllpLimits = {
  maxBytes: 16 * 1024 * 1024,
  maxWaiting: 16,
  maxConnections: 256,
  idleMs: 600_000,
  stallMs: 30_000,
  frameMs: 300_000,
  maxBad: 16,
}

/** Who is at the other end, as far as the network proves it. */
export interface MllpRemote {
  address: string
  port: number
  /** Of the verified client certificate: hex SHA-256 of it, and its common name. */
  certificate?: { fingerprint: string; name: string }
}

export interface MllpConnection<Peer> extends MllpRemote {
  /** Counts from 1 in each server. */
  id: number
  peer: Peer
}

/** Something that was not taken, for the audit: never its content. */
export interface MllpDiscard {
  reason: 'unknown-peer' | 'partial' | 'stalled' | 'restarted' | 'too-large' | 'junk' | 'no-header' | 'tls'
  remote: MllpRemote
  /** Bytes thrown away, where they were counted. */
  size?: number
}

export interface MllpOptions<Peer> {
  /** 0 takes a free one. */
  port: number
  host: string
  /** `ca` makes a client certificate compulsory (mTLS). */
  tls?: Pick<TlsOptions, 'key' | 'cert' | 'ca'>
  /** The partner behind a connection; undefined ends it. */
  identify(remote: MllpRemote): Peer | undefined | Promise<Peer | undefined>
  /**
   * Takes what one frame held and resolves with the answers, in order. Called in the order in which frames ended, on
   * all connections, and not only when the one before is answered. A rejection is answered with AE.
   */
  handle(message: Uint8Array, connection: MllpConnection<Peer>): Promise<readonly Uint8Array[]>
  /** Told of what was discarded; must not throw. */
  discarded?(event: MllpDiscard): void
  own: AckSource
  limits?: Partial<MllpLimits>
}

interface ConnectionParts<Peer> {
  options: MllpOptions<Peer>
  limits: MllpLimits
  socket: Socket
  id: number
}

export interface OpenConnection {
  closed: Promise<void>
  /** Answers what was received whole, then closes; after `graceMs` in any case. */
  drain(graceMs: number): Promise<void>
}

/** One connection from its identification to its end. */
export function serveConnection<Peer>({
  options,
  limits,
  socket,
  id,
}: ConnectionParts<Peer>): OpenConnection {
  const remote = remoteOf(socket)
  const reader = createFrameReader(limits.maxBytes)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const answers = answerQueue(socket, closed, limits.maxWaiting)
  const clock = frameClock(socket, limits, () => refuse('stalled', reader.pending()))
  let connection: MllpConnection<Peer> | undefined
  let bad = 0
  let ending = false

  function discard(reason: MllpDiscard['reason'], size?: number): void {
    options.discarded?.({ reason, remote, size })
  }

  function refuse(reason: MllpDiscard['reason'], size?: number): void {
    discard(reason, size)
    bad += 1
    answers.add(Promise.resolve([negative(reason, options.own)]))
    if (reason === 'too-large' || reason === 'stalled' || bad > limits.maxBad) void end()
  }

  function take(event: FrameEvent): void {
    if (ending) return
    if (event.kind === 'junk') refuse('junk')
    else if (event.kind === 'broken') refuse(event.reason, event.size)
    else if (!hasHeader(event.bytes)) refuse('no-header', event.bytes.length)
    else answers.add(answerTo(options, event.bytes, connection))
  }

  /** A frame that has not ended when its connection does is told of and never delivered. */
  function dropPartial(): void {
    const size = reader.pending()
    if (size !== undefined && !ending) discard('partial', size)
  }

  /** Answers what waits, then closes this side; what still comes is read and dropped, so that no answer is reset. */
  async function end(): Promise<void> {
    if (ending) return
    ending = true
    clock.stop()
    await answers.done()
    socket.end()
    socket.resume()
    const timer = setTimeout(() => socket.destroy(), lingerMs)
    await closed
    clearTimeout(timer)
  }

  async function introduce(): Promise<void> {
    socket.pause()
    const peer = await identified(options, remote)
    if (peer === undefined) {
      discard('unknown-peer')
      socket.destroy()
      return
    }
    connection = { ...remote, id, peer }
    clock.watch(false)
    if (!ending) socket.resume()
  }

  socket.on('data', (chunk) => {
    if (ending) return
    const events = reader.push(chunk)
    if (events.some((event) => event.kind !== 'junk')) clock.restart()
    for (const event of events) take(event)
    if (reader.junk() > maxJunkBytes) void end()
    if (!ending) clock.watch(reader.pending() !== undefined)
  })
  socket.on('timeout', () => {
    // While an answer is being made, the silence is ours.
    if (answers.waiting() > 0 || ending) return
    const size = reader.pending()
    if (size === undefined) void end()
    else refuse('stalled', size)
  })
  socket.on('end', () => {
    dropPartial()
    void end()
  })
  // A reset is followed by 'close', where what was half received is told.
  socket.on('error', () => {})
  socket.once('close', () => {
    dropPartial()
    ending = true
    clock.stop()
  })
  void introduce()
  return {
    closed,
    async drain(graceMs) {
      dropPartial()
      const timer = setTimeout(() => socket.destroy(), graceMs)
      void end()
      await closed
      clearTimeout(timer)
    },
  }
}

const lingerMs = 2_000
const maxJunkBytes = 65_536

/**
 * Messages are handled side by side and answered in the order they came, refusals too; past `maxWaiting` the socket is
 * not read from.
 */
function answerQueue(socket: Socket, closed: Promise<void>, maxWaiting: number) {
  let work = Promise.resolve()
  let waiting = 0
  return {
    waiting: () => waiting,
    done: () => work,
    add(answer: Promise<readonly Uint8Array[]>): void {
      waiting += 1
      if (waiting >= maxWaiting) socket.pause()
      work = Promise.all([answer, work])
        .then(async ([contents]) => {
          for (const content of contents) await send(socket, frameOf(content), closed)
        })
        .catch(() => {
          // No answer can be made: the sender must see that, or it waits for ever.
          socket.destroy()
        })
        .finally(() => {
          waiting -= 1
          if (waiting < maxWaiting) socket.resume()
        })
    },
  }
}

/** Silence is timed by the socket, a whole frame by a timer that trickling bytes do not put off. */
function frameClock(socket: Socket, limits: MllpLimits, stalled: () => void) {
  let timer: NodeJS.Timeout | undefined
  function restart(): void {
    clearTimeout(timer)
    timer = undefined
  }
  return {
    restart,
    watch(withinFrame: boolean): void {
      socket.setTimeout(withinFrame ? limits.stallMs : limits.idleMs)
      if (withinFrame) timer ??= setTimeout(stalled, limits.frameMs)
      else restart()
    },
    stop(): void {
      restart()
      socket.setTimeout(0)
    },
  }
}

async function identified<Peer>(options: MllpOptions<Peer>, remote: MllpRemote): Promise<Peer | undefined> {
  try {
    return await options.identify(remote)
  } catch {
    return undefined
  }
}

async function answerTo<Peer>(
  options: MllpOptions<Peer>,
  bytes: Uint8Array,
  connection: MllpConnection<Peer> | undefined,
): Promise<readonly Uint8Array[]> {
  // Nothing is read before the peer is known.
  if (!connection) return []
  try {
    return await options.handle(bytes, connection)
  } catch (cause) {
    const failure =
      cause instanceof Failure
        ? cause
        : new Failure('internal', 'The message could not be handled', { cause })
    return answersWithout(bytes, failure, options.own)
  }
}

/** The refusal of a message that its handler gave no answer to. */
function answersWithout(bytes: Uint8Array, failure: Failure, own: AckSource): Uint8Array[] {
  try {
    const { text, charset } = decodeText(bytes)
    return acknowledgements(readMessage(text, charset), { failure }, own).map((text) =>
      encodeText(text, charset),
    )
  } catch {
    return answersUnread(bytes, failure, own)
  }
}

/** Longest header that is looked for in what cannot be read. */
const maxHeader = 4096

/**
 * The same where its character set is not known, or its bytes are not of it: the header, byte for byte, still says whose
 * message it was (MSA-2). Not of UTF-16, whose bytes say nothing so.
 */
function answersUnread(bytes: Uint8Array, failure: Failure, own: AckSource): Uint8Array[] {
  const start = new TextDecoder('windows-1252').decode(bytes.subarray(0, maxHeader))
  const [header] = /MSH[^\r\n\0]*(?=[\r\n])/.exec(start) ?? []
  try {
    if (header === undefined) throw failure
    const message = readMessage(header, 'windows-1252')
    return acknowledgements(message, { failure }, own).map((text) => encodeText(text, 'windows-1252'))
  } catch {
    return [encodeText(acknowledge(undefined, 'AR', { failure }, own), 'utf-8')]
  }
}

const refusals: Record<MllpDiscard['reason'], string> = {
  'unknown-peer': 'The sender is not known here',
  partial: 'The frame did not end',
  stalled: 'The frame did not end in time',
  restarted: 'A frame began before the last one ended',
  'too-large': 'The frame is too large',
  junk: 'Data came outside of a frame (VT, message, FS, CR)',
  'no-header': 'The frame does not begin with MSH, FHS or BHS',
  tls: 'The secure connection failed',
}

function negative(reason: MllpDiscard['reason'], own: AckSource): Uint8Array {
  const kind = reason === 'too-large' ? 'too-large' : 'malformed'
  return encodeText(
    acknowledge(undefined, 'AR', { failure: new Failure(kind, refusals[reason]) }, own),
    'utf-8',
  )
}

/** MSH, FHS or BHS, after byte order mark and blanks; UTF-16 shows by its mark or its zeros and is let through. */
function hasHeader(bytes: Uint8Array): boolean {
  const start = new TextDecoder('windows-1252').decode(bytes.subarray(0, 64)).replaceAll('\0', '')
  return /^(?:ï»¿|ÿþ|þÿ)?\s*(?:MSH|FHS|BHS)/.test(start)
}

/** Writes and waits while the other side does not read: its answers must not pile up here. */
async function send(socket: Socket, bytes: Uint8Array, closed: Promise<void>): Promise<void> {
  if (!socket.writable || socket.write(bytes)) return
  await Promise.race([new Promise<void>((resolve) => socket.once('drain', () => resolve())), closed])
}

export function remoteOf(socket: Socket): MllpRemote {
  const remote: MllpRemote = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
  if (!(socket instanceof TLSSocket) || !socket.authorized) return remote
  const certificate = socket.getPeerCertificate()
  if (!certificate.fingerprint256) return remote
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
  const names = [certificate.subject.CN].flat()
  return { ...remote, certificate: { fingerprint, name: names[0] ?? '' } }
}
