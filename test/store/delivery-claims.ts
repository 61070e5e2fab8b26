import { describe, expect, it } from 'vitest'
import type { NewDelivery, Settlement } from '#core/commit.ts'
import type { Store } from '#core/ports.ts'
import { at, entry, newId, outcomes, type WithStore } from './units.ts'

const leaseMs = 30_000

function delivery(more: Partial<NewDelivery> = {}): NewDelivery {
  const resources = [{ type: 'Communication', id: 'c1', version: 2 }]
  return { id: newId(), destination: 'ehr', resources, patient: 'Patient/p1', due: at, ...more }
}

async function enqueue(store: Store, ...deliveries: NewDelivery[]): Promise<void> {
  for (const each of deliveries) await store.commit({ audit: [entry()], deliveries: [each] })
}

function settle(store: Store, settlement: Partial<Settlement> & { delivery: string }) {
  const whole = { attempt: 1, state: 'delivered' as const, at: at + 500, ...settlement }
  return store.commit({ audit: [entry()], settlements: [whole] })
}

async function claimed(store: Store, now = at, limit = 10): Promise<[string, number][]> {
  return (await store.claimDeliveries(now, leaseMs, limit)).map(({ id, attempt }) => [id, attempt])
}

async function stateOf(store: Store, id: string) {
  return (await store.deliveries(100)).find((each) => each.id === id)
}

export function deliveryClaims(withStore: WithStore): void {
  describe('deliveries', () => {
    it('are claimed when due, with all that is to be sent, and by one claimer only', () =>
      withStore(async ({ store }) => {
        const [now, later] = [delivery(), delivery({ patient: 'Patient/p2', due: at + 5000 })]
        await enqueue(store, now, later)
        const both = await Promise.all([
          store.claimDeliveries(at, leaseMs, 10),
          store.claimDeliveries(at, leaseMs, 10),
        ])
        expect(both.flat()).toEqual([
          {
            id: now.id,
            destination: 'ehr',
            patient: 'Patient/p1',
            resources: now.resources,
            state: 'claimed',
            attempt: 1,
            due: at,
            created: at,
          },
        ])
        expect(await claimed(store, at + 4999)).toEqual([])
        expect(await claimed(store, at + 5000)).toEqual([[later.id, 1]])
      }))

    it('keep their order for one patient and destination, and wait for nobody else', () =>
      withStore(async ({ store }) => {
        const first = delivery()
        const second = delivery()
        const otherPatient = delivery({ patient: 'Patient/p2' })
        const otherPlace = delivery({ destination: 'pharmacy' })
        const nobody = [delivery({ patient: undefined }), delivery({ patient: undefined })]
        await enqueue(store, first, second, otherPatient, otherPlace, ...nobody)
        const expected = [first, otherPatient, otherPlace, ...nobody].map(({ id }) => [id, 1])
        expect(await claimed(store)).toEqual(expected)
        await settle(store, { delivery: first.id, state: 'queued', due: at + 60_000, reason: 'http-503' })
        expect(await claimed(store, at + 1000), 'a retry holds its successors back').toEqual([])
        expect(await claimed(store, at + 60_000)).toContainEqual([first.id, 2])
        await settle(store, { delivery: first.id, attempt: 2 })
        expect(await claimed(store, at + 60_001)).toContainEqual([second.id, 1])
      }))

    it('are claimed oldest first, up to the limit', () =>
      withStore(async ({ store }) => {
        const all = Array.from({ length: 5 }, (_, i) => delivery({ patient: `Patient/p${i}` }))
        await enqueue(store, ...all)
        expect(await claimed(store, at, 3)).toEqual(all.slice(0, 3).map(({ id }) => [id, 1]))
        expect(await claimed(store, at, 3)).toEqual(all.slice(3).map(({ id }) => [id, 1]))
      }))

    it('leave places to others: one destination is never claimed beyond its share', () =>
      withStore(async ({ store }) => {
        const hanging = Array.from({ length: 5 }, (_, i) => delivery({ patient: `Patient/p${i}` }))
        const [other, third] = [delivery({ destination: 'pharmacy' }), delivery({ destination: 'registry' })]
        await enqueue(store, ...hanging, other, third)
        const claim = async (room: number, underway: Record<string, number>) =>
          (await store.claimDeliveries(at, leaseMs, 10, { room, underway })).map(({ id }) => id)
        expect(await claim(2, { pharmacy: 2 })).toEqual([hanging[0]?.id, hanging[1]?.id, third.id])
        expect(await claim(2, { ehr: 2 })).toEqual([other.id])
        expect(await claim(3, { ehr: 2 })).toEqual([hanging[2]?.id])
        expect(await claimed(store)).toEqual(hanging.slice(3).map(({ id }) => [id, 1]))
      }))

    it('are claimed again, with the next attempt, when a lease runs out', () =>
      withStore(async ({ store }) => {
        const one = delivery()
        await enqueue(store, one)
        expect(await claimed(store)).toEqual([[one.id, 1]])
        expect(await claimed(store, at + leaseMs - 1)).toEqual([])
        expect(await claimed(store, at + leaseMs)).toEqual([[one.id, 2]])
      }))

    it('are not changed by the late settlement of an attempt that lost its lease', () =>
      withStore(async ({ store }) => {
        const one = delivery()
        await enqueue(store, one)
        await claimed(store)
        await claimed(store, at + leaseMs)
        await settle(store, { delivery: one.id, attempt: 1, state: 'dead', reason: 'timeout' })
        expect(await stateOf(store, one.id)).toMatchObject({ state: 'claimed', attempt: 2 })
        await settle(store, { delivery: one.id, attempt: 2 })
        const after = await stateOf(store, one.id)
        expect(after).toMatchObject({ state: 'delivered', attempt: 2 })
        expect(after?.reason).toBeUndefined()
      }))

    it('have each attempt settled once', () =>
      withStore(async ({ store }) => {
        const one = delivery()
        await enqueue(store, one)
        await claimed(store)
        const settlements = [
          settle(store, { delivery: one.id }),
          settle(store, { delivery: one.id, state: 'dead', reason: 'ack-AR' }),
        ]
        expect(await outcomes(settlements)).toEqual(['ok', 'conflict'])
        expect(await stateOf(store, one.id)).toMatchObject({ state: 'delivered' })
        expect(await store.logSize(), 'the loser leaves no audit entry').toBe(2)
      }))

    it('go on from the next attempt when a dead or stopped one is taken up again', () =>
      withStore(async ({ store }) => {
        const [dead, stopped, done] = [
          delivery(),
          delivery({ patient: 'Patient/p2' }),
          delivery({ patient: 'Patient/p3' }),
        ]
        await enqueue(store, dead, stopped, done)
        await claimed(store)
        await settle(store, { delivery: dead.id, state: 'dead', reason: 'ack-AR' })
        await settle(store, { delivery: stopped.id, state: 'stopped', reason: 'consent' })
        await settle(store, { delivery: done.id })
        expect(await claimed(store, at + 10 * leaseMs)).toEqual([])
        await store.requeueDelivery(dead.id, at + 1000, [entry()])
        await store.requeueDelivery(stopped.id, at + 1000, [entry()])
        expect(await claimed(store, at + 999)).toEqual([])
        expect(await claimed(store, at + 1000)).toEqual([
          [dead.id, 2],
          [stopped.id, 2],
        ])
        await settle(store, { delivery: dead.id, attempt: 2 })
        expect(await store.logSize()).toBe(9)
      }))

    it('that are held go out where they stood in their lane when they are released, as they are to be sent by then', () =>
      withStore(async ({ store }) => {
        const [held, later] = [delivery({ held: 'unmapped-code' }), delivery({ held: 'unmapped-code' })]
        await enqueue(store, held, later)
        expect(await claimed(store)).toEqual([])
        const resources = [{ type: 'Communication', id: 'c1', version: 3 }]
        const release = ({ id }: NewDelivery) => ({ id, resources, patient: 'Patient/p1' as const, due: at })
        await store.commit({ audit: [entry()], releases: [release(later)] })
        await store.commit({ audit: [entry()], releases: [release(held)] })
        const [first, ...others] = await store.claimDeliveries(at, leaseMs, 10)
        expect(others).toEqual([])
        expect(first).toMatchObject({ id: held.id, resources, patient: 'Patient/p1', attempt: 1 })
        await settle(store, { delivery: held.id })
        expect(await claimed(store)).toEqual([[later.id, 1]])
      }))

    it('are released with all of a unit or not at all, and only where nobody did anything else with them', () =>
      withStore(async ({ store }) => {
        const [held, gone, denied] = [
          delivery({ held: 'unmapped-code' }),
          delivery({ held: 'unmapped-code', patient: 'Patient/p2' }),
          delivery({ patient: 'Patient/p3' }),
        ]
        await enqueue(store, held, gone, denied)
        const nonces = [{ issuer: 'test', value: 'once', expires: at }]
        await store.commit({ audit: [entry()], nonces })
        const releases = [held, gone, denied].map(({ id }) => ({ id, resources: [], due: at }))
        expect(await outcomes([store.commit({ audit: [entry()], nonces, releases })])).toEqual(['conflict'])
        expect(await stateOf(store, held.id)).toMatchObject({ state: 'stopped', reason: 'unmapped-code' })
        await store.requeueDelivery(gone.id, at, [entry()])
        await claimed(store)
        await settle(store, { delivery: gone.id })
        await settle(store, { delivery: denied.id, state: 'stopped', reason: 'consent' })
        await store.commit({ audit: [entry()], releases })
        const states = await Promise.all([held, gone, denied].map(({ id }) => stateOf(store, id)))
        expect(states.map((each) => each?.state)).toEqual(['queued', 'delivered', 'stopped'])
        expect(states[1]?.resources, 'what was sent is on record as it was sent').toEqual(gone.resources)
      }))

    it('refuse to be taken up again when they are delivered, under way or unknown', () =>
      withStore(async ({ store }) => {
        const [done, open] = [delivery(), delivery({ patient: 'Patient/p2' })]
        await enqueue(store, done, open)
        await claimed(store, at, 1)
        await settle(store, { delivery: done.id })
        const again = (id: string) => store.requeueDelivery(id, at, [entry()])
        expect(await outcomes([again(done.id), again(open.id), again(newId())])).toEqual([
          'conflict',
          'conflict',
          'not-found',
        ])
        expect(await stateOf(store, done.id)).toMatchObject({ state: 'delivered' })
        expect(await store.logSize(), 'what did not happen is not on record').toBe(3)
      }))

    it('say when the next one can be claimed', () =>
      withStore(async ({ store }) => {
        expect(await store.nextDelivery()).toBeUndefined()
        const [first, behind, other] = [
          delivery({ due: at + 3000 }),
          delivery({ due: at }),
          delivery({ patient: 'Patient/p2', due: at + 9000 }),
        ]
        await enqueue(store, first, behind, other)
        expect(await store.nextDelivery()).toBe(at + 3000)
        await claimed(store, at + 3000)
        expect(await store.nextDelivery()).toBe(at + 9000)
        await claimed(store, at + 9000)
        expect(await store.nextDelivery()).toBe(at + 3000 + leaseMs)
        await settle(store, { delivery: first.id })
        expect(await store.nextDelivery()).toBe(at)
        const apart = delivery({ destination: 'pharmacy', due: at + 700 })
        await enqueue(store, apart)
        expect(await store.nextDelivery({ ehr: null })).toBe(at + 700)
        expect(await store.nextDelivery({ ehr: at + 900, pharmacy: at + 800 })).toBe(at + 800)
        expect(await store.nextDelivery({ ehr: null, pharmacy: null })).toBeUndefined()
      }))

    it('are listed newest first', () =>
      withStore(async ({ store }) => {
        const all = [delivery(), delivery(), delivery()]
        await enqueue(store, ...all)
        expect((await store.deliveries(2)).map(({ id }) => id)).toEqual([all[2]?.id, all[1]?.id])
      }))
  })
}
