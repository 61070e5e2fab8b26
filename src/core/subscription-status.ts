import type { BundleEntry, Parameters, ParametersParameter, Subscription } from 'fhir/r4'
import type { StoredEvent } from '#core/subscription.ts'

export type StatusType = 'handshake' | 'heartbeat' | 'event-notification' | 'query-status' | 'query-event'

export interface StatusOf {
  base: string
  subscription: Subscription
  type: StatusType
  /** Events since the subscription began. */
  count: number
  /** Those told of here; `focus` where the resource may be named. */
  events: readonly { event: StoredEvent; focus: boolean }[]
}

const profile =
  'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4'

/** R5's SubscriptionStatus as R4 says it: https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription-status-r4.html */
export function subscriptionStatus({ base, subscription, type, count, events }: StatusOf): Parameters {
  const reference = `${base}/Subscription/${subscription.id}`
  const topic = subscription.criteria.startsWith('https://')
    ? [{ name: 'topic', valueCanonical: subscription.criteria }]
    : []
  return {
    resourceType: 'Parameters',
    meta: { profile: [profile] },
    parameter: [
      { name: 'subscription', valueReference: { reference } },
      ...topic,
      { name: 'status', valueCode: subscription.status },
      { name: 'type', valueCode: type },
      { name: 'events-since-subscription-start', valueString: String(count) },
      ...events.map(
        ({ event, focus }): ParametersParameter => ({
          name: 'notification-event',
          part: [
            { name: 'event-number', valueString: String(event.number) },
            { name: 'timestamp', valueInstant: new Date(event.at).toISOString() },
            ...(focus ? [{ name: 'focus', valueReference: { reference: urlOf(base, event) } }] : []),
          ],
        }),
      ),
    ],
  }
}

/** The first entry of a notification: the status, as if it had been asked for. */
export function statusEntry(id: string, { base, subscription }: StatusOf, resource: Parameters): BundleEntry {
  const url = `${base}/Subscription/${subscription.id}/$status`
  return { fullUrl: `urn:uuid:${id}`, resource, request: { method: 'GET', url }, response: { status: '200' } }
}

/** What happened to the resource of an event; the resource itself is added where it is to be told. */
export function eventEntry(base: string, event: StoredEvent): BundleEntry {
  const { type, id, version } = event.resource
  const [method, url, status] =
    version === 1 ? (['POST', type, '201'] as const) : (['PUT', `${type}/${id}`, '200'] as const)
  return { fullUrl: urlOf(base, event), request: { method, url }, response: { status } }
}

function urlOf(base: string, { resource: { type, id } }: StoredEvent): string {
  return `${base}/${type}/${id}`
}
