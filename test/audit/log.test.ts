import { describe, expect, test } from 'vitest'
import { readCheckpoint } from '#audit/checkpoint.ts'
import { createLog } from '#audit/log.ts'
import { verifyNote } from '#audit/note.ts'
import type { CheckpointRow } from '#core/ports.ts'
import { origin, portsOf, rowsOf, signer } from './log-rows.ts'

describe('a log', () => {
  test('signs a checkpoint over what came, and none when nothing came', async () => {
    const rows = rowsOf(3)
    const log = createLog(portsOf(rows, []))
    const row = await log.checkpoint()
    expect(readCheckpoint(verifyNote(row?.note ?? '', signer.vkey))).toMatchObject({ origin, size: 3 })
    expect(await log.checkpoint()).toBeUndefined()
    expect(await createLog(portsOf([], [])).checkpoint()).toBeUndefined()
  })

  test('goes on from the peaks of its last checkpoint, reading only what is new', async () => {
    const rows = rowsOf(40)
    const checkpoints: CheckpointRow[] = []
    await createLog(portsOf(rows.slice(0, 25), checkpoints)).checkpoint()
    const ports = portsOf(rows, checkpoints)
    const asked: number[] = []
    const logRows = (from: number, limit: number) => {
      asked.push(from)
      return ports.store.logRows(from, limit)
    }
    await createLog({ ...ports, store: { ...ports.store, logRows } }).checkpoint()
    const whole = await createLog(portsOf(rows, [])).checkpoint()
    expect(checkpoints[1]).toEqual(whole)
    expect(asked).toEqual([25])
  })

  test('reads no more than five thousand rows at a time', async () => {
    const [row] = rowsOf(1)
    const rows = Array.from({ length: 12_001 }, (_, position) => ({
      ...(row ?? rowsOf(1)[0]),
      position,
    })) as never
    const ports = portsOf(rows, [])
    const limits: number[] = []
    const logRows = (from: number, limit: number) => {
      limits.push(limit)
      return ports.store.logRows(from, limit)
    }
    await createLog({ ...ports, store: { ...ports.store, logRows } }).checkpoint()
    expect(limits).toEqual([5000, 5000, 2001])
  })

  test('makes one checkpoint when it is asked twice at once', async () => {
    const checkpoints: CheckpointRow[] = []
    const log = createLog(portsOf(rowsOf(4), checkpoints))
    const [first, second] = await Promise.all([log.checkpoint(), log.checkpoint()])
    expect(first).toBe(second)
    expect(checkpoints).toHaveLength(1)
  })

  test('refuses to sign over a log that was cut off, has a hole, or whose peaks were changed', async () => {
    const rows = rowsOf(9)
    const checkpoints: CheckpointRow[] = []
    await createLog(portsOf(rows.slice(0, 7), checkpoints)).checkpoint()
    await expect(createLog(portsOf(rows.slice(0, 5), checkpoints)).checkpoint()).rejects.toThrow('shorter')
    const holed = portsOf(rows.toSpliced(7, 1), checkpoints)
    const store = { ...holed.store, logSize: async () => 9 }
    await expect(createLog({ ...holed, store }).checkpoint()).rejects.toThrow('position 7')
    const changed = checkpoints.map((row) => ({ ...row, peaks: row.peaks.with(0, (row.peaks[0] ?? 0) ^ 1) }))
    await expect(createLog(portsOf(rows, changed)).checkpoint()).rejects.toThrow('peaks')
  })

  test('anchors each checkpoint outside, and one that could not be with the next call', async () => {
    const anchored: string[] = []
    let reachable = false
    const anchor = async (note: string) => {
      if (!reachable) throw new Error('the other place does not answer')
      anchored.push(note)
    }
    const checkpoints: CheckpointRow[] = []
    const log = createLog({ ...portsOf(rowsOf(4), checkpoints), anchor })
    await expect(log.checkpoint()).rejects.toThrow('does not answer')
    expect(checkpoints).toHaveLength(1)
    reachable = true
    expect(await log.checkpoint()).toBeUndefined()
    expect(anchored).toEqual([checkpoints[0]?.note])
    await log.checkpoint()
    expect(anchored).toHaveLength(1)
  })

  test('anchors after a restart what could not be anchored before it', async () => {
    const checkpoints: CheckpointRow[] = []
    const ports = portsOf(rowsOf(4), checkpoints)
    const refuse = async () => {
      throw new Error('the other place does not answer')
    }
    await expect(createLog({ ...ports, anchor: refuse }).checkpoint()).rejects.toThrow('does not answer')
    const anchored: string[] = []
    const anchor = async (note: string) => void anchored.push(note)
    await createLog({ ...ports, anchor }).checkpoint()
    await createLog({ ...ports, anchor }).checkpoint()
    expect(anchored).toEqual([checkpoints[0]?.note])
  })

  test('verifies itself, against checkpoints kept outside too', async () => {
    const checkpoints: CheckpointRow[] = []
    const log = createLog(portsOf(rowsOf(6), checkpoints))
    const row = await log.checkpoint()
    expect(await log.verify([row?.note ?? ''])).toMatchObject({ ok: true, size: 6 })
    const shorter = createLog(portsOf(rowsOf(2), []))
    expect((await shorter.verify([row?.note ?? ''])).findings.map((finding) => finding.kind)).toContain(
      'truncation',
    )
  })
})
