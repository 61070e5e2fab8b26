import type { Subscription } from 'fhir/r4'
import { expect, test } from 'vitest'
import type { ClientRegistration } from '#core/caller.ts'
import { type Identified, versioned } from '#core/resource.ts'
import { destinationOf, withSubscriber } from '#core/subscription.ts'
import { startWebhook } from '../peers/webhook.ts'
import { openOutbox } from './open-outbox.ts'

const secret = `whsec_${Buffer.from('a secret of thirty-two characters').toString('base64')}`

test('a subscriber that never answers is tried twelve times over about an hour, and its subscription is in error', async () => {
  const outbox = await openOutbox()
  const hook = await startWebhook()
  const { store, clock } = outbox
  const asked: Identified<Subscription> = {
    resourceType: 'Subscription',
    id: 's1',
    status: 'active',
    reason: 'test',
    criteria: 'Communication?status=completed',
    channel: { type: 'rest-hook', endpoint: `${hook.address}/in` },
  }
  const client: ClientRegistration = {
    id: 'ehr',
    name: 'EHR',
    role: 'ehr',
    scopes: ['system/*.rs'],
    purposes: ['TREAT'],
    grants: [],
    jwks: { keys: [] },
    active: true,
    webhooks: { addresses: [hook.address], secret },
  }
  const begun = clock.now()
  const resource = versioned(withSubscriber(asked, 'ehr'), 's1', 1, begun)
  const delivery = { id: 'd1', destination: destinationOf('s1'), resources: [], due: begun }
  await store.commit({
    audit: [],
    writes: [{ resource, version: 1, updated: begun }],
    registrations: [{ kind: 'client', id: 'ehr', json: JSON.stringify(client) }],
    deliveries: [{ ...delivery, notification: { kind: 'heartbeat' } }],
  })
  const state = async () => (await store.deliveries(1))[0]?.state
  const current = async () =>
    JSON.parse((await store.read('Subscription', 's1'))?.json ?? '{}') as Subscription

  hook.answer(503)
  const deliverer = outbox.deliverer()
  while ((await state()) === 'queued' && hook.received.length < 50) {
    expect((await current()).status).toBe('active')
    const due = (await deliverer.next()) ?? clock.now()
    outbox.pass(Math.max(0, due - clock.now()))
    await deliverer.run()
  }
  expect([await state(), hook.received.length]).toEqual(['dead', 12])
  expect(await current()).toMatchObject({ status: 'error', error: 'Not notified: http-503' })
  const minutes = (clock.now() - begun) / 60_000
  expect(minutes).toBeGreaterThan(10)
  expect(minutes).toBeLessThan(180)
  await hook.close()
  await outbox.close()
})
