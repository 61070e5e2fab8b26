import type { Store } from '#core/ports.ts'
import { type CheckedRows, isTileAt } from './check-rows.ts'
import type { Findings } from './findings.ts'
import { sameBytes } from './merkle.ts'
import { joined, rootOfPerfect, tileWidth } from './tiles.ts'

export type KeptTiles = Pick<Store, 'tile' | 'tileRoots'>

/**
 * Holds the tiles that are kept against those that the leaves make. A tile that is not there is laid out by the next
 * checkpoint, unless one behind it stands.
 */
export function checkTiles(kept: KeptTiles, findings: Findings): (rows: CheckedRows) => Promise<void> {
  /** Roots of the tiles below, for the tile of each level that is not full yet. */
  const open: { first: number; roots: Uint8Array[] }[] = []
  /** The first tile of each level that is not there. */
  const lacking: (number | undefined)[] = []

  async function check(level: number, number: number, hashes: Uint8Array, root: Uint8Array): Promise<void> {
    const tile = await kept.tile(level, number)
    const lacked = lacking[level]
    if (!tile) lacking[level] ??= number
    if (tile && lacked !== undefined) tell(level, lacked, 'is missing')
    const [keptRoot] = tile ? await kept.tileRoots(level, number, 1) : []
    if (tile && !(sameBytes(tile, hashes) && keptRoot && sameBytes(keptRoot, root)))
      tell(level, number, 'is not the one that the events make')
    await put(level + 1, number, root)
  }

  function tell(level: number, number: number, what: string): void {
    findings.add('tile', `the tile ${number} of level ${level} ${what}`, number * tileWidth ** (level + 1))
    lacking[level] = undefined
  }

  async function put(level: number, number: number, root: Uint8Array): Promise<void> {
    const at = number % tileWidth
    const before = open[level]
    // After a gap in the log the tile above it cannot be made.
    const whole = before && before.first + before.roots.length === number && at > 0
    const tile = whole ? before : { first: number, roots: [] }
    tile.roots.push(root)
    open[level] = tile
    if (tile.roots.length === tileWidth)
      await check(level, tile.first / tileWidth, joined(tile.roots), rootOfPerfect(tile.roots))
  }

  return async (rows) => {
    for (let index = 0; index < rows.positions.length; index += tileWidth) {
      if (!isTileAt(index, rows)) continue
      const number = (rows.positions[index] ?? 0) / tileWidth
      const root = (index / tileWidth) * 32
      const hashes = rows.hashes.subarray(index * 32, (index + tileWidth) * 32)
      await check(0, number, hashes, rows.roots.slice(root, root + 32))
    }
  }
}
