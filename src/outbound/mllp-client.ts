// Reached by the Node entry alone: sockets are node:net and node:tls.
import { setTimeout as pause } from 'node:timers/promises'
import { Failure } from '#core/failure.ts'
import { type MllpAnswer, type MllpLine, type MllpTarget, openLine } from './mllp-line.ts'

export interface MllpClient {
  /**
   * Sends one message and waits for its answer, on a connection that is open already where one is free. Rejects with
   * Failure `unavailable` (see MllpTrouble) or, for a character that the target's character set lacks, `unsupported`.
   */
  send(target: MllpTarget, message: string): Promise<MllpAnswer>
  /** Ends every connection; what waits for an answer fails. */
  close(): void
}

export interface MllpClientSettings {
  /** A connection on which nothing was sent for so long is closed. */
  idleMs: number
  /** After a connection failed, the next one to the same target waits, twice as long each time. */
  backoff: { baseMs: number; capMs: number }
}

const defaults: MllpClientSettings = { idleMs: 30_000, backoff: { baseMs: 200, capMs: 10_000 } }

/** What is known of one target: its connections, and who waits for one. */
interface Route {
  lines: Set<MllpLine>
  /** Being opened or in hand: with `lines`, never more than the target takes. */
  opening: number
  waiting: (() => void)[]
  failures: number
  /** Milliseconds since the epoch before which no connection is tried. */
  notBefore: number
}

/**
 * MLLP connections that are kept and used again. A target has one at a time unless it says that it takes more, each
 * with one message under way unless it takes several: the order in which one patient's messages are handed in is then
 * the order in which they go out, and other patients' go beside them.
 */
export function createMllpClient(given: Partial<MllpClientSettings> = {}): MllpClient {
  const settings = { ...defaults, ...given }
  const routes = new Map<string, Route>()

  async function send(target: MllpTarget, message: string): Promise<MllpAnswer> {
    const until = Date.now() + target.timeoutMs
    const route = routeTo(routes, target)
    const attempt = async () => {
      const used = await lineOf(route, target, until)
      try {
        return await used.line.send(message, left(until), target.charset)
      } catch (error) {
        // The receiver had closed a connection that lay idle: what it never saw goes out on another one, once.
        if (used.kept && isLost(error)) return undefined
        throw error
      }
    }
    try {
      return (await attempt()) ?? (await attempt()) ?? lost()
    } finally {
      route.waiting.shift()?.()
    }
  }

  async function lineOf(
    route: Route,
    target: MllpTarget,
    until: number,
  ): Promise<{ line: MllpLine; kept: boolean }> {
    const { connections = 1, pipeline = 1 } = target
    while (true) {
      const free = [...route.lines].find((line) => line.underway() < pipeline)
      if (free) return { line: free, kept: true }
      if (route.lines.size + route.opening < connections)
        return { line: await openedLine(route, target, until), kept: false }
      await turn(route, until)
    }
  }

  async function openedLine(route: Route, target: MllpTarget, until: number): Promise<MllpLine> {
    route.opening += 1
    try {
      const wait = route.notBefore - Date.now()
      if (wait > 0) await pause(Math.min(wait, left(until)))
      const line = await openLine(target, { timeoutMs: left(until), idleMs: settings.idleMs })
      route.failures = 0
      route.lines.add(line)
      // The one who opened it takes the first place; the others on it are free.
      for (const wake of route.waiting.splice(0, (target.pipeline ?? 1) - 1)) wake()
      line.onClose(() => {
        route.lines.delete(line)
        route.waiting.shift()?.()
      })
      return line
    } catch (error) {
      const { baseMs, capMs } = settings.backoff
      route.notBefore = Date.now() + Math.min(capMs, baseMs * 2 ** Math.min(route.failures, 20))
      route.failures += 1
      throw error
    } finally {
      route.opening -= 1
    }
  }

  return {
    send,
    close() {
      for (const { lines } of routes.values()) for (const line of lines) line.close()
    },
  }
}

/** Sends one message on a connection of its own. */
export async function sendMllp(target: MllpTarget, message: string): Promise<MllpAnswer> {
  const client = createMllpClient()
  try {
    return await client.send(target, message)
  } finally {
    client.close()
  }
}

function routeTo(routes: Map<string, Route>, { host, port, tls }: MllpTarget): Route {
  const key = JSON.stringify([host, port, tls])
  const route = routes.get(key) ?? { lines: new Set(), opening: 0, waiting: [], failures: 0, notBefore: 0 }
  routes.set(key, route)
  return route
}

/** Until a connection may be free: those who came first are woken first. */
async function turn(route: Route, until: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const wake = () => resolve()
  const timer = setTimeout(() => {
    route.waiting = route.waiting.filter((each) => each !== wake)
    reject(new Failure('unavailable', 'mllp-timeout'))
  }, left(until))
  route.waiting.push(wake)
  await promise.finally(() => clearTimeout(timer))
}

function left(until: number): number {
  const ms = until - Date.now()
  if (ms <= 0) throw new Failure('unavailable', 'mllp-timeout')
  return ms
}

function lost(): never {
  throw new Failure('unavailable', 'mllp-closed')
}

function isLost(error: unknown): boolean {
  return error instanceof Failure && ['mllp-closed', 'mllp-reset'].includes(error.message)
}
