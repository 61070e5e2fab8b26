import type { BundleEntry, Subscription } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import { type Payload, payloadOf, payloads, type StoredEvent } from '#core/subscription.ts'
import { eventEntry, type StatusOf, statusEntry, subscriptionStatus } from '#core/subscription-status.ts'
import type { Answer, Call } from '#fhir/call.ts'
import { ok } from '#fhir/respond.ts'
import { bundleText } from '#fhir/search/bundle.ts'
import { absent, findEarlier, requireVisible } from '#fhir/show.ts'
import { traceDecision, traceResource } from '#fhir/trail.ts'
import { stringifyJson } from '#formats/json.ts'

/** Events told at a time; who wants more asks on from the last. */
const maxEvents = 100

/** https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-status.html */
export async function subscriptionState(call: Call): Promise<Answer> {
  const subscription = await own(call)
  const count = await call.ports.store.countEvents(call.id)
  const { base, ids, clock } = call.ports
  const status = subscriptionStatus({ base, subscription, type: 'query-status', count, events: [] })
  const resource = { id: ids.random(), ...status }
  const entries = [stringifyJson({ fullUrl: `urn:uuid:${resource.id}`, resource, search: { mode: 'match' } })]
  return {
    response: ok(bundleText({ id: ids.random(), type: 'searchset', at: clock.now(), links: [], entries })),
  }
}

/**
 * https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-events.html: what there
 * was to be told, for who missed it. Each event is decided anew: one whose resource may not be seen any more is left out.
 */
export async function subscriptionEvents(call: Call): Promise<Answer> {
  const subscription = await own(call)
  const { store, base, ids, clock } = call.ports
  const { from, until, content } = readAsked(call, subscription)
  const count = await store.countEvents(call.id)
  const told: { event: StoredEvent; entry: BundleEntry }[] = []
  for (const event of await store.events(call.id, from, until, maxEvents)) {
    const entry = await entryOf(call, event, content)
    if (entry) told.push({ event, entry })
  }
  const focus = content !== 'empty'
  const events = told.map(({ event }) => ({ event, focus }))
  const asked: StatusOf = { base, subscription, type: 'query-event', count, events }
  const first = statusEntry(ids.random(), asked, subscriptionStatus(asked))
  const entries = [first, ...(focus ? told.map(({ entry }) => entry) : [])].map(stringifyJson)
  return {
    response: ok(bundleText({ id: ids.random(), type: 'history', at: clock.now(), links: [], entries })),
  }
}

async function own(call: Call): Promise<Subscription> {
  const stored = await call.ports.store.read('Subscription', call.id)
  if (!stored || stored.deleted) throw absent()
  return (await requireVisible(call, stored)).resource as Subscription
}

async function entryOf(call: Call, event: StoredEvent, content: Payload): Promise<BundleEntry | undefined> {
  const { type, id, version } = event.resource
  if (!call.ports.access.gate(call.request.caller, 'read', type).permit) return undefined
  const stored = await call.ports.store.readVersion(type, id, version)
  const current = await call.ports.store.read(type, id)
  if (!stored || stored.deleted || !current || current.deleted) return undefined
  const shown = await findEarlier({ ...call, type }, stored, 'read')
  if (!shown) return undefined
  traceDecision(call.trail, shown.decision)
  traceResource(call.trail, shown.resource)
  const entry = eventEntry(call.ports.base, event)
  return content === 'full-resource' ? { ...entry, resource: JSON.parse(shown.text) } : entry
}

/** No more than the subscription itself is sent. */
function readAsked({ request }: Call, subscription: Subscription) {
  const number = (name: string, otherwise: number) => {
    const text = request.query.get(name)
    if (text === null) return otherwise
    if (!/^\d{1,15}$/.test(text)) throw new Failure('malformed', `The parameter ${name} is not a number.`)
    return Number(text)
  }
  const granted = payloadOf(subscription) ?? 'empty'
  const asked = request.query.get('content') ?? granted
  const content = payloads.find((each) => each === asked)
  if (!content || payloads.indexOf(content) > payloads.indexOf(granted)) {
    throw new Failure(
      'unsupported',
      `The parameter content takes what the subscription is sent at most, ${granted}.`,
    )
  }
  return {
    from: number('eventsSinceNumber', 1),
    until: number('eventsUntilNumber', Number.MAX_SAFE_INTEGER),
    content,
  }
}
