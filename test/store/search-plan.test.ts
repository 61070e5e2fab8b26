import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Criterion, SearchQuery } from '#core/query.ts'
import { compileSearch } from '#store/search.ts'
import { type OpenStore, openStore } from '../open-store.ts'
import { created, entry, message } from './units.ts'

/** How SQLite goes about a search, on three thousand messages of thirty patients. */
describe('the plan of a search', () => {
  let open: OpenStore
  let db: Database.Database

  beforeAll(async () => {
    open = await openStore()
    for (let page = 0; page < 3; page++) {
      const writes = Array.from({ length: 1000 }, (_, n) =>
        created(
          message(`p${n % 30}`, { sent: '2026-05-01', sender: { reference: `Practitioner/${n % 2}` } }),
        ),
      )
      await open.store.commit({ audit: [entry()], writes })
    }
    db = new Database(join(open.folder, 'data.db'), { readonly: true })
  })
  afterAll(async () => {
    db.close()
    await open.close()
  })

  const token = (param: string, value: string): Criterion => ({ kind: 'token', param, values: [value] })
  const compiled = (query: Partial<SearchQuery>) =>
    compileSearch(
      { type: 'Communication', criteria: [], limit: 21, ...query },
      open.vault,
      async (bound) => db.prepare(bound.sql).all(...bound.parameters) as Record<string, unknown>[],
    )

  async function plan(query: Partial<SearchQuery>): Promise<string[]> {
    const { sql, parameters } = await compiled(query)
    const steps = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters) as { detail: string }[]
    return steps.map(({ detail }) => detail)
  }

  const newest = { sort: { param: 'sent', descending: true } }

  it('starts from the patient, and looks up all else by key', async () => {
    for (const more of [{}, newest]) {
      const criteria = [token('status', 'completed'), token('patient', 'Patient/p1')]
      const steps = await plan({ criteria, ...more })
      const [first] = steps.filter((step) => /^(SEARCH|SCAN) (token_row|t|live|s)\b/.test(step))
      expect(first).toMatch(/^SEARCH token_row USING (COVERING INDEX .*|PRIMARY KEY) \(hash=\?\)/)
      expect(steps.filter((step) => /live/.test(step))).toEqual([
        'SEARCH live USING PRIMARY KEY (id=? AND param=?)',
      ])
      expect(steps.some((step) => /^SEARCH t .*\(hash=\? AND id=\?\)/.test(step))).toBe(true)
    }
  })

  it('walks the order asked for when no filter is rare, without sorting the type', async () => {
    const inOrder = await plan({ criteria: [token('status', 'completed')], ...newest })
    expect(
      inOrder.some((step) =>
        /SEARCH s USING COVERING INDEX date_row_order|SEARCH s USING INDEX date_row_order/.test(step),
      ),
    ).toBe(true)
    const after = { key: Date.UTC(2026, 4, 1), id: 'a' }
    const further = await plan({ criteria: [token('status', 'completed')], after })
    expect(further.some((step) => /SEARCH live USING .*date_row_order \(param=\? AND /.test(step))).toBe(true)
    // Only the page itself is sorted again, around its bodies.
    for (const steps of [inOrder, further]) {
      expect(steps.filter((step) => /TEMP B-TREE FOR ORDER BY/.test(step)).length).toBeLessThanOrEqual(1)
    }
  })

  it('reads no table from end to end', async () => {
    const day: Criterion = { kind: 'date', param: 'sent', windows: [{ lowFrom: 0, highTo: 1 }, { lowTo: 5 }] }
    const id: Criterion = { kind: 'id', values: ['a', 'b'] }
    const not: Criterion = { kind: 'token', param: 'sender', values: ['Practitioner/1'], not: true }
    for (const criteria of [[], [day], [id], [not]]) {
      for (const more of [{}, newest]) {
        const steps = await plan({ criteria, ...more })
        expect(
          steps.filter((step) => /^SCAN (?!page|found|t\b|w\b|json_each|\(subquery)/.test(step)),
        ).toEqual([])
      }
    }
  })

  it('is compiled once for each shape', async () => {
    const [one, other] = await Promise.all(
      ['Patient/p1', 'Patient/p2'].map((value) =>
        compiled({ criteria: [token('patient', value)], ...newest }),
      ),
    )
    expect(one?.sql).toBe(other?.sql)
    expect(one?.parameters).not.toEqual(other?.parameters)
  })
})
