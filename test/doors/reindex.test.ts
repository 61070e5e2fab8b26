import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterEach, expect, it, vi } from 'vitest'
import { versioned } from '#core/resource.ts'
import { openClinic, type TestClinic } from '../open-clinic.ts'
import { postern } from './command-line.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const each of cleanups.splice(0).reverse()) await each()
})

function reader(clinic: TestClinic, id: string) {
  return clinic.client({ id, role: 'platform', scopes: ['system/*.cruds'], purposes: ['TREAT'], grants: [] })
}

/** A clinic whose Organizations were written when `type` was not known and `partof` looked elsewhere. */
async function earlierClinic(count: number): Promise<TestClinic> {
  const clinic = await openClinic()
  cleanups.push(() => clinic.close())
  const writes = Array.from({ length: count }, (_, n) => ({
    resource: versioned(
      {
        resourceType: 'Organization',
        partOf: { reference: 'Organization/whole' },
        type: [{ coding: [{ system: 'urn:kinds', code: n === 7 ? 'ward' : 'practice' }] }],
      },
      `t${String(n).padStart(5, '0')}`,
      1,
      Date.now(),
    ),
    version: 1,
    updated: Date.now(),
  }))
  await clinic.store.commit({ audit: [], writes })
  await clinic.stop()
  const db = database(clinic)
  db.prepare("DELETE FROM search_index WHERE param = 'Organization.type'").run()
  const former = JSON.stringify({ rows: 0, name: 'partof', kind: 'reference', paths: ['endpoint'] })
  db.prepare("UPDATE search_index SET definition = ? WHERE param = 'Organization.partof'").run(former)
  db.prepare('DELETE FROM token_row WHERE id LIKE ?').run('t0%')
  db.close()
  return clinic
}

function database({ folder }: TestClinic) {
  return new Database(join(folder, 'data.db'))
}

function reached(clinic: TestClinic): string | undefined {
  const db = database(clinic)
  const row = db
    .prepare("SELECT reached FROM search_index WHERE param = 'Organization.type' AND building = 1")
    .get()
  db.close()
  return (row as { reached: string } | undefined)?.reached
}

it('a reindex goes on after kill -9 where it was, and shows how far it is', async () => {
  const count = 400
  const clinic = await earlierClinic(count)
  const cli = fileURLToPath(new URL('../../src/postern.ts', import.meta.url))
  const env = { ...process.env, POSTERN_DATA: clinic.folder, POSTERN_CLINIC: 'test' }
  const victim = spawn(process.execPath, [cli, 'reindex', '--batch', '5'], { env })
  const ended = once(victim, 'close')
  await vi.waitFor(() => expect(reached(clinic) ?? '').toMatch(/^t/), { timeout: 30_000, interval: 5 })
  victim.kill('SIGKILL')
  await ended
  const where = reached(clinic) ?? ''
  const before = Number(where.slice(1)) + 1
  expect(before).toBeLessThan(count)

  const rest = await postern(clinic.folder, '--json', 'reindex')
  expect(rest.code, rest.stderr).toBe(0)
  const parameters = ['Organization.partof', 'Organization.type']
  expect(JSON.parse(rest.stdout)).toEqual({ reindexed: count - before, unreadable: 0, parameters })
  expect(rest.stderr).toMatch(/\[#+\.*\] \d+ % \d+ resources left/)
  expect(rest.stderr).toContain('100 % 0 resources left')
  expect(reached(clinic)).toBeUndefined()
  const again = await postern(clinic.folder, 'reindex')
  expect([again.code, again.stdout]).toEqual([0, 'The index of every search parameter is complete\n'])
  expect((await postern(clinic.folder, 'reindex', '--batch', '0')).code).toBe(1)
}, 120_000)

it('a gateway that was started with changed parameters builds them while it reads and writes', async () => {
  const clinic = await earlierClinic(4000)
  const running = await openClinic({}, clinic.folder)
  cleanups.push(() => running.stop())
  const client = await reader(running, 'second')
  const find = () => client.request('GET', '/fhir/Organization?type=urn:kinds|ward&_count=200')
  const first = await find()
  expect(first.status, first.text).toBe(503)
  expect(first.headers.get('retry-after')).toBe('30')
  expect(first.body.issue[0]).toMatchObject({ code: 'transient' })
  expect(first.body.issue[0].diagnostics).toContain('Organization.type is being built')
  const answers = new Set<number>()
  await vi.waitFor(
    async () => {
      answers.add((await client.request('GET', '/fhir/Organization/t00011')).status)
      const type = [{ coding: [{ system: 'urn:kinds', code: 'ward' }] }]
      const ward = { resourceType: 'Organization', name: 'Ward', type }
      answers.add((await client.request('POST', '/fhir/Organization', ward)).status)
      expect((await find()).status).toBe(200)
    },
    { timeout: 60_000, interval: 50 },
  )
  expect([...answers].sort()).toEqual([200, 201])
  const ids: string[] = (await find()).body.entry.map(
    ({ resource }: { resource: { id: string } }) => resource.id,
  )
  expect(ids).toContain('t00007')
  expect(ids.filter((id) => id.startsWith('t0'))).toHaveLength(1)
  expect(ids.length).toBeGreaterThan(1)
}, 120_000)
