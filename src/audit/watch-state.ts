import type { AuditEvent } from 'fhir/r4'
import { systems } from './codes.ts'
import type { WatchRule } from './watch-rules.ts'

/** What of an AuditEvent the rules look at. */
export interface WatchFact {
  id: string
  /** Milliseconds since the epoch. */
  at: number
  kind: string
  outcome: string
  agent: string
  network: string
  patient?: string
  /** Types of the resources touched. */
  touched: readonly string[]
  words: string
}

/** What the rules remember between events: as JSON, sealed, in the store. */
export interface WatchState {
  /** Position of the next event to look at. */
  position: number
  /** By rule and agent or network: when it came, and which patient. */
  bursts: Record<string, [at: number, value: string][]>
  /** Networks by agent. */
  networks: Record<string, string[]>
}

export const freshState = (): WatchState => ({ position: 0, bursts: {}, networks: {} })

/** Agents and networks remembered at a time; beyond that the oldest go. */
const maxKeys = 2000
/** Networks of one agent. */
const maxNetworks = 50

export function factOf(event: AuditEvent): WatchFact {
  const asking = event.agent.find((agent) => agent.requestor)
  const outside = event.agent.find(
    (agent) => agent.network?.address && agent.who?.reference !== event.source.observer.reference,
  )
  const entities = (event.entity ?? []).filter(({ type }) => type?.system !== systems.resourceType)
  const patient = entities.find(({ role, type }) => role?.code === '1' && type?.code === '1')
  return {
    id: event.id ?? '',
    at: Date.parse(event.recorded),
    kind: event.subtype?.[0]?.code ?? '',
    outcome: event.outcome ?? '',
    agent: asking?.who?.identifier?.value ?? asking?.who?.reference ?? '',
    network: outside?.network?.address ?? '',
    ...(patient?.what?.reference ? { patient: patient.what.reference } : {}),
    touched: entities.flatMap(({ what }) => what?.reference?.split('/')[0] ?? []),
    words: event.outcomeDesc ?? '',
  }
}

/** Whether this event makes the rule fire. Changes the state; events come once, in the order of the log. */
export function fires(rule: WatchRule, fact: WatchFact, state: WatchState, timeZone: string): boolean {
  const { kinds, outcomes = ['0'], touches, words = '', hours } = rule
  if (!kinds.includes(fact.kind) || !outcomes.includes(fact.outcome)) return false
  if (touches && !fact.touched.includes(touches)) return false
  if (!fact.words.startsWith(words)) return false
  if (hours && !isWithin(hourOf(fact.at, timeZone), hours)) return false
  if (rule.newNetwork) return isNewNetwork(fact, state)
  return rule.burst ? isBurst(rule.name, rule.burst, fact, state) : true
}

function isNewNetwork({ agent, network }: WatchFact, { networks }: WatchState): boolean {
  if (!agent || !network) return false
  const known = networks[agent] ?? []
  if (known.includes(network)) return false
  remember(networks, agent, [...known, network].slice(-maxNetworks))
  return known.length > 0
}

/** A burst that has fired begins anew. */
function isBurst(
  name: string,
  { by, count, withinMs, distinct }: NonNullable<WatchRule['burst']>,
  fact: WatchFact,
  { bursts }: WatchState,
): boolean {
  const value = distinct ? fact.patient : fact.id
  if (!fact[by] || value === undefined) return false
  const key = `${name} ${fact[by]}`
  const before = (bursts[key] ?? []).filter(([at, each]) => fact.at - at <= withinMs && each !== value)
  const now: [number, string][] = [...before, [fact.at, value]]
  if (now.length < count) {
    remember(bursts, key, now)
    return false
  }
  delete bursts[key]
  return true
}

function remember<T>(kept: Record<string, T>, key: string, value: T): void {
  delete kept[key]
  kept[key] = value
  const [oldest] = Object.keys(kept).length > maxKeys ? Object.keys(kept) : []
  if (oldest !== undefined) delete kept[oldest]
}

function hourOf(at: number, timeZone: string): number {
  const hour = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', hourCycle: 'h23', timeZone }).format(at)
  return Number(hour)
}

function isWithin(hour: number, { from, to }: { from: number; to: number }): boolean {
  return from <= to ? hour >= from && hour < to : hour >= from || hour < to
}
