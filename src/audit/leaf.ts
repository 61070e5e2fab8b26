import { randomBytes } from 'node:crypto'
import type { AuditEntry } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { Box, LeafMaker, LogRow } from '#core/ports.ts'
import { sameBytes, sha256 } from './merkle.ts'

/*
 * A leaf entry, 109 bytes:
 *
 *   0  1   format version (1)
 *   1  8   recorded (of a reported event: received), milliseconds since the epoch, big-endian
 *   9  36  id of the event, ASCII, zeros behind a shorter one
 *   45 32  SHA-256 of the sealed body
 *   77 32  commitment: HMAC-SHA-256(salt, event JSON)
 *
 * The sealed body can be checked without a key and erased without harm to any proof. The commitment says nothing
 * about the event to whom the salt is unknown, and proves an opened event to whom it is shown with its salt.
 */
const formatVersion = 1
const entryLength = 109
const idAt = 9
const sealedHashAt = 45
const commitmentAt = 77
/** 32 random bytes as base64url. */
const saltLength = 43
const encoder = new TextEncoder()

/** What an opened body holds: the event and the salt of its commitment. */
export interface OpenedEvent {
  json: string
  salt: string
}

/** What a leaf entry says, read from its bytes. */
export interface LeafContent {
  /** Milliseconds since the epoch. */
  recorded: number
  sealedHash: Uint8Array
  commitment: Uint8Array
}

export function createLeafMaker(): LeafMaker {
  const nextSalt = createSalts()
  return {
    seal({ id, recorded, received: logged = recorded, json }: AuditEntry, box: Box) {
      const salt = nextSalt()
      const sealed = box.seal(salt + json, placeOf(id))
      const entry = new Uint8Array(entryLength)
      const view = new DataView(entry.buffer)
      view.setUint8(0, formatVersion)
      view.setUint32(1, Math.floor(logged / 2 ** 32))
      view.setUint32(5, logged % 2 ** 32)
      writeId(id, entry)
      entry.set(sha256(sealed), sealedHashAt)
      entry.set(commitment(salt, json), commitmentAt)
      return { sealed, entry }
    },
    open: (eventId, sealed, box) => openEvent(eventId, sealed, box).json,
  }
}

/** Opens a sealed event with its salt. Throws Failure `internal` when the bytes or their place were changed. */
export function openEvent(eventId: string, sealed: Uint8Array, box: Box): OpenedEvent {
  const opened = box.open(sealed, placeOf(eventId))
  return { salt: opened.slice(0, saltLength), json: opened.slice(saltLength) }
}

/** Whether an event that somebody shows, with its salt, is the one that this row of the log was made from. */
export function checkCommitment(row: Pick<LogRow, 'entry'>, json: string, salt: string): boolean {
  // A key of another length could equal this one once it is padded.
  return salt.length === saltLength && sameBytes(readLeaf(row.entry).commitment, commitment(salt, json))
}

/** Throws Failure `malformed` for another length or an unknown format version. */
export function readLeaf(entry: Uint8Array): LeafContent {
  if (entry.length !== entryLength) throw new Failure('malformed', `a leaf entry has ${entry.length} bytes`)
  if (entry[0] !== formatVersion)
    throw new Failure('malformed', `a leaf entry has format version ${entry[0]}`)
  const view = new DataView(entry.buffer, entry.byteOffset, entry.length)
  return {
    recorded: view.getUint32(1) * 2 ** 32 + view.getUint32(5),
    sealedHash: entry.subarray(sealedHashAt, commitmentAt),
    commitment: entry.subarray(commitmentAt, entryLength),
  }
}

/** Whether a leaf entry was made for the event of this id. */
export function isLeafOf(eventId: string, entry: Uint8Array): boolean {
  for (let index = 0; index < sealedHashAt - idAt; index += 1) {
    // Behind the end of the id charCodeAt is NaN, which counts as the zero that is written there.
    if ((eventId.charCodeAt(index) || 0) !== entry[idAt + index]) return false
  }
  return eventId.length <= sealedHashAt - idAt
}

function writeId(id: string, entry: Uint8Array): void {
  const { read, written } = encoder.encodeInto(id, entry.subarray(idAt, sealedHashAt))
  if (read !== id.length || written !== id.length)
    throw new Failure('internal', 'the id of an event is no UUID')
}

function placeOf(eventId: string): string {
  return `AuditEvent/${eventId}`
}

/**
 * HMAC-SHA-256 (RFC 2104) with the salt's text as the key, over two one-shot hashes: `createHmac` costs four times
 * as much for a message of this size.
 */
function commitment(salt: string, json: string): Uint8Array {
  const message = encoder.encode(json)
  const inner = new Uint8Array(64 + message.length)
  const outer = new Uint8Array(96)
  encoder.encodeInto(salt, inner)
  for (let index = 0; index < 64; index += 1) {
    const key = inner[index] ?? 0
    inner[index] = key ^ 0x36
    outer[index] = key ^ 0x5c
  }
  inner.set(message, 64)
  outer.set(sha256(inner), 64)
  return sha256(outer)
}

/** Random bytes are asked for 128 salts at a time: the call costs more than the bytes. */
function createSalts(): () => string {
  let pool = randomBytes(0)
  return () => {
    if (pool.length === 0) pool = randomBytes(32 * 128)
    const salt = pool.subarray(0, 32).toString('base64url')
    pool = pool.subarray(32)
    return salt
  }
}
