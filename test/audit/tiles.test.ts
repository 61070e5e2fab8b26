import { describe, expect, test } from 'vitest'
import { createLog } from '#audit/log.ts'
import { createTree, leafHash } from '#audit/merkle.ts'
import { consistencyProof, inclusionProof, verifyConsistency, verifyInclusion } from '#audit/proof.ts'
import { readProof, writeProof } from '#audit/proof-text.ts'
import { createProver } from '#audit/prover.ts'
import { createTiler, joined } from '#audit/tiles.ts'
import { createTreeReader } from '#audit/tree-reader.ts'
import type { CheckpointRow, LogRow, TileRow } from '#core/ports.ts'
import { portsOf, rowsOf, signer } from './log-rows.ts'

/** A full tile of level 1 takes 65,536 leaves: enough of them, and cheap ones. */
const count = 70_000
const rows: LogRow[] = Array.from({ length: count }, (_, position) => ({
  position,
  eventId: `e-${position}`,
  entry: Uint8Array.of(position & 255, (position >> 8) & 255, position >> 16),
}))
const hashes = rows.map((row) => leafHash(row.entry))

function rootAt(size: number): Uint8Array {
  const tree = createTree()
  for (const hash of hashes.slice(0, size)) tree.append(hash)
  return tree.root()
}

/** A store over plain arrays that counts what a proof reads. */
function storeOf(log: readonly LogRow[], tiles: readonly TileRow[], checkpoints: readonly CheckpointRow[]) {
  const read = { rows: 0, tiles: 0 }
  return {
    read,
    lastCheckpoint: async () => checkpoints.at(-1),
    logPosition: async (id: string) => log.find((row) => row.eventId === id)?.position,
    async logRows(from: number, limit: number) {
      const found = log.slice(from, from + limit)
      read.rows += found.length
      return found
    },
    async tile(level: number, number: number) {
      read.tiles += 1
      return tiles.find((tile) => tile.level === level && tile.number === number)?.hashes
    },
    tileRoots: async (level: number, from: number, limit: number) =>
      tiles
        .filter((tile) => tile.level === level && tile.number >= from)
        .slice(0, limit)
        .map((tile) => tile.root),
  }
}

async function laidOut(size: number, steps: readonly number[]) {
  const checkpoints: CheckpointRow[] = []
  const tiles: TileRow[] = []
  for (const step of [...steps, size]) {
    const ports = portsOf(rows.slice(0, step), checkpoints, tiles)
    const logRows = async (from: number, limit: number) => rows.slice(from, Math.min(step, from + limit))
    await createLog({ ...ports, store: { ...ports.store, logRows } }).checkpoint()
  }
  return { checkpoints, tiles }
}

describe('tiles', () => {
  test('hold the hashes of the level below side by side, whatever the checkpoints between', async () => {
    const { tiles } = await laidOut(count, [1, 255, 256, 257, 5_000, 65_535, 65_536])
    expect(tiles.filter(({ level }) => level === 0)).toHaveLength(273)
    expect(tiles.filter(({ level }) => level === 1)).toHaveLength(1)
    expect(tiles.find(({ level, number }) => level === 0 && number === 3)?.hashes).toEqual(
      joined(hashes.slice(768, 1024)),
    )
    expect(tiles.find(({ level }) => level === 1)?.root).toEqual(rootAt(65_536))
    const whole = createTiler()
    for (const hash of hashes) whole.append(hash)
    const order = (a: TileRow, b: TileRow) => a.level - b.level || a.number - b.number
    expect(tiles.toSorted(order)).toEqual(whole.take().toSorted(order))
  })

  test('are laid out for a log that had checkpoints before it had tiles', async () => {
    const checkpoints: CheckpointRow[] = []
    const ports = (size: number, tiles: TileRow[]) => portsOf(rows.slice(0, size), checkpoints, tiles)
    await createLog(ports(600, [])).checkpoint()
    const tiles: TileRow[] = []
    await createLog(ports(601, tiles)).checkpoint()
    expect(tiles.map(({ level, number }) => [level, number])).toEqual([
      [0, 0],
      [0, 1],
    ])
    expect(checkpoints).toHaveLength(2)
  })

  test('that stand ahead of the last checkpoint, after a crash, hold nothing up', async () => {
    const checkpoints: CheckpointRow[] = []
    const tiles: TileRow[] = []
    await createLog(portsOf(rows.slice(0, 600), checkpoints, tiles)).checkpoint()
    checkpoints.length = 0
    await createLog(portsOf(rows.slice(0, 700), checkpoints, tiles)).checkpoint()
    expect(checkpoints[0]?.note).toContain(`\n700\n${Buffer.from(rootAt(700)).toString('base64')}\n`)
    expect(tiles).toHaveLength(2)
  })

  test('give proofs in as many reads as the tree is high', async () => {
    const { tiles } = await laidOut(count, [])
    const root = rootAt(count)
    for (const index of [0, 65_535, 65_536, count - 1]) {
      const store = storeOf(rows, tiles, [])
      const path = await inclusionProof(index, count, createTreeReader(store).subtree)
      expect(verifyInclusion(index, count, hashes[index] ?? new Uint8Array(), path, root)).toBe(true)
      expect(store.read.rows).toBeLessThanOrEqual(256)
      expect(store.read.tiles).toBeLessThanOrEqual(12)
    }
    for (const from of [1, 256, 4_097, 65_537, count]) {
      const store = storeOf(rows, tiles, [])
      const path = await consistencyProof(from, count, createTreeReader(store).subtree)
      expect(verifyConsistency(from, count, rootAt(from), root, path)).toBe(true)
      expect(store.read.rows).toBeLessThanOrEqual(512)
    }
  })
})

describe('a prover', () => {
  async function proverOf(log: LogRow[]) {
    const checkpoints: CheckpointRow[] = []
    const tiles: TileRow[] = []
    const { store } = portsOf(log, checkpoints, tiles)
    const opened = storeOf(log, tiles, checkpoints)
    return createProver({ store: opened, log: createLog({ store, signer, origin: signer.name }) })
  }

  test('makes a checkpoint for an event that none covers yet, and a proof that stands alone', async () => {
    const log = rowsOf(600)
    const prover = await proverOf(log)
    const [inclusion] = await prover.inclusions(['event-571'])
    const text = writeProof(inclusion ?? fail())
    expect(readProof(text, signer.vkey)).toMatchObject({ index: 571, size: 600, entry: log[571]?.entry })
  })

  test('gives proofs of which no byte can be changed', async () => {
    const prover = await proverOf(rowsOf(9))
    const text = writeProof((await prover.inclusions(['event-4']))[0] ?? fail())
    for (let at = 0; at < text.length; at += 1) {
      const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
      expect(() => readProof(changed, signer.vkey), `byte ${at}`).toThrow()
    }
  })

  test('refuses an event that is not in the log, and one that was changed after it was signed', async () => {
    const log = rowsOf(300)
    const prover = await proverOf(log)
    await expect(prover.inclusions(['event-9', 'event-300'])).rejects.toMatchObject({ kind: 'not-found' })
    await prover.inclusions(['event-1'])
    const [row] = rowsOf(1, 'other')
    log[280] = { ...(row ?? fail()), position: 280, eventId: 'event-280' }
    await expect(prover.inclusions(['event-280'])).rejects.toMatchObject({ kind: 'internal' })
  })

  test('serves tiles and entries up to the last checkpoint and no further', async () => {
    const log = rowsOf(300)
    const prover = await proverOf(log)
    await expect(prover.checkpoint()).rejects.toMatchObject({ kind: 'not-found' })
    await prover.inclusions(['event-0'])
    const leaves = log.map((row) => leafHash(row.entry))
    expect(await prover.tile(0, 0, 256)).toEqual(joined(leaves.slice(0, 256)))
    expect(await prover.tile(0, 1, 44)).toEqual(joined(leaves.slice(256)))
    expect(await prover.tile(1, 0, 1)).toHaveLength(32)
    await expect(prover.tile(0, 1, 45)).rejects.toMatchObject({ kind: 'not-found' })
    await expect(prover.tile(1, 0, 2)).rejects.toMatchObject({ kind: 'not-found' })
    expect(await prover.entries(1, 44)).toHaveLength(44 * (2 + 109))
  })
})

function fail(): never {
  throw new Error('nothing was proven')
}
