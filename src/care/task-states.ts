import type { Task } from 'fhir/r4'
import { reviewSystem } from '#access/review.ts'
import { Failure } from '#core/failure.ts'
import { clinic, type Mover, pharmacies, prescribing } from './mover.ts'

export type TaskStatus = Task['status']
export type TaskState = TaskStatus | 'new'

/**
 * What a Task is about decides who may move it how. `mirror` is what another system keeps and tells of, an appointment or
 * a referral; `work` is everything else, most of it for the clinic's own people.
 */
export const taskKinds = ['fulfil', 'cancel', 'renewal', 'work', 'review', 'mirror'] as const
export type TaskKind = (typeof taskKinds)[number]

export type TaskGuard =
  /** statusReason says why. */
  | 'reason'
  /** What came of it stands in `output`. */
  | 'output'
  /** The patient's new answers are in, or it is said why they are not waited for (R32). */
  | 'answered'
  /** The mover is whom the Task names as owner, or the Task has none yet. */
  | 'owner'

export interface TaskMove {
  from: readonly TaskState[]
  to: TaskStatus
  by: readonly Mover[]
  /** Also who asked for it, whatever its role. */
  requester?: true
  guards?: readonly TaskGuard[]
}

const system: readonly Mover[] = ['system']
/** Who the order is with: the pharmacy, or the gateway telling what its hub answered. */
const holder: readonly Mover[] = [...pharmacies, ...system]
const officer: readonly Mover[] = ['privacy-officer']
const staff: readonly Mover[] = [...clinic, ...system]

/** Interfaces, by which other systems tell what became of what they keep. */
const feeds: readonly Mover[] = ['platform', 'ehr', 'system']

const alive = ['draft', 'requested', 'received', 'accepted', 'ready', 'in-progress', 'on-hold'] as const
const ended = ['rejected', 'cancelled', 'failed', 'completed'] as const

function move(from: TaskMove['from'], to: TaskStatus, by: TaskMove['by'], ...guards: TaskGuard[]): TaskMove {
  return { from, to, by, ...(guards.length > 0 ? { guards } : {}) }
}

/** Work is the clinic's, or a pharmacy's where it is the owner. */
function worked(from: TaskMove['from'], to: TaskStatus, ...guards: TaskGuard[]): TaskMove[] {
  return [move(from, to, staff, ...guards), move(from, to, pharmacies, 'owner', ...guards)]
}

/** Its author takes a Task back as a mistake at any time. */
const mistaken: TaskMove = {
  from: [...alive, ...ended],
  to: 'entered-in-error',
  by: prescribing,
  requester: true,
}

function withdrawn(by: readonly Mover[]): TaskMove {
  return {
    from: ['requested', 'received', 'accepted', 'ready'],
    to: 'cancelled',
    by,
    requester: true,
  }
}

/**
 * The life of each kind of Task (R12), after AU eRequesting's table with gematik's accept, reject and close. What has
 * ended stays ended; on a Task nobody else's than its owner works.
 */
const taskMoves: Readonly<Record<TaskKind, readonly TaskMove[]>> = {
  fulfil: [
    move(['new'], 'draft', [...clinic, 'platform', 'system']),
    move(['new', 'draft'], 'requested', [...prescribing, ...system]),
    move(['requested'], 'received', holder, 'owner'),
    move(['requested', 'received'], 'accepted', pharmacies, 'owner'),
    move(['requested', 'received'], 'rejected', pharmacies, 'owner', 'reason'),
    move(['received'], 'ready', pharmacies, 'owner'),
    move(['accepted', 'ready'], 'in-progress', pharmacies, 'owner'),
    move(['in-progress'], 'ready', pharmacies, 'owner'),
    move(['in-progress'], 'on-hold', pharmacies, 'owner'),
    move(['on-hold'], 'in-progress', pharmacies, 'owner'),
    move(['in-progress'], 'completed', pharmacies, 'owner'),
    move(['in-progress'], 'failed', pharmacies, 'owner'),
    withdrawn([...prescribing, ...system]),
    mistaken,
  ],
  cancel: [
    move(['new'], 'draft', [...clinic, 'platform', 'system'], 'reason'),
    move(['new', 'draft'], 'requested', [...prescribing, ...system], 'reason'),
    move(['requested'], 'received', holder, 'owner'),
    move(['requested', 'received'], 'accepted', holder, 'owner'),
    move(['requested', 'received'], 'rejected', holder, 'owner', 'reason'),
    move(['accepted'], 'in-progress', holder, 'owner'),
    move(['in-progress'], 'completed', holder, 'owner'),
    move(['in-progress'], 'failed', system),
    withdrawn(prescribing),
    mistaken,
  ],
  renewal: [
    move(['new'], 'draft', ['patient', ...pharmacies, 'platform', ...staff]),
    move(['new', 'draft'], 'requested', ['patient', ...pharmacies, 'platform', ...staff]),
    move(['requested'], 'received', system),
    move(['requested', 'received'], 'accepted', clinic),
    // By the gateway when nobody has begun and the asker's time is up (R33).
    move(['requested', 'received'], 'rejected', staff, 'reason'),
    move(['received'], 'ready', staff, 'answered'),
    // Taken on at once, it is still not worked on before the patient's answers are in (R32).
    move(['accepted'], 'in-progress', prescribing, 'answered'),
    move(['ready'], 'in-progress', prescribing),
    move(['in-progress'], 'on-hold', staff),
    move(['on-hold'], 'in-progress', staff),
    move(['in-progress'], 'completed', [...prescribing, ...system], 'output'),
    move(['in-progress'], 'failed', system),
    withdrawn(['patient', 'prescriber']),
    mistaken,
  ],
  work: [
    move(['new'], 'draft', ['patient', 'platform', ...pharmacies, ...staff]),
    move(['new', 'draft'], 'requested', ['patient', 'platform', ...pharmacies, ...staff]),
    ...worked(['requested'], 'received'),
    ...worked(['requested', 'received'], 'accepted'),
    ...worked(['requested', 'received'], 'rejected', 'reason'),
    ...worked(['received', 'accepted'], 'ready'),
    ...worked(['requested', 'received', 'accepted', 'ready'], 'in-progress'),
    ...worked(['in-progress'], 'on-hold'),
    ...worked(['on-hold'], 'in-progress'),
    ...worked(['requested', 'received', 'accepted', 'ready', 'in-progress', 'on-hold'], 'completed'),
    ...worked(['in-progress'], 'failed'),
    withdrawn(staff),
    mistaken,
  ],
  // Made by what happened, never by a caller; ends with a privacy officer's word and is nobody's to take back.
  review: [
    move(['new'], 'requested', system),
    // On hold is what could not go on by itself (intake/unknown-patients).
    move(['requested', 'on-hold'], 'in-progress', officer),
    move(['requested', 'in-progress', 'on-hold'], 'completed', officer, 'reason'),
  ],
  // Its states are the other system's, and come by its interface in whatever order that tells of them.
  mirror: [
    ...alive.map((state) => move(['new', ...alive], state, feeds)),
    ...ended.map((state) => move(['new', ...alive], state, feeds)),
    move(['new', ...alive, ...ended], 'entered-in-error', feeds),
  ],
}

const mirrorSystem = 'https://postern.health/fhir/CodeSystem/mirrored-task'

/** Renewal of prescription; R4's task-code has no word for it. */
export const renewalCode = { system: 'http://snomed.info/sct', code: '103742009' }

const kindCodes: Readonly<Record<string, TaskKind>> = {
  'http://hl7.org/fhir/CodeSystem/task-code|fulfill': 'fulfil',
  'http://hl7.org/fhir/CodeSystem/task-code|abort': 'cancel',
  // What else the holder of an order is asked to do, and answers in the same way.
  'http://hl7.org/fhir/CodeSystem/task-code|suspend': 'cancel',
  'http://hl7.org/fhir/CodeSystem/task-code|resume': 'cancel',
  [`${mirrorSystem}|appointment`]: 'mirror',
  [`${mirrorSystem}|referral`]: 'mirror',
  [`${renewalCode.system}|${renewalCode.code}`]: 'renewal',
}

export function kindOf(task: Pick<Task, 'code'>): TaskKind {
  if ((task.code?.coding ?? []).some(({ system: from }) => from === reviewSystem)) return 'review'
  const kinds = (task.code?.coding ?? []).map(({ system: from, code }) => kindCodes[`${from}|${code}`])
  return kinds.find((kind) => kind !== undefined) ?? 'work'
}

export interface TaskMover {
  mover: Mover
  /** The mover is who asked for the Task. */
  requester?: boolean
}

export type TaskFacts = Readonly<Record<TaskGuard, boolean>>

export function taskMovesOf(kind: TaskKind, from: TaskState, who: TaskMover): TaskMove[] {
  return taskMoves[kind].filter(
    (each) =>
      each.from.includes(from) &&
      (each.by.includes(who.mover) || (each.requester === true && who.requester === true)),
  )
}

/** As requireOrderMove, for a Task of a kind. Throws Failure `invalid` (422). */
export function requireTaskMove(
  kind: TaskKind,
  { from, to }: { from: TaskState; to: TaskStatus },
  who: TaskMover,
  facts: TaskFacts,
): TaskMove {
  const moves = taskMovesOf(kind, from, who)
  const candidates = moves.filter((each) => each.to === to)
  if (candidates.length === 0) {
    const allowed = [...new Set(moves.map((each) => each.to))]
    const may = allowed.length > 0 ? `may be written as ${allowed.join(', ')} only` : 'may not be moved'
    throw refused(`A Task (${kind}) that is ${from} ${may} by ${who.mover}.`)
  }
  const open = candidates.find(({ guards = [] }) => guards.every((guard) => facts[guard]))
  if (open) return open
  const missing = candidates.flatMap(({ guards = [] }) => guards.filter((guard) => !facts[guard]))
  throw refused([...new Set(missing)].map((guard) => guardTexts[guard]).join(' '))
}

const guardTexts: Readonly<Record<TaskGuard, string>> = {
  reason: 'This needs a statusReason.',
  output: 'This needs an output: the order or the denial that it came to.',
  answered: 'The patient has not answered since this was asked; wait for it, or give a statusReason.',
  owner: 'Only the owner of this Task works on it.',
}

export function hasEnded(status: TaskState): boolean {
  return status === 'entered-in-error' || ended.some((each) => each === status)
}

function refused(text: string): Failure {
  return new Failure('invalid', [{ code: 'business-rule', text, expression: 'Task.status' }])
}
