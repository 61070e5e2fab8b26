import { describe, expect, test } from 'vitest'
import { checkRows } from '#audit/check-rows.ts'
import { checkTiles } from '#audit/check-tiles.ts'
import { writeCheckpoint } from '#audit/checkpoint.ts'
import { gatherFindings } from '#audit/findings.ts'
import { createLog } from '#audit/log.ts'
import { createSigner, generateSigningKey } from '#audit/note.ts'
import { verifyLog } from '#audit/verify.ts'
import type { CheckpointRow, LogRow, TileRow } from '#core/ports.ts'
import { box, logOf, origin, portsOf, reader, rowsOf, signer } from './log-rows.ts'

const rows = rowsOf(50)
const sizes = [8, 21, 50]
const checkpoints = await logOf(rows, sizes)
const lastNote = checkpoints.at(-1)?.note ?? ''

function verify(
  given: readonly LogRow[],
  kept: readonly CheckpointRow[] = checkpoints,
  outside: string[] = [],
) {
  return verifyLog({ rows: reader(given), checkpoints: kept, vkey: signer.vkey, outside })
}
async function kindsOf(given: readonly LogRow[], kept = checkpoints, outside: string[] = []) {
  const verdict = await verify(given, kept, outside)
  expect(verdict.ok).toBe(verdict.findings.every((finding) => finding.severity === 'warning'))
  return verdict.findings.map((finding) => finding.kind)
}
const renumbered = (list: readonly LogRow[]) => list.map((row, position) => ({ ...row, position }))
const at = (position: number): LogRow => rows[position] ?? { position, eventId: '', entry: new Uint8Array() }

describe('a log that nobody touched', () => {
  test('is whole, with and without a checkpoint kept outside', async () => {
    const verdict = await verify(rows, checkpoints, [lastNote, checkpoints[0]?.note ?? ''])
    expect(verdict).toMatchObject({ ok: true, size: 50, erased: 0, findings: [] })
    expect(lastNote).toContain(verdict.root)
  })

  test('is whole when bodies were erased, and says how many', async () => {
    const erased = rows.map((row) => (row.position % 7 === 0 ? { ...row, sealed: undefined } : row))
    expect(await verify(erased)).toMatchObject({ ok: true, erased: 8, findings: [] })
  })

  test('is whole when it is empty', async () => {
    expect(await verify([], [])).toMatchObject({ ok: true, size: 0, findings: [] })
  })

  test('goes on after its last checkpoint; that part is said not to be covered', async () => {
    const verdict = await verify(rows, checkpoints.slice(0, 2))
    expect(verdict.ok).toBe(true)
    expect(verdict.findings).toMatchObject([{ kind: 'uncovered', position: 21, severity: 'warning' }])
  })
})

describe('verification finds', () => {
  test('an edit, between which checkpoints it was made, and nothing wrong behind it', async () => {
    const [forged] = rowsOf(12, 'forged').slice(11)
    const changed = rows.with(11, {
      ...at(11),
      entry: forged?.entry ?? new Uint8Array(),
      sealed: forged?.sealed,
      eventId: 'forged-11',
    })
    expect((await verify(changed)).findings).toMatchObject([
      { kind: 'edit', position: 21, severity: 'error' },
    ])
  })

  test('a deletion, as a gap and as a closed gap', async () => {
    expect(await kindsOf(rows.toSpliced(30, 2))).toEqual(['gap'])
    expect((await verify(rows.toSpliced(30, 2))).findings[0]?.position).toBe(30)
    expect(await kindsOf(renumbered(rows.toSpliced(30, 1)))).toEqual(['truncation'])
    expect(await kindsOf(renumbered(rows.toSpliced(10, 1)))).toEqual(['edit', 'truncation'])
  })

  test('an insertion', async () => {
    const inserted = renumbered(rows.toSpliced(30, 0, { ...at(2) }))
    expect(await kindsOf(inserted)).toContain('edit')
    expect(await kindsOf(rows.toSpliced(30, 0, { ...at(29) }))).toEqual(['order'])
  })

  test('rows that changed places', async () => {
    const swapped = renumbered(rows.with(33, at(34)).with(34, at(33)))
    expect(await kindsOf(swapped)).toContain('edit')
    const unsorted = rows.with(33, at(34)).with(34, at(33))
    const verdict = await verifyLog({
      rows: async (from, limit) => unsorted.slice(from, from + limit),
      checkpoints,
      vkey: signer.vkey,
    })
    expect(verdict.findings.map((finding) => finding.kind)).toEqual(['gap', 'order'])
  })

  test('a truncation against its own checkpoints, and with those gone too against one kept outside', async () => {
    expect(await kindsOf(rows.slice(0, 30))).toEqual(['truncation'])
    expect(await kindsOf(rows.slice(0, 21), checkpoints.slice(0, 2))).toEqual([])
    expect(await kindsOf(rows.slice(0, 21), checkpoints.slice(0, 2), [lastNote])).toEqual(['truncation'])
  })

  test('a fork: a log written anew and signed with the true key, against a checkpoint kept outside', async () => {
    const other = rowsOf(50, 'other')
    const resigned = await logOf(other, sizes)
    expect(await kindsOf(other, resigned)).toEqual([])
    expect(await kindsOf(other, resigned, [lastNote])).toEqual(['fork', 'fork'])
    const between = await logOf(rows, [40])
    expect(await kindsOf(other, resigned, [between[0]?.note ?? ''])).toEqual(['fork'])
  })

  test('a clock that was set back, as a warning', async () => {
    const later = rowsOf(30).slice(20)
    const [first, ...rest] = [...later, ...rowsOf(3)].map((row, position) => ({ ...row, position }))
    const list = first ? [first, ...rest] : []
    const verdict = await verify(list, await logOf(list, [13]))
    expect(verdict).toMatchObject({
      ok: true,
      findings: [{ kind: 'clock', position: 10, severity: 'warning' }],
    })
  })

  test('a sealed body that is not the one of its leaf', async () => {
    const { sealed = new Uint8Array() } = at(3)
    const resealed = rows.with(3, { ...at(3), sealed: box.seal('other', 'AuditEvent/event-3') })
    expect((await verify(resealed)).findings).toMatchObject([{ kind: 'body', position: 3 }])
    expect(await kindsOf(rows.with(4, { ...at(4), sealed }))).toEqual(['body'])
  })

  test('an event id that is not the one of its leaf', async () => {
    expect(await kindsOf(rows.with(3, { ...at(3), eventId: 'event-4' }))).toEqual(['event'])
  })

  test('that no checkpoint is signed by the key', async () => {
    expect(await kindsOf(rows, [])).toEqual(['signature'])
    const thief = createSigner(origin, generateSigningKey(origin).privateKey)
    const [last] = checkpoints.slice(-1).map((row) => {
      const text = row.note.slice(0, row.note.indexOf('\n\n') + 1)
      return { ...row, note: thief.sign(text) }
    })
    expect(await kindsOf(rows, last ? [last] : [])).toEqual(['signature', 'signature'])
  })

  test('a checkpoint of another log', async () => {
    const [row] = checkpoints
    const root = row?.note.split('\n')[2] ?? ''
    const note = signer.sign(writeCheckpoint({ origin: 'another', size: 8, root }))
    expect(await kindsOf(rows, checkpoints, [note])).toEqual(['checkpoint'])
  })

  test('two checkpoints of one size that say different things', async () => {
    const root = Buffer.alloc(32).toString('base64')
    const note = signer.sign(writeCheckpoint({ origin, size: 21, root }))
    expect(await kindsOf(rows, checkpoints, [note])).toContain('fork')
  })
})

describe('no byte can be changed unseen', () => {
  const few = rows.slice(0, 5)
  const flipped = (bytes: Uint8Array, index: number) => bytes.with(index, (bytes[index] ?? 0) ^ 1)

  test('in a leaf entry or a sealed body', async () => {
    const kept = await logOf(few, [5])
    for (const row of few) {
      for (let index = 0; index < row.entry.length; index += 1) {
        const changed = few.with(row.position, { ...row, entry: flipped(row.entry, index) })
        expect((await verify(changed, kept)).ok, `entry ${row.position} byte ${index}`).toBe(false)
      }
      const sealed = row.sealed ?? new Uint8Array()
      for (let index = 0; index < sealed.length; index += 1) {
        const changed = few.with(row.position, { ...row, sealed: flipped(sealed, index) })
        expect((await verify(changed, kept)).ok, `body ${row.position} byte ${index}`).toBe(false)
      }
    }
  })

  test('in a checkpoint: its note, its size, its peaks', async () => {
    const [row] = await logOf(few, [5])
    if (!row) throw new Error('no checkpoint was made')
    const note = Buffer.from(row.note)
    for (let index = 0; index < note.length; index += 1) {
      const changed = { ...row, note: Buffer.from(flipped(note, index)).toString() }
      expect((await verify(few, [changed])).ok, `note byte ${index}`).toBe(false)
    }
    for (let index = 0; index < row.peaks.length; index += 1) {
      const changed = { ...row, peaks: flipped(row.peaks, index) }
      expect((await verify(few, [changed])).ok, `peaks byte ${index}`).toBe(false)
    }
    for (const size of [0, 4, 6]) expect((await verify(few, [{ ...row, size }])).ok).toBe(false)
    expect((await verify(few, [{ ...row, peaks: row.peaks.subarray(1) }])).ok).toBe(false)
  })
})

describe('a log with whole tiles', async () => {
  const long = rowsOf(600)
  const kept: CheckpointRow[] = []
  const tiles: TileRow[] = []
  // The second one lies within a tile.
  for (const size of [300, 600]) await createLog(portsOf(long.slice(0, size), kept, tiles)).checkpoint()
  const flipped = (bytes: Uint8Array, index: number) => bytes.with(index, (bytes[index] ?? 0) ^ 1)
  const read = reader(long)
  const storeOf = (given: readonly TileRow[]) => ({
    tile: async (level: number, number: number) =>
      given.find((tile) => tile.level === level && tile.number === number)?.hashes,
    tileRoots: async (level: number, from: number) =>
      given.filter((tile) => tile.level === level && tile.number === from).map((tile) => tile.root),
  })
  async function kindsWith(given: readonly TileRow[], rows: readonly LogRow[] = long) {
    const log = { checkpoints: kept, vkey: signer.vkey, tiles: storeOf(given) }
    const { findings } = await verifyLog({ ...log, rows: rows === long ? read : reader(rows) })
    return findings.map((finding) => finding.kind)
  }

  test('is whole, and so it is before its tiles were laid out', async () => {
    expect(tiles).toHaveLength(2)
    expect(await kindsWith(tiles)).toEqual([])
    expect(await kindsWith(tiles.slice(0, 1))).toEqual([])
    expect(await kindsWith([])).toEqual([])
  })

  test('shows an edit within a tile, in front of a checkpoint and behind it', async () => {
    for (const position of [3, 255, 256, 299, 300, 511, 512, 599]) {
      const row = long[position] ?? at(0)
      const edited = long.with(position, { ...row, entry: flipped(row.entry, 100) })
      const kinds = await kindsWith(tiles, edited)
      expect(kinds.sort(), String(position)).toEqual(position < 512 ? ['edit', 'tile'] : ['edit'])
    }
  })

  test('shows a tile that is missing in front of another one', async () => {
    expect(await kindsWith(tiles.slice(1))).toEqual(['tile'])
  })

  test('has no byte of a tile or its root that can be changed unseen', async () => {
    const checked = checkRows(long.slice(0, 512))
    const kindsIn = async (given: readonly TileRow[]) => {
      const findings = gatherFindings()
      await checkTiles(storeOf(given), findings)(checked)
      return findings.list().map((finding) => finding.kind)
    }
    expect(await kindsIn(tiles)).toEqual([])
    for (const [number, tile] of tiles.entries()) {
      for (const part of ['hashes', 'root'] as const) {
        // One byte of each hash, every place in turn, and all of the root.
        for (let byte = 0; byte < tile[part].length; byte += part === 'root' ? 1 : 31) {
          const changed = tiles.with(number, { ...tile, [part]: flipped(tile[part], byte) })
          expect(await kindsIn(changed), `${part} byte ${byte}`).toEqual(['tile'])
        }
      }
    }
  })
})

test('a reader that goes nowhere does not hold the verification up', async () => {
  const verdict = await verifyLog({ rows: async () => rows.slice(0, 5), checkpoints, vkey: signer.vkey })
  expect(verdict.ok).toBe(false)
})

test('a hundred thousand leaves are held against their checkpoint', { timeout: 30_000 }, async () => {
  const [one] = rows
  const entry = one?.entry ?? new Uint8Array()
  const many = Array.from({ length: 100_000 }, (_, position) => ({ position, eventId: 'event-0', entry }))
  const read = async (from: number, limit: number) => many.slice(from, from + limit)
  const kept = await logOf(many, [100_000])
  expect(await verifyLog({ rows: read, checkpoints: kept, vkey: signer.vkey })).toMatchObject({
    ok: true,
    size: 100_000,
  })
})
