import { createBackground } from '#core/background.ts'
import type { FhirPorts } from '#fhir/call.ts'
import { turnOffEnded } from './end.ts'
import { beat, gatherEvents } from './gather.ts'

/** Makes events and heartbeats of subscriptions, behind the requests. */
export interface Gatherer {
  /** Looks at all that waits, once; resolves with when the next heartbeat is due or subscription ends, if any. */
  run(): Promise<number | undefined>
  start(): void
  stop(): Promise<void>
}

const longestPauseMs = 5_000
const shortestPauseMs = 20

export function createGatherer(ports: FhirPorts): Gatherer {
  const background = createBackground({
    clock: ports.clock,
    shortestPauseMs,
    longestPauseMs,
    step: () => run().catch((fault) => void ports.report?.(fault)),
  })

  // What is written by a commit may concern a subscriber: to look costs one small read.
  ports.store.onCommit((unit) => {
    if (unit.writes?.length) background.rouse()
  })

  async function run(): Promise<number | undefined> {
    while ((await gatherEvents(ports)) > 0);
    const next = [await turnOffEnded(ports), await beat(ports)].filter((each) => each !== undefined)
    return next.length > 0 ? Math.min(...next) : undefined
  }

  return { run, start: background.start, stop: background.stop }
}
