import type { MedicationRequest, Task } from 'fhir/r4'
import type { Caller } from '#core/caller.ts'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import { answeredCancel } from './cancel.ts'
import { cancelAnswerOf, cancelOutcomes } from './cancel-outcomes.ts'
import { type CarePorts, changed } from './change.ts'
import { answeredHold } from './hold.ts'
import { alertTask } from './holder-task.ts'
import { findOrder, tasksOf, wasSent } from './order-file.ts'
import { answersOf } from './task-change.ts'
import { isAbort, taskFactsOf } from './task-open.ts'
import { hasEnded, kindOf, type TaskStatus, taskMovesOf } from './task-states.ts'

type Work = Identified<Task>
type Order = Identified<MedicationRequest>
type Ports = Pick<CarePorts, 'store' | 'parse' | 'ids'>

/** What the holder of an order tells of a Task that it was given, in a message of its own. */
export interface TaskTold {
  caller: Caller
  /** The Task as its holder speaks of it: code, focus, status, why; it has neither the id nor the rest of ours. */
  told: Task
  /** Milliseconds since the epoch. */
  at: number
}

export interface ToldConsequences {
  writes: ResourceWrite[]
  /** What was spoken of, as it stands now: `Task/1/_history/3`, or the order's where no Task is. */
  place: string
}

/**
 * Applies what a pharmacy answered by HL7 v2 to the Task it answers: by the table of its kind, step by step, as if the
 * pharmacy had written each over FHIR. What nobody asked is a fact about the order all the same, and a person is told.
 * Throws Failure `invalid` for no order, and `not-found` for a Task that is another's.
 */
export async function toldOfTask(ports: Ports, { caller, told, at }: TaskTold): Promise<ToldConsequences> {
  const order = await findOrder(ports, told.focus?.reference)
  if (!order) throw new Failure('invalid', 'What is told is about no order here')
  const { answer, tasks } = await answeredTasks(ports, order, told)
  const open = tasks.findLast(({ status }) => !hasEnded(status))
  if (!open)
    return {
      writes: await unasked(ports, { order, told: answer, tasks, at }),
      place: placeOf(tasks.at(-1) ?? order),
    }
  if (open.owner?.reference && !caller.actors.some((actor) => actor === open.owner?.reference)) {
    throw new Failure('not-found', 'There is no such Task of yours')
  }
  const moves = movedTo(open, answer, at)
  const last = moves.at(-1)
  if (!last) return { writes: misfit(ports, { order, open, told: answer, at }), place: placeOf(open) }
  const more = await answersOf(ports, open, last.resource as Work, at)
  return { writes: [...moves, ...more], place: placeOf(last.resource) }
}

/**
 * The Tasks that an answer may be about, oldest first. One that only says whether it was taken (OK, UA) is about what
 * was asked last: of a pharmacy that was asked to cancel, UA does not mean the order.
 */
async function answeredTasks(
  ports: Ports,
  order: Order,
  told: Task,
): Promise<{ answer: Task; tasks: Work[] }> {
  const kind = kindOf(told)
  if (kind !== 'fulfil' && kind !== 'cancel') return { answer: told, tasks: [] }
  const asked = sentFirst(await tasksOf(ports, order, 'cancel'))
  const waiting = asked.findLast(({ status }) => status === 'requested' || status === 'received')
  if (kind === 'fulfil' && waiting && (told.status === 'rejected' || told.status === 'accepted')) {
    // OK is no confirmation: it says that the request has come.
    const status = told.status === 'rejected' ? ('rejected' as const) : ('received' as const)
    return { answer: { ...told, status }, tasks: [waiting] }
  }
  if (kind === 'fulfil') return { answer: told, tasks: sentFirst(await tasksOf(ports, order, kind)) }
  return { answer: told, tasks: asked.filter((task) => askedCodeOf(task) === askedCodeOf(told)) }
}

function sentFirst(tasks: readonly Work[]): Work[] {
  return tasks.filter(wasSent).toSorted((a, b) => (a.authoredOn ?? '').localeCompare(b.authoredOn ?? ''))
}

function askedCodeOf({ code }: Task): string | undefined {
  return code?.coding?.find(({ system }) => system === 'http://hl7.org/fhir/CodeSystem/task-code')?.code
}

/** The versions by which a Task comes to what was told; none where it stands there already or cannot. */
function movedTo(open: Work, told: Task, at: number): ResourceWrite[] {
  const answer = isAbort(open) ? cancelAnswerOf(told) : undefined
  const target: TaskStatus = answer ? cancelOutcomes[answer].task : told.status
  const steps =
    stepsTo(open, target, told) ?? (target === 'rejected' ? stepsTo(open, 'failed', told) : undefined)
  if (!steps) return []
  const lastModified = new Date(at).toISOString()
  const { businessStatus, statusReason } = told
  const note = [...(open.note ?? []), ...(told.note ?? [])]
  const identifier = [...(open.identifier ?? []), ...newIdentifiers(open, told)]
  const words = {
    lastModified,
    ...(identifier.length > 0 ? { identifier } : {}),
    ...(note.length > 0 ? { note } : {}),
    ...(businessStatus ? { businessStatus } : {}),
    ...(statusReason ? { statusReason } : {}),
  }
  if (steps.length === 0) {
    const isNews = businessStatus && answer && cancelAnswerOf(open) !== answer
    return isNews ? [changed<Work>(open, words, at)] : []
  }
  let current = open
  return steps.map((status, index) => {
    const isLast = index === steps.length - 1
    const write = changed<Work>(current, { status, lastModified, ...(isLast ? words : {}) }, at)
    current = write.resource as Work
    return write
  })
}

/** The shortest way through the table of the Task's kind that its holder can go; undefined where there is none. */
function stepsTo(open: Work, target: TaskStatus, told: Task): TaskStatus[] | undefined {
  const kind = kindOf(open)
  const facts = taskFactsOf(
    { ...open, ...(told.statusReason ? { statusReason: told.statusReason } : {}) },
    true,
  )
  const ways: TaskStatus[][] = [[]]
  const seen = new Set<string>([open.status])
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    const from = way.at(-1) ?? open.status
    if (from === target) return way
    // What its holder answers the gateway tells, where the table leaves that to the gateway.
    const moves = (['pharmacy', 'system'] as const).flatMap((mover) => taskMovesOf(kind, from, { mover }))
    for (const { to, guards = [] } of moves) {
      if (seen.has(to) || to === 'cancelled' || to === 'entered-in-error') continue
      if (!guards.every((guard) => facts[guard])) continue
      seen.add(to)
      ways.push([...way, to])
    }
  }
  return undefined
}

function newIdentifiers(open: Work, told: Task): NonNullable<Task['identifier']> {
  const known = new Set((open.identifier ?? []).map(({ system, value }) => `${system}|${value}`))
  return (told.identifier ?? []).filter(({ system, value }) => !known.has(`${system}|${value}`))
}

interface Unasked {
  order: Order
  told: Task
  tasks: readonly Work[]
  at: number
}

/** Nobody waits for this. The same words again change nothing; what the pharmacy did is a fact, and news to the clinic. */
async function unasked(ports: Ports, { order, told, tasks, at }: Unasked): Promise<ResourceWrite[]> {
  const last = tasks.at(-1)
  if (kindOf(told) !== 'cancel') return told.status === 'rejected' ? [alert(ports, order, told, at)] : []
  const code = isAbort(told) ? cancelAnswerOf(told) : undefined
  if (last && (code ? cancelAnswerOf(last) === code : last.status === told.status)) return []
  const reasoned = { ...told, reasonCode: told.statusReason ?? told.businessStatus } as Work
  const writes = code
    ? await answeredCancel(ports, { task: reasoned, order, code, at })
    : answeredHold(ports, { task: reasoned, order, at })
  const alerted = writes.some(
    ({ resource }) => resource.resourceType === 'Task' && resource.priority === 'urgent' && !resource.owner,
  )
  return alerted ? writes : [...writes, alert(ports, order, told, at)]
}

/** The Task has gone where this answer does not lead: old news is passed over, an end that does not fit is not. */
function misfit(
  ports: Ports,
  { order, open, told, at }: Omit<Unasked, 'tasks'> & { open: Work },
): ResourceWrite[] {
  return hasEnded(told.status) && told.status !== open.status ? [alert(ports, order, told, at)] : []
}

function alert(ports: Ports, order: Order, told: Task, at: number): ResourceWrite {
  const said = (told.businessStatus?.coding ?? []).map(({ code }) => code).find((code) => code !== undefined)
  return alertTask(ports, {
    text: `Order: ${said ?? told.status}`,
    description: 'Who has an order said of it what nobody had asked, or cannot do what was asked: call them',
    about: referenceTo(order),
    patient: patientOf(order),
    at,
  })
}

function placeOf(resource: Identified): string {
  return `${referenceTo(resource)}/_history/${resource.meta?.versionId ?? '1'}`
}
