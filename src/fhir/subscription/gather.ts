import type { Subscription } from 'fhir/r4'
import type { NewDelivery } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import type { Stored } from '#core/ports.ts'
import type { Identified } from '#core/resource.ts'
import {
  destinationOf,
  hasEnded,
  heartbeatOf,
  type NewEvent,
  subscriberOf,
  type Wanted,
  wantedOf,
} from '#core/subscription.ts'
import type { Call, FhirPorts } from '#fhir/call.ts'
import type { TypeFilter } from '#fhir/export/type-filter.ts'
import { visibleMatch } from '#fhir/search/page.ts'
import { findVisible } from '#fhir/show.ts'
import { callFor, readFilters } from './subscribable.ts'

const batchSize = 200

interface Live {
  subscription: Identified<Subscription>
  wanted: Wanted
  call: Call
  filter: TypeFilter
}

/**
 * Looks at what was stored since the last time, by whatever door, and makes of it events for those who are subscribed
 * and may see it, with what is to be sent because of them: one commit with the note that it was looked at, so that
 * nothing is told twice or forgotten. Resolves with how many changes there were. Who is in error gathers events too, and
 * asks for them later ($events).
 */
export async function gatherEvents(ports: FhirPorts): Promise<number> {
  const { store, clock, ids } = ports
  const changes = await store.waitingChanges(batchSize)
  const last = changes.at(-1)
  if (!last) return 0
  store.changedElsewhere?.()
  const live = await liveOf(ports)
  const events: NewEvent[] = []
  const deliveries: NewDelivery[] = []
  for (const { type, id, version } of changes) {
    const stored = await store.readVersion(type, id, version)
    if (!stored || stored.deleted) continue
    for (const each of live) {
      const shown = await matched(each, stored)
      if (!shown) continue
      const patient = patientOf(shown.resource)
      const about = { resource: { type, id, version }, ...(patient ? { patient } : {}) }
      const event = { id: ids.random(), subscription: each.subscription.id, ...about, at: stored.updated }
      events.push(event)
      if (each.subscription.status === 'active') deliveries.push(deliveryOf(event, ids.random(), clock.now()))
    }
  }
  try {
    await store.commit({ audit: [], events, deliveries, changesSeen: last.seq })
  } catch (cause) {
    // Another process looked at the same: what is left is looked at anew.
    if (!(cause instanceof Failure && cause.kind === 'conflict')) throw cause
  }
  return changes.length
}

function deliveryOf(event: NewEvent, id: string, due: number): NewDelivery {
  return {
    id,
    destination: destinationOf(event.subscription),
    resources: [event.resource],
    ...(event.patient ? { patient: event.patient } : {}),
    due,
    notification: { kind: 'event', event: event.id },
  }
}

async function matched({ wanted, call, filter }: Live, stored: Stored) {
  if (stored.type !== wanted.type || (wanted.made && stored.version > 1)) return undefined
  if (!call.ports.access.gate(call.request.caller, 'search', stored.type).permit) return undefined
  return filter.checks.length > 0 ? visibleMatch(call, filter, stored) : findVisible(call, stored, 'search')
}

/** Those that stand, of clients that do. */
async function liveOf(ports: FhirPorts): Promise<Live[]> {
  const { store, clock } = ports
  const found = await Promise.all(
    (await store.liveSubscriptions()).map(async (id) => {
      const stored = await store.read('Subscription', id)
      if (!stored || stored.deleted) return undefined
      const subscription = JSON.parse(stored.json) as Identified<Subscription>
      const wanted = wantedOf(subscription)
      const caller = await ports.callerOf(subscriberOf(subscription) ?? '')
      if (!wanted || !caller || hasEnded(subscription, clock.now())) return undefined
      const call = callFor(ports, caller, wanted.type)
      try {
        return { subscription, wanted, call, filter: readFilters(call, subscription) }
      } catch (cause) {
        // It may no longer filter by what it did: then it is told nothing.
        if (cause instanceof Failure) return undefined
        throw cause
      }
    }),
  )
  return found.filter((each) => each !== undefined)
}

/** Breaks the silence where one was asked to be broken; resolves with when to look again, none where nobody asked. */
export async function beat(ports: FhirPorts): Promise<number | undefined> {
  const { store, clock, ids } = ports
  let next: number | undefined
  for (const { subscription } of await liveOf(ports)) {
    const period = heartbeatOf(subscription)
    if (period === undefined || subscription.status !== 'active') continue
    const destination = destinationOf(subscription.id)
    const now = clock.now()
    const due = ((await store.lastDelivery(destination)) ?? 0) + period * 1_000
    if (due <= now) {
      const notification = { kind: 'heartbeat' } as const
      const delivery = { id: ids.random(), destination, resources: [], due: now, notification }
      await store.commit({ audit: [], deliveries: [delivery] })
    }
    next = Math.min(next ?? Number.POSITIVE_INFINITY, due <= now ? now + period * 1_000 : due)
  }
  return next
}
