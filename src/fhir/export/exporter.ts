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
  let running = false
  let loop = Promise.resolve()
  let woken = false
  let wake = () => {}

  store.onCommit((unit) => {
    if (unit.exports?.some(({ state }) => state === 'preparing')) rouse()
  })

  async function work(): Promise<void> {
    while (running) {
      const done = await prepareExports(ports, () => !running).catch(async (fault) => {
        ports.report?.(fault)
        await sleep(faultPauseMs)
        return 1
      })
      if (done === 0) await pause()
    }
  }

  async function pause(): Promise<void> {
    const next = await store.nextExport().catch(() => undefined)
    const wait = (next ?? Number.POSITIVE_INFINITY) - clock.now()
    await sleep(Math.min(Math.max(wait, shortestPauseMs), longestPauseMs))
  }

  async function sleep(ms: number): Promise<void> {
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
    run: () => prepareExports(ports),
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
