import { Failure } from '#core/failure.ts'
import type { CheckpointRow, Store } from '#core/ports.ts'
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { createTree, leafHash, type Tree } from './merkle.ts'
import { type NoteSigner, verifyNote } from './note.ts'
import { type LogVerdict, verifyLog } from './verify.ts'

/** Rows read at a time. */
const batch = 5000

export interface LogPorts {
  store: Pick<Store, 'logSize' | 'logRows' | 'lastCheckpoint' | 'checkpoints' | 'addCheckpoint'>
  signer: NoteSigner
  /** Name of the log, the first line of every checkpoint. Best the signer's own name. */
  origin: string
  /** Takes a signed checkpoint to where the database's owner cannot change it. Rejects when it could not. */
  anchor?: (note: string) => Promise<void>
}

export interface Log {
  /**
   * Signs and stores a checkpoint over what came since the last one, then anchors it outside; nothing when nothing
   * came. Failures: `internal` when the log does not go on from its last checkpoint, `unavailable` from the store;
   * what the anchor rejects with. A checkpoint that could not be anchored is anchored by the next call.
   */
  checkpoint(): Promise<CheckpointRow | undefined>
  /** Verifies the whole log, against checkpoints kept elsewhere where they are given. */
  verify(outside?: readonly string[]): Promise<LogVerdict>
}

export function createLog({ store, signer, origin, anchor }: LogPorts): Log {
  let unanchored: string | undefined
  let running: Promise<CheckpointRow | undefined> | undefined

  async function extend(): Promise<CheckpointRow | undefined> {
    const last = await store.lastCheckpoint()
    const size = await store.logSize()
    if (size < (last?.size ?? 0)) throw new Failure('internal', 'the log is shorter than its last checkpoint')
    if (size === (last?.size ?? 0)) return undefined
    const tree = last ? resume(last, signer.vkey) : createTree()
    for (let from = tree.size(); from < size; from = tree.size()) {
      await appendRows(tree, from, Math.min(batch, size - from), store)
    }
    const root = Buffer.from(tree.root()).toString('base64')
    const row = { size, note: signer.sign(writeCheckpoint({ origin, size, root })), peaks: tree.peaks() }
    await store.addCheckpoint(row)
    unanchored = row.note
    return row
  }

  async function checkpoint(): Promise<CheckpointRow | undefined> {
    const row = await extend()
    if (unanchored && anchor) await anchor(unanchored)
    unanchored = undefined
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

async function appendRows(
  tree: Tree,
  from: number,
  limit: number,
  store: Pick<Store, 'logRows'>,
): Promise<void> {
  const rows = await store.logRows(from, limit)
  if (rows.length === 0) throw new Failure('internal', `the log has no event at position ${from}`)
  for (const row of rows) {
    if (row.position !== tree.size())
      throw new Failure('internal', `the log has no event at position ${tree.size()}`)
    tree.append(leafHash(row.entry))
  }
}
