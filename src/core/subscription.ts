import type { Extension, Subscription } from 'fhir/r4'
import type { VersionRef } from '#core/commit.ts'
import type { Reference, ResourceType } from '#core/resource.ts'

/** Something a subscriber was to be told of: numbered by the store in the order of what happened. */
export interface NewEvent {
  id: string
  /** Id of the Subscription. */
  subscription: string
  resource: VersionRef
  patient?: Reference
  /** Milliseconds since the epoch. */
  at: number
}

export interface StoredEvent extends NewEvent {
  /** From 1, without gaps. */
  number: number
}

/** A version that was stored while somebody was subscribed, and that nobody has looked at yet. */
export interface WaitingChange extends VersionRef {
  seq: number
}

/** The part of the store that subscriptions use. */
export interface SubscriptionStore {
  /** Ids of the Subscriptions that gather events: those that are active or in error. */
  liveSubscriptions(): Promise<string[]>
  waitingChanges(limit: number): Promise<WaitingChange[]>
  /** How many events there were since the subscription began. */
  countEvents(subscription: string): Promise<number>
  findEvent(id: string): Promise<StoredEvent | undefined>
  /** In order of number, both ends inclusive. */
  events(subscription: string, from: number, until: number, limit: number): Promise<StoredEvent[]>
  /** When something was last to be sent to a destination; milliseconds since the epoch. */
  lastDelivery(destination: string): Promise<number | undefined>
}

/** Topics by the end of their canonical: https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html#subscription-topics */
const topics: Readonly<Record<string, { type: ResourceType; made: boolean }>> = {
  'message-received': { type: 'Communication', made: true },
  'prescription-updated': { type: 'MedicationRequest', made: false },
  'task-updated': { type: 'Task', made: false },
}
const topicBase = 'https://postern.health/fhir/SubscriptionTopic/'

export const topicUrls: readonly string[] = Object.keys(topics).map((name) => `${topicBase}${name}`)

/** What a Subscription is about. */
export interface Wanted {
  type: string
  /** First versions only. */
  made: boolean
  /** Search queries; all must hold. */
  queries: string[]
}

const backport = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-'

/** By topic with filters, or by a search of R4's own form; undefined where the criteria are neither. */
export function wantedOf(subscription: Subscription): Wanted | undefined {
  const { criteria } = subscription
  const name = criteria.startsWith(topicBase) ? criteria.slice(topicBase.length) : ''
  const topic = Object.hasOwn(topics, name) ? topics[name] : undefined
  const texts = topic ? filtersOf(subscription) : [criteria]
  const parts = texts.map((text) => /^([A-Z][A-Za-z]{1,63})(?:\?(.*))?$/s.exec(text))
  const type = topic?.type ?? parts[0]?.[1]
  if (!type || !parts.every((part) => part?.[1] === type)) return undefined
  return { type, made: topic?.made ?? false, queries: parts.flatMap((part) => part?.[2] || []) }
}

function filtersOf(subscription: Subscription): string[] {
  const extensions = extensionsOf(subscription, '_criteria').filter(
    ({ url }) => url === `${backport}filter-criteria`,
  )
  return extensions.flatMap(({ valueString }) => valueString ?? [])
}

export const payloads = ['empty', 'id-only', 'full-resource'] as const
export type Payload = (typeof payloads)[number]

/** What a notification holds; nothing but that there is one where it is not said. Undefined for a word of no meaning. */
export function payloadOf({ channel }: Subscription): Payload | undefined {
  const content = extensionsOf(channel, '_payload').find(({ url }) => url === `${backport}payload-content`)
  if (!content) return 'empty'
  return payloads.find((each) => each === content.valueCode)
}

/** Whether the time has come at which its client wanted it to be off. */
export function hasEnded({ end }: Pick<Subscription, 'end'>, now: number): boolean {
  return end !== undefined && Date.parse(end) <= now
}

/** Seconds after which silence is broken. */
export function heartbeatOf({ channel }: Subscription): number | undefined {
  return channel.extension?.find(({ url }) => url === `${backport}heartbeat-period`)?.valueUnsignedInt
}

function extensionsOf(value: object, name: string): Extension[] {
  return (value as Record<string, { extension?: Extension[] } | undefined>)[name]?.extension ?? []
}

const subscriberUrl = 'https://postern.health/fhir/StructureDefinition/subscriber'

/** The client that is notified: written by the server, so that nobody subscribes in another's name. */
export function subscriberOf({ extension }: Pick<Subscription, 'extension'>): string | undefined {
  return extension?.find(({ url }) => url === subscriberUrl)?.valueIdentifier?.value
}

export function withSubscriber<S extends Subscription>(subscription: S, clientId: string): S {
  const others = (subscription.extension ?? []).filter(({ url }) => url !== subscriberUrl)
  return {
    ...subscription,
    extension: [...others, { url: subscriberUrl, valueIdentifier: { value: clientId } }],
  }
}

/** Whether an endpoint lies at or below one of the addresses that an operator registered for the client. */
export function isRegistered(endpoint: string | undefined, addresses: readonly string[]): boolean {
  if (!endpoint || !URL.canParse(endpoint)) return false
  const url = new URL(endpoint)
  if (url.username || url.password || url.hash) return false
  return addresses.some((address) => {
    const known = new URL(address)
    const path = known.pathname.replace(/\/$/, '')
    return url.origin === known.origin && (url.pathname === path || url.pathname.startsWith(`${path}/`))
  })
}

export function destinationOf(subscription: string): string {
  return `Subscription/${subscription}`
}
