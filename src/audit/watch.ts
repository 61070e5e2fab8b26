import type { Task } from 'fhir/r4'
import type { Audit } from '#core/act.ts'
import type { ResourceWrite } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, LogRow, Store, Vault } from '#core/ports.ts'
import { versioned } from '#core/resource.ts'
import { openEvent } from './leaf.ts'
import { type WatchRule, watchRules } from './watch-rules.ts'
import { factOf, fires, freshState, type WatchFact, type WatchState } from './watch-state.ts'

/** Events looked at in one commit. */
const batch = 500

export interface WatchPorts {
  store: Pick<Store, 'logRows' | 'read' | 'commit' | 'findRegistration'>
  vault: Pick<Vault, 'open' | 'deriveId'>
  audit: Audit
  clock: Clock
  /** IANA zone of the clinic's nights. */
  timeZone: string
  /** Code system of the Tasks that wait for a privacy officer. */
  taskSystem: string
  rules?: readonly WatchRule[]
}

interface Alert {
  rule: WatchRule
  fact: WatchFact
  /** The same for the same rule and event, whoever finds it how often. */
  taskId: string
}

/**
 * Looks at what came into the log since the last time, and raises an alert where a rule fires: an AuditEvent and a Task,
 * in one commit with the place it got to. So each event is looked at once, over restarts too, and an alert that stands
 * is not raised again. Neither holds patient data: they name the event. Resolves with how many alerts were raised.
 */
export async function watchLog(ports: WatchPorts): Promise<number> {
  const json = await ports.store.findRegistration('watch', 'state')
  const state = json ? (JSON.parse(json) as WatchState) : freshState()
  let raised = 0
  for (;;) {
    const rows = await ports.store.logRows(state.position, batch)
    if (rows.length === 0) return raised
    const alerts = await alertsIn(rows, state, ports)
    raised += await settle(alerts, state, ports)
    if (rows.length < batch) return raised
  }
}

async function alertsIn(
  rows: readonly LogRow[],
  state: WatchState,
  { vault, rules = watchRules, timeZone }: WatchPorts,
): Promise<Alert[]> {
  const alerts: Alert[] = []
  for (const row of rows) {
    state.position = row.position + 1
    // An event that was erased under a rule has nothing left to look at.
    if (!row.sealed || !row.box) continue
    const fact = factOf(JSON.parse(openEvent(row.eventId, row.sealed, await vault.open(row.box)).json))
    for (const rule of rules) {
      if (!fires(rule, fact, state, timeZone)) continue
      alerts.push({ rule, fact, taskId: vault.deriveId('alert', rule.name, fact.id) })
    }
  }
  return alerts
}

async function settle(found: readonly Alert[], state: WatchState, ports: WatchPorts): Promise<number> {
  const { store, clock, audit } = ports
  const standing = await Promise.all(found.map(({ taskId }) => store.read('Task', taskId)))
  const alerts = found.filter((_, index) => !standing[index])
  const at = clock.now()
  try {
    await store.commit({
      audit: alerts.flatMap(({ rule, fact, taskId }) =>
        audit.record({
          kind: 'alert',
          outcome: 'success',
          outcomeText: `${rule.name}: ${rule.title}`,
          at,
          requestId: `watch-${rule.name}`,
          patients: [],
          entities: [`Task/${taskId}/_history/1`, `AuditEvent/${fact.id}`],
        }),
      ),
      writes: alerts.map((alert) => taskFor(alert, at, ports.taskSystem)),
      registrations: [{ kind: 'watch', id: 'state', json: JSON.stringify(state) }],
    })
    return alerts.length
  } catch (cause) {
    // Another process raised them in between, and keeps the place it got to.
    if (cause instanceof Failure && cause.kind === 'precondition-failed') return 0
    throw cause
  }
}

function taskFor({ rule, fact, taskId }: Alert, at: number, system: string): ResourceWrite {
  const when = new Date(at).toISOString()
  const task: Task = {
    resourceType: 'Task',
    status: 'requested',
    intent: 'order',
    priority: 'urgent',
    code: { coding: [{ system, code: rule.name }] },
    description: rule.title,
    focus: { reference: `AuditEvent/${fact.id}` },
    authoredOn: when,
    lastModified: when,
  }
  return { resource: versioned(task, taskId, 1, at), version: 1, updated: at }
}
