import type { Audit } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import type { Access } from '#core/decision.ts'
import type { Destination } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids, Store, StoredDelivery } from '#core/ports.ts'
import type { Backoff } from './backoff.ts'
import type { Channels } from './channels.ts'
import type { Sign } from './circuit.ts'
import { answeringCaller, type Opened, packParcel } from './parcel.ts'
import { type Attempt, settlementOf } from './settle.ts'
import { findSubscriber } from './subscriber.ts'

export interface AttemptPorts {
  store: Store
  access: Access
  audit: Audit
  clock: Clock
  ids: Ids
  channels: Channels
  settings: AttemptSettings
  /** Takes in what a receiver said of the orders themselves. Rejects with the Failure that refuses it. */
  takeAnswer?: (text: string, from: Caller, requestId: string) => Promise<void>
  /** FHIR base of ours, as subscribers know it. */
  base?: string
  /** Is told of faults of ours: why an attempt could not be made or settled. It is made again. */
  report?: (fault: unknown) => void
}

export interface AttemptSettings {
  /** How long a claimed delivery is nobody else's. Every attempt ends before. */
  leaseMs: number
  backoff: Backoff
}

const DEFAULT_TIMEOUT_MS = 15_000

/**
 * Makes one attempt at a claimed delivery: sends it and settles it. Resolves with what that tells of the receiver; rejects
 * only when it could not be settled.
 */
export function createAttempts(ports: AttemptPorts): (delivery: StoredDelivery) => Promise<Sign> {
  const { store, clock, channels, settings } = ports

  async function attempt(delivery: StoredDelivery): Promise<Sign> {
    const opened: Opened = { entities: new Set(), consents: new Set(), reasons: new Set() }
    const destination = await find(delivery)
    const sent = await send(delivery, destination, opened)
    const heard = destination ? await hear(sent, destination, delivery) : { answer: sent }
    await settle({ delivery, ...(destination ? { destination } : {}), opened, ...heard })
    return signOf(sent)
  }

  /** What was said is durable before the delivery ends; whoever dies in between sends again and is told again. */
  async function hear(
    answer: Attempt['answer'],
    destination: Destination,
    { id }: StoredDelivery,
  ): Promise<Pick<Attempt, 'answer' | 'unheard'>> {
    const said = 'said' in answer ? answer.said : undefined
    if (!said || said.texts.length === 0 || !ports.takeAnswer) return { answer }
    try {
      for (const text of said.texts) await ports.takeAnswer(text, answeringCaller(destination), id)
      return { answer: said.settles ? { state: 'delivered' } : answer }
    } catch (error) {
      const kind = error instanceof Failure ? error.kind : 'internal'
      if (!(error instanceof Failure)) ports.report?.(error)
      if (kind === 'unavailable' || kind === 'internal')
        return { answer: { state: 'retry', reason: 'answer-not-kept' } }
      return { answer, unheard: kind }
    }
  }

  async function find(delivery: StoredDelivery): Promise<Destination | undefined> {
    if (delivery.notification) return findSubscriber({ store, clock, base: ports.base ?? '' }, delivery)
    const json = await store.findRegistration('destination', delivery.destination)
    return json === undefined ? undefined : (JSON.parse(json) as Destination)
  }

  async function send(
    delivery: StoredDelivery,
    destination: Destination | undefined,
    opened: Opened,
  ): Promise<Attempt['answer']> {
    if (!destination) return { state: 'stopped', reason: 'destination-unknown' }
    if (!destination.active) return { state: 'stopped', reason: 'destination-inactive' }
    const timeoutMs = Math.min(destination.channel.timeoutMs ?? DEFAULT_TIMEOUT_MS, settings.leaseMs * 0.8)
    try {
      const parcel = await packParcel(ports, { delivery, destination, opened, timeoutMs })
      return await channels.send(parcel)
    } catch (error) {
      if (!(error instanceof Failure)) ports.report?.(error)
      return answerFor(error)
    }
  }

  async function settle(ended: Attempt): Promise<void> {
    try {
      await store.commit(await settlementOf(ended, { ...ports, backoff: settings.backoff }, clock.now()))
    } catch (error) {
      // Somebody else has settled this attempt: its lease ran out while it was sent.
      if (!(error instanceof Failure && error.kind === 'conflict')) throw error
    }
  }

  return attempt
}

/** Of an acknowledgement or a status of the application's own the receiver is there, whatever it says. */
function signOf(sent: Attempt['answer']): Sign {
  if (sent.state === 'stopped') return 'none'
  if (sent.state !== 'retry')
    return sent.state === 'refused' && !spoken.test(sent.reason) ? 'none' : 'answered'
  if (ours.has(sent.reason)) return 'none'
  return spoken.test(sent.reason) ? 'answered' : 'silent'
}

/** What only a receiver can have said; those before a gateway's "not now" (429, 502 to 504) are of no application. */
const spoken = /^(?:ack-|http-(?!408|425|429|50[234]))/
const ours = new Set(['internal', 'mllp-underway'])

/** What a failure while packing or sending means for the delivery. */
function answerFor(error: unknown): Attempt['answer'] {
  if (!(error instanceof Failure)) return { state: 'retry', reason: 'internal' }
  // Channels give codes; any other text stays out of the reason.
  const reason = /^[a-z][a-zA-Z0-9-]{0,40}$/.test(error.message) ? error.message : error.kind
  if (error.kind === 'unavailable' || error.kind === 'internal') return { state: 'retry', reason }
  if (error.kind === 'forbidden' || error.kind === 'gone') return { state: 'stopped', reason }
  return { state: 'refused', reason }
}
