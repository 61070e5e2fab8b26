import { Failure } from '#core/failure.ts'
import type { CheckpointRow, LogRow, Store } from '#core/ports.ts'

/*
 * The log as NDJSON, for whoever verifies it elsewhere: a head, every checkpoint, every leaf with its sealed event. It
 * holds no key and nothing that can be read without one, apart from ids, times and the log's own name.
 */
const format = 'postern-log/1'
const batch = 1000
/** A sealed event is some 2 KB; a line of more than this is none of ours. */
const maxLine = 4_000_000

/** Lines without their ends. Sign a checkpoint first: what is not under one proves nothing. */
export async function* exportLog(
  store: Pick<Store, 'checkpoints' | 'logRows' | 'logSize'>,
  origin: string,
): AsyncGenerator<string> {
  const size = await store.logSize()
  yield JSON.stringify({ format, origin, size })
  for (const { size: at, note, peaks } of await store.checkpoints())
    yield JSON.stringify({ checkpoint: at, note, peaks: base64(peaks) })
  for (let from = 0; from < size; ) {
    const rows = await store.logRows(from, Math.min(batch, size - from))
    if (rows.length === 0) return
    for (const { position, eventId, entry, sealed } of rows)
      yield JSON.stringify({
        position,
        event: eventId,
        entry: base64(entry),
        ...(sealed ? { sealed: base64(sealed) } : {}),
      })
    from += rows.length
  }
}

export interface ExportedLog {
  origin: string
  checkpoints: CheckpointRow[]
  /** As verifyLog reads them: in the order of the file, whatever position is asked for. */
  rows(from: number, limit: number): Promise<LogRow[]>
}

/** Reads an export as it streams by. Throws Failure `malformed` for a line that is none of its own, by number. */
export async function readExport(lines: AsyncIterable<string>): Promise<ExportedLog> {
  const iterator = numbered(lines)
  const head = (await iterator.next()).value
  if (head?.value.format !== format || typeof head.value.origin !== 'string')
    throw new Failure('malformed', `line 1: not a log that Postern exported (${format})`)
  const checkpoints: CheckpointRow[] = []
  let waiting = (await iterator.next()).value
  while (waiting?.value.checkpoint !== undefined) {
    checkpoints.push(checkpointIn(waiting))
    waiting = (await iterator.next()).value
  }

  return {
    origin: head.value.origin,
    checkpoints,
    async rows(_from, limit) {
      const rows: LogRow[] = []
      while (waiting && rows.length < limit) {
        rows.push(rowIn(waiting))
        waiting = (await iterator.next()).value
      }
      return rows
    },
  }
}

interface Line {
  number: number
  value: Record<string, unknown>
}

async function* numbered(lines: AsyncIterable<string>): AsyncGenerator<Line, undefined> {
  let number = 0
  for await (const line of lines) {
    number += 1
    if (line === '') continue
    yield { number, value: parsed(line, number) }
  }
  return undefined
}

function parsed(line: string, number: number): Record<string, unknown> {
  if (line.length > maxLine) throw new Failure('malformed', `line ${number} is too long`)
  try {
    const value = JSON.parse(line) as unknown
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch (cause) {
    throw new Failure('malformed', `line ${number} is not JSON`, { cause })
  }
  throw new Failure('malformed', `line ${number} is not an object`)
}

function checkpointIn({ number, value: { checkpoint, note, peaks } }: Line): CheckpointRow {
  if (!Number.isSafeInteger(checkpoint) || typeof note !== 'string')
    throw new Failure('malformed', `line ${number} is not a checkpoint`)
  return { size: Number(checkpoint), note, peaks: bytes(peaks, number) }
}

function rowIn({ number, value: { position, event, entry, sealed } }: Line): LogRow {
  if (!Number.isSafeInteger(position) || typeof event !== 'string')
    throw new Failure('malformed', `line ${number} is not an event`)
  return {
    position: Number(position),
    eventId: event,
    entry: bytes(entry, number),
    ...(sealed === undefined ? {} : { sealed: bytes(sealed, number) }),
  }
}

function bytes(text: unknown, number: number): Uint8Array {
  if (typeof text !== 'string') throw new Failure('malformed', `line ${number} lacks bytes`)
  return Buffer.from(text, 'base64')
}

function base64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
}
