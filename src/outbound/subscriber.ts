import type { Subscription } from 'fhir/r4'
import { clientOf } from '#auth/clients.ts'
import type { ResourceWrite } from '#core/commit.ts'
import type { Destination } from '#core/destination.ts'
import type { Clock, Store, StoredDelivery } from '#core/ports.ts'
import { type Identified, referenceTo, versioned } from '#core/resource.ts'
import { hasEnded, isRegistered, payloadOf, subscriberOf } from '#core/subscription.ts'
import type { Attempt } from './settle.ts'

/**
 * The destination of a notification, from the Subscription and its client's registration as they are now: its scopes,
 * its grants and the addresses registered for it count as they would for a request of its own. Undefined where there is
 * no such subscription any more; not active where this may not be sent now.
 */
export async function findSubscriber(
  { store, clock, base }: { store: Store; clock: Clock; base: string },
  delivery: StoredDelivery,
): Promise<Destination | undefined> {
  const { notification } = delivery
  const found = await findSubscription(store, delivery)
  const client = found && (await clientOf(store, subscriberOf(found) ?? ''))
  if (!found || !notification || !client?.webhooks) return undefined
  const event = notification.kind === 'event' ? await store.findEvent(notification.event) : undefined
  const { channel } = found
  const mayContent = client.grants.includes('subscription-content')
  const payload = payloadOf(found) ?? 'empty'
  const awaited = notification.kind === 'handshake' ? 'requested' : 'active'
  return {
    id: client.id,
    name: client.name,
    role: client.role,
    organization: client.organization ?? referenceTo(found),
    purpose: client.purposes[0] ?? '',
    scopes: client.scopes,
    active:
      client.active &&
      found.status === awaited &&
      !hasEnded(found, clock.now()) &&
      (notification.kind !== 'event' || event !== undefined) &&
      isRegistered(channel.endpoint, client.webhooks.addresses),
    channel: {
      kind: 'rest-hook',
      address: channel.endpoint ?? '',
      base,
      subscription: found,
      secret: client.webhooks.secret,
      headers: Object.fromEntries((channel.header ?? []).map((text) => text.split(/: ?(.*)/s).slice(0, 2))),
      about: notification.kind,
      payload: payload === 'full-resource' && !mayContent ? 'id-only' : payload,
      count: event?.number ?? (await store.countEvents(found.id)),
      ...(event ? { event } : {}),
    },
  }
}

async function findSubscription(
  store: Pick<Store, 'read'>,
  { destination }: StoredDelivery,
): Promise<Identified<Subscription> | undefined> {
  const stored = await store.read('Subscription', destination.slice('Subscription/'.length))
  return stored && !stored.deleted ? (JSON.parse(stored.json) as Identified<Subscription>) : undefined
}

/** What the end of an attempt makes of its Subscription: answered handshakes make it active, what never arrives an error. */
export async function subscriptionAfter(
  store: Pick<Store, 'read'>,
  { delivery }: Attempt,
  ended: { state: string; reason: string | undefined },
  at: number,
): Promise<ResourceWrite | undefined> {
  const isShaken = ended.state === 'delivered' && delivery.notification?.kind === 'handshake'
  if (!delivery.notification || (!isShaken && ended.state !== 'dead')) return undefined
  const current = await findSubscription(store, delivery)
  const awaited = delivery.notification.kind === 'handshake' ? 'requested' : 'active'
  if (!current || current.status !== awaited) return undefined
  const changes: Partial<Subscription> = isShaken
    ? { status: 'active' }
    : { status: 'error', error: `Not notified: ${ended.reason ?? 'no answer'}` }
  const version = Number(current.meta?.versionId ?? '0') + 1
  const resource = versioned({ ...current, ...changes }, current.id, version, at)
  return { resource, version, updated: at, previous: current }
}
