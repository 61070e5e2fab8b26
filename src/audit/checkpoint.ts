import { Failure } from '#core/failure.ts'

/** What a log states about itself: https://c2sp.org/tlog-checkpoint, without extension lines. */
export interface Checkpoint {
  /** Unique name of the log, e.g. `postern.example.org/clinic-1`. */
  origin: string
  /** Number of events. */
  size: number
  /** Merkle root at that size, base64. */
  root: string
}

/** The text to be signed: three lines. */
export function writeCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root}\n`
}

/** Extension lines are allowed and ignored. Throws Failure `malformed` for anything else. */
export function readCheckpoint(text: string): Checkpoint {
  const [origin, size, root] = text.split('\n')
  const count = Number(size)
  const wellFormed =
    origin && /^(0|[1-9]\d{0,15})$/.test(size ?? '') && /^[A-Za-z0-9+/]{43}=$/.test(root ?? '')
  if (!wellFormed || !root || !Number.isSafeInteger(count) || !text.endsWith('\n')) {
    throw new Failure('malformed', 'not a checkpoint: expected the lines origin, size and root')
  }
  return { origin, size: count, root }
}
