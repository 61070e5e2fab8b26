import type { CheckpointRow, LogRow } from '#core/ports.ts'
import { type CheckedRows, checkRows, isTileAt } from './check-rows.ts'
import { checkTiles, type KeptTiles } from './check-tiles.ts'
import { type Claim, readClaims } from './claims.ts'
import { type Finding, type Findings, gatherFindings } from './findings.ts'
import { createTree } from './merkle.ts'
import { requireVerifierKey } from './note.ts'
import { tileWidth } from './tiles.ts'

/** Rows taken at a time, up to the end of a tile. Ten times as many did not stay in the processor's cache: reading took half as long again. */
const batch = 2 * tileWidth
const tileHeight = Math.log2(tileWidth)
/** Writers that stand side by side record a little out of order; a clock that was set back shows as more. */
const clockToleranceMs = 5000

export interface LogToVerify extends Omit<CheckedLog, 'checked'> {
  /** Rows from position `from` (the first is 0), in order of position; an empty answer ends the log. */
  rows: (from: number, limit: number) => Promise<LogRow[]>
}

/** A log of which each row was held against itself already, elsewhere or side by side. */
export interface CheckedLog {
  /** As `rows`, after `checkRows`. */
  checked: (from: number, limit: number) => Promise<CheckedRows>
  checkpoints: readonly CheckpointRow[]
  /** Verifier key of the log: the only key that is needed. */
  vkey: string
  /** Name that every checkpoint must carry; the verifier key's own name where absent. */
  origin?: string
  /** Checkpoints (signed notes) that were kept where the log's owner cannot change them. */
  outside?: readonly string[]
  /** The tiles kept beside the log, where they are: proofs are made from them. */
  tiles?: KeptTiles
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
export function verifyLog({ rows, ...log }: LogToVerify): Promise<LogVerdict> {
  return verifyChecked({ ...log, checked: async (from, limit) => checkRows(await rows(from, limit)) })
}

/** As verifyLog, with the rows checked elsewhere: nearly all of the work is, and none of it needs the order. */
export async function verifyChecked(log: CheckedLog): Promise<LogVerdict> {
  const { checked, checkpoints, vkey, origin, outside = [], tiles } = log
  requireVerifierKey(vkey)
  const findings = gatherFindings()
  const claims = readClaims(
    { checkpoints, outside, vkey, origin: origin ?? vkey.slice(0, vkey.indexOf('+')) },
    findings,
  )
  const covered = claims.at(-1)?.size
  const scan = createScan(claims, findings)
  const tilesOf = tiles && checkTiles(tiles, findings)
  for (let from = -1; from < scan.next(); ) {
    // An answer that brings the scan no further, the empty one included, is the last.
    from = scan.next()
    const found = await checked(from, batch - (from % tileWidth))
    scan.take(found)
    await tilesOf?.(found)
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

  function checkClock(at: number, position: number): void {
    if (Number.isNaN(at)) return
    if (at < recorded - clockToleranceMs)
      findings.add('clock', `recorded ${recorded - at} ms before the event in front of it`, position)
    recorded = at
  }

  /** A whole tile at once, where no checkpoint lies within it. */
  function takeTile(index: number, { recorded: times, roots }: CheckedRows): void {
    for (let row = 0; row < tileWidth; row += 1) checkClock(times[index + row] ?? 0, next + row)
    const at = (index / tileWidth) * 32
    tree.append(roots.slice(at, at + 32), tileHeight)
    next += tileWidth
    settle()
  }

  function takeRow(index: number, { positions, recorded: times, hashes }: CheckedRows): void {
    const position = positions[index] ?? next
    place(position)
    checkClock(times[index] ?? 0, position)
    tree.append(hashes.slice(index * 32, index * 32 + 32))
    next = Math.max(next, position + 1)
    settle()
  }

  settle()
  return {
    next: () => next,
    take(rows: CheckedRows): void {
      for (const { index, kind, text } of rows.wrong) findings.add(kind, text, rows.positions[index])
      for (let index = 0; index < rows.positions.length; ) {
        const inOrder = rows.positions[index] === next && next === tree.size()
        const free = (claims[0]?.size ?? Number.POSITIVE_INFINITY) >= next + tileWidth
        const whole = inOrder && free && isTileAt(index, rows)
        if (whole) takeTile(index, rows)
        else takeRow(index, rows)
        index += whole ? tileWidth : 1
      }
      erased += rows.erased
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

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
