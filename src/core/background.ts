import type { Clock } from '#core/ports.ts'

/** Work behind the requests: one step after the other, at rest in between. */
export interface Background {
  start(): void
  /** Resolves when the step under way has ended. */
  stop(): Promise<void>
  /** There may be something to do: ends the rest, or leaves out the next one. */
  rouse(): void
}

export interface BackgroundPorts {
  clock: Clock
  shortestPauseMs: number
  longestPauseMs: number
  /**
   * Does what there is to do, and resolves with when to do it again, in milliseconds since the epoch: undefined where
   * nothing is known to wait, `at-once` for no rest at all. Never rejects. `isStopping` is for steps that last.
   */
  step(isStopping: () => boolean): Promise<number | undefined | 'at-once'>
}

export function createBackground(ports: BackgroundPorts): Background {
  const { clock, shortestPauseMs, longestPauseMs, step } = ports
  let running = false
  let loop = Promise.resolve()
  let woken = false
  let wake = () => {}

  async function work(): Promise<void> {
    while (running) {
      const next = await step(() => !running)
      if (next === 'at-once') continue
      const wait = (next ?? Number.POSITIVE_INFINITY) - clock.now()
      await rest(Math.min(Math.max(wait, shortestPauseMs), longestPauseMs))
    }
  }

  async function rest(ms: number): Promise<void> {
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
    rouse,
  }
}
