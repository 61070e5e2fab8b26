import { describe, expect, it } from 'vitest'
import { readLeaf } from '#audit/leaf.ts'
import {
  at,
  created,
  entry,
  found,
  message,
  newId,
  type OpenedStore,
  outcomes,
  unitOf,
  type WithStore,
} from './units.ts'

const someBytes = "x'00'"

async function refuses({ driver }: OpenedStore, sql: string): Promise<void> {
  const refused = await outcomes([driver.atomically([{ sql, parameters: [] }])])
  expect(refused, sql).toEqual(['unavailable'])
}

export function logClaims(withStore: WithStore): void {
  describe('the log', () => {
    it('has no gap and no double under fifty writers of whom some fail', () =>
      withStore(async ({ store }) => {
        const standing = created(message('p1'))
        await store.commit(unitOf(standing))
        const settled = await Promise.allSettled(
          Array.from({ length: 50 }, (_, i) =>
            store.commit({
              audit: [entry(), entry()],
              writes: [i % 3 === 0 ? standing : created(message('p1'))],
            }),
          ),
        )
        const given = settled.flatMap((each) => (each.status === 'fulfilled' ? each.value.leaves : []))
        expect(settled.filter((each) => each.status === 'rejected')).toHaveLength(17)
        const size = await store.logSize()
        expect(size).toBe(1 + given.length)
        expect(given.sort((a, b) => a - b)).toEqual(Array.from({ length: size - 1 }, (_, i) => i + 1))
        const rows = await store.logRows(0, 1000)
        expect(rows.map((row) => row.position)).toEqual(Array.from({ length: size }, (_, i) => i))
        expect((await store.logRows(size - 2, 1000)).map((row) => row.position)).toEqual([size - 2, size - 1])
        expect(await store.logRows(3, 2)).toHaveLength(2)
      }))

    it('finds the position of an event, and an event with its leaf', () =>
      withStore(async ({ store }) => {
        const event = entry()
        await store.commit({ audit: [entry(), event] })
        expect(await store.logPosition(event.id)).toBe(1)
        expect(await store.logPosition(newId())).toBeUndefined()
        const [, row] = await store.logRows(0, 10)
        expect(row?.eventId).toBe(event.id)
        expect(row?.entry.length).toBeGreaterThan(0)
        expect(row?.sealed?.length).toBeGreaterThan(0)
        expect((await store.read('AuditEvent', event.id))?.json).toBe(event.json)
        expect((await store.readVersion('AuditEvent', event.id, 1))?.json).toBe(event.json)
        expect(await store.readVersion('AuditEvent', event.id, 2)).toBeUndefined()
      }))

    it('keeps its leaves when an event is erased', () =>
      withStore(async ({ store, driver }) => {
        const event = entry()
        await store.commit({ audit: [event] })
        await driver.atomically([{ sql: 'DELETE FROM audit_event WHERE id = ?', parameters: [event.id] }])
        const [row] = await store.logRows(0, 10)
        expect(row?.eventId).toBe(event.id)
        expect(row?.sealed).toBeUndefined()
      }))

    it('refuses to have a leaf changed, removed, replaced, doubled or set beyond the next place', () =>
      withStore(async (opened) => {
        const { store } = opened
        const [first, second] = [entry(), entry()]
        await store.commit({ audit: [first, second] })
        const before = (await store.logRows(0, 10)).map((row) => [row.position, row.eventId, [...row.entry]])
        const values = (position: number | string, event: string) =>
          `VALUES (${position}, '${event}', ${someBytes})`
        const into = 'INTO leaf (position, event, entry)'
        for (const sql of [
          `UPDATE leaf SET entry = ${someBytes} WHERE position = 0`,
          'UPDATE leaf SET position = 7 WHERE position = 1',
          `UPDATE OR REPLACE leaf SET position = 0 WHERE position = 1`,
          'DELETE FROM leaf WHERE position = 1',
          'DELETE FROM leaf',
          `INSERT ${into} ${values(0, newId())}`,
          `INSERT OR REPLACE ${into} ${values(0, newId())}`,
          `REPLACE ${into} ${values(1, second.id)}`,
          // The next place, but an event that stands elsewhere: REPLACE would take the old leaf away unseen.
          `INSERT OR REPLACE ${into} ${values(2, first.id)}`,
          `INSERT ${into} ${values(2, first.id)} ON CONFLICT (event) DO UPDATE SET entry = excluded.entry`,
          `INSERT ${into} ${values(0, newId())} ON CONFLICT (position) DO UPDATE SET entry = excluded.entry`,
          `INSERT ${into} ${values(3, newId())}`,
          `INSERT ${into} ${values(-1, newId())}`,
        ]) {
          await refuses(opened, sql)
        }
        const after = (await store.logRows(0, 10)).map((row) => [row.position, row.eventId, [...row.entry]])
        expect(after).toEqual(before)
        expect((await store.commit({ audit: [entry()] })).leaves).toEqual([2])
      }))
  })

  describe('checkpoints', () => {
    it('are kept in order of size, bytes and all', () =>
      withStore(async ({ store }) => {
        expect(await store.lastCheckpoint()).toBeUndefined()
        const rows = [1, 2, 5].map((size) => ({
          size,
          note: `note ${size}`,
          peaks: new Uint8Array(32).fill(size),
        }))
        for (const row of rows) await store.addCheckpoint(row)
        const plain = (await store.checkpoints()).map((row) => ({
          ...row,
          peaks: Uint8Array.from(row.peaks),
        }))
        expect(plain).toEqual(rows)
        expect((await store.lastCheckpoint())?.size).toBe(5)
      }))

    it('cannot be changed, removed, replaced or slipped in behind', () =>
      withStore(async (opened) => {
        const { store } = opened
        for (const size of [2, 4])
          await store.addCheckpoint({ size, note: `note ${size}`, peaks: new Uint8Array(32) })
        const into = 'INTO checkpoint (size, note, peaks)'
        for (const sql of [
          "UPDATE checkpoint SET note = 'x' WHERE size = 2",
          'DELETE FROM checkpoint WHERE size = 4',
          'DELETE FROM checkpoint',
          `INSERT OR REPLACE ${into} VALUES (4, 'x', ${someBytes})`,
          `REPLACE ${into} VALUES (2, 'x', ${someBytes})`,
          `INSERT ${into} VALUES (2, 'x', ${someBytes}) ON CONFLICT (size) DO UPDATE SET note = 'x'`,
          `INSERT ${into} VALUES (3, 'x', ${someBytes})`,
        ]) {
          await refuses(opened, sql)
        }
        expect((await store.checkpoints()).map(({ size, note }) => [size, note])).toEqual([
          [2, 'note 2'],
          [4, 'note 4'],
        ])
      }))
  })

  describe('tiles', () => {
    const tile = (level: number, number: number) => ({
      level,
      number,
      hashes: new Uint8Array(8192).fill(number),
      root: new Uint8Array(32).fill(16 * level + number),
    })

    it('are kept level by level, and one that stands stays as it is', () =>
      withStore(async ({ store }) => {
        expect(await store.tileCount(0)).toBe(0)
        await store.addTiles([tile(0, 0), tile(0, 1), tile(1, 0)])
        await store.addTiles([{ ...tile(0, 1), root: new Uint8Array(32) }, tile(0, 2)])
        expect([await store.tileCount(0), await store.tileCount(1), await store.tileCount(2)]).toEqual([
          3, 1, 0,
        ])
        expect(Array.from((await store.tile(0, 1)) ?? [])).toEqual(Array.from(tile(0, 1).hashes))
        expect(await store.tile(0, 3)).toBeUndefined()
        expect((await store.tileRoots(0, 1, 9)).map(([first]) => first)).toEqual([1, 2])
      }))

    it('cannot be changed, removed, replaced or set beyond the next place', () =>
      withStore(async (opened) => {
        const { store } = opened
        await store.addTiles([tile(0, 0), tile(0, 1)])
        const into = 'INTO tile (level, number, hashes, root)'
        for (const sql of [
          `UPDATE tile SET root = ${someBytes}`,
          'DELETE FROM tile',
          `INSERT OR REPLACE ${into} VALUES (0, 1, ${someBytes}, ${someBytes})`,
          `INSERT ${into} VALUES (0, 1, ${someBytes}, ${someBytes}) ON CONFLICT DO UPDATE SET root = ${someBytes}`,
          `INSERT ${into} VALUES (0, 3, ${someBytes}, ${someBytes})`,
          `INSERT ${into} VALUES (1, 1, ${someBytes}, ${someBytes})`,
        ]) {
          await refuses(opened, sql)
        }
        expect((await store.tileRoots(0, 0, 9)).map(([first]) => first)).toEqual([0, 1])
      }))

    it('stand beside the size that was last taken outside', () =>
      withStore(async ({ store }) => {
        expect(await store.anchoredSize()).toBe(0)
        await store.addAnchored(4)
        await store.addAnchored(9)
        await store.addAnchored(9)
        expect(await store.anchoredSize()).toBe(9)
      }))
  })

  describe('AuditEvents', () => {
    it('are found by patient, entity, agent and date', () =>
      withStore(async ({ store }) => {
        const one = entry({
          patient: 'Patient/p1',
          entities: ['Communication/c1/_history/2'],
          agent: 'ehr-1',
        })
        const two = entry({
          patient: 'Patient/p2',
          entities: ['Communication/c1'],
          agent: 'ehr-1',
          recorded: at + 1000,
        })
        const three = entry({ entities: ['MedicationRequest/m1'], agent: 'pharmacy', recorded: at + 2000 })
        await store.commit({ audit: [one, two, three] })
        const by = (param: string, ...values: string[]) =>
          found(store, 'AuditEvent', [{ kind: 'token', param, values }])
        expect(await by('patient', 'Patient/p1')).toEqual([one.id])
        expect(await by('entity', 'Communication/c1')).toEqual([one.id, two.id])
        expect(await by('agent', 'ehr-1', 'pharmacy')).toEqual([one.id, two.id, three.id])
        const since = (lowFrom: number) => [{ kind: 'date' as const, param: 'date', windows: [{ lowFrom }] }]
        expect(await found(store, 'AuditEvent', since(at + 1000))).toEqual([two.id, three.id])
        const newestFirst = { sort: { param: 'date', descending: true }, limit: 2 }
        expect(await found(store, 'AuditEvent', [], newestFirst)).toEqual([three.id, two.id])
        const [page] = (await store.search({ type: 'AuditEvent', criteria: [], ...newestFirst })).slice(-1)
        expect(await found(store, 'AuditEvent', [], { ...newestFirst, after: page?.cursor })).toEqual([
          one.id,
        ])
      }))

    it('of another time than they came in at are found by their own, and stand in the log by that of coming in', () =>
      withStore(async ({ store }) => {
        const here = entry({ recorded: at })
        const elsewhere = entry({ recorded: at - 3_600_000, received: at + 5 })
        await store.commit({ audit: [here, elsewhere] })
        const until = [{ kind: 'date' as const, param: 'date', windows: [{ highTo: at - 1 }] }]
        expect(await found(store, 'AuditEvent', until)).toEqual([elsewhere.id])
        const rows = await store.logRows(0, 2)
        expect(rows.map(({ entry: leaf }) => readLeaf(leaf).recorded)).toEqual([at, at + 5])
      }))
  })
}
