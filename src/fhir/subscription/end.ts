import type { Subscription } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import { type Identified, versioned, versionReferenceTo } from '#core/resource.ts'
import { hasEnded } from '#core/subscription.ts'
import type { FhirPorts } from '#fhir/call.ts'

/**
 * Turns off the subscriptions whose end has come (https://hl7.org/fhir/R4/subscription-definitions.html#Subscription.end);
 * resolves with when the next one ends, none where none does.
 */
export async function turnOffEnded(ports: FhirPorts): Promise<number | undefined> {
  const { store, clock } = ports
  let next: number | undefined
  for (const id of await store.liveSubscriptions()) {
    const stored = await store.read('Subscription', id)
    if (!stored || stored.deleted) continue
    const subscription = JSON.parse(stored.json) as Identified<Subscription>
    if (hasEnded(subscription, clock.now())) await turnOff(ports, subscription, stored.version + 1)
    else if (subscription.end) next = Math.min(next ?? Number.POSITIVE_INFINITY, Date.parse(subscription.end))
  }
  return next
}

async function turnOff(
  { store, audit, clock, ids }: FhirPorts,
  previous: Identified<Subscription>,
  version: number,
): Promise<void> {
  const at = clock.now()
  const resource = versioned<Subscription>({ ...previous, status: 'off' }, previous.id, version, at)
  const entries = audit.record({
    kind: 'update',
    outcome: 'success',
    outcomeText: 'subscription ended',
    at,
    requestId: ids.random(),
    patients: [],
    entities: [versionReferenceTo(resource)],
  })
  try {
    await store.commit({ audit: entries, writes: [{ resource, version, updated: at, previous }] })
  } catch (cause) {
    // Somebody changed it meanwhile: it is looked at again.
    if (!(cause instanceof Failure && cause.kind === 'precondition-failed')) throw cause
  }
}
