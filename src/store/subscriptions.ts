import type { Subscription } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import type { Vault } from '#core/ports.ts'
import type { NewEvent, StoredEvent, SubscriptionStore, WaitingChange } from '#core/subscription.ts'
import type { Driver, Statement } from './driver.ts'
import { erasedBox, type Tables } from './schema.ts'
import * as statements from './subscription-statements.ts'

/** What the store does for subscriptions. */
export function createSubscriptions({ driver, vault }: { driver: Driver; vault: Vault }): SubscriptionStore {
  async function open(row: Tables['subscription_event']): Promise<StoredEvent> {
    const { id, subscription, number, at, box, body } = row
    const opened = JSON.parse((await vault.open(box)).open(body, placeOf(id))) as Pick<
      NewEvent,
      'resource' | 'patient'
    >
    return { id, subscription, number, at, ...opened }
  }

  return {
    async liveSubscriptions() {
      return (await driver.all(statements.listLive.bind({}))).map(({ id }) => String(id))
    },
    async waitingChanges(limit) {
      return (await driver.all(statements.waitingChanges.bind({ limit }))) as unknown as WaitingChange[]
    },
    async countEvents(subscription) {
      const [row] = await driver.all(statements.countEvents.bind({ subscription }))
      return Number(row?.count ?? 0)
    },
    async findEvent(id) {
      const [row] = await driver.all(statements.findEvent.bind({ id }))
      return row && isThere(row) ? open(row as Tables['subscription_event']) : undefined
    },
    async events(subscription, from, until, limit) {
      const rows = await driver.all(statements.listEvents.bind({ subscription, from, until, limit }))
      return Promise.all((rows as unknown as Tables['subscription_event'][]).filter(isThere).map(open))
    },
    async lastDelivery(destination) {
      const [row] = await driver.all(statements.lastDelivery.bind({ destination }))
      return (row?.created as number | null | undefined) ?? undefined
    },
  }
}

/** What an event was about may be erased; its number is not given again. */
function isThere({ box }: Record<string, unknown>): boolean {
  return box !== erasedBox
}

/** An event for a version; the same version again violates the key. */
export async function eventStatements(event: NewEvent, vault: Vault): Promise<Statement[]> {
  const { id, subscription, at, resource, patient } = event
  const box = await vault.box(patient ?? 'clinic')
  const body = box.seal(JSON.stringify({ resource, patient }), placeOf(id))
  const version = `${resource.type}/${resource.id}/${resource.version}`
  const key = vault.mac('event', subscription, version).subarray(0, 16)
  const bound = statements.insertEvent.bind({ id, subscription, key, at, box: box.keyId, body })
  return [{ ...bound, guard: 'event' }]
}

/** Changes are kept for those who are subscribed while this says that there is somebody. */
export function liveStatements({ resource, deleted }: ResourceWrite): Statement[] {
  if (resource.resourceType !== 'Subscription') return []
  const { id, status } = resource as Subscription & { id: string }
  const isLive = !deleted && (status === 'active' || status === 'error')
  return [(isLive ? statements.insertLive : statements.deleteLive).bind({ id })]
}

export function seenStatements(seq: number): Statement[] {
  return [statements.deleteChanges.bind({ seq })]
}

function placeOf(id: string): string {
  return `event/${id}`
}
