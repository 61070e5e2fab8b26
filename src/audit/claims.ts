import { Failure } from '#core/failure.ts'
import type { CheckpointRow } from '#core/ports.ts'
import { type Checkpoint, readCheckpoint } from './checkpoint.ts'
import type { Findings } from './findings.ts'
import { createTree } from './merkle.ts'
import { verifyNote } from './note.ts'

/** What a validly signed checkpoint says of the log. */
export interface Claim {
  size: number
  /** Merkle root, base64. */
  root: string
  /** It was kept elsewhere. */
  outside: boolean
  /** Peaks that make the signed root, from where the tree can go on. */
  peaks?: Uint8Array
}

export interface ClaimSources {
  checkpoints: readonly CheckpointRow[]
  outside: readonly string[]
  vkey: string
  origin: string
}

/** The signed claims about a log by size, those of the log itself first; what is wrong with the others is a finding. */
export function readClaims(
  { checkpoints, outside, vkey, origin }: ClaimSources,
  findings: Findings,
): Claim[] {
  const claims: Claim[] = []
  for (const row of checkpoints) {
    const checkpoint = readSigned(row.note, vkey, origin, row.size, findings)
    if (!checkpoint) continue
    if (checkpoint.size !== row.size) {
      findings.add(
        'checkpoint',
        `the checkpoint kept at ${row.size} was signed for ${checkpoint.size}`,
        row.size,
      )
    }
    const fits = peaksFit(checkpoint, row.peaks)
    if (!fits) findings.add('checkpoint', 'the peaks kept with the checkpoint do not make its root', row.size)
    claims.push({ ...checkpoint, outside: false, peaks: fits ? row.peaks : undefined })
  }
  for (const note of outside) {
    const checkpoint = readSigned(note, vkey, origin, undefined, findings)
    if (checkpoint) claims.push({ ...checkpoint, outside: true })
  }
  claims.sort((a, b) => a.size - b.size || Number(a.outside) - Number(b.outside))
  for (const [index, claim] of claims.entries()) {
    const before = claims[index - 1]
    if (before?.size !== claim.size || before.root === claim.root) continue
    findings.add('fork', `two checkpoints of ${claim.size} were signed over different logs`, claim.size)
  }
  return claims
}

function readSigned(
  note: string,
  vkey: string,
  origin: string,
  position: number | undefined,
  findings: Findings,
): Checkpoint | undefined {
  try {
    const checkpoint = readCheckpoint(verifyNote(note, vkey))
    if (checkpoint.origin === origin) return checkpoint
    findings.add('checkpoint', 'the checkpoint is of another log', position)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    findings.add(error.kind === 'malformed' ? 'checkpoint' : 'signature', error.message, position)
  }
  return undefined
}

function peaksFit({ size, root }: Checkpoint, peaks: Uint8Array): boolean {
  try {
    return Buffer.from(createTree(size, peaks).root()).toString('base64') === root
  } catch (error) {
    if (error instanceof Failure) return false
    throw error
  }
}
