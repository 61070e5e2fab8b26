import type { MedicationRequest } from 'fhir/r4'
import { orderIdeas } from './order-ideas.ts'
import type { OrderValues } from './order-message.ts'
import { ours, presentElements, type Rest, restOf } from './rest.ts'
import type { Said } from './said.ts'

/** The notes of an order, for those who may read them, and everything of it that has no field (formats/hl7v2/rest). */
export function orderRest(values: OrderValues, said: Said): Rest {
  const { order, audience, dialect } = values
  const notes = audience === 'pharmacy' ? [] : (order.note ?? [])
  for (const index of notes.keys()) said.say(`note[${index}].text`)
  sayWhatStays(order, audience, said)
  return restOf({
    resource: order,
    dialect,
    said,
    texts: notes.map(({ text }, index) => ({ path: `note[${index}]`, text })),
    ideas: orderIdeas(order),
    isHere: (path) => stays.test(path) || (audience === 'pharmacy' && untold.test(path)),
    isCopied: isOrderElement,
    elementsOf: (names) => elementsOf(order, names),
  })
}

/** What is not for another system, by rule: references to what stays here, and where the order came from. */
const stays =
  /^(?:resourceType|id|meta|implicitRules|language|text|status|intent|subject|requester|reportedBoolean|doNotPerform|basedOn|supportingInformation|encounter|insurance|detectedIssue|eventHistory|instantiatesCanonical|instantiatesUri)(?:[.[]|$)|\.reference$/

/** What a pharmacy is not told (prescriptions R10, R52): why, what was said, and what no allow-list knows. */
const untold = /^(?:note|reasonCode|reasonReference|statusReason|extension)(?:[.[]|$)/

const copied = [
  'authoredOn',
  'category',
  'contained',
  'courseOfTherapyType',
  'dispenseRequest',
  'dosageInstruction',
  'extension',
  'groupIdentifier',
  'identifier',
  'medicationCodeableConcept',
  'medicationReference',
  'note',
  'performer',
  'performerType',
  'priority',
  'priorPrescription',
  'reasonCode',
  'reasonReference',
  'statusReason',
  'substitution',
]

/** Elements that a copy may hold, and extensions of the primitive ones. */
export function isOrderElement(name: string): boolean {
  return copied.includes(name.replace(/^_/, ''))
}

const reasons = ['Condition', 'Observation']

/**
 * What is contained, but for the drug and what the order is a reason for: their place is the record of the sender. Our own
 * extensions say where the order came from.
 */
function sayWhatStays(order: MedicationRequest, audience: OrderValues['audience'], said: Said): void {
  const { contained = [], reasonReference = [], extension = [] } = order
  for (const [index, { resourceType, id }] of contained.entries()) {
    const isReason = audience === 'ehr' && reasonReference.some(({ reference }) => reference === `#${id}`)
    if (resourceType !== 'Medication' && !(isReason && reasons.includes(resourceType)))
      said.say(`contained[${index}]`)
  }
  for (const [index, { url }] of extension.entries())
    if (url.startsWith(ours)) said.say(`extension[${index}]`)
}

/** Whole elements; a drug inside and what points to it are one. */
function elementsOf(order: MedicationRequest, names: readonly string[]): Record<string, unknown> {
  const together = ['contained', 'medicationReference']
  const all = names.some((name) => together.includes(name)) ? new Set([...names, ...together]) : names
  const whole = {
    ...order,
    contained: travelling(order, names.includes('reasonReference')),
    extension: order.extension?.filter(({ url }) => !url.startsWith(ours)),
  } as Record<string, unknown>
  return presentElements(whole, all)
}

function travelling({ contained, reasonReference, medicationReference }: MedicationRequest, why: boolean) {
  const pointers = [medicationReference, ...(why ? (reasonReference ?? []) : [])]
  return contained?.filter(
    ({ id, resourceType }) =>
      ['Medication', ...reasons].includes(resourceType) &&
      pointers.some((pointer) => pointer?.reference === `#${id}`),
  )
}
