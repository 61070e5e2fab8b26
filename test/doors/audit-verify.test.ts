import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { postern } from './command-line.ts'
import { fixture, message, openScene, type Scene } from './scene.ts'

let scene: Scene
let size = 0
const copies: string[] = []
beforeAll(async () => {
  scene = await openScene()
  await scene.platform.request(
    'POST',
    '/ingest/messages',
    fixture('secure-message/patient-to-clinician.in.json'),
  )
  // Two checkpoints with events between them, as in a clinic that has been running for a while.
  await scene.clinic.gateway.log.checkpoint()
  for (let index = 0; index < 5; index++) {
    const sent = message('secure-message/patient-to-clinician.in.json', { id: `after-${index}` })
    expect((await scene.platform.request('POST', '/ingest/messages', sent)).status).toBe(201)
  }
  await scene.clinic.stop()
  size = read(scene.clinic.folder, 'SELECT count(*) AS value FROM leaf')
})
afterAll(async () => {
  for (const each of copies) rmSync(each, { recursive: true, force: true })
  await scene.clinic.close()
})

function read(folder: string, sql: string): number {
  const db = new Database(join(folder, 'data.db'), { readonly: true })
  const value = db.prepare(sql).pluck().get() as number
  db.close()
  return value
}

/** A copy of the stopped clinic in which somebody with the file, and without the keys, has been at work. */
function tampered(work: (db: Database.Database) => void): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-tampered-'))
  copies.push(folder)
  cpSync(scene.clinic.folder, folder, { recursive: true })
  const db = new Database(join(folder, 'data.db'))
  for (const name of db.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").pluck().all())
    db.exec(`DROP TRIGGER "${name}"`)
  work(db)
  db.close()
  return folder
}

async function verdict(folder: string) {
  const { code, stdout, stderr } = await postern(folder, '--json', 'audit', 'verify')
  return { code, stderr, ...JSON.parse(stdout) }
}

const kindsOf = (found: { findings: { kind: string }[] }) => found.findings.map((each) => each.kind)

/** Leaves a hole or closes it: positions are the log's own numbers. */
const shift = (db: Database.Database, from: number, by: number) => {
  db.prepare('UPDATE leaf SET position = -position - 1 WHERE position >= ?').run(from)
  db.prepare('UPDATE leaf SET position = -position - 1 + ? WHERE position < 0').run(by)
}

describe('postern audit verify', () => {
  it('finds an untouched log whole', async () => {
    const found = await verdict(scene.clinic.folder)
    expect(found).toMatchObject({ code: 0, ok: true, size, erased: 0, findings: [], stderr: '' })
    const told = await postern(scene.clinic.folder, 'audit', 'verify')
    expect(told.stdout).toContain(`The log is whole: ${size} events`)
  }, 60_000)

  const works: [string, (db: Database.Database) => void, string[]][] = [
    [
      'a changed event',
      (db) => {
        const id = db.prepare('SELECT event FROM leaf WHERE position = 8').pluck().get()
        const body = db.prepare('SELECT body FROM audit_event WHERE id = ?').pluck().get(id) as Buffer
        body[20] = (body[20] ?? 0) ^ 1
        db.prepare('UPDATE audit_event SET body = ? WHERE id = ?').run(body, id)
      },
      ['body'],
    ],
    ['a removed leaf', (db) => db.exec('DELETE FROM leaf WHERE position = 8'), ['gap']],
    [
      'an inserted leaf',
      (db) => {
        shift(db, 8, 1)
        db.exec("INSERT INTO leaf SELECT 8, 'made-up', entry FROM leaf WHERE position = 3")
      },
      ['edit'],
    ],
    [
      'reordered leaves',
      (db) => {
        db.exec('UPDATE leaf SET position = -1 WHERE position = 8')
        db.exec('UPDATE leaf SET position = 8 WHERE position = 9')
        db.exec('UPDATE leaf SET position = 9 WHERE position = -1')
      },
      ['edit'],
    ],
    [
      'a log cut off together with its checkpoints, by the one that was kept outside',
      (db) => {
        const kept = db.prepare('SELECT min(size) FROM checkpoint').pluck().get()
        db.prepare('DELETE FROM audit_event WHERE id IN (SELECT event FROM leaf WHERE position >= ?)').run(
          kept,
        )
        db.prepare('DELETE FROM leaf WHERE position >= ?').run(kept)
        db.prepare('DELETE FROM checkpoint WHERE size > ?').run(kept)
      },
      ['truncation'],
    ],
  ]
  it.each(works)(
    'finds %s, and ends with 1',
    async (_name, work, kinds) => {
      const found = await verdict(tampered(work))
      expect(found.code, JSON.stringify(found)).toBe(1)
      expect(found.ok).toBe(false)
      expect(kindsOf(found)).toEqual(expect.arrayContaining(kinds))
    },
    60_000,
  )

  it('finds a log that is shorter than what was signed, and signs nothing', async () => {
    const folder = tampered((db) => db.prepare('DELETE FROM leaf WHERE position >= ?').run(size - 3))
    const before = read(folder, 'SELECT count(*) FROM checkpoint')
    const found = await verdict(folder)
    expect(found).toMatchObject({ code: 1, ok: false })
    expect(kindsOf(found)).toContain('truncation')
    expect(read(folder, 'SELECT count(*) FROM checkpoint')).toBe(before)
  }, 60_000)
})

describe('the tables of the log', () => {
  const statements = [
    'UPDATE leaf SET entry = zeroblob(4) WHERE position = 3',
    'UPDATE leaf SET position = 100000 WHERE position = 3',
    'DELETE FROM leaf WHERE position = 3',
    'DELETE FROM leaf',
    "REPLACE INTO leaf (position, event, entry) VALUES (3, 'x', zeroblob(4))",
    "INSERT OR REPLACE INTO leaf (position, event, entry) VALUES (3, 'x', zeroblob(4))",
    "INSERT INTO leaf (position, event, entry) VALUES (3, 'x', zeroblob(4)) ON CONFLICT (position) DO UPDATE SET entry = excluded.entry",
    "INSERT INTO leaf (position, event, entry) VALUES (100000, 'x', zeroblob(4))",
    'INSERT OR REPLACE INTO leaf SELECT (SELECT max(position) + 1 FROM leaf), event, zeroblob(4) FROM leaf WHERE position = 3',
    'UPDATE checkpoint SET size = size + 1',
    'DELETE FROM checkpoint',
    'INSERT OR REPLACE INTO checkpoint SELECT size, note, zeroblob(4) FROM checkpoint',
  ]
  it.each(statements)('refuse %s', (sql) => {
    const db = new Database(join(scene.clinic.folder, 'data.db'))
    try {
      expect(() => db.exec(sql)).toThrow(/append-only/)
    } finally {
      db.close()
    }
  })
})
