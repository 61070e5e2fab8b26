import { describe, expect, it } from 'vitest'
import { createLeafMaker } from '#audit/leaf.ts'
import type { Store } from '#core/ports.ts'
import type { Criterion } from '#core/query.ts'
import { createStore } from '#store/store.ts'
import {
  created,
  deleted,
  found,
  idsOf,
  message,
  newId,
  type OpenedStore,
  outcomes,
  unitOf,
  updated,
  type WithStore,
} from './units.ts'

const count = 25
const medium: Criterion = { kind: 'token', param: 'medium', values: ['PHONE'] }
const category: Criterion = { kind: 'token', param: 'category', values: ['rash'] }
const patient: Criterion = { kind: 'token', param: 'patient', values: ['Patient/p1'] }
const wrong: Criterion = { kind: 'token', param: 'medium', values: ['rash'] }
const received: Criterion = { kind: 'date', param: 'received', windows: [{ lowFrom: 0 }] }

function letter(n: number) {
  return message('p1', {
    medium: [{ coding: [{ code: 'PHONE' }] }],
    category: [{ coding: [{ code: 'rash' }] }],
    received: `2026-01-${String(n + 1).padStart(2, '0')}`,
  })
}

/**
 * A store whose messages were written by an earlier version of the software, and opened by this one: `medium` looked at the
 * category then, `received` and the sealed `category` were not known, and `topic` has gone since.
 */
async function openEarlier({ store, driver, vault }: OpenedStore) {
  const writes = Array.from({ length: count }, (_, n) => created(letter(n)))
  await store.commit(unitOf(...writes))
  const box = await vault.box('Patient/p1')
  const run = (sql: string, ...parameters: unknown[]) => driver.atomically([{ sql, parameters }])
  const remove = 'DELETE FROM token_row WHERE hash = ?'
  for (const value of ['PHONE', '|PHONE']) await run(remove, vault.index('Communication.medium', value))
  for (const value of ['rash', '|rash']) await run(remove, box.index('Communication.category', value))
  await run("DELETE FROM date_row WHERE param = 'Communication.received'")
  for (const id of idsOf(writes)) {
    const add = 'INSERT INTO token_row (hash, id) VALUES (?, ?)'
    await run(add, vault.index('Communication.medium', 'rash'), id)
    await run(add, vault.index('Communication.medium', '|rash'), id)
    await run(add, vault.index('Communication.topic', 'rash'), id)
    await run(add, vault.index('Communication.topic', '|rash'), id)
  }
  await run("DELETE FROM search_index WHERE param IN ('Communication.received', 'Communication.category')")
  const earlier = (name: string) => JSON.stringify({ rows: 0, name, kind: 'token', paths: ['category'] })
  const declare =
    'INSERT OR REPLACE INTO search_index (param, definition, former, building, reached) VALUES (?, ?, ?, 0, ?)'
  await run(declare, 'Communication.medium', earlier('medium'), '[]', '')
  await run(declare, 'Communication.topic', earlier('topic'), '[]', '')
  const open = () => createStore({ driver, vault, leaves: createLeafMaker() })
  return { writes, open, ids: idsOf(writes).sort() }
}

async function finish(store: Store): Promise<number> {
  let done = 0
  for (let round = 0; round < 100; round++) {
    const step = await store.reindex(4)
    done += step.done
    if (step.parameters.length === 0) return done
  }
  throw new Error('it does not end')
}

async function rowsOf({ driver }: OpenedStore, table: 'token_row' | 'date_row'): Promise<number> {
  const [row] = await driver.all({ sql: `SELECT count(*) AS count FROM ${table}`, parameters: [] })
  return Number(row?.count)
}

export function reindexClaims(withStore: WithStore): void {
  describe('a change of search parameters', () => {
    it('refuses what it changed until that finds everything, and nothing else', () =>
      withStore(async (opened) => {
        const { open, ids } = await openEarlier(opened)
        const store = open()
        const asked = [[medium], [wrong], [received], [patient, category]]
        const ask = () => outcomes(asked.map((criteria) => found(store, 'Communication', criteria)))
        expect(await ask()).toEqual(asked.map(() => 'unavailable'))
        const sort = { sort: { param: 'received', descending: false } }
        expect(await outcomes([found(store, 'Communication', [patient], sort)])).toEqual(['unavailable'])
        expect(await found(store, 'Communication', [patient])).toHaveLength(count)
        const left = await store.reindexLeft()
        expect(left.left).toBe(count)
        expect(left.parameters).toEqual(
          ['category', 'medium', 'received', 'topic'].map((name) => `Communication.${name}`),
        )
        await store.reindex(4)
        expect(await ask()).toEqual(asked.map(() => 'unavailable'))
        await finish(store)
        for (const criteria of [[medium], [received], [patient, category]])
          expect((await found(store, 'Communication', criteria)).sort()).toEqual(ids)
        expect(await found(store, 'Communication', [wrong])).toEqual([])
        expect(await store.reindexLeft()).toEqual({ parameters: [], left: 0 })
      }))

    it('goes on where it was broken off, and then leaves no row of an earlier definition', () =>
      withStore(async (opened) => {
        const { writes, open } = await openEarlier(opened)
        const first = open()
        let done = 0
        for (let round = 0; round < 3; round++) done += (await first.reindex(4)).done
        const second = open()
        expect((await second.reindexLeft()).left).toBe(count - done)
        expect(await finish(second)).toBe(count - done)
        // The first process learns of it when it is asked.
        expect(await found(first, 'Communication', [medium])).toHaveLength(count)
        for (const write of writes) await second.commit({ audit: [], writes: [deleted(write)] })
        // What is left is of the audit entry: nothing of the messages.
        expect(await rowsOf(opened, 'date_row')).toBe(0)
        expect(await rowsOf(opened, 'token_row')).toBe(0)
      }))

    it('holds beside writes: what is made, changed and deleted meanwhile is found as it is', () =>
      withStore(async (opened) => {
        const { writes, open } = await openEarlier(opened)
        const store = open()
        const changed = writes.filter((_, n) => n % 3 === 1).map((write) => updated(write, message('p1')))
        const gone = writes.filter((_, n) => n % 3 === 2)
        const made = Array.from({ length: 6 }, (_, n) => created(letter(n), newId()))
        const acts = [...changed, ...gone.map((write) => deleted(write)), ...made]
        const work = acts.map((write) => async () => {
          await store.commit({ audit: [], writes: [write] })
        })
        const building = Array.from({ length: 12 }, () => () => store.reindex(3))
        const all: (() => Promise<unknown>)[] = []
        while (work.length + building.length > 0) {
          all.push(...work.splice(0, 2), ...building.splice(0, 1))
        }
        await Promise.all(all.map((act) => act()))
        await finish(store)
        const wanted = [...idsOf(writes.filter((_, n) => n % 3 === 0)), ...idsOf(made)].sort()
        for (const criteria of [[medium], [received], [patient, category]])
          expect((await found(store, 'Communication', criteria)).sort()).toEqual(wanted)
        expect(await found(store, 'Communication', [wrong])).toEqual([])
      }))

    it('gives way to a write that comes between its reading and its writing', () =>
      withStore(async (opened) => {
        const { driver, vault } = opened
        const { writes, open } = await openEarlier(opened)
        const other = open()
        let meanwhile: (() => Promise<unknown>) | undefined
        const slow: typeof driver = {
          ...driver,
          async all(query) {
            const rows = await driver.all(query)
            const act = /^select \* from "version"/.test(query.sql) ? meanwhile : undefined
            meanwhile = act ? undefined : meanwhile
            await act?.()
            return rows
          },
        }
        const store = createStore({ driver: slow, vault, leaves: createLeafMaker() })
        const [first, second] = [...writes].sort((a, b) => (a.resource.id < b.resource.id ? -1 : 1))
        if (!first || !second) throw new Error('there are messages')
        meanwhile = () =>
          Promise.all([
            other.commit({ audit: [], writes: [deleted(first)] }),
            other.commit({ audit: [], writes: [updated(second, message('p1'))] }),
          ])
        await store.reindex(4)
        expect(meanwhile).toBeUndefined()
        await finish(store)
        for (const criteria of [[medium], [received], [patient, category]])
          expect(await found(store, 'Communication', criteria)).toHaveLength(count - 2)
        const rows = await driver.all({
          sql: "SELECT param, low FROM date_row WHERE id IN (?, ?) AND param = 'Communication.received'",
          parameters: [first.resource.id, second.resource.id],
        })
        expect(rows).toHaveLength(1)
      }))

    it('costs a store that nothing changed in no work', () =>
      withStore(async ({ store, driver, vault }) => {
        await store.commit(unitOf(created(letter(1))))
        expect(await store.reindexLeft()).toEqual({ parameters: [], left: 0 })
        const again = createStore({ driver, vault, leaves: createLeafMaker() })
        expect(await again.reindex(10)).toEqual({ parameters: [], done: 0, left: 0, unreadable: 0 })
        expect(await found(again, 'Communication', [medium])).toHaveLength(1)
      }))
  })
}
