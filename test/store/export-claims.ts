import { describe, expect, it } from 'vitest'
import type { SnapshotQuery, StoredExport } from '#core/export.ts'
import type { Store } from '#core/ports.ts'
import {
  at,
  createAll,
  created,
  deleted,
  entry,
  idsOf,
  message,
  newId,
  unitOf,
  updated,
  type WithStore,
} from './units.ts'

const leaseMs = 15_000
const start = { updated: 0, id: '', version: 0 }

function job(more: Partial<StoredExport> = {}): StoredExport {
  const fresh = {
    revision: 1,
    client: 'ehr',
    state: 'preparing',
    lease: at,
    expires: at + 86_400_000,
  } as const
  return { id: newId(), json: '{"asked":"everything"}', ...fresh, ...more }
}

const keep = (store: Store, ...exports: StoredExport[]) => store.commit({ audit: [], exports })

async function snapshot(store: Store, more: Partial<SnapshotQuery> = {}): Promise<string[]> {
  const query = { type: 'Communication', at: at + 5_000, from: start, limit: 100, ...more }
  return (await store.snapshot(query)).map(({ stored }) => `${stored.id}/${stored.version}`)
}

export function exportClaims(withStore: WithStore): void {
  describe('exports', () => {
    it('are claimed by one at a time, when they are due and again when a lease has run out', () =>
      withStore(async ({ store }) => {
        const waiting = job({ lease: at + 1_000 })
        await keep(store, waiting, job({ state: 'complete' }))
        expect(await store.claimExport(at, leaseMs)).toBeUndefined()
        expect(await store.nextExport()).toBe(at + 1_000)
        const both = await Promise.all([0, 1].map(() => store.claimExport(at + 1_000, leaseMs)))
        expect(both.filter(Boolean)).toEqual([{ ...waiting, lease: at + 1_000 + leaseMs }])
        expect(await store.claimExport(at + 2_000, leaseMs)).toBeUndefined()
        expect((await store.claimExport(at + 1_000 + leaseMs, leaseMs))?.id).toBe(waiting.id)
        expect(await store.countExports('ehr')).toBe(1)
        expect(await store.countExports('other')).toBe(0)
      }))

    it('let one of two changes of a revision win, and keep the newest only', () =>
      withStore(async ({ store, driver }) => {
        const first = job()
        await keep(store, first)
        const next = { ...first, revision: 2, json: '{"asked":"less"}' }
        await keep(store, next)
        await expect(keep(store, { ...next, state: 'cancelled' })).rejects.toMatchObject({ kind: 'conflict' })
        expect(await store.findExport(first.id)).toEqual(next)
        expect(await driver.all({ sql: 'SELECT * FROM export_job', parameters: [] })).toHaveLength(1)
        await store.sweep(first.expires + 1)
        expect(await store.findExport(first.id)).toBeUndefined()
      }))

    it('keep what was asked sealed', () =>
      withStore(async ({ store, driver }) => {
        await keep(store, job({ json: '{"patients":["Patient/canary"]}' }))
        await store.commit({ audit: [], told: { export: 'e', keys: ['Communication Patient/canary'] } })
        const rows = [
          ...(await driver.all({ sql: 'SELECT * FROM export_job', parameters: [] })),
          ...(await driver.all({ sql: 'SELECT * FROM export_told', parameters: [] })),
        ]
        const bytes = rows.flatMap((row) =>
          Object.values(row).map((each) =>
            each instanceof Uint8Array ? new TextDecoder().decode(each) : String(each),
          ),
        )
        expect(bytes.length).toBeGreaterThan(5)
        expect(bytes.join()).not.toContain('canary')
      }))

    it('remember whom they told, each for itself, as long as they stand', () =>
      withStore(async ({ store }) => {
        const one = job()
        await keep(store, one)
        const keys = ['Communication Patient/1', 'Communication Patient/2']
        await store.commit({ audit: [entry()], told: { export: one.id, keys } })
        await store.commit({ audit: [entry()], told: { export: one.id, keys } })
        const asked = [...keys, 'Task Patient/1']
        expect(await store.findTold({ export: one.id, keys: asked })).toEqual(new Set(keys))
        expect(await store.findTold({ export: newId(), keys: asked })).toEqual(new Set())
        await store.sweep(one.expires + 1)
        expect(await store.findTold({ export: one.id, keys: asked })).toEqual(new Set())
      }))
  })

  describe('a snapshot', () => {
    it('shows what stood at its moment, in order of time, whatever is written later', () =>
      withStore(async ({ store }) => {
        const [a, b, c] = await createAll(store, [message('1'), message('2'), message('1')])
        if (!a || !b || !c) throw new Error('not made')
        const before = await snapshot(store)
        expect(before).toEqual(idsOf([a, b, c]).map((id) => `${id}/1`))
        await store.commit(unitOf(updated(a, message('1', { status: 'stopped' }), at + 10_000)))
        await store.commit(unitOf(created(message('3'), newId(), at + 20_000)))
        expect(await snapshot(store)).toEqual(before)
        const rows = await store.snapshot({ type: 'Communication', at: at + 5_000, from: start, limit: 10 })
        expect(rows.map(({ superseded }) => superseded)).toEqual([true, false, false])
        expect(rows[0]?.stored.json).toContain('completed')
      }))

    it('holds one version of each resource, and none that was deleted since', () =>
      withStore(async ({ store }) => {
        const [a, b, c] = await createAll(store, [message('1'), message('2'), message('1')])
        if (!a || !b || !c) throw new Error('not made')
        const second = updated(a, message('1', { status: 'stopped' }), at + 1_000)
        await store.commit(unitOf(second))
        await store.commit(unitOf(deleted(b, at + 10_000)))
        await store.commit(unitOf(deleted(c, at + 2_000)))
        expect(await snapshot(store)).toEqual([`${a.resource.id}/2`])
        expect(await snapshot(store, { deletions: true })).toEqual([`${c.resource.id}/2`])
        expect(await snapshot(store, { deletions: true, at: at + 10_000 })).toEqual([
          `${c.resource.id}/2`,
          `${b.resource.id}/2`,
        ])
      }))

    it('is read from place to place, both inclusive, and for some patients only', () =>
      withStore(async ({ store }) => {
        const writes = await createAll(store, [message('1'), message('2'), message('1'), message('3')])
        const ids = idsOf(writes)
        const placeAt = (n: number) => ({ updated: at + n, id: ids[n] ?? '', version: 1 })
        expect(await snapshot(store, { from: placeAt(1), until: placeAt(2) })).toEqual([
          `${ids[1]}/1`,
          `${ids[2]}/1`,
        ])
        expect(await snapshot(store, { from: { ...placeAt(1), version: 2 }, limit: 1 })).toEqual([
          `${ids[2]}/1`,
        ])
        const patients = ['Patient/1', 'Patient/3'] as const
        expect(await snapshot(store, { patients })).toEqual([`${ids[0]}/1`, `${ids[2]}/1`, `${ids[3]}/1`])
        const person = created({ resourceType: 'Patient' }, '3')
        await store.commit(unitOf(person, created({ resourceType: 'Patient' }, '4')))
        expect(await snapshot(store, { type: 'Patient', patients })).toEqual(['3/1'])
      }))
  })
}
