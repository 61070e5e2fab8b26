import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { incoming, readLedger } from '#care/ledger-reading.ts'
import { type OpenStore, openStore } from '../open-store.ts'
import { created, message, unitOf } from './units.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-ledger-'))
let open: OpenStore
beforeAll(async () => {
  open = await openStore(folder)
})
afterAll(() => open.close())

const script = fileURLToPath(new URL('./ledger-writer.ts', import.meta.url))

/** Begins to write, and answers with what was acknowledged once it is killed. */
function startWriter(name: string) {
  const child = spawn(process.execPath, [script, folder, name], { stdio: ['ignore', 'pipe', 'inherit'] })
  let told = ''
  child.stdout.on('data', (text) => {
    told += text
  })
  return {
    acknowledged: () => told.split('\n').slice(0, -1),
    async kill() {
      child.kill('SIGKILL')
      await once(child, 'close')
      return told.split('\n').slice(0, -1)
    },
  }
}

it('eight processes that write for one patient and are killed leave a chain without gap, each message in it once', {
  timeout: 90_000,
}, async () => {
  const writers = Array.from({ length: 8 }, (_, index) => startWriter(`w${index}`))
  for (const writer of writers)
    await vi.waitFor(() => expect(writer.acknowledged().length).toBeGreaterThan(3), {
      timeout: 60_000,
      interval: 5,
    })
  const acknowledged: string[] = []
  for (const writer of writers) acknowledged.push(...(await writer.kill()))

  const { entries } = await readLedger(open.store, 'Patient/1')
  expect(entries.map(({ position }) => position)).toEqual(entries.map((_, index) => index + 1))
  const db = new Database(join(folder, 'data.db'), { readonly: true })
  const stored = db.prepare("SELECT id FROM version WHERE type = 'Communication'").pluck().all()
  db.close()
  const named = entries.map(({ entry }) => ('what' in entry ? entry.what.split('/')[1] : ''))
  expect([...named].sort()).toEqual([...stored].sort())
  expect(acknowledged.filter((id) => !named.includes(id))).toEqual([])
  expect(acknowledged.length).toBeGreaterThan(24)
})

it('a database of an earlier release is completed when it is opened and before its ledgers are read', async () => {
  const before = await openStore()
  const first = created(message('7'))
  await before.store.commit(unitOf(first))
  const file = join(before.folder, 'data.db')
  const db = new Database(file)
  db.exec(`DROP TABLE ledger_entry; DROP TABLE ledger_backlog; DROP TABLE ledger_late;
    DELETE FROM migration WHERE name = '007-ledger'`)
  db.close()
  const after = await openStore(before.folder)
  await expect(readLedger(after.store, 'Patient/7')).rejects.toMatchObject({ kind: 'unavailable' })
  await after.store.completeLedgers(100)
  const what = `Communication/${first.resource.id}/_history/1`
  expect(incoming(await readLedger(after.store, 'Patient/7'))).toMatchObject([{ entry: { what } }])
  await before.store.close()
  await after.close()
})
