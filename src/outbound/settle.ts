import type { Task } from 'fhir/r4'
import type { Audit } from '#core/act.ts'
import type { CommitUnit, ResourceWrite } from '#core/commit.ts'
import type { Destination } from '#core/destination.ts'
import type { FailureKind } from '#core/failure.ts'
import type { Ids, Store, StoredDelivery } from '#core/ports.ts'
import { referenceTo, versioned } from '#core/resource.ts'
import { type Backoff, waitAfter } from './backoff.ts'
import type { Answer } from './channel.ts'
import { callerOf, type Opened } from './parcel.ts'
import { subscriptionAfter } from './subscriber.ts'

/** An attempt and how it ended. `stopped` was not sent: nobody may, or there is nothing left to send. */
export interface Attempt {
  delivery: StoredDelivery
  /** Absent where nobody with this id is registered any more. */
  destination?: Destination
  opened: Opened
  answer: Answer | { state: 'stopped'; reason: string }
  /** What the receiver said of the order was not understood, by kind of failure. */
  unheard?: FailureKind
}

/**
 * Everything that the end of an attempt changes, for one commit: the delivery's state, the disclosure in the audit log,
 * and for what will never arrive a Task for somebody to see to.
 */
export async function settlementOf(
  attempt: Attempt,
  { store, audit, ids, backoff }: { store: Store; audit: Audit; ids: Ids; backoff: Backoff },
  at: number,
): Promise<CommitUnit> {
  const { delivery, answer } = attempt
  const state = stateAfter(attempt, backoff)
  const reason = 'reason' in answer ? answer.reason : undefined
  const wish = answer.state === 'retry' ? answer.afterMs : undefined
  const due = at + waitAfter(delivery.attempt, chanceOf(ids.random()), backoff, wish)
  // A subscriber asks for what it missed by itself.
  const words = delivery.notification ? undefined : wordsOf(attempt, state, reason ?? '')
  const write = words
    ? taskFor(attempt, words, ids.random(), at)
    : await subscriptionAfter(store, attempt, { state, reason }, at)
  return {
    audit: audit.record(disclosure(attempt, write, at)),
    settlements: [
      {
        delivery: delivery.id,
        attempt: delivery.attempt,
        state,
        at,
        ...(state === 'queued' ? { due } : {}),
        ...(reason ? { reason } : {}),
      },
    ],
    ...(write ? { writes: [write] } : {}),
  }
}

/** About an hour: who is away for longer asks for what it missed ($events). */
const notified = 12

function stateAfter({ delivery, answer }: Attempt, backoff: Backoff) {
  if (answer.state === 'refused') return 'dead'
  if (answer.state !== 'retry') return answer.state
  // Attempts are never counted anew, so what was dead and is taken up again gets another round of them.
  const attempts = delivery.notification ? Math.min(backoff.attempts, notified) : backoff.attempts
  return delivery.attempt % attempts === 0 ? 'dead' : 'queued'
}

const outcomes = { delivered: 'success', retry: 'failed', refused: 'failed', stopped: 'denied' } as const

/** Also of an attempt that failed: what was sent may have been read. */
function disclosure(
  { delivery, destination, opened, answer }: Attempt,
  write: ResourceWrite | undefined,
  at: number,
) {
  return {
    kind:
      delivery.notification && delivery.resources.length === 0
        ? ('transmission' as const)
        : ('disclosure' as const),
    outcome: outcomes[answer.state],
    ...('reason' in answer ? { outcomeText: answer.reason } : {}),
    at,
    requestId: delivery.id,
    ...(destination ? { caller: callerOf(destination), recipient: recipientOf(destination) } : {}),
    patients: delivery.patient ? [delivery.patient] : [],
    entities: [
      ...opened.entities,
      ...(write ? [`${referenceTo(write.resource)}/_history/${write.version}`] : []),
    ],
    consents: [...opened.consents],
    reasons: [...opened.reasons],
  }
}

function recipientOf({ name, organization, channel }: Destination) {
  const address = channel.kind !== 'mllp' ? channel.address : `mllp://${channel.host}:${channel.port}`
  return { name, reference: organization, address }
}

/** What a person has to see to, in words without patient data. */
function wordsOf(
  { delivery, destination, unheard }: Attempt,
  state: string,
  reason: string,
): Pick<Task, 'code' | 'description'> | undefined {
  const name = destination?.name ?? delivery.destination
  if (state === 'dead')
    return {
      code: { text: `Delivery failed: ${reason}` },
      description: `Not delivered to ${name} after ${delivery.attempt} attempt(s)`,
    }
  if (unheard === undefined) return undefined
  return {
    code: { text: `Answer not understood: ${unheard}` },
    description: `What ${name} answered to this is not understood: ask them what became of it`,
  }
}

/** Says what is to be seen to; what it was about stands in its focus only. */
function taskFor(
  { delivery }: Attempt,
  words: Pick<Task, 'code' | 'description'>,
  id: string,
  at: number,
): ResourceWrite {
  const [first] = delivery.resources
  const task: Task = {
    resourceType: 'Task',
    identifier: [{ system: 'urn:ietf:rfc:3986', value: `urn:uuid:${delivery.id}` }],
    status: 'requested',
    intent: 'order',
    priority: 'urgent',
    ...words,
    authoredOn: new Date(at).toISOString(),
    ...(first ? { focus: { reference: `${first.type}/${first.id}` } } : {}),
    ...(delivery.patient ? { for: { reference: delivery.patient } } : {}),
  }
  return { resource: versioned(task, id, 1, at), version: 1, updated: at }
}

/** A number in [0, 1) from a random UUID, whose first 32 bits are random. */
function chanceOf(uuid: string): number {
  return Number.parseInt(uuid.slice(0, 8), 16) / 2 ** 32 || 0
}
