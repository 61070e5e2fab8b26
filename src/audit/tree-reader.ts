import { Failure } from '#core/failure.ts'
import type { Store } from '#core/ports.ts'
import { leafHash, nodeHash } from './merkle.ts'
import type { SubtreeReader } from './proof.ts'
import { hashesIn, rootOfPerfect, tileWidth } from './tiles.ts'

export interface TreeReader {
  /** Any subtree of a proof, from at most one tile for each power of two in it. */
  subtree: SubtreeReader
  /** Hashes of one level side by side, all within one tile. */
  hashes(level: number, from: number, count: number): Promise<Uint8Array[]>
}

/**
 * Reads the tree of a log from its tiles: a proof costs as many reads as the tree is high, not as many as it is long.
 * What was read is remembered, so make one for a request. Throws Failure `unavailable` for what has no tiles yet: the
 * next checkpoint lays them out.
 */
export function createTreeReader(store: Pick<Store, 'logRows' | 'tile' | 'tileRoots'>): TreeReader {
  const tiles = new Map<string, Promise<Uint8Array | undefined>>()
  const open = new Map<string, Promise<Uint8Array[]>>()

  function tileAt(level: number, number: number): Promise<Uint8Array | undefined> {
    return remember(tiles, `${level}/${number}`, () => store.tile(level, number))
  }

  /** What stands below a tile that is not full yet. */
  function openTile(level: number, number: number): Promise<Uint8Array[]> {
    const from = number * tileWidth
    return remember(open, `${level}/${number}`, async () => {
      if (level > 0) return store.tileRoots(level - 1, from, tileWidth)
      return (await store.logRows(from, tileWidth)).map((row) => leafHash(row.entry))
    })
  }

  async function hashes(level: number, from: number, count: number): Promise<Uint8Array[]> {
    const number = Math.floor(from / tileWidth)
    const first = from % tileWidth
    const tile = await tileAt(level, number)
    const found = tile
      ? hashesIn(tile, first, count)
      : (await openTile(level, number)).slice(first, first + count)
    if (found.length < count)
      throw new Failure('unavailable', 'The tree is being laid out here: ask again after the next checkpoint')
    return found
  }

  /** A subtree of 2^height leaves. */
  async function perfect(start: number, height: number): Promise<Uint8Array> {
    const level = Math.floor(height / 8)
    const unit = tileWidth ** level
    return rootOfPerfect(await hashes(level, start / unit, 2 ** (height % 8)))
  }

  return {
    hashes,
    async subtree(start, end) {
      const peaks: Uint8Array[] = []
      for (let at = start; at < end; ) {
        const height = Math.floor(Math.log2(end - at))
        peaks.push(await perfect(at, height))
        at += 2 ** height
      }
      const last = peaks.pop()
      if (!last) throw new RangeError('an empty subtree has no hash')
      return peaks.reduceRight((right, left) => nodeHash(left, right), last)
    },
  }
}

function remember<T>(known: Map<string, Promise<T>>, key: string, read: () => Promise<T>): Promise<T> {
  const found = known.get(key) ?? read()
  known.set(key, found)
  return found
}
