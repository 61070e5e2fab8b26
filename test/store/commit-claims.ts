import { describe, expect, it } from 'vitest'
import type { NewReceipt, Nonce } from '#core/commit.ts'
import {
  at,
  bodyOf,
  countOf,
  created,
  deleted,
  entry,
  found,
  message,
  newId,
  outcomes,
  unitOf,
  updated,
  type WithStore,
} from './units.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

function receipt(messageId: string, more: Partial<NewReceipt> = {}): NewReceipt {
  return { sender: 'platform', messageId, body: bytes('{"a":1}'), answer: '{"ok":true}', at, ...more }
}

export function commitClaims(withStore: WithStore): void {
  describe('commit', () => {
    it('keeps a unit wholly and gives back the exact text', () =>
      withStore(async ({ store }) => {
        const write = created(message('p1'))
        const { leaves } = await store.commit({ audit: [entry(), entry()], writes: [write] })
        expect(leaves).toEqual([0, 1])
        const stored = await store.read('Communication', write.resource.id)
        expect(stored).toMatchObject({ version: 1, deleted: false, updated: at })
        expect(stored?.json).toBe(JSON.stringify(write.resource))
      }))

    it('leaves nothing of a unit whose last statement conflicts', () =>
      withStore(async ({ store, driver }) => {
        const standing = created(message('p1'))
        await store.commit(unitOf(standing))
        const fresh = created(message('p1', { status: 'stopped' }))
        const id = newId()
        const refused = store.commit({
          audit: [entry()],
          nonces: [{ issuer: 'c', value: 'n1', expires: at }],
          receipt: receipt('m1'),
          deliveries: [{ id, destination: 'd', resources: [], due: at }],
          registrations: [{ kind: 'client', id: 'c1', json: '{}' }],
          counters: ['screened'],
          writes: [fresh, standing],
        })
        await expect(refused).rejects.toMatchObject({ kind: 'precondition-failed' })
        expect(await store.read('Communication', fresh.resource.id)).toBeUndefined()
        expect(
          await found(store, 'Communication', [{ kind: 'token', param: 'status', values: ['stopped'] }]),
        ).toEqual([])
        expect(await store.findReceipt('platform', 'm1')).toBeUndefined()
        expect(await store.deliveries(10)).toEqual([])
        expect(await store.findRegistration('client', 'c1')).toBeUndefined()
        expect(await store.counters()).toEqual({})
        expect(await store.logSize()).toBe(1)
        expect(await driver.all({ sql: 'SELECT * FROM nonce', parameters: [] })).toEqual([])
        // The one-time value is still good, since nothing was done with it.
        await store.commit({ audit: [entry()], nonces: [{ issuer: 'c', value: 'n1', expires: at }] })
      }))

    it('undoes what stood before a statement that breaks outside of any guard', () =>
      withStore(async ({ store }) => {
        const twice = entry()
        await store.commit({ audit: [twice] })
        const write = created(message('p1'))
        await expect(store.commit({ audit: [twice], writes: [write] })).rejects.toMatchObject({
          kind: 'unavailable',
        })
        expect(await store.read('Communication', write.resource.id)).toBeUndefined()
        expect(await store.logSize()).toBe(1)
      }))

    it('lets one of fifty updates of the same version win', () =>
      withStore(async ({ store }) => {
        const first = created(message('p1'))
        await store.commit(unitOf(first))
        const attempts = Array.from({ length: 50 }, (_, i) =>
          store.commit(unitOf(updated(first, message('p1', { sent: `2026-11-21T08:00:${10 + i}Z` })))),
        )
        const result = await outcomes(attempts)
        expect(countOf(result, 'ok')).toBe(1)
        expect(countOf(result, 'precondition-failed')).toBe(49)
        const winner = 10 + result.indexOf('ok')
        expect(bodyOf(await store.read('Communication', first.resource.id)).sent).toBe(
          `2026-11-21T08:00:${winner}Z`,
        )
        expect(await store.history('Communication', first.resource.id, 10)).toHaveLength(2)
      }))

    it('gives one of fifty identical messages the receipt', () =>
      withStore(async ({ store }) => {
        const attempts = Array.from({ length: 50 }, () =>
          store.commit({ audit: [entry()], receipt: receipt('m1'), writes: [created(message('p1'))] }),
        )
        const result = await outcomes(attempts)
        expect(countOf(result, 'ok')).toBe(1)
        expect(countOf(result, 'conflict')).toBe(49)
        expect(await found(store, 'Communication', [])).toHaveLength(1)
      }))

    it('takes a one-time value once for each issuer, and again after it was swept', () =>
      withStore(async ({ store }) => {
        const use = (nonce: Nonce) => store.commit({ audit: [entry()], nonces: [nonce] })
        const nonce = { issuer: 'ehr', value: 'jti-1', expires: at + 1000 }
        expect((await outcomes([use(nonce), use(nonce), use(nonce)])).sort()).toEqual([
          'conflict',
          'conflict',
          'ok',
        ])
        await use({ ...nonce, issuer: 'pharmacy' })
        await store.sweep(at + 1000)
        await expect(use(nonce)).rejects.toMatchObject({ kind: 'conflict' })
        await store.sweep(at + 1001)
        await use(nonce)
      }))

    it('fails one conflicting unit of a group alone', () =>
      withStore(async ({ store }) => {
        const standing = created(message('p1'))
        await store.commit(unitOf(standing))
        const writes = Array.from({ length: 9 }, (_, i) => (i === 4 ? standing : created(message('p1'))))
        const result = await outcomes(writes.map((write) => store.commit(unitOf(write))))
        expect(result).toEqual(writes.map((_, i) => (i === 4 ? 'precondition-failed' : 'ok')))
        expect(await found(store, 'Communication', [])).toHaveLength(9)
      }))

    it('tells its listeners of what is durable, and of nothing else', () =>
      withStore(async ({ store }) => {
        const heard: unknown[] = []
        store.onCommit((unit) => heard.push(unit))
        const good = unitOf(created(message('p1')))
        await store.commit(good)
        await outcomes([store.commit({ ...good, audit: [entry()] })])
        expect(heard).toEqual([good])
      }))
  })

  describe('versions', () => {
    it('are read each, newest first in the history, deletions among them', () =>
      withStore(async ({ store }) => {
        const first = created(message('p1', { status: 'preparation' }))
        const second = updated(first, message('p1', { status: 'completed' }))
        const third = deleted(second)
        for (const write of [first, second, third]) await store.commit(unitOf(write))
        const { id } = first.resource
        const history = await store.history('Communication', id, 10)
        expect(history.map((each) => [each.version, each.deleted, bodyOf(each).status])).toEqual([
          [3, true, undefined],
          [2, false, 'completed'],
          [1, false, 'preparation'],
        ])
        expect((await store.history('Communication', id, 2)).map((each) => each.version)).toEqual([3, 2])
        expect((await store.history('Communication', id, 2, 3)).map((each) => each.version)).toEqual([2, 1])
        expect(await store.read('Communication', id)).toMatchObject({ version: 3, deleted: true, json: '' })
        expect(bodyOf(await store.readVersion('Communication', id, 1)).status).toBe('preparation')
        expect(await store.readVersion('Communication', id, 4)).toBeUndefined()
        expect(await store.read('Task', id)).toBeUndefined()
      }))

    it('of a type are read newest first, page by page, ties by id and version', () =>
      withStore(async ({ store }) => {
        const [a, b] = [created(message('p1'), 'a'), created(message('p1'), 'b')]
        const later = updated(a, message('p1'), a.updated + 5)
        const writes = [a, b, later, deleted(b, a.updated + 5)]
        for (const write of writes) await store.commit(unitOf(write))
        const told = (list: { id: string; version: number }[]) =>
          list.map(({ id, version }) => `${id}${version}`)
        const first = await store.changes('Communication', 3)
        expect(told(first)).toEqual(['b2', 'a2', 'b1'])
        expect(told(await store.changes('Communication', 3, first[2]))).toEqual(['a1'])
        expect(told(await store.changes('Communication', 3, first[0]))).toEqual(['a2', 'b1', 'a1'])
        expect(await store.changes('Task', 3)).toEqual([])
      }))

    it('go on after a deletion', () =>
      withStore(async ({ store }) => {
        const first = created(message('p1'))
        const gone = deleted(first)
        const { previous: _, ...back } = updated(gone, message('p1', { status: 'on-hold' }))
        for (const write of [first, gone, back]) await store.commit(unitOf(write))
        expect(await store.read('Communication', first.resource.id)).toMatchObject({
          version: 3,
          deleted: false,
        })
        const criteria = [{ kind: 'token' as const, param: 'status', values: ['on-hold'] }]
        expect(await found(store, 'Communication', criteria)).toEqual([first.resource.id])
      }))

    it('keep the digits of a decimal', () =>
      withStore(async ({ store }) => {
        const write = created({
          resourceType: 'MedicationRequest',
          status: 'active',
          intent: 'order',
          subject: { reference: 'Patient/p1' },
          dosageInstruction: [
            {
              doseAndRate: [
                { doseQuantity: { value: JSON.rawJSON('1.50') as unknown as number, unit: 'mg' } },
              ],
            },
          ],
        })
        await store.commit(unitOf(write))
        expect((await store.read('MedicationRequest', write.resource.id))?.json).toContain('"value":1.50,')
      }))
  })

  describe('receipts', () => {
    it('tell the same message from another under its id, and forget a purged one but for its id', () =>
      withStore(async ({ store }) => {
        await store.commit({ audit: [entry()], receipt: receipt('m1') })
        await store.commit({ audit: [entry()], receipt: receipt('m2', { answer: undefined }) })
        const same = { outcome: 'same', answer: '{"ok":true}' }
        expect(await store.findReceipt('platform', 'm1')).toEqual(same)
        expect(await store.findReceipt('platform', 'm1', bytes('{"a":1}'))).toEqual(same)
        expect(await store.findReceipt('platform', 'm1', bytes('{"a":2}'))).toEqual({ outcome: 'differs' })
        expect(await store.findReceipt('platform', 'm2', bytes('{"a":1}'))).toEqual({ outcome: 'purged' })
        expect(await store.findReceipt('other', 'm1')).toBeUndefined()
        // Length-prefixed parts: no sender and id run together into another's.
        expect(await store.findReceipt('platformm', '1')).toBeUndefined()
      }))
  })

  describe('registrations and counters', () => {
    it('are kept by kind and id; the last one put stands', () =>
      withStore(async ({ store }) => {
        const put = (kind: 'client' | 'destination', id: string, json: string) =>
          store.commit({ audit: [entry()], registrations: [{ kind, id, json }] })
        await put('client', 'b', '{"v":1}')
        await put('client', 'a', '{"v":1}')
        await put('client', 'b', '{"v":2}')
        await put('destination', 'b', '{"v":3}')
        expect(await store.findRegistration('client', 'b')).toBe('{"v":2}')
        expect(await store.registrations('client')).toEqual([
          { id: 'a', json: '{"v":1}' },
          { id: 'b', json: '{"v":2}' },
        ])
        expect(await store.findRegistration('destination', 'b')).toBe('{"v":3}')
        expect(await store.findRegistration('signing-key', 'b')).toBeUndefined()
      }))

    it('count every unit that raises them', () =>
      withStore(async ({ store }) => {
        const raise = (...counters: string[]) => store.commit({ audit: [entry()], counters })
        await Promise.all([raise('screened'), raise('screened', 'other'), raise('screened')])
        expect(await store.counters()).toEqual({ screened: 3, other: 1 })
      }))
  })
}
