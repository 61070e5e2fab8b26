import type { Identifier, MedicationRequest, Task } from 'fhir/r4'
import { type ReadRefusal, refusalOf, renewalAnswerOf } from '#care/renewal-answers.ts'
import { kindOf } from '#care/task-states.ts'
import { Failure } from '#core/failure.ts'
import type { Identified, Reference } from '#core/resource.ts'
import type { OrderValues } from '#formats/hl7v2/order-message.ts'
import type { Content, Parcel } from './channel.ts'

/** What a message of HL7 v2 says of an order. */
export type OrderSaid = Pick<OrderValues, 'order' | 'control' | 'controlReason'>

/** Of a parcel, what is a message of its own: that a renewal is approved is told by the order that it came to. */
export function toldByItself(contents: readonly Content[]): Content[] {
  return contents.filter(
    ({ resource }) =>
      !isApproval(resource) || !contents.some(({ resource: order }) => renews(order, resource)),
  )
}

/** An order says itself; a Task says what is asked about the order in its focus, or answered to who asked about it. */
export async function orderSaidBy(content: Identified, parcel: Parcel): Promise<OrderSaid> {
  if (content.resourceType === 'MedicationRequest') {
    const approved = parcel.contents
      .map(({ resource }) => resource)
      .find((each): each is Identified<Task> => isApproval(each) && renews(content, each))
    return approved ? { order: withNumbers(content, approved), control: 'AF' } : { order: content }
  }
  if (content.resourceType !== 'Task') throw new Failure('unsupported', 'no-v2-message')
  const focus = /^MedicationRequest\/[A-Za-z0-9.-]{1,64}/.exec(content.focus?.reference ?? '')?.[0]
  const order = focus ? await parcel.load(focus as Reference) : undefined
  const control = controlOf(content, order)
  if (!control) throw new Failure('unsupported', 'no-v2-message')
  if (order?.resourceType !== 'MedicationRequest') throw new Failure('forbidden', 'order')
  if (control !== 'DF') return { order, control }
  const controlReason = reasonOf(content, parcel)
  return { order: withNumbers(order, content), control, controlReason }
}

function isApproval(resource: Identified): resource is Identified<Task> {
  if (resource.resourceType !== 'Task' || kindOf(resource) !== 'renewal') return false
  return ['approved', 'approved-with-changes'].includes(renewalAnswerOf(resource) ?? '')
}

function renews(order: Identified, { focus }: Task): boolean {
  if (order.resourceType !== 'MedicationRequest') return false
  return focus?.reference !== undefined && order.priorPrescription?.reference === focus.reference
}

/** The number that the pharmacy gave its request (ORC-3) is the one that it looks for. */
function withNumbers(order: MedicationRequest, { identifier = [] }: Task): MedicationRequest {
  const isFiller = ({ type }: Identifier) => (type?.coding ?? []).some(({ code }) => code === 'FILL')
  const asked = identifier.filter(isFiller)
  if (asked.length === 0) return order
  const others = (order.identifier ?? []).filter((each) => !isFiller(each))
  return { ...order, identifier: [...others, ...asked] }
}

/** What was dispensed in part is discontinued, not cancelled (table 0119). */
function controlOf(task: Task, order: Identified | undefined): OrderSaid['control'] {
  if (kindOf(task) === 'renewal') {
    const answer = renewalAnswerOf(task)
    return answer === 'denied' || answer === 'replaced' ? 'DF' : undefined
  }
  const stopped = order?.resourceType === 'MedicationRequest' && order.status === 'stopped'
  const controls = { abort: stopped ? 'DC' : 'CA', suspend: 'HD', resume: 'RL' } as const
  const asked = task.code?.coding?.find(({ system }) => system === 'http://hl7.org/fhir/CodeSystem/task-code')
  return (controls as Readonly<Record<string, OrderSaid['control']>>)[asked?.code ?? '']
}

/** As HL7 v2 names the code set in its own example of a denial's reasons, which are NCPDP's. */
const codeSet = 'NCPDP1131'

/** ORC-16: as the partner calls it, else a reason of AA to AG. What is replaced has a new order in its place. */
function reasonOf(task: Task, { destination }: Parcel): string {
  const replaced: ReadRefusal = { v3: 'MODIFY', v2: 'AG' }
  const refusal = renewalAnswerOf(task) === 'replaced' ? replaced : refusalOf(task.statusReason ?? {})
  if (!refusal) return ''
  const own = refusal.v3 && destination.renewals?.refusals?.[refusal.v3]
  return own ?? `${refusal.v2}^^${codeSet}`
}
