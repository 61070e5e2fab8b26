import { Failure } from '#core/failure.ts'
import type { CheckpointRow, LogRow } from '#core/ports.ts'
import { type Claim, readClaims } from './claims.ts'
import { type Finding, type Findings, gatherFindings } from './findings.ts'
import { isLeafOf, type LeafContent, readLeaf } from './leaf.ts'
import { createTree, leafHash, sameBytes, sha256 } from './merkle.ts'
import { requireVerifierKey } from './note.ts'

/** Rows read at a time. */
const batch = 5000
/** Writers that stand side by side record a little out of order; a clock that was set back shows as more. */
const clockToleranceMs = 5000

export interface LogToVerify {
  /** Rows from position `from` (the first is 0), in order of position; an empty answer ends the log. */
  rows: (from: number, limit: number) => Promise<LogRow[]>
  checkpoints: readonly CheckpointRow[]
  /** Verifier key of the log: the only key that is needed. */
  vkey: string
  /** Name that every checkpoint must carry; the verifier key's own name where absent. */
  origin?: string
  /** Checkpoints (signed notes) that were kept where the log's owner cannot change them. */
  outside?: readonly string[]
}

export interface LogVerdict {
  /** No finding is an error. */
  ok: boolean
  /** Number of events found, and their Merkle root, base64. */
  size: number
  root: string
  /** Events of which the sealed body is no longer there. To be compared with what was erased under a rule. */
  erased: number
  /** At most 1,000. */
  findings: Finding[]
}

/**
 * Recomputes the log and holds it against every signed checkpoint. What stands after the last checkpoint is not
 * covered, and a log cut off together with its checkpoints shows only against one kept outside. Throws Failure
 * `invalid` for a verifier key that is none; what `rows` rejects with.
 */
export async function verifyLog({
  rows,
  checkpoints,
  vkey,
  origin,
  outside = [],
}: LogToVerify): Promise<LogVerdict> {
  requireVerifierKey(vkey)
  const findings = gatherFindings()
  const claims = readClaims(
    { checkpoints, outside, vkey, origin: origin ?? vkey.slice(0, vkey.indexOf('+')) },
    findings,
  )
  const covered = claims.at(-1)?.size
  const scan = createScan(claims, findings)
  for (let from = -1; from < scan.next(); ) {
    // An answer that brings the scan no further, the empty one included, is the last.
    from = scan.next()
    for (const row of await rows(from, batch)) scan.take(row)
  }
  const { size, root, erased } = scan.end()
  if (size > 0 && covered === undefined)
    findings.add('signature', 'the log has no checkpoint signed by its key')
  if (covered !== undefined && size > covered) {
    findings.add(
      'uncovered',
      `events from position ${covered} on are not covered by a checkpoint yet`,
      covered,
    )
  }
  return { ok: findings.errors() === 0, size, root, erased, findings: findings.list() }
}

/** Goes through the rows once. `next` is the position expected next: the size of the log so far, gaps included. */
function createScan(claims: Claim[], findings: Findings) {
  let tree = createTree()
  let next = 0
  let erased = 0
  let recorded = 0
  /** The tree has been told of something wrong already: its root says nothing until the next peaks that are signed. */
  let broken = false

  function settle(): void {
    for (let claim = claims[0]; claim && claim.size <= next; claim = claims[0]) {
      claims.shift()
      if (claim.size < next) continue
      const fits = toBase64(tree.root()) === claim.root
      if (!fits && !broken) {
        const text = claim.outside
          ? `the log up to here is not the one that was signed: it differs from the checkpoint of ${claim.size} kept outside`
          : `an event before position ${claim.size} was changed, inserted or moved since the checkpoint before`
        findings.add(claim.outside ? 'fork' : 'edit', text, claim.size)
      }
      if (!claim.peaks || (fits && !broken)) continue
      tree = createTree(claim.size, claim.peaks)
      broken = false
    }
  }

  function place(position: number): void {
    if (position === next) return
    if (position > next) findings.add('gap', `events ${next} to ${position - 1} are missing`, next)
    if (position < next)
      findings.add('order', `an event stands at position ${position} where ${next} was due`, position)
    broken = true
    next = Math.max(next, position)
    settle()
  }

  function checkLeaf(row: LogRow, leaf: LeafContent): void {
    if (!isLeafOf(row.eventId, row.entry)) {
      findings.add('event', 'the event id is not the one of the leaf', row.position)
    }
    if (row.sealed && !sameBytes(leaf.sealedHash, sha256(row.sealed))) {
      findings.add('body', 'the sealed event is not the one of the leaf', row.position)
    }
    if (leaf.recorded < recorded - clockToleranceMs) {
      findings.add(
        'clock',
        `recorded ${recorded - leaf.recorded} ms before the event in front of it`,
        row.position,
      )
    }
    recorded = leaf.recorded
    if (!row.sealed) erased += 1
  }

  settle()
  return {
    next: () => next,
    take(row: LogRow): void {
      place(row.position)
      const leaf = checkEntry(row, findings)
      if (leaf) checkLeaf(row, leaf)
      tree.append(leafHash(row.entry))
      next = Math.max(next, row.position + 1)
      settle()
    },
    end() {
      for (const { size, outside } of claims) {
        const where = outside ? ' kept outside' : ''
        findings.add('truncation', `the log has ${next} events, the checkpoint of ${size}${where} more`, next)
      }
      return { size: next, root: toBase64(tree.root()), erased }
    },
  }
}

function checkEntry(row: LogRow, findings: Findings): LeafContent | undefined {
  try {
    return readLeaf(row.entry)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    findings.add('entry', error.message, row.position)
    return undefined
  }
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
