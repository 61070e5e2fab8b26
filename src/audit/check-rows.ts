import { Failure } from '#core/failure.ts'
import type { LogRow } from '#core/ports.ts'
import type { Finding } from './findings.ts'
import { isLeafOf, type LeafContent, readLeaf } from './leaf.ts'
import { leafHash, sameBytes, sha256 } from './merkle.ts'
import { hashesIn, rootOfPerfect, tileWidth } from './tiles.ts'

/** What can be said of rows by themselves, without those in front of them: so it can be found out in any order. */
export interface CheckedRows {
  positions: Float64Array
  /** Milliseconds since the epoch; NaN where the entry is none. */
  recorded: Float64Array
  /** Leaf hashes, 32 bytes each. */
  hashes: Uint8Array
  /** Roots over each 256 of the hashes, 32 bytes each, as far as there are so many. */
  roots: Uint8Array
  /** What is wrong with a row, in order of the rows. */
  wrong: { index: number; kind: Finding['kind']; text: string }[]
  /** Rows without a sealed event. */
  erased: number
}

/** Holds each row against itself: its entry is one, and the event's id and sealed body are those of the entry. */
export function checkRows(rows: readonly LogRow[]): CheckedRows {
  const checked = {
    positions: Float64Array.from(rows, ({ position }) => position),
    recorded: new Float64Array(rows.length).fill(Number.NaN),
    hashes: new Uint8Array(rows.length * 32),
    wrong: [] as CheckedRows['wrong'],
    erased: 0,
  }
  for (const [index, row] of rows.entries()) {
    checked.hashes.set(leafHash(row.entry), index * 32)
    const leaf = readOrTell(row, (text) => checked.wrong.push({ index, kind: 'entry', text }))
    if (!leaf) continue
    checked.recorded[index] = leaf.recorded
    if (!isLeafOf(row.eventId, row.entry))
      checked.wrong.push({ index, kind: 'event', text: 'the event id is not the one of the leaf' })
    if (!row.sealed) checked.erased += 1
    else if (!sameBytes(leaf.sealedHash, sha256(row.sealed)))
      checked.wrong.push({ index, kind: 'body', text: 'the sealed event is not the one of the leaf' })
  }
  return { ...checked, roots: rootsOver(checked.hashes) }
}

function readOrTell({ entry }: LogRow, tell: (text: string) => void): LeafContent | undefined {
  try {
    return readLeaf(entry)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    tell(error.message)
    return undefined
  }
}

function rootsOver(hashes: Uint8Array): Uint8Array {
  const full = Math.floor(hashes.length / 32 / tileWidth)
  const roots = new Uint8Array(full * 32)
  for (let tile = 0; tile < full; tile += 1)
    roots.set(rootOfPerfect(hashesIn(hashes, tile * tileWidth, tileWidth)), tile * 32)
  return roots
}

/** Whether the tree's next tile begins at this index: 256 rows side by side, at the place of one. */
export function isTileAt(index: number, { positions, roots }: CheckedRows): boolean {
  const first = positions[index] ?? 0
  if (index % tileWidth !== 0 || index / tileWidth >= roots.length / 32 || first % tileWidth !== 0)
    return false
  for (let next = 1; next < tileWidth; next += 1) {
    if (positions[index + next] !== first + next) return false
  }
  return true
}
