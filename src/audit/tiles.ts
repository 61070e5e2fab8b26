import type { Store, TileRow } from '#core/ports.ts'
import { createTree } from './merkle.ts'

/*
 * The inner nodes of the Merkle tree as tiles (https://c2sp.org/tlog-tiles): 256 hashes side by side, those of level 0
 * over leaves, those of a level above over the roots of full tiles below. What is not a full tile is not kept: it is
 * made from the leaves, or from the roots of the tiles below, when somebody asks.
 */

/** Hashes in a full tile. */
export const tileWidth = 256
/** A log of 2⁵³ events has no more. */
const maxLevels = 7

export interface Tiler {
  /** Position of the leaf that is expected next. */
  next(): number
  append(leafHash: Uint8Array): void
  /** The tiles that became full since this was last asked, each after the ones that it stands on. */
  take(): TileRow[]
}

interface OpenTile {
  number: number
  hashes: Uint8Array[]
}

/** Goes on where the tiles of a store end. */
export async function resumeTiler(store: Pick<Store, 'tileCount' | 'tileRoots'>): Promise<Tiler> {
  const open: OpenTile[] = []
  for (let level = 0; level < maxLevels; level += 1) {
    const number = await store.tileCount(level)
    const below = level === 0 ? 0 : await store.tileCount(level - 1)
    const from = number * tileWidth
    const hashes = level === 0 || below === from ? [] : await store.tileRoots(level - 1, from, below - from)
    open.push({ number, hashes })
  }
  return createTiler(open)
}

/** Lays out tiles from the leaf at which level 0 is open. */
export function createTiler(open: OpenTile[] = []): Tiler {
  let next = (open[0]?.number ?? 0) * tileWidth
  let full: TileRow[] = []

  function put(level: number, hash: Uint8Array): void {
    const tile = open[level] ?? { number: 0, hashes: [] }
    open[level] = tile
    tile.hashes.push(hash)
    if (tile.hashes.length < tileWidth) return
    const root = rootOfPerfect(tile.hashes)
    full.push({ level, number: tile.number, hashes: joined(tile.hashes), root })
    open[level] = { number: tile.number + 1, hashes: [] }
    put(level + 1, root)
  }

  return {
    next: () => next,
    append(leafHash) {
      put(0, leafHash)
      next += 1
    },
    take() {
      const taken = full
      full = []
      return taken
    },
  }
}

/** Root over hashes of one height, as many as a power of two. */
export function rootOfPerfect(hashes: readonly Uint8Array[]): Uint8Array {
  const tree = createTree()
  for (const hash of hashes) tree.append(hash)
  return tree.root()
}

export function joined(hashes: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hashes.length * 32)
  for (const [index, hash] of hashes.entries()) bytes.set(hash, index * 32)
  return bytes
}

/** Hashes `from` and on of a tile's bytes. */
export function hashesIn(tile: Uint8Array, from = 0, count = tile.length / 32 - from): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => tile.slice((from + index) * 32, (from + index + 1) * 32))
}
