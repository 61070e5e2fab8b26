import type { MedicationRequest, Task } from 'fhir/r4'
import type { ResourceWrite } from '#core/commit.ts'
import { type Identified, type Reference, referenceTo } from '#core/resource.ts'
import { type CarePorts, changed, made } from './change.ts'
import { tasksOf } from './order-file.ts'

const taskCodes = 'http://hl7.org/fhir/CodeSystem/task-code'

export interface Asked {
  code: 'fulfill' | 'abort' | 'suspend' | 'resume'
  order: Identified<MedicationRequest>
  /** None where that is not known yet. */
  holder?: Reference
  requester?: Reference | undefined
  at: number
}

/** A Task by which the holder of an order learns what is asked of it; its answer is the Task's next status. */
export function holderTask(ports: Pick<CarePorts, 'ids'>, asked: Asked): ResourceWrite {
  const { code, order, holder, requester, at } = asked
  const now = new Date(at).toISOString()
  const task: Identified<Task> = {
    resourceType: 'Task',
    id: ports.ids.random(),
    ...(order.groupIdentifier ? { groupIdentifier: order.groupIdentifier } : {}),
    status: 'requested',
    intent: 'order',
    priority: code === 'fulfill' ? (order.priority ?? 'routine') : 'urgent',
    code: { coding: [{ system: taskCodes, code }] },
    focus: { reference: referenceTo(order) },
    ...(order.subject.reference ? { for: { reference: order.subject.reference } } : {}),
    authoredOn: now,
    lastModified: now,
    ...(requester ? { requester: { reference: requester } } : {}),
    ...(holder ? { owner: { reference: holder } } : {}),
    ...(order.statusReason ? { reasonCode: order.statusReason } : {}),
  }
  return made(task, at)
}

/** A Task for the clinic's own people. What it is about stands in its focus; its words tell nothing of the patient. */
export interface Alert {
  text: string
  description: string
  about: Reference
  patient?: Reference | undefined
  /** Who is to see to it; anybody of the clinic where not given. */
  owner?: Reference | undefined
  at: number
  input?: Task['input']
}

export function alertTask(ports: Pick<CarePorts, 'ids'>, alert: Alert): ResourceWrite {
  const now = new Date(alert.at).toISOString()
  const task: Identified<Task> = {
    resourceType: 'Task',
    id: ports.ids.random(),
    status: 'requested',
    intent: 'order',
    priority: 'urgent',
    code: { text: alert.text },
    description: alert.description,
    focus: { reference: alert.about },
    ...(alert.patient ? { for: { reference: alert.patient } } : {}),
    authoredOn: now,
    lastModified: now,
    ...(alert.owner ? { owner: { reference: alert.owner } } : {}),
    ...(alert.input ? { input: alert.input } : {}),
  }
  return made(task, alert.at)
}

/** Nothing more is to be done on an order: what nobody has begun is taken back; what is begun its owner ends. */
export async function closedTasks(
  ports: Pick<CarePorts, 'store' | 'parse'>,
  order: Identified<MedicationRequest>,
  at: number,
): Promise<ResourceWrite[]> {
  const tasks = await tasksOf(ports, order, 'fulfil')
  const waiting = ['requested', 'received', 'accepted', 'ready']
  return tasks
    .filter(({ status }) => waiting.includes(status))
    .map((task) =>
      changed<Identified<Task>>(
        task,
        {
          status: 'cancelled',
          lastModified: new Date(at).toISOString(),
          ...(order.statusReason ? { statusReason: order.statusReason } : {}),
        },
        at,
      ),
    )
}
