import type { FhirPorts } from '#fhir/call.ts'
import { beat, gatherEvents } from './gather.ts'

/** Makes events and heartbeats of subscriptions, behind the requests. */
export interface Gatherer {
  /** Looks at all that waits, once; resolves with when the next heartbeat is due, none where nobody asked for one. */
  run(): Promise<number | undefined>
  start(): void
  stop(): Promise<void>
}

const longestPauseMs = 5_000
const shortestPauseMs = 20

export function createGatherer(ports: FhirPorts): Gatherer {
  const { store, clock } = ports
  let running = false
  let loop = Promise.resolve()
  let woken = false
  let wake = () => {}

  // What is written by a commit may concern a subscriber: to look costs one small read.
  store.onCommit((unit) => {
    if (unit.writes?.length) rouse()
  })

  async function run(): Promise<number | undefined> {
    while ((await gatherEvents(ports)) > 0);
    return beat(ports)
  }

  async function work(): Promise<void> {
    while (running) {
      const next = await run().catch((fault) => void ports.report?.(fault))
      const wait = (next ?? Number.POSITIVE_INFINITY) - clock.now()
      await pause(Math.min(Math.max(wait, shortestPauseMs), longestPauseMs))
    }
  }

  async function pause(ms: number): Promise<void> {
    if (running && !woken)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    woken = false
  }

  function rouse(): void {
    woken = true
    wake()
  }

  return {
    run,
    start() {
      if (running) return
      running = true
      loop = work()
    },
    async stop() {
      running = false
      rouse()
      await loop
    },
  }
}
