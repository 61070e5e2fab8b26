import { describe, expect, it } from 'vitest'
import type { Store } from '#core/ports.ts'
import type { Criterion, Cursor, DateWindow, SearchQuery } from '#core/query.ts'
import {
  at,
  createAll,
  created,
  deleted,
  found,
  idsOf,
  message,
  newId,
  order,
  unitOf,
  updated,
  type WithStore,
} from './units.ts'

function token(param: string, ...values: string[]): Criterion {
  return { kind: 'token', param, values }
}

function without(param: string, ...values: string[]): Criterion {
  return { kind: 'token', param, values, not: true }
}

function dates(param: string, ...windows: DateWindow[]): Criterion {
  return { kind: 'date', param, windows }
}

const day = (text: string) => Date.parse(`${text}T00:00:00Z`)
const dayMs = 86_400_000

/** All pages of a search, with something done between them. */
async function pages(store: Store, query: SearchQuery, between: (page: number) => Promise<void>) {
  const ids: string[] = []
  let after: Cursor | undefined
  for (let page = 0; page < 50; page++) {
    const rows = await store.search({ ...query, after })
    ids.push(...rows.map(({ stored }) => stored.id))
    if (rows.length < query.limit) return ids
    after = rows.at(-1)?.cursor
    await between(page)
  }
  throw new Error('the pages do not end')
}

export function searchClaims(withStore: WithStore): void {
  describe('search', () => {
    it('finds by token: system and code, code alone, no system, any of several', () =>
      withStore(async ({ store }) => {
        const identifiers = [
          [{ system: 'urn:a', value: '1' }],
          [{ system: 'urn:b', value: '1' }],
          [{ value: '2' }],
        ]
        const [a, b, bare] = idsOf(
          await createAll(
            store,
            identifiers.map((identifier) => message('p1', { identifier })),
          ),
        )
        const by = (...values: string[]) => found(store, 'Communication', [token('identifier', ...values)])
        expect(await by('urn:a|1')).toEqual([a])
        expect(await by('1')).toEqual([a, b])
        expect(await by('|2')).toEqual([bare])
        expect(await by('|1')).toEqual([])
        expect(await by('urn:b|1', '2')).toEqual([b, bare])
        expect(await by('urn:a|')).toEqual([a])
      }))

    it('finds by reference, by both sides of an AND, and by what is not so', () =>
      withStore(async ({ store }) => {
        const sender = { reference: 'Practitioner/d1' }
        const writes = await createAll(store, [
          message('p1', { sender }),
          message('p1', { sender, status: 'in-progress' }),
          message('p2', { sender }),
        ])
        const [one, two, three] = idsOf(writes)
        expect(await found(store, 'Communication', [token('patient', 'Patient/p1')])).toEqual([one, two])
        const both = [token('patient', 'Patient/p1', 'Patient/p2'), token('status', 'completed')]
        expect(await found(store, 'Communication', both)).toEqual([one, three])
        const not = [token('sender', 'Practitioner/d1'), without('status', 'completed')]
        expect(await found(store, 'Communication', not)).toEqual([two])
        expect(await found(store, 'Task', [])).toEqual([])
      }))

    it('finds by date, by the time of change and by id', () =>
      withStore(async ({ store }) => {
        const writes = await createAll(store, [
          message('p1', { sent: '2026-05-01' }),
          message('p1', { sent: '2026-05-02T12:00:00+02:00' }),
          message('p1'),
        ])
        const [first, second, undated] = idsOf(writes)
        const by = (...criteria: Criterion[]) => found(store, 'Communication', criteria)
        const may = { lowFrom: day('2026-05-01'), highTo: day('2026-06-01') - 1 }
        expect(await by(dates('sent', may))).toEqual([first, second])
        expect(await by(dates('sent', { lowFrom: day('2026-05-02') }))).toEqual([second])
        const either = [
          { lowTo: day('2026-05-01') },
          { lowFrom: day('2026-05-02'), lowTo: day('2026-05-03') },
        ]
        expect(await by(dates('sent', ...either))).toEqual([first, second])
        expect(await by(dates('_lastUpdated', { lowFrom: at + 2 }))).toEqual([undated])
        expect(await by(dates('_lastUpdated', { lowFrom: at, highTo: at + 1 }))).toEqual([first, second])
        expect(await by({ kind: 'id', values: [second ?? '', newId()] })).toEqual([second])
      }))

    it('takes a hundred and fifty values of one parameter', () =>
      withStore(async ({ store }) => {
        const writes = await createAll(store, [message('p1'), message('p2'), message('p3')])
        const many = Array.from({ length: 150 }, (_, i) => `Patient/x${i}`)
        const ids = Array.from({ length: 150 }, () => newId())
        const by = (...criteria: Criterion[]) => found(store, 'Communication', criteria)
        expect(await by(token('patient', ...many, 'Patient/p2'))).toEqual([writes[1]?.resource.id])
        expect(await by(without('patient', ...many, 'Patient/p2'))).toHaveLength(2)
        expect(await by({ kind: 'id', values: [...ids, ...idsOf(writes)] })).toHaveLength(3)
      }))

    it('finds a telling code within its patient only', () =>
      withStore(async ({ store }) => {
        const code = (system: string) => ({
          medicationCodeableConcept: { coding: [{ system, code: '197591' }] },
        })
        const rxnorm = 'http://www.nlm.nih.gov/research/umls/rxnorm'
        const writes = await createAll(store, [
          order('p1', code(rxnorm)),
          order('p2', code(rxnorm)),
          order('p1'),
        ])
        const [mine, theirs] = idsOf(writes)
        const by = (...criteria: Criterion[]) => found(store, 'MedicationRequest', criteria)
        const coded = token('code', `${rxnorm}|197591`)
        expect(await by(token('patient', 'Patient/p1'), coded)).toEqual([mine])
        expect(await by(coded, token('subject', 'Patient/p2'))).toEqual([theirs])
        expect(await by(token('patient', 'Patient/nobody'), coded)).toEqual([])
        await expect(by(coded)).rejects.toMatchObject({ kind: 'too-costly' })
        await expect(by(without('patient', 'Patient/p1'), coded)).rejects.toMatchObject({
          kind: 'too-costly',
        })
      }))

    it('gives what a row is found by to the current version, and takes it from a deleted one', () =>
      withStore(async ({ store }) => {
        const first = created(
          message('p1', {
            identifier: [{ value: 'old' }],
            sent: '2026-05-01',
            category: [{ text: 'x', coding: [{ code: 'c1' }] }],
          }),
        )
        const second = updated(first, message('p2', { identifier: [{ value: 'new' }], sent: '2026-05-03' }))
        await store.commit(unitOf(first))
        await store.commit(unitOf(second))
        const { id } = first.resource
        const by = (...criteria: Criterion[]) => found(store, 'Communication', criteria)
        expect(await by(token('identifier', 'old'))).toEqual([])
        expect(await by(token('identifier', 'new'))).toEqual([id])
        expect(await by(token('patient', 'Patient/p1'))).toEqual([])
        expect(await by(token('patient', 'Patient/p1'), token('category', 'c1'))).toEqual([])
        expect(await by(dates('sent', { lowTo: day('2026-05-02') }))).toEqual([])
        expect(await by(dates('sent', { lowFrom: day('2026-05-03') }))).toEqual([id])
        expect(await by(dates('_lastUpdated', { lowTo: at }))).toEqual([])
        expect(await by()).toEqual([id])
        await store.commit(unitOf(deleted(second)))
        for (const criteria of [[], [token('identifier', 'new')], [dates('sent', { lowFrom: 0 })]]) {
          expect(await by(...criteria)).toEqual([])
        }
      }))

    it('leaves no search row of a deleted resource behind', () =>
      withStore(async ({ store, driver }) => {
        const first = created(
          order('p1', {
            identifier: [{ value: 'x' }, { value: 'x' }],
            authoredOn: '2026-05-01',
            medicationCodeableConcept: { coding: [{ code: '1' }] },
          }),
        )
        await store.commit({ audit: [], writes: [first] })
        await store.commit({ audit: [], writes: [deleted(first)] })
        for (const table of ['token_row', 'date_row'])
          expect(await driver.all({ sql: `SELECT * FROM ${table}`, parameters: [] }), table).toEqual([])
      }))

    it('sorts both ways, those without a date before all others, ties by id', () =>
      withStore(async ({ store }) => {
        const sent = ['2026-05-03', undefined, '2026-05-01', '2026-05-03', '2026-05-02']
        const writes = await createAll(
          store,
          sent.map((each) => message('p1', each ? { sent: each } : {})),
        )
        const ids = idsOf(writes)
        const [tieA, tieB] = [ids[0] ?? '', ids[3] ?? ''].sort()
        const upwards = [ids[1], ids[2], ids[4], tieA, tieB]
        const by = (descending: boolean) =>
          found(store, 'Communication', [], { sort: { param: 'sent', descending } })
        expect(await by(false)).toEqual(upwards)
        expect(await by(true)).toEqual(upwards.toReversed())
        expect(await found(store, 'Communication', [])).toEqual(ids)
        const newest = { sort: { param: '_lastUpdated', descending: true } }
        expect(await found(store, 'Communication', [], newest)).toEqual(ids.toReversed())
      }))

    for (const descending of [false, true]) {
      it(`pages ${descending ? 'down' : 'up'} without a loss or a double while others write`, () =>
        withStore(async ({ store }) => {
          const base = day('2026-01-01')
          const sentOn = (n: number) => ({ sent: new Date(base + n * dayMs).toISOString() })
          // Two of each day, so that pages end within ties.
          const writes = await createAll(
            store,
            Array.from({ length: 30 }, (_, i) => message('p1', sentOn(Math.floor(i / 2)))),
          )
          const gone = new Set<string>()
          const query = {
            type: 'Communication',
            criteria: [token('patient', 'Patient/p1')],
            sort: { param: 'sent', descending },
            limit: 7,
          }
          const ids = await pages(store, query, async (page) => {
            const [touched, removed] = [writes[page * 3], writes[page * 3 + 1]]
            if (!touched || !removed) return
            const when = at + 100_000 + page
            await store.commit(unitOf(created(message('p1', sentOn(page + 0.5)), newId(), when)))
            await store.commit(
              unitOf(updated(touched, { ...touched.resource, status: 'stopped' } as never, when)),
            )
            await store.commit(unitOf(deleted(removed, when)))
            gone.add(removed.resource.id)
          })
          expect(new Set(ids).size, 'no double').toBe(ids.length)
          const stayed = idsOf(writes).filter((id) => !gone.has(id))
          expect(
            stayed.filter((id) => !ids.includes(id)),
            'no loss',
          ).toEqual([])
          const dateOf = new Map(
            writes.map(({ resource }) => [resource.id, (resource as { sent?: string }).sent ?? '']),
          )
          const order = ids.flatMap((id) => dateOf.get(id) ?? [])
          expect(order).toEqual(descending ? order.toSorted().toReversed() : order.toSorted())
        }))
    }
  })
}
