import type { Audit } from '#core/act.ts'
import type { Access } from '#core/decision.ts'
import type { Destination } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids, Store, StoredDelivery } from '#core/ports.ts'
import type { Backoff } from './backoff.ts'
import type { Answer } from './channel.ts'
import type { Channels } from './channels.ts'
import { type Opened, packParcel } from './parcel.ts'
import { type Attempt, settlementOf } from './settle.ts'

export interface DelivererPorts {
  store: Store
  access: Access
  audit: Audit
  clock: Clock
  ids: Ids
  channels: Channels
  settings?: Partial<DelivererSettings>
  /** Is told why an attempt could not be settled; it is claimed again when its lease runs out. */
  report?: (error: unknown) => void
}

export interface DelivererSettings {
  /** How long a claimed delivery is nobody else's. Every attempt ends before. */
  leaseMs: number
  /** Attempts under way at a time. */
  batch: number
  /** By default about a day of attempts, the later ones every quarter of an hour. */
  backoff: Backoff
}

export interface Deliverer {
  /** Sends what is due now, each delivery once, and resolves with how many when all are settled. */
  run(): Promise<number>
  /** Sends what is due from now on, as it comes. */
  start(): void
  /** Claims nothing more and resolves when what is under way is settled. */
  stop(): Promise<void>
}

const defaults: DelivererSettings = {
  leaseMs: 60_000,
  batch: 32,
  backoff: { baseMs: 1_000, capMs: 15 * 60_000, attempts: 100 },
}

const DEFAULT_TIMEOUT_MS = 15_000
const SHORTEST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5_000

/**
 * Moves deliveries out: claims what is due under a lease, sends it, and settles it in one commit. A process that dies
 * in between leaves a lease that runs out, and the next one sends the same bytes again.
 */
export function createDeliverer(ports: DelivererPorts): Deliverer {
  const { store, clock, channels } = ports
  const settings = { ...defaults, ...ports.settings }
  const underway = new Set<Promise<void>>()
  let running = false
  let loop = Promise.resolve()
  let woken = false
  let wake = () => {}

  store.onCommit((unit) => {
    if (unit.deliveries?.length) rouse()
  })

  async function claim(limit: number): Promise<Promise<void>[]> {
    const claimed = await store.claimDeliveries(clock.now(), settings.leaseMs, limit)
    return claimed.map((delivery) => {
      const attempt = deliver(delivery).finally(() => {
        underway.delete(attempt)
        rouse()
      })
      underway.add(attempt)
      return attempt
    })
  }

  async function deliver(delivery: StoredDelivery): Promise<void> {
    const opened: Opened = { entities: new Set(), consents: new Set(), reasons: new Set() }
    const json = await store.findRegistration('destination', delivery.destination)
    const destination = json === undefined ? undefined : (JSON.parse(json) as Destination)
    const answer = await send(delivery, destination, opened)
    await settle({ delivery, ...(destination ? { destination } : {}), opened, answer })
  }

  async function send(
    delivery: StoredDelivery,
    destination: Destination | undefined,
    opened: Opened,
  ): Promise<Attempt['answer']> {
    if (!destination) return { state: 'stopped', reason: 'destination-unknown' }
    if (!destination.active) return { state: 'stopped', reason: 'destination-inactive' }
    const timeoutMs = Math.min(destination.channel.timeoutMs ?? DEFAULT_TIMEOUT_MS, settings.leaseMs * 0.8)
    const signal = AbortSignal.timeout(timeoutMs)
    try {
      const parcel = await packParcel(ports, { delivery, destination, opened, signal })
      return await channels.send(parcel)
    } catch (error) {
      return answerFor(error)
    }
  }

  async function settle(attempt: Attempt): Promise<void> {
    try {
      await store.commit(settlementOf(attempt, { ...ports, backoff: settings.backoff }, clock.now()))
    } catch (error) {
      // Somebody else has settled this attempt: its lease ran out while it was sent.
      if (!(error instanceof Failure && error.kind === 'conflict')) throw error
    }
  }

  async function work(): Promise<void> {
    while (running) {
      const free = settings.batch - underway.size
      const claimed = free > 0 ? await claim(free).catch(tell) : []
      for (const attempt of claimed ?? []) attempt.catch(tell)
      if (!claimed?.length) await pause()
    }
  }

  /** Until something is queued, something under way ends, or the next delivery is due. */
  async function pause(): Promise<void> {
    const next = await store.nextDelivery().catch(tell)
    const wait = (next ?? Number.POSITIVE_INFINITY) - clock.now()
    const ms = Math.min(Math.max(wait, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS)
    if (!woken && running) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    woken = false
  }

  function rouse(): void {
    woken = true
    wake()
  }

  function tell(error: unknown): undefined {
    ports.report?.(error)
    return undefined
  }

  return {
    async run() {
      const attempts = await claim(settings.batch)
      const ended = await Promise.allSettled(attempts)
      const failed = ended.find((each) => each.status === 'rejected')
      if (failed) throw failed.reason
      return attempts.length
    },
    start() {
      if (running) return
      running = true
      loop = work()
    },
    async stop() {
      running = false
      rouse()
      await loop
      await Promise.allSettled(underway)
    },
  }
}

/** What a failure while packing or sending means for the delivery. */
function answerFor(error: unknown): Answer | { state: 'stopped'; reason: string } {
  if (!(error instanceof Failure)) return { state: 'retry', reason: 'internal' }
  // Channels give codes; any other text stays out of the reason.
  const reason = /^[a-z][a-zA-Z0-9-]{0,40}$/.test(error.message) ? error.message : error.kind
  if (error.kind === 'unavailable' || error.kind === 'internal') return { state: 'retry', reason }
  if (error.kind === 'forbidden' || error.kind === 'gone') return { state: 'stopped', reason }
  return { state: 'refused', reason }
}
