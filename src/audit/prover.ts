import { Failure } from '#core/failure.ts'
import type { CheckpointRow, LogRow, Store } from '#core/ports.ts'
import { readCheckpoint } from './checkpoint.ts'
import type { Log } from './log.ts'
import { leafHash } from './merkle.ts'
import { consistencyProof, inclusionProof, verifyInclusion } from './proof.ts'
import { joined, tileWidth } from './tiles.ts'
import { createTreeReader, type TreeReader } from './tree-reader.ts'

export interface ProverPorts {
  store: Pick<Store, 'logPosition' | 'logRows' | 'lastCheckpoint' | 'tile' | 'tileRoots'>
  log: Pick<Log, 'checkpoint'>
}

/** That an event stands in the log, checkable by whoever has the log's public key. */
export interface Inclusion {
  row: LogRow
  /** Sibling hashes from the leaf's own up, RFC 9162 §2.1.3. */
  path: Uint8Array[]
  /** The signed checkpoint whose tree the path leads to. */
  checkpoint: CheckpointRow
}

/** That the log went on as it was, RFC 9162 §2.1.4. */
export interface Consistency {
  from: number
  to: number
  /** Base64. */
  proof: string[]
  /** Signed note of the last checkpoint. */
  checkpoint: string
}

export interface Prover {
  /** What was signed last. Throws Failure `not-found` before the first one. */
  checkpoint(): Promise<CheckpointRow>
  /**
   * Proofs for several events of one checkpoint, which is made when the last one does not reach so far. Throws Failure
   * `not-found` for an event that is not in the log, `internal` when the log is not the one that was signed.
   */
  inclusions(eventIds: readonly string[]): Promise<Inclusion[]>
  /** That the tree of `to` events begins with the tree of `from`. Throws Failure `invalid` for sizes that were not signed. */
  consistency(from: number, to?: number): Promise<Consistency>
  /** Bytes of a tile as in https://c2sp.org/tlog-tiles. Throws Failure `not-found` beyond the last checkpoint. */
  tile(level: number, number: number, width: number): Promise<Uint8Array<ArrayBuffer>>
  /** Entry bundle: each leaf entry behind its length, 16 bits big-endian. */
  entries(number: number, width: number): Promise<Uint8Array<ArrayBuffer>>
}

export function createProver({ store, log }: ProverPorts): Prover {
  async function last(): Promise<CheckpointRow> {
    const row = await store.lastCheckpoint()
    if (!row) throw new Failure('not-found', 'The log has no checkpoint yet: one is signed within a minute')
    return row
  }

  /** The last checkpoint, or a new one where that does not reach the position. */
  async function covering(position: number): Promise<CheckpointRow> {
    const row = await store.lastCheckpoint()
    if (row && row.size > position) return row
    // One that is signed but could not be taken outside proves as much.
    const fault = await log.checkpoint().then(
      () => undefined,
      (cause: unknown) => cause,
    )
    const next = await store.lastCheckpoint()
    if (next && next.size > position) return next
    throw fault ?? new Failure('internal', 'a checkpoint was made that does not cover the log')
  }

  async function prove(position: number, checkpoint: CheckpointRow, tree: TreeReader): Promise<Inclusion> {
    const [row] = await store.logRows(position, 1)
    if (row?.position !== position)
      throw new Failure('internal', `the log has no event at position ${position}`)
    const path = await inclusionProof(position, checkpoint.size, tree.subtree)
    const root = rootOf(checkpoint)
    // A proof from tiles that somebody changed would be laid at the auditor's door, not at ours.
    if (!verifyInclusion(position, checkpoint.size, leafHash(row.entry), path, root))
      throw new Failure('internal', 'the log is not the one that was signed: have it verified')
    return { row, path, checkpoint }
  }

  return {
    checkpoint: last,

    async inclusions(eventIds) {
      const found = await Promise.all(eventIds.map((id) => store.logPosition(id)))
      const positions = found.filter((position) => position !== undefined)
      if (positions.length < eventIds.length)
        throw new Failure('not-found', 'There is no such event in the log')
      if (positions.length === 0) return []
      const checkpoint = await covering(Math.max(...positions))
      const tree = createTreeReader(store)
      return Promise.all(positions.map((position) => prove(position, checkpoint, tree)))
    },

    async consistency(from, to) {
      const checkpoint = await last()
      const end = to ?? checkpoint.size
      if (from < 1 || from > end || end > checkpoint.size)
        throw new Failure('invalid', 'Ask from a size of 1 or more to one that the last checkpoint covers')
      const path = await consistencyProof(from, end, createTreeReader(store).subtree)
      const proof = path.map((hash) => Buffer.from(hash).toString('base64'))
      return { from, to: end, proof, checkpoint: checkpoint.note }
    },

    async tile(level, number, width) {
      const { size } = await last()
      requireWithin(Math.floor(size / tileWidth ** level), number, width)
      return joined(await createTreeReader(store).hashes(level, number * tileWidth, width))
    },

    async entries(number, width) {
      const { size } = await last()
      requireWithin(size, number, width)
      const rows = await store.logRows(number * tileWidth, width)
      return bundle(rows.map((row) => row.entry))
    },
  }
}

/** Only what a checkpoint covers is served: a client cannot check the rest. */
function requireWithin(hashes: number, number: number, width: number): void {
  if (number * tileWidth + width > hashes)
    throw new Failure('not-found', 'This tile is not there at the size of the last checkpoint')
}

function rootOf({ note }: CheckpointRow): Uint8Array {
  return new Uint8Array(
    Buffer.from(readCheckpoint(note.slice(0, note.lastIndexOf('\n\n') + 1)).root, 'base64'),
  )
}

function bundle(entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const entry of entries) {
    view.setUint16(at, entry.length)
    bytes.set(entry, at + 2)
    at += 2 + entry.length
  }
  return bytes
}
