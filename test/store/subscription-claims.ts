import type { Subscription } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import type { Store } from '#core/ports.ts'
import type { NewEvent } from '#core/subscription.ts'
import { at, created, deleted, entry, message, newId, unitOf, updated, type WithStore } from './units.ts'

const subscription = (status: Subscription['status']): Subscription => ({
  resourceType: 'Subscription',
  status,
  reason: 'x',
  criteria: 'Communication?status=completed',
  channel: { type: 'rest-hook' },
})

function event(more: Partial<NewEvent> = {}): NewEvent {
  const resource = { type: 'Communication', id: newId(), version: 1 }
  return { id: newId(), subscription: 's', resource, patient: 'Patient/canary', at, ...more }
}

async function waiting(store: Store): Promise<string[]> {
  return (await store.waitingChanges(100)).map(({ type, id, version }) => `${type}/${id}/${version}`)
}

export function subscriptionClaims(withStore: WithStore): void {
  describe('subscriptions', () => {
    it('keep what is written while somebody listens, and nothing else, until it was looked at', () =>
      withStore(async ({ store }) => {
        await store.commit(unitOf(created(message('1'))))
        const asked = created(subscription('requested'))
        await store.commit(unitOf(asked))
        await store.commit(unitOf(created(message('1'))))
        expect(await waiting(store)).toEqual([])
        const active = updated(asked, subscription('active'))
        await store.commit(unitOf(active))
        expect(await store.liveSubscriptions()).toEqual([asked.resource.id])
        const first = created(message('1'))
        await store.commit(unitOf(first))
        await store.commit(unitOf(updated(first, message('1', { status: 'stopped' }))))
        const { id } = first.resource
        expect(await waiting(store)).toEqual([`Communication/${id}/1`, `Communication/${id}/2`])
        const [one, two] = await store.waitingChanges(2)
        await store.commit({ audit: [], changesSeen: two?.seq ?? 0 })
        await store.commit(unitOf(created(message('1'))))
        const [three] = await store.waitingChanges(1)
        expect([one, two, three].map((each) => each?.seq)).toEqual([1, 2, 3])
        await store.commit(unitOf(deleted(active)))
        expect(await store.liveSubscriptions()).toEqual([])
        await store.commit(unitOf(created(message('1'))))
        expect(await waiting(store)).toHaveLength(1)
      }))

    it('number events without gaps, each version once, and keep what they are about sealed', () =>
      withStore(async ({ store, driver }) => {
        const events = [event(), event(), event({ subscription: 'other' })]
        await store.commit({ audit: [entry()], events })
        const again = event({ resource: events[0]?.resource ?? event().resource })
        await expect(store.commit({ audit: [], events: [event(), again] })).rejects.toMatchObject({
          kind: 'conflict',
        })
        const more = event()
        await store.commit({ audit: [], events: [more] })
        expect(await store.countEvents('s')).toBe(3)
        expect((await store.events('s', 2, 9, 10)).map(({ number, id }) => [number, id])).toEqual([
          [2, events[1]?.id],
          [3, more.id],
        ])
        expect(await store.findEvent(more.id)).toEqual({ ...more, number: 3 })
        const rows = await driver.all({ sql: 'SELECT * FROM subscription_event', parameters: [] })
        const bytes = rows.flatMap((row) =>
          Object.values(row).map((each) =>
            each instanceof Uint8Array ? new TextDecoder().decode(each) : String(each),
          ),
        )
        expect(bytes.join()).not.toContain('canary')
        await store.sweep(at + 40 * 86_400_000)
        expect(await store.countEvents('s')).toBe(3)
        expect(await store.events('s', 1, 9, 10)).toHaveLength(1)
      }))

    it('have one lane for all that a subscriber is told', () =>
      withStore(async ({ store }) => {
        const destination = 'Subscription/s'
        const told = (patient: string) => ({
          id: newId(),
          destination,
          resources: [],
          patient: `Patient/${patient}` as const,
          due: at,
          notification: { kind: 'heartbeat' } as const,
        })
        const [first, second] = [told('1'), told('2')]
        await store.commit({ audit: [entry()], deliveries: [first, second] })
        expect((await store.claimDeliveries(at, 1000, 10)).map(({ id }) => id)).toEqual([first.id])
        expect(await store.lastDelivery(destination)).toBe(at)
        expect(await store.lastDelivery('Subscription/none')).toBeUndefined()
      }))
  })
}
