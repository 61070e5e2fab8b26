import type { Task } from 'fhir/r4'
import type { Caller } from '#core/caller.ts'
import type { ResourceWrite } from '#core/commit.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Identified } from '#core/resource.ts'
import { answeredCancel } from './cancel.ts'
import { cancelAnswerOf } from './cancel-outcomes.ts'
import { type CarePorts, type Change, type Consequences, wholeBefore, writeOf } from './change.ts'
import { answeredHold, heldStatusOf } from './hold.ts'
import { clinic, moverOf, prescribing } from './mover.ts'
import { findOrder } from './order-file.ts'
import { hasAnswered } from './renewal-answered.ts'
import { answeredRenewal } from './renewal-change.ts'
import { sameValue } from './same-value.ts'
import { isAbort, openedTask, taskFactsOf } from './task-open.ts'
import {
  hasEnded,
  kindOf,
  requireTaskMove,
  type TaskKind,
  type TaskMover,
  taskMovesOf,
} from './task-states.ts'

type Work = Identified<Task>

/** What clocks of partners may be ahead of ours. */
const maxAheadMs = 5 * 60_000

/**
 * What a write makes of a Task (R12). What it asks, of whom it is and its intent stand for its life; its status moves by
 * the table of its kind; updates that arrive late are kept in its history but do not undo newer ones (R16). Throws
 * Failure `invalid`, or `conflict` for a second cancellation.
 */
export async function taskConsequences(ports: CarePorts, change: Change): Promise<Consequences> {
  const before = await wholeBefore<Work>(ports, change)
  const task = stamped(change.resource as Work, before, change.at)
  const kind = kindOf(before ?? task)
  const who = moverOfTask(before, change.caller)
  if (before) requireSameTask(before, task, kind, who, change.caller)
  const stamping = { ...change, resource: task }
  if (before && isOlder(task, before)) return keptAside(stamping, before, kind, who)
  // What was a draft is asked for now: as if it were new.
  const asked = before?.status === 'draft' && task.status === 'requested'
  if (!before || asked) return openedTask(ports, stamping, before?.status ?? 'new', { kind, who })
  if (before.status === task.status) requireWorker(before, kind, who, change.caller)
  else await requireMove(ports, before, task, kind, who, change.caller)
  const stored = kind === 'renewal' ? await answeredRenewal(ports, before, task, change.at) : task
  const result = writeOf({ ...change, resource: stored })
  return {
    result,
    writes: [result, ...(kind === 'cancel' ? await answersOf(ports, before, task, change.at) : [])],
  }
}

function moverOfTask(before: Work | undefined, caller: Caller): TaskMover {
  const requester = before?.requester?.reference
  return {
    mover: moverOf(caller),
    requester: requester !== undefined && caller.actors.some((actor) => actor === requester),
  }
}

/** lastModified is when it happened, as the sender says; who says nothing new of it gets the time of the write. */
function stamped(task: Work, before: Work | undefined, at: number): Work {
  const now = new Date(at).toISOString()
  const said = task.lastModified !== undefined && task.lastModified !== before?.lastModified
  const lastModified = said ? task.lastModified : now
  const when = Date.parse(lastModified ?? now)
  if (when > at + maxAheadMs) throw refused('lastModified lies in the future.', 'Task.lastModified')
  if (task.authoredOn !== undefined && when < Date.parse(task.authoredOn)) {
    throw refused('lastModified lies before authoredOn.', 'Task.lastModified')
  }
  // A Task without a beginning could not be waited for.
  return { ...task, ...(before ? {} : { authoredOn: task.authoredOn ?? now }), lastModified }
}

function isOlder(task: Work, before: Work): boolean {
  return (
    before.lastModified !== undefined && Date.parse(task.lastModified ?? '') < Date.parse(before.lastModified)
  )
}

/** The late update is a version of its own, and what it would have undone is the version after it. */
function keptAside(change: Change, before: Work, kind: TaskKind, who: TaskMover): Consequences {
  const late = change.resource as Work
  if (late.status !== before.status) requirePossible(late, kind, who, change.caller, before)
  else requireWorker(before, kind, who, change.caller)
  const first = writeOf(change)
  const version = change.version + 1
  const meta = { ...before.meta, versionId: String(version), lastUpdated: new Date(change.at).toISOString() }
  const result: ResourceWrite = {
    resource: { ...before, meta },
    version,
    updated: change.at,
    previous: first.resource,
  }
  return { result, writes: [first, result] }
}

/** A late update has to be one that this mover could have made at some time. */
function requirePossible(late: Work, kind: TaskKind, who: TaskMover, caller: Caller, before: Work): void {
  const states = ['requested', 'received', 'accepted', 'ready', 'in-progress', 'on-hold'] as const
  const moves = states.flatMap((from) => taskMovesOf(kind, from, who))
  const possible = moves.find(({ to }) => to === late.status)
  if (!possible || (possible.guards?.includes('owner') && !isOwner(before, caller))) {
    throw refused(`A Task (${kind}) may not be written as ${late.status} by ${who.mover}.`, 'Task.status')
  }
}

/** Fixed for a Task's life: what is asked, about what, for whom, by whom. */
const fixed = [
  'intent',
  'code',
  'focus',
  'for',
  'basedOn',
  'groupIdentifier',
  'requester',
  'authoredOn',
] as const

function requireSameTask(before: Work, task: Work, kind: TaskKind, who: TaskMover, caller: Caller): void {
  const issues = fixed
    .filter((name) => !sameValue(before[name], task[name]))
    .map(
      (name): Issue => ({
        code: 'business-rule',
        text: 'This stands for the life of a Task.',
        expression: `Task.${name}`,
      }),
    )
  if (
    !sameValue(before.owner?.reference, task.owner?.reference) &&
    !mayChangeOwner(before, task, kind, who, caller)
  ) {
    const text =
      'The owner changes when a Task without one is accepted, or when the clinic hands on what nobody has begun.'
    issues.push({ code: 'business-rule', text, expression: 'Task.owner' })
  }
  if (issues.length > 0) throw new Failure('invalid', issues)
}

function mayChangeOwner(
  before: Work,
  task: Work,
  kind: TaskKind,
  who: TaskMover,
  { actors }: Caller,
): boolean {
  const owner = task.owner?.reference
  if (before.owner === undefined && task.status === 'accepted' && actors.some((actor) => actor === owner))
    return true
  if (owner === undefined || hasEnded(before.status)) return false
  if (kind === 'renewal' || kind === 'work') return clinic.includes(who.mover)
  return prescribing.includes(who.mover) && ['draft', 'requested', 'received'].includes(before.status)
}

/** An update that moves nothing (a note, a business status) is its worker's, and nobody's once the Task has ended. */
function requireWorker(before: Work, kind: TaskKind, who: TaskMover, caller: Caller): void {
  const ends = ['cancelled', 'entered-in-error']
  const moves = taskMovesOf(kind, before.status, who).filter(
    ({ to, guards = [] }) => !ends.includes(to) && (!guards.includes('owner') || isOwner(before, caller)),
  )
  if (moves.length > 0) return
  const text = hasEnded(before.status)
    ? `A Task that is ${before.status} is not changed any more.`
    : `A Task (${kind}) that is ${before.status} is not worked on by ${who.mover}.`
  throw refused(text, 'Task.status')
}

async function requireMove(
  ports: CarePorts,
  before: Work,
  task: Work,
  kind: TaskKind,
  who: TaskMover,
  caller: Caller,
): Promise<void> {
  const facts = taskFactsOf(task, isOwner(before, caller) || who.mover === 'system')
  const answered =
    facts.answered ||
    (kind === 'renewal' &&
      ['ready', 'in-progress'].includes(task.status) &&
      (await hasAnswered(ports, before)))
  requireTaskMove(kind, { from: before.status, to: task.status }, who, { ...facts, answered })
}

function isOwner({ owner }: Task, { actors }: Caller): boolean {
  return owner?.reference === undefined || actors.some((actor) => actor === owner.reference)
}

/** What the holder's words change besides. The same answer twice changes nothing more. */
export async function answersOf(
  ports: Pick<CarePorts, 'store' | 'parse' | 'ids'>,
  before: Work,
  task: Work,
  at: number,
): Promise<ResourceWrite[]> {
  if (task.status === 'cancelled' || task.status === 'entered-in-error') return []
  if (heldStatusOf(task) && task.status !== before.status) {
    const held = await findOrder(ports, task.focus?.reference)
    return held ? answeredHold(ports, { task, order: held, at }) : []
  }
  if (!isAbort(task)) return []
  const code = cancelAnswerOf(task)
  if (!code || code === cancelAnswerOf(before)) return []
  const order = await findOrder(ports, task.focus?.reference)
  return order ? answeredCancel(ports, { task, order, code, at }) : []
}

function refused(text: string, expression: string): Failure {
  return new Failure('invalid', [{ code: 'business-rule', text, expression }])
}
