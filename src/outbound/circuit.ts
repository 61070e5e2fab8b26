import type { RegistrationWrite } from '#core/commit.ts'
import type { Store } from '#core/ports.ts'

/** What an attempt says of the receiver's being there: it said something, it did not, or the attempt tells nothing. */
export type Sign = 'answered' | 'silent' | 'none'

export interface CircuitSettings {
  /** So many deliveries in a row, each another one, without an answer open the circuit. */
  failures: number
  /** How long it is open at first; twice as long after each probe that fails, up to `capMs`. */
  baseMs: number
  capMs: number
}

/** Stored as registration `circuit` by destination, so that a restart and the command line know it. */
export interface CircuitState {
  /** How often it opened since there was an answer; 0 is closed. */
  trips: number
  /** Milliseconds since the epoch; then one delivery goes out to see. */
  until: number
}

export interface Circuits {
  /** The destinations whose circuit is not closed, each with when one delivery may go out to see; null while one is out. */
  open(): Promise<Map<string, number | null>>
  began(delivery: { id: string; destination: string }): void
  ended(delivery: { id: string; destination: string }, sign: Sign, now: number): Promise<void>
}

interface Circuit extends CircuitState {
  /** Deliveries that went without answer since there was one. */
  unanswered: Set<string>
  /** The delivery that is out to see. */
  probe?: string
}

/**
 * One circuit a destination. A destination that gives no answer is left alone for a while that grows, and then tried with
 * one delivery: however many of them hang, they hold a place each at most. A message that one receiver cannot bear opens
 * nothing by itself, as it is only one.
 */
export function createCircuits(store: Store, settings: CircuitSettings): Circuits {
  const circuits = new Map<string, Circuit>()
  let loaded: Promise<void> | undefined

  async function load(): Promise<void> {
    for (const { id, json } of await store.registrations('circuit')) {
      const { trips, until } = JSON.parse(json) as CircuitState
      if (trips > 0) circuits.set(id, { trips, until, unanswered: new Set() })
    }
  }

  const circuitOf = (destination: string): Circuit => {
    const found = circuits.get(destination) ?? { trips: 0, until: 0, unanswered: new Set<string>() }
    circuits.set(destination, found)
    return found
  }

  function keep(id: string, { trips, until }: CircuitState) {
    const state: CircuitState = { trips, until }
    const kept: RegistrationWrite = { kind: 'circuit', id, json: JSON.stringify(state) }
    return store.commit({ audit: [], registrations: [kept] })
  }

  return {
    async open() {
      loaded ??= load().catch((error) => {
        loaded = undefined
        throw error
      })
      await loaded
      const open = [...circuits].filter(([, { trips }]) => trips > 0)
      return new Map(open.map(([id, { until, probe }]) => [id, probe === undefined ? until : null]))
    },
    began({ id, destination }) {
      const circuit = circuits.get(destination)
      if (circuit && circuit.trips > 0) circuit.probe ??= id
    },
    async ended({ id, destination }, sign, now) {
      const circuit = circuitOf(destination)
      const wasProbe = circuit.probe === id
      if (wasProbe) delete circuit.probe
      if (sign === 'answered') {
        circuits.delete(destination)
        if (circuit.trips > 0) await keep(destination, { trips: 0, until: 0 })
        return
      }
      if (sign === 'none') return
      circuit.unanswered.add(id)
      const opens = circuit.trips === 0 ? circuit.unanswered.size >= settings.failures : wasProbe
      if (!opens) return
      circuit.until = now + Math.min(settings.capMs, settings.baseMs * 2 ** Math.min(circuit.trips, 30))
      circuit.trips += 1
      circuit.unanswered.clear()
      await keep(destination, circuit)
    },
  }
}
