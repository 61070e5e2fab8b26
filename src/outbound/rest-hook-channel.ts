import type { Bundle } from 'fhir/r4'
import type { RestHookSettings } from '#core/destination.ts'
import type { Clock } from '#core/ports.ts'
import { eventEntry, type StatusOf, statusEntry, subscriptionStatus } from '#core/subscription-status.ts'
import { stringifyJson } from '#formats/json.ts'
import type { Answer, Channel, Parcel } from './channel.ts'
import { exchange } from './exchange.ts'
import { refusalOf } from './retry.ts'
import { signWebhook } from './webhook-signature.ts'

const types = { handshake: 'handshake', heartbeat: 'heartbeat', event: 'event-notification' } as const

/**
 * Notifies a subscriber: a signed POST of a notification bundle, the same bytes at every attempt but for the time of the
 * signature. https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html
 */
export function createRestHookChannel({ clock }: { clock: Clock }): Channel<RestHookSettings> {
  return async (parcel, settings): Promise<Answer> => {
    const body = stringifyJson(notificationOf(parcel, settings))
    const signature = await signWebhook(settings.secret, { id: parcel.id, at: clock.now(), body })
    const { response } = await exchange(settings.address, {
      method: 'POST',
      headers: { ...settings.headers, 'content-type': 'application/fhir+json', ...signature },
      body,
      signal: parcel.signal,
    })
    return response.ok ? { state: 'delivered' } : refusalOf(response, clock.now())
  }
}

function notificationOf(parcel: Parcel, settings: RestHookSettings): Bundle {
  const { base, subscription, about, event, count, payload } = settings
  const focus = payload !== 'empty'
  const told = event ? [{ event, focus }] : []
  const status: StatusOf = { base, subscription, type: types[about], count, events: told }
  const [content] = parcel.contents
  const resource = payload === 'full-resource' && content ? { resource: content.resource } : {}
  return {
    resourceType: 'Bundle',
    id: parcel.id,
    meta: {
      profile: [
        'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-notification-r4',
      ],
    },
    type: 'history',
    timestamp: new Date(parcel.created).toISOString(),
    entry: [
      statusEntry(parcel.id, status, subscriptionStatus(status)),
      ...(event && focus ? [{ ...eventEntry(base, event), ...resource }] : []),
    ],
  }
}
