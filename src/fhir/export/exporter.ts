import { createBackground } from '#core/background.ts'
import type { FhirPorts } from '#fhir/call.ts'
import { prepareExports } from './prepare.ts'

/** Prepares the exports that wait, behind the requests. */
export interface Exporter {
  /** Prepares one to its end; resolves with how many there were, 0 or 1. */
  run(): Promise<number>
  /** Prepares them as they come, and what a process before this one left. */
  start(): void
  /** Stops at the next step that is stored. */
  stop(): Promise<void>
}

const shortestPauseMs = 50
const longestPauseMs = 5_000
/** After a fault: it may be the database's. */
const faultPauseMs = 1_000

export function createExporter(ports: FhirPorts): Exporter {
  const { store, clock } = ports
  const background = createBackground({ clock, shortestPauseMs, longestPauseMs, step })

  store.onCommit((unit) => {
    if (unit.exports?.some(({ state }) => state === 'preparing')) background.rouse()
  })

  async function step(isStopping: () => boolean): Promise<number | undefined | 'at-once'> {
    try {
      if ((await prepareExports(ports, isStopping)) > 0) return 'at-once'
    } catch (fault) {
      ports.report?.(fault)
      return clock.now() + faultPauseMs
    }
    return store.nextExport().catch(() => undefined)
  }

  return { run: () => prepareExports(ports), start: background.start, stop: background.stop }
}
