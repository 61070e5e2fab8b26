import { Failure } from '#core/failure.ts'
import type { CheckpointRow, Store } from '#core/ports.ts'
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { createTree, leafHash, type Tree } from './merkle.ts'
import { type NoteSigner, verifyNote } from './note.ts'
import { resumeTiler, type Tiler, tileWidth } from './tiles.ts'
import { type LogVerdict, verifyLog } from './verify.ts'

/** Rows read at a time. */
const batch = 5000

export interface LogPorts {
  store: Pick<
    Store,
    | 'logSize'
    | 'logRows'
    | 'lastCheckpoint'
    | 'checkpoints'
    | 'addCheckpoint'
    | 'anchoredSize'
    | 'addAnchored'
    | 'tileCount'
    | 'tileRoots'
    | 'addTiles'
  >
  signer: NoteSigner
  /** Name of the log, the first line of every checkpoint. Best the signer's own name. */
  origin: string
  /** Takes a signed checkpoint to where the database's owner cannot change it. Rejects when it could not. */
  anchor?: (note: string) => Promise<void>
}

export interface Log {
  /**
   * Signs and stores a checkpoint over what came since the last one, then anchors it outside; nothing when nothing
   * came. Lays out the tree's tiles on the way. Failures: `internal` when the log does not go on from its last
   * checkpoint, `unavailable` from the store; what the anchor rejects with. A checkpoint that could not be anchored is
   * anchored by the next call, of another process if need be.
   */
  checkpoint(): Promise<CheckpointRow | undefined>
  /** Verifies the whole log, against checkpoints kept elsewhere where they are given. */
  verify(outside?: readonly string[]): Promise<LogVerdict>
}

export function createLog({ store, signer, origin, anchor }: LogPorts): Log {
  let running: Promise<CheckpointRow | undefined> | undefined

  async function extend(): Promise<CheckpointRow | undefined> {
    const last = await store.lastCheckpoint()
    const size = await store.logSize()
    if (size < (last?.size ?? 0)) throw new Failure('internal', 'the log is shorter than its last checkpoint')
    if (size === (last?.size ?? 0)) return undefined
    const tree = last ? resume(last, signer.vkey) : createTree()
    const tilesDue = Math.floor(size / tileWidth) > (await store.tileCount(0))
    const tiler = tilesDue ? await resumeTiler(store) : undefined
    let from = Math.min(tree.size(), tiler?.next() ?? size)
    while (from < size)
      from += await appendRows({ tree, tiler, from, limit: Math.min(batch, size - from) }, store)
    const root = Buffer.from(tree.root()).toString('base64')
    const row = { size, note: signer.sign(writeCheckpoint({ origin, size, root })), peaks: tree.peaks() }
    await store.addCheckpoint(row)
    return row
  }

  async function checkpoint(): Promise<CheckpointRow | undefined> {
    const row = await extend()
    const last = anchor && (row ?? (await store.lastCheckpoint()))
    if (last && last.size > (await store.anchoredSize())) {
      await anchor(last.note)
      await store.addAnchored(last.size)
    }
    return row
  }

  return {
    // Two at a time would race for the same size; the second one gets what the first one made.
    checkpoint() {
      running ??= checkpoint().finally(() => {
        running = undefined
      })
      return running
    },
    async verify(outside) {
      const checkpoints = await store.checkpoints()
      const rows = (from: number, limit: number) => store.logRows(from, limit)
      return verifyLog({ rows, checkpoints, vkey: signer.vkey, origin, outside })
    },
  }
}

/** The tree at a checkpoint. Its peaks lie in the database, so they count only when they make the signed root. */
function resume(last: CheckpointRow, vkey: string): Tree {
  const signed = readCheckpoint(verifyNote(last.note, vkey))
  const tree = createTree(last.size, last.peaks)
  if (signed.size !== last.size || signed.root !== Buffer.from(tree.root()).toString('base64')) {
    throw new Failure('internal', 'the peaks kept with the last checkpoint are not those that were signed')
  }
  return tree
}

/** The next rows into the tree and into the tiles, of which either may be ahead of the other. Says how many. */
async function appendRows(
  { tree, tiler, from, limit }: { tree: Tree; tiler: Tiler | undefined; from: number; limit: number },
  store: Pick<Store, 'logRows' | 'addTiles'>,
): Promise<number> {
  const rows = await store.logRows(from, limit)
  if (rows.length === 0) throw new Failure('internal', `the log has no event at position ${from}`)
  for (const [index, row] of rows.entries()) {
    const position = from + index
    if (row.position !== position)
      throw new Failure('internal', `the log has no event at position ${position}`)
    const hash = leafHash(row.entry)
    if (position === tree.size()) tree.append(hash)
    if (position === tiler?.next()) tiler.append(hash)
  }
  const tiles = tiler?.take() ?? []
  if (tiles.length > 0) await store.addTiles(tiles)
  return rows.length
}
