import { registerClient } from '#auth/clients.ts'
import type { ClientRegistration } from '#core/caller.ts'
import { systemPorts } from '../../src/node.ts'
import type { TestClinic } from '../open-clinic.ts'
import type { Webhook } from '../peers/webhook.ts'

export const backport = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport'
export const topic = (name: string) => `https://postern.health/fhir/SubscriptionTopic/${name}`
export const secret = `whsec_${Buffer.from('a secret of thirty-two characters').toString('base64')}`
export const soon = { timeout: 15_000, interval: 20 }

export async function webhooksOf(
  { store, gateway }: TestClinic,
  id: string,
  addresses: string[],
  grants: string[] = [],
): Promise<void> {
  const known = JSON.parse((await store.findRegistration('client', id)) ?? '{}') as ClientRegistration
  const next = { ...known, grants, webhooks: { addresses, secret } }
  await registerClient(store, gateway.audit, next, { requestId: 'test-setup', at: systemPorts.clock.now() })
}

export interface Asked {
  criteria?: string
  content?: string
  filters?: string[]
  header?: string[]
  endpoint?: string
  heartbeat?: number
  status?: string
  end?: string
}

/** By a topic, of the new messages where no other is asked for. */
export function subscriptionTo(hook: Webhook, asked: Asked) {
  const { criteria, content, filters = [], header, endpoint, heartbeat, status, end } = asked
  const extension = filters.map((valueString) => ({ url: `${backport}-filter-criteria`, valueString }))
  return {
    resourceType: 'Subscription',
    status: status ?? 'requested',
    reason: 'test',
    ...(end ? { end } : {}),
    criteria: criteria ?? topic('message-received'),
    ...(extension.length > 0 ? { _criteria: { extension } } : {}),
    channel: {
      ...(heartbeat
        ? { extension: [{ url: `${backport}-heartbeat-period`, valueUnsignedInt: heartbeat }] }
        : {}),
      type: 'rest-hook',
      endpoint: endpoint ?? `${hook.address}/in`,
      payload: 'application/fhir+json',
      ...(content
        ? { _payload: { extension: [{ url: `${backport}-payload-content`, valueCode: content }] } }
        : {}),
      ...(header ? { header } : {}),
    },
  }
}
