import { createBackground } from '#core/background.ts'
import type { DestinationShare } from '#core/ports.ts'
import { type AttemptPorts, type AttemptSettings, createAttempts } from './attempt.ts'
import { type CircuitSettings, createCircuits } from './circuit.ts'
import { createPauses } from './pause.ts'

export interface DelivererPorts extends Omit<AttemptPorts, 'settings'> {
  settings?: Partial<DelivererSettings>
}

export interface DelivererSettings extends AttemptSettings {
  /** Attempts under way at a time. */
  batch: number
  /** Attempts under way at a time to one destination: those that hang leave places for the others. */
  share: number
  circuit: CircuitSettings
}

export interface Deliverer {
  /** Sends what is due now, each delivery once, and resolves with how many when all are settled. */
  run(): Promise<number>
  /** When there is something to send next; undefined where nothing waits but what is paused or under way. */
  next(): Promise<number | undefined>
  /** Sends what is due from now on, as it comes. */
  start(): void
  /** Claims nothing more and resolves when what is under way is settled. */
  stop(): Promise<void>
}

/** About a day of attempts, the later ones every quarter of an hour. */
const defaults: DelivererSettings = {
  leaseMs: 60_000,
  batch: 64,
  share: 12,
  circuit: { failures: 3, baseMs: 2_000, capMs: 60_000 },
  backoff: { baseMs: 1_000, capMs: 15 * 60_000, attempts: 100 },
}

const SHORTEST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5_000

/**
 * Moves deliveries out: claims what is due under a lease, sends it, and settles it in one commit. A process that dies
 * in between leaves a lease that runs out, and the next one sends the same bytes again.
 */
export function createDeliverer(ports: DelivererPorts): Deliverer {
  const { store, clock } = ports
  const settings = { ...defaults, ...ports.settings }
  const deliver = createAttempts({ ...ports, settings })
  const circuits = createCircuits(store, settings.circuit)
  const paused = createPauses(store)
  const underway = new Map<Promise<void>, string>()
  const background = createBackground({
    clock,
    shortestPauseMs: SHORTEST_PAUSE_MS,
    longestPauseMs: LONGEST_PAUSE_MS,
    step,
  })

  store.onCommit((unit) => {
    if (unit.deliveries?.length || unit.releases?.length) background.rouse()
  })

  async function claim(limit: number): Promise<Promise<void>[]> {
    const now = clock.now()
    const claimed = await store.claimDeliveries(now, settings.leaseMs, limit, await share(now))
    return claimed.map((delivery) => {
      circuits.began(delivery)
      const attempt = deliver(delivery)
        .catch(async (error) => {
          await circuits.ended(delivery, 'none', clock.now())
          throw error
        })
        .then((sign) => circuits.ended(delivery, sign, clock.now()))
        .finally(() => {
          underway.delete(attempt)
          background.rouse()
        })
      underway.set(attempt, delivery.destination)
      return attempt
    })
  }

  /** Whoever is paused, or gives no answer, seems to have its whole share under way, or all of it but one. */
  async function share(now: number): Promise<DestinationShare> {
    const taken = countsOf(underway.values())
    for (const [destination, from] of Object.entries(await held()))
      taken[destination] = settings.share - (from !== null && from <= now ? 1 : 0)
    return { room: settings.share, underway: taken }
  }

  /** Until when a destination gets nothing; null where no time ends that. */
  async function held(): Promise<Record<string, number | null>> {
    const open = Object.fromEntries(await circuits.open())
    for (const destination of await paused()) open[destination] = null
    return open
  }

  const next = async () => store.nextDelivery(await held())

  /** One round. The rest after it ends when something is queued, something under way ends, or the next is due. */
  async function step(): Promise<number | undefined | 'at-once'> {
    const free = settings.batch - underway.size
    const claimed = free > 0 ? await claim(free).catch(tell) : []
    for (const attempt of claimed ?? []) attempt.catch(tell)
    return claimed?.length ? 'at-once' : next().catch(tell)
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
    next,
    start: background.start,
    async stop() {
      await background.stop()
      await Promise.allSettled(underway.keys())
    },
  }
}

function countsOf(destinations: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const destination of destinations) counts[destination] = (counts[destination] ?? 0) + 1
  return counts
}
