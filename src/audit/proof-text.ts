import { Failure } from '#core/failure.ts'
import { readCheckpoint } from './checkpoint.ts'
import { leafHash } from './merkle.ts'
import { verifyNote } from './note.ts'
import { verifyInclusion } from './proof.ts'
import type { Inclusion } from './prover.ts'

const header = 'c2sp.org/tlog-proof@v1'
/** A path is as long as the tree is high. */
const maxLines = 64

/** A proof that can be checked without us, https://c2sp.org/tlog-proof; `extra` is the leaf entry that it is about. */
export function writeProof({ row, path, checkpoint }: Inclusion): string {
  const lines = [header, `extra ${base64(row.entry)}`, `index ${row.position}`, ...path.map(base64)]
  return `${lines.join('\n')}\n\n${checkpoint.note}`
}

export interface ProvenLeaf {
  index: number
  /** Of the checkpoint. */
  size: number
  entry: Uint8Array
}

/**
 * What a proof shows to whoever trusts this verifier key. Throws Failure `malformed` for what is not a proof with its
 * entry, `invalid` for one that proves nothing.
 */
export function readProof(text: string, vkey: string): ProvenLeaf {
  const split = text.indexOf('\n\n')
  const [first, extra, index, ...path] = text.slice(0, Math.max(split, 0)).split('\n')
  const entry = /^extra ([A-Za-z0-9+/]+={0,2})$/.exec(extra ?? '')?.[1]
  const position = /^index (0|[1-9]\d{0,15})$/.exec(index ?? '')?.[1]
  if (first !== header || !entry || !position || path.length > maxLines)
    throw new Failure('malformed', 'not a tlog-proof with the entry that it is about')
  const { size, root } = readCheckpoint(verifyNote(text.slice(split + 2), vkey))
  const leaf = { index: Number(position), size, entry: bytes(entry) }
  if (!verifyInclusion(leaf.index, size, leafHash(leaf.entry), path.map(bytes), bytes(root)))
    throw new Failure('invalid', 'the path of the proof does not lead to the root that was signed')
  return leaf
}

function base64(value: Uint8Array): string {
  return Buffer.from(value).toString('base64')
}

/** Strict: whatever does not come back the same when it is written again is refused. */
function bytes(text: string): Uint8Array {
  const read = Buffer.from(text, 'base64')
  if (read.toString('base64') !== text)
    throw new Failure('malformed', 'the proof holds base64 that is not canonical')
  return new Uint8Array(read)
}
