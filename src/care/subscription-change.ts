import type { Subscription } from 'fhir/r4'
import type { ClientRegistration } from '#core/caller.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Cursor } from '#core/query.ts'
import type { Identified } from '#core/resource.ts'
import {
  destinationOf,
  hasEnded,
  heartbeatOf,
  isRegistered,
  payloadOf,
  subscriberOf,
  wantedOf,
  withSubscriber,
} from '#core/subscription.ts'
import { type CarePorts, type Change, type Consequences, writeOf } from './change.ts'

/** May be sent whole resources, where it could also be told their names only. */
const contentGrant = 'subscription-content'
/** That one client may have at a time, those that are off aside: each looks at all that is stored. */
const maxSubscriptions = 100
const pageSize = 200
/** Seconds: closer heartbeats are traffic without a meaning. */
const shortestHeartbeat = 5

/**
 * What a client may ask of a subscription is `requested` and `off`; that it is active, or in error, the gateway says. What
 * is requested goes out as a handshake first. Throws Failure `invalid` with everything that is wrong, `forbidden` for an
 * endpoint that no operator registered for the client, or content that it has no grant for, `too-costly` beyond as many
 * as a client may have.
 */
export async function subscriptionConsequences(ports: CarePorts, change: Change): Promise<Consequences> {
  const asked = change.resource as Identified<Subscription>
  const before = change.previous as Subscription | undefined
  const issues = checkSubscription(asked, change.at)
  if (issues.length > 0) throw new Failure('invalid', issues)
  const registrations = await ports.store.registrations('client')
  const json = registrations.find(({ id }) => id === change.caller.clientId)?.json
  const client = json === undefined ? undefined : (JSON.parse(json) as ClientRegistration)
  if (!isRegistered(asked.channel.endpoint, client?.webhooks?.addresses ?? [])) {
    throw new Failure('forbidden', 'The endpoint is at no address that is registered for this client.')
  }
  if (payloadOf(asked) === 'full-resource' && !client?.grants.includes(contentGrant)) {
    throw new Failure('forbidden', `This client may not be sent content: it has no grant ${contentGrant}.`)
  }
  const status = statusOf(asked, before)
  if (status !== 'off' && (!before || before.status === 'off'))
    await requireRoom(ports, change.caller.clientId)
  const { error: _, ...rest } = asked
  const stored = withSubscriber({ ...rest, status } as Identified<Subscription>, change.caller.clientId)
  const result = writeOf({ ...change, resource: stored })
  if (status !== 'requested') return { result, writes: [result] }
  const handshake = {
    id: ports.ids.random(),
    destination: destinationOf(stored.id),
    resources: [],
    due: change.at,
    notification: { kind: 'handshake' } as const,
  }
  return { result, writes: [result], deliveries: [handshake] }
}

async function requireRoom(ports: CarePorts, clientId: string): Promise<void> {
  let own = 0
  for await (const each of standing(ports)) if (subscriberOf(each) === clientId) own += 1
  if (own < maxSubscriptions) return
  const text = `A client has at most ${maxSubscriptions} Subscriptions: switch one off, or delete it.`
  throw new Failure('too-costly', text)
}

/** All that are not off, of whatever client. */
async function* standing({ store }: CarePorts): AsyncGenerator<Subscription> {
  const values = ['requested', 'active', 'error']
  let after: Cursor | undefined
  for (;;) {
    const criteria = [{ kind: 'token' as const, param: 'status', values }]
    const rows = await store.search({
      type: 'Subscription',
      criteria,
      limit: pageSize,
      ...(after ? { after } : {}),
    })
    for (const { stored } of rows) yield JSON.parse(stored.json)
    after = rows.at(-1)?.cursor
    if (rows.length < pageSize) return
  }
}

/** What is active stays so only while nothing but its description changes. */
function statusOf(asked: Subscription, before: Subscription | undefined): Subscription['status'] {
  if (asked.status === 'off') return 'off'
  const same =
    before?.criteria === asked.criteria && JSON.stringify(before.channel) === JSON.stringify(asked.channel)
  const sameFilters = JSON.stringify(filtersOf(before)) === JSON.stringify(filtersOf(asked))
  return asked.status === 'active' && before?.status === 'active' && same && sameFilters
    ? 'active'
    : 'requested'
}

function filtersOf(subscription: Subscription | undefined): unknown {
  return (subscription as { _criteria?: unknown } | undefined)?._criteria
}

/** Headers that the gateway writes itself, or that would change how a message is read. */
const ownHeaders =
  /^(?:content-.*|webhook-.*|host|connection|transfer-encoding|te|trailer|upgrade|cookie|expect)$/i

function checkSubscription(subscription: Subscription, at: number): Issue[] {
  const { status, channel } = subscription
  const issues: Issue[] = []
  const note = (expression: string, text: string) => issues.push({ expression, text })
  if (!wantedOf(subscription)) note('Subscription.criteria', 'must be a topic of this server, or Type?query')
  if (channel.type !== 'rest-hook') note('Subscription.channel.type', 'only rest-hook is served')
  if (payloadOf(subscription) === undefined)
    note('Subscription.channel.payload', 'the content must be empty, id-only or full-resource')
  if (channel.payload !== undefined && channel.payload !== 'application/fhir+json')
    note('Subscription.channel.payload', 'only application/fhir+json is sent')
  if (status !== 'off' && hasEnded(subscription, at))
    note('Subscription.end', 'has passed: give a later one, none, or the status off')
  if (status === 'error') note('Subscription.status', 'error is said by the server: ask for requested or off')
  const period = heartbeatOf(subscription)
  if (period !== undefined && period < shortestHeartbeat)
    note('Subscription.channel.extension', `a heartbeat period has at least ${shortestHeartbeat} seconds`)
  for (const header of channel.header ?? []) {
    const name = /^([A-Za-z0-9-]{1,64}): ?[\x20-\x7e]{0,4000}$/.exec(header)?.[1]
    if (!name || ownHeaders.test(name))
      note('Subscription.channel.header', 'must be Name: value, and no header of ours')
  }
  return issues
}
