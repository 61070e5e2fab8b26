import type { MedicationRequest } from 'fhir/r4'
import { isDecimal } from '#core/decimal.ts'
import { copySegment } from './copy.ts'
import type { Note } from './dialect.ts'
import { type Idea, orderIdeas } from './order-ideas.ts'
import type { OrderValues } from './order-message.ts'
import { elementOf, type Left, restNotes, type Said } from './said.ts'

/** What of an order has no field. */
export interface OrderRest {
  notes: Note[]
  /** ZFH, or nothing. */
  copy: string
}

/**
 * The notes of an order, for those who may read them, and everything that has no field: in sentences for people, one an
 * idea, and as whole elements for machines (formats/hl7v2/copy). A partner who takes no Z-segments is told each value in notes.
 */
export function orderRest(values: OrderValues, control: string, said: Said): OrderRest {
  const { order, audience, dialect } = values
  const isHere = (path: string) => stays.test(path) || (audience === 'pharmacy' && untold.test(path))
  const texts = audience === 'pharmacy' ? [] : (order.note ?? []).map(({ text }) => text)
  for (const index of texts.keys()) said.say(`note[${index}].text`)
  sayWhatStays(order, audience, said)
  const left = said.rest(order).filter(({ path }) => !isHere(path))
  const { sentences, rest } = sentencesOf(orderIdeas(order), left)
  if (dialect.rest === 'notes' || control !== 'NW') {
    const spoken = [...sentences.map(({ text }) => text), ...restNotes(rest)]
    return { notes: [...texts, ...spoken].map((text) => ({ text })), copy: '' }
  }
  const names = said.inexact(order).filter((name) => isOrderElement(name) && !isHere(name))
  const elements = elementsOf(order, names)
  const untoldRest = rest.filter(({ path, isTechnical }) => !isTechnical || !isIn(elements, path))
  const spoken = [...sentences, ...untoldRest.map((each) => ({ ...each, text: restNotes([each]).join('') }))]
  return {
    notes: [
      ...texts.map((text) => ({ text, isCopied: isIn(elements, 'note') })),
      ...spoken.map(({ path, text }) => ({ text, isCopied: isIn(elements, path) })),
    ],
    copy: copySegment({
      resourceType: order.resourceType,
      elements,
      ...(dialect.timeZone ? { timeZone: dialect.timeZone } : {}),
    }),
  }
}

function isIn(elements: Record<string, unknown>, path: string): boolean {
  return elementOf(path) in elements
}

/** A sentence for each idea of which something is left; what belongs to none stays. */
function sentencesOf(ideas: readonly Idea[], left: readonly Left[]): { sentences: Idea[]; rest: Left[] } {
  const sentences: Idea[] = []
  let rest = [...left]
  for (const idea of ideas) {
    const own = rest.filter(({ path }) => isWithin(path, idea.path))
    if (idea.text === '' || own.every(({ isTechnical }) => isTechnical)) continue
    sentences.push(idea)
    rest = rest.filter((each) => !own.includes(each) || each.isTechnical)
  }
  return { sentences, rest }
}

function isWithin(path: string, whole: string): boolean {
  return path === whole || (path.startsWith(whole) && /^[.[]/.test(path.slice(whole.length)))
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

const ours = 'https://postern.health/fhir/StructureDefinition/'

/** Whole elements; a drug inside and what points to it are one. */
function elementsOf(order: MedicationRequest, names: readonly string[]): Record<string, unknown> {
  const together = ['contained', 'medicationReference']
  const all = names.some((name) => together.includes(name)) ? new Set([...names, ...together]) : names
  const whole = {
    ...order,
    contained: travelling(order, names.includes('reasonReference')),
    extension: order.extension?.filter(({ url }) => !url.startsWith(ours)),
  } as Record<string, unknown>
  const entries = [...all].map((name) => [name, withoutForeign(whole[name])] as const)
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

function travelling({ contained, reasonReference, medicationReference }: MedicationRequest, why: boolean) {
  const pointers = [medicationReference, ...(why ? (reasonReference ?? []) : [])]
  return contained?.filter(
    ({ id, resourceType }) =>
      ['Medication', ...reasons].includes(resourceType) &&
      pointers.some((pointer) => pointer?.reference === `#${id}`),
  )
}

/** References to what stays here mean nothing elsewhere. Undefined where nothing is left. */
function withoutForeign(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || isDecimal(value)) return value
  if (Array.isArray(value)) {
    const items = value.map(withoutForeign).filter((each) => each !== undefined)
    return items.length > 0 ? items : undefined
  }
  const entries = Object.entries(value)
    .filter(([key, each]) => key !== 'reference' || String(each).startsWith('#'))
    .map(([key, each]) => [key, withoutForeign(each)] as const)
    .filter(([, each]) => each !== undefined)
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}
