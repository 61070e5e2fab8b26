/** MLLP (HL7 v2.9 Transport §2): VT, content, FS, CR. */
const startBlock = 0x0b
const endBlock = 0x1c
const carriageReturn = 0x0d

export type FrameEvent =
  /** A whole frame, without its markers. */
  | { kind: 'frame'; bytes: Uint8Array }
  /** Bytes that stood outside of any frame: told once for each run of them. */
  | { kind: 'junk' }
  /** A frame broken off by the start of the next one, or grown over the limit: its bytes are never delivered. */
  | { kind: 'broken'; reason: 'restarted' | 'too-large'; size: number }

export interface FrameReader {
  push(chunk: Uint8Array): FrameEvent[]
  /** Bytes held of a frame that has begun and not ended; undefined between frames. */
  pending(): number | undefined
  /** Bytes of the present run of junk. */
  junk(): number
}

/**
 * Takes frames out of a stream, whatever its chunks. Each byte is looked at once and copied once. FS ends a frame only
 * with CR after it: one alone is content, so that no message is cut short. After `too-large` it must not be used again.
 */
export function createFrameReader(maxBytes: number): FrameReader {
  let chunks: Uint8Array[] | undefined
  let size = 0
  let junk = 0
  let endSeen = false

  function keep(bytes: Uint8Array): void {
    if (bytes.length === 0 || !chunks) return
    chunks.push(bytes)
    size += bytes.length
  }

  /** Where the content goes on to: past the frame's end, the next start, or the chunk. */
  function readContent(chunk: Uint8Array, from: number, events: FrameEvent[]): number {
    if (endSeen && chunk[from] === carriageReturn) {
      endSeen = false
      events.push({ kind: 'frame', bytes: joined(chunks ?? [], size - 1) })
      chunks = undefined
      return from + 1
    }
    endSeen = false
    const end = nextMark(chunk, from)
    if (chunk[end] === startBlock) {
      events.push({ kind: 'broken', reason: 'restarted', size: size + end - from })
      chunks = []
      size = 0
      return end + 1
    }
    endSeen = end < chunk.length
    keep(chunk.subarray(from, endSeen ? end + 1 : end))
    if (size > maxBytes + 1) events.push({ kind: 'broken', reason: 'too-large', size })
    return endSeen ? end + 1 : end
  }

  function readBetween(chunk: Uint8Array, from: number, events: FrameEvent[]): number {
    const found = chunk.indexOf(startBlock, from)
    const start = found === -1 ? chunk.length : found
    const between = chunk.subarray(from, start)
    if (junk > 0 || between.some((byte) => !isBlank(byte))) {
      if (junk === 0) events.push({ kind: 'junk' })
      junk += between.length
    }
    if (start === chunk.length) return start
    chunks = []
    size = 0
    junk = 0
    return start + 1
  }

  return {
    push(chunk) {
      const events: FrameEvent[] = []
      let at = 0
      while (at < chunk.length) {
        at = chunks ? readContent(chunk, at, events) : readBetween(chunk, at, events)
        const last = events.at(-1)
        if (last?.kind === 'broken' && last.reason === 'too-large') return events
      }
      return events
    },
    pending: () => (chunks ? size : undefined),
    junk: () => junk,
  }
}

/** A message as a frame. */
export function frameOf(content: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(content.length + 3)
  frame[0] = startBlock
  frame.set(content, 1)
  frame[content.length + 1] = endBlock
  frame[content.length + 2] = carriageReturn
  return frame
}

function joined(chunks: Uint8Array[], length: number): Uint8Array {
  const [only] = chunks
  if (chunks.length === 1 && only) return only.subarray(0, length)
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk.subarray(0, length - at), at)
    at += chunk.length
    if (at >= length) break
  }
  return bytes
}

/** The next VT or FS, found in one pass: two searches would be quadratic for a sender who repeats one of them. */
function nextMark(chunk: Uint8Array, from: number): number {
  let at = from
  while (at < chunk.length && chunk[at] !== startBlock && chunk[at] !== endBlock) at++
  return at
}

function isBlank(byte: number): boolean {
  return byte === carriageReturn || byte === 0x0a || byte === 0x20 || byte === 0x09
}
