import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { checkCommitment, createLeafMaker, isLeafOf, openEvent, readLeaf } from '#audit/leaf.ts'
import type { AuditEntry } from '#core/act.ts'
import { openAuditBox } from './audit-box.ts'

const box = await openAuditBox()
const leaves = createLeafMaker()
const event: AuditEntry = {
  id: '3f0c9a52-7f0b-4f0e-9f77-0a3c1d2e4b5a',
  recorded: Date.UTC(2026, 4, 1, 12),
  json: '{"resourceType":"AuditEvent","outcomeDesc":"für alle Fälle"}',
  entities: [],
}

describe('a leaf', () => {
  test('gives the event back, and only in the place of that event', () => {
    const { sealed } = leaves.seal(event, box)
    expect(leaves.open(event.id, sealed, box)).toBe(event.json)
    expect(() => leaves.open('another-event', sealed, box)).toThrow()
  })

  test('has the same length whatever the event says', () => {
    const { entry } = leaves.seal({ ...event, json: '{}' }, box)
    expect(entry.length).toBe(leaves.seal(event, box).entry.length)
    expect(entry.length).toBe(109)
  })

  test('says when it was recorded and of which event it is', () => {
    const { entry } = leaves.seal(event, box)
    expect(readLeaf(entry).recorded).toBe(event.recorded)
    expect(isLeafOf(event.id, entry)).toBe(true)
    expect(isLeafOf(`${event.id}x`, entry)).toBe(false)
    expect(isLeafOf(event.id.slice(0, -1), entry)).toBe(false)
  })

  test('commits with HMAC-SHA-256 under the salt that lies in the sealed body', () => {
    const { sealed, entry } = leaves.seal(event, box)
    const { salt, json } = openEvent(event.id, sealed, box)
    const expected = createHmac('sha256', Buffer.from(salt)).update(json, 'utf8').digest()
    expect(Buffer.from(readLeaf(entry).commitment)).toEqual(expected)
  })

  test('proves an opened event, and no other', () => {
    const { sealed, entry } = leaves.seal(event, box)
    const { salt, json } = openEvent(event.id, sealed, box)
    expect(checkCommitment({ entry }, json, salt)).toBe(true)
    expect(checkCommitment({ entry }, json.replace('alle', 'nie'), salt)).toBe(false)
    expect(checkCommitment({ entry }, json, 'A'.repeat(43))).toBe(false)
    expect(checkCommitment({ entry }, json, `${salt}\0`)).toBe(false)
  })

  test('of the same event is another one each time, so that leaves cannot be matched by guessing', () => {
    const commitments = Array.from({ length: 300 }, () =>
      Buffer.from(readLeaf(leaves.seal(event, box).entry).commitment).toString('hex'),
    )
    expect(new Set(commitments).size).toBe(300)
  })

  test('of another length or format version is refused', () => {
    const { entry } = leaves.seal(event, box)
    expect(() => readLeaf(entry.subarray(1))).toThrow('108 bytes')
    expect(() => readLeaf(entry.with(0, 9))).toThrow('format version 9')
  })

  test('is refused to an event whose id it has no room for', () => {
    expect(() => leaves.seal({ ...event, id: 'x'.repeat(37) }, box)).toThrow('no UUID')
  })
})
