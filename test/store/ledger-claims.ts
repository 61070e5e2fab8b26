import type { QuestionnaireResponse } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import { incoming, readLedger, seenThroughOf } from '#care/ledger-reading.ts'
import { hashHex, type SignedEntry } from '#core/ledger.ts'
import type { Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import {
  at,
  countOf,
  created,
  deleted,
  entry,
  message,
  newId,
  order,
  outcomes,
  unitOf,
  updated,
  type WithStore,
} from './units.ts'

const answers: QuestionnaireResponse = {
  resourceType: 'QuestionnaireResponse',
  status: 'completed',
  subject: { reference: 'Patient/1' },
}

function signed(): SignedEntry {
  const place = { what: 'MedicationRequest/1/_history/2', sha256: '' }
  const facts = { person: 'Practitioner/1', order: place, record: place, verdict: 'seen', after: '' } as const
  return { kind: 'signed', id: newId(), at, ...facts, unseen: [], withheld: [] }
}

async function told(store: Store, patient: Reference): Promise<string[]> {
  const { entries } = await readLedger(store, patient)
  return entries.map(({ entry: each }) => ('what' in each ? `${each.kind} ${each.what}` : each.kind))
}

export function ledgerClaims(withStore: WithStore): void {
  describe('ledgers', () => {
    it('hold every version of messages and answers, by its hash, in the commit that stores it', () =>
      withStore(async ({ store }) => {
        const first = created(message('1', { sender: { reference: 'Patient/1' } }))
        const edited = updated(first, message('1'))
        const filled = created(answers)
        const reply = message('1', {
          sender: { reference: 'Practitioner/1' },
          recipient: [{ reference: 'Patient/1' }],
        })
        await store.commit(unitOf(first))
        await store.commit(unitOf(edited, created(order('1')), created(reply), created(message('2'))))
        await store.commit(unitOf(filled))
        await store.commit(unitOf(deleted(edited)))
        const [id, other] = [first.resource.id, filled.resource.id]
        expect(await told(store, 'Patient/1')).toEqual([
          `received Communication/${id}/_history/1`,
          `received Communication/${id}/_history/2`,
          `received QuestionnaireResponse/${other}/_history/1`,
          `withdrawn Communication/${id}/_history/3`,
        ])
        const stored = await store.readVersion('Communication', id, 2)
        const [, second] = incoming(await readLedger(store, 'Patient/1'))
        expect(second?.entry).toMatchObject({ sha256: await hashHex(stored?.json ?? '') })
        expect(await told(store, 'Patient/2')).toHaveLength(1)
        expect(seenThroughOf([await readLedger(store, 'Patient/3')], 'Practitioner/1')).toMatch(
          /^Patient\/3:0:[\w-]{43}$/,
        )
      }))

    it('have no gap, however many come at once, and nothing of what fails', () =>
      withStore(async ({ store }) => {
        const standing = created(message('1'))
        await store.commit(unitOf(standing))
        const many = Array.from({ length: 30 }, (_, i) =>
          store.commit(
            unitOf(i % 3 === 0 ? created(message('1'), standing.resource.id) : created(message('1'))),
          ),
        )
        expect(countOf(await outcomes(many), 'precondition-failed')).toBe(10)
        expect(await told(store, 'Patient/1')).toHaveLength(21)
      }))

    it('take an entry in its place or not at all, with all that belongs to it', () =>
      withStore(async ({ store }) => {
        await store.commit(unitOf(created(message('1'))))
        const place = (position: number, write = created(order('1'))) =>
          store.commit({
            ...unitOf(write),
            ledger: [{ patient: 'Patient/1', entry: signed(), position }],
          })
        const early = created(order('1'))
        expect(await outcomes([place(1, early), place(3)])).toEqual(['conflict', 'conflict'])
        expect(await store.read('MedicationRequest', early.resource.id)).toBeUndefined()
        const raced = await outcomes([place(2), store.commit(unitOf(created(message('1')))), place(2)])
        expect(raced).toEqual(['ok', 'ok', 'conflict'])
        expect((await told(store, 'Patient/1')).map((each) => each.split(' ')[0])).toEqual([
          'received',
          'signed',
          'received',
        ])
      }))

    it('let a commit rest on versions, and fail it where one came after them', () =>
      withStore(async ({ store }) => {
        const first = created(message('1'))
        await store.commit(unitOf(first))
        const { id } = first.resource
        const expecting = (version: number) =>
          store.commit({ ...unitOf(created(order('1'))), expects: [{ type: 'Communication', id, version }] })
        expect(await outcomes([expecting(1)])).toEqual(['ok'])
        await store.commit(unitOf(updated(first, message('1'))))
        expect(await outcomes([expecting(1), expecting(2)])).toEqual(['precondition-failed', 'ok'])
      }))

    it('are appended to only, and say nothing without a key', () =>
      withStore(async ({ store, driver }) => {
        await store.commit(unitOf(created(message('canary'))))
        const run = (text: string) => driver.atomically([{ sql: text, parameters: [] }])
        for (const text of [
          "UPDATE ledger_entry SET kind = 'viewed'",
          'DELETE FROM ledger_entry',
          'INSERT OR REPLACE INTO ledger_entry SELECT * FROM ledger_entry',
        ])
          await expect(run(text), text).rejects.toMatchObject({ kind: 'unavailable' })
        const [row] = await driver.all({ sql: 'SELECT * FROM ledger_entry', parameters: [] })
        const shown = Object.values(row ?? {}).map((each) =>
          each instanceof Uint8Array ? new TextDecoder().decode(each) : String(each),
        )
        expect(shown.join()).not.toMatch(/canary|Communication/)
      }))

    it('are completed for what an earlier release stored, once, and are not read before', () =>
      withStore(async ({ store, driver }) => {
        const first = created(message('1'))
        await store.commit(unitOf(first))
        await store.commit(unitOf(updated(first, message('1'))))
        await store.commit(unitOf(created(message('2')), created(order('1'))))
        const before = await Promise.all(['1', '2'].map((each) => told(store, `Patient/${each}`)))
        for (const text of [
          'DROP TRIGGER ledger_entry_no_delete',
          'DELETE FROM ledger_entry',
          `INSERT INTO ledger_backlog (type, id, version) SELECT type, id, version FROM version
           WHERE type IN ('Communication', 'QuestionnaireResponse') ORDER BY updated, id, version`,
        ])
          await driver.atomically([{ sql: text, parameters: [] }])
        await store.commit(unitOf(created(message('2'))))
        await expect(store.ledger('Patient/1', 1, 10)).rejects.toMatchObject({ kind: 'unavailable' })
        expect(await store.completeLedgers(1)).toBe(true)
        const both = [store.completeLedgers(10), store.completeLedgers(10)]
        expect(await Promise.all(both)).toEqual([false, false])
        expect(await told(store, 'Patient/1')).toEqual(before[0])
        expect([...(await told(store, 'Patient/2'))].sort()).toEqual(
          expect.arrayContaining([...(before[1] ?? [])]),
        )
        expect(await told(store, 'Patient/2')).toHaveLength(2)
      }))

    it('tell of what comes in after something was signed, until it was looked at', () =>
      withStore(async ({ store }) => {
        await store.commit(unitOf(created(message('1'))))
        await store.commit({ audit: [entry()], ledger: [{ patient: 'Patient/1', entry: signed() }] })
        await store.commit(unitOf(created(message('2'))))
        const late = created(message('1'))
        await store.commit(unitOf(late))
        const [one, ...more] = await store.lateEntries(10)
        expect([one, more]).toMatchObject([
          { patient: 'Patient/1', entry: { what: `Communication/${late.resource.id}/_history/1` } },
          [],
        ])
        await store.commit({ audit: [], lateSeen: one?.seq ?? 0 })
        expect(await store.lateEntries(10)).toEqual([])
      }))
  })
}
