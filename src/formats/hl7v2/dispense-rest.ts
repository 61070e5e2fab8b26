import type { MedicationDispense } from 'fhir/r4'
import type { DispenseValues } from './dispense-message.ts'
import { dosageIdeas } from './dosage-ideas.ts'
import { medicationIdeas } from './medication-ideas.ts'
import { authorIdeas, extensionIdeas } from './note-ideas.ts'
import { type Idea, ours, presentElements, type Rest, restOf } from './rest.ts'
import type { Said } from './said.ts'
import { conceptWords, prefixed, quantityWords } from './words.ts'

/** The notes of a dispense, and everything of it that has no field (formats/hl7v2/rest). */
export function dispenseRest({ dispense, dispenser, dialect }: DispenseValues, said: Said): Rest {
  const { note = [], contained = [], performer = [], extension = [] } = dispense
  for (const index of note.keys()) said.say(`note[${index}].text`)
  for (const [index, { resourceType }] of contained.entries())
    if (resourceType !== 'Medication') said.say(`contained[${index}]`)
  for (const [index, { url }] of extension.entries())
    if (url.startsWith(ours)) said.say(`extension[${index}]`)
  if (dispenser) for (const index of performer.keys()) said.say(`performer[${index}].actor`)
  return restOf({
    resource: dispense,
    dialect,
    said,
    texts: note.map(({ text }, index) => ({ path: `note[${index}]`, text })),
    ideas: ideasOf(dispense),
    isHere: (path) => stays.test(path),
    isCopied: isDispenseElement,
    elementsOf: (names) => elementsOf(dispense, names),
  })
}

/** What is not for another system, by rule: references to what stays here. */
const stays =
  /^(?:resourceType|id|meta|language|text|status|subject|partOf|context|supportingInformation|detectedIssue|eventHistory|statusReasonReference)(?:[.[]|$)|\.reference$/

const copied = [
  'category',
  'contained',
  'daysSupply',
  'destination',
  'dosageInstruction',
  'extension',
  'identifier',
  'location',
  'medicationCodeableConcept',
  'medicationReference',
  'note',
  'quantity',
  'receiver',
  'statusReasonCodeableConcept',
  'substitution',
  'type',
  'whenHandedOver',
  'whenPrepared',
]

/** Elements that a copy may hold. Who gave it is found anew, and what is said of them is told in notes. */
export function isDispenseElement(name: string): boolean {
  return copied.includes(name.replace(/^_/, ''))
}

/** What a reader is told of a dispense where HL7 v2 has no field for it. */
function ideasOf(dispense: MedicationDispense): Idea[] {
  const { contained = [], dosageInstruction = [], identifier = [], receiver = [], performer = [] } = dispense
  const { substitution, note = [], extension = [] } = dispense
  const plain: [path: string, before: string, words: string | undefined][] = [
    ['type', 'Kind of supply: ', conceptWords(dispense.type)],
    ['category', 'Kind of dispense: ', conceptWords(dispense.category)],
    [
      'statusReasonCodeableConcept',
      'Reason of the status: ',
      conceptWords(dispense.statusReasonCodeableConcept),
    ],
    ['quantity', 'Quantity: ', quantityWords(dispense.quantity)],
    ['daysSupply', 'To last: ', quantityWords(dispense.daysSupply)],
    ['whenPrepared', 'Prepared: ', dispense.whenPrepared],
    ['whenHandedOver', 'Handed over: ', dispense.whenHandedOver],
    ['location', 'Where: ', dispense.location?.display],
    ['destination', 'Sent to: ', dispense.destination?.display],
    ['substitution.type', 'Substitution: ', conceptWords(substitution?.type)],
    ['substitution.wasSubstituted', '', substitution?.wasSubstituted ? 'Something else was given' : ''],
    ...(substitution?.reason ?? []).map((each, index): [string, string, string] => [
      `substitution.reason[${index}]`,
      'Reason of the substitution: ',
      conceptWords(each),
    ]),
    ...(substitution?.responsibleParty ?? []).map(
      ({ display }, index): [string, string, string | undefined] => [
        `substitution.responsibleParty[${index}]`,
        'Who answers for the substitution: ',
        display,
      ],
    ),
    ...receiver.map(({ display }, index): [string, string, string | undefined] => [
      `receiver[${index}]`,
      'Given to: ',
      display,
    ]),
    ...performer.map((each, index): [string, string, string | undefined] => [
      `performer[${index}]`,
      'Given by: ',
      [each.actor.display, conceptWords(each.function)].filter(Boolean).join(', '),
    ]),
    ...identifier.map(({ value }, index): [string, string, string | undefined] => [
      `identifier[${index}].value`,
      'Further number of the dispense: ',
      value,
    ]),
  ]
  return [
    ...dosageIdeas(dosageInstruction),
    ...medicationIdeas(contained),
    ...plain.map(([path, before, words = '']) => ({ path, text: prefixed(before, words) })),
    ...authorIdeas(note),
    ...extensionIdeas(extension),
  ]
}

/** What is said only together: the drug inside and what points to it, and the two times of which a field tells one. */
const together = [
  ['contained', 'medicationReference'],
  ['whenHandedOver', 'whenPrepared'],
]

/** Whole elements. */
function elementsOf(dispense: MedicationDispense, names: readonly string[]): Record<string, unknown> {
  const { contained, medicationReference, extension } = dispense
  const all = together.flatMap((pair) => (pair.some((name) => names.includes(name)) ? pair : []))
  const drug = contained?.filter(
    ({ id, resourceType }) => resourceType === 'Medication' && medicationReference?.reference === `#${id}`,
  )
  const whole = {
    ...dispense,
    contained: drug,
    extension: extension?.filter(({ url }) => !url.startsWith(ours)),
  }
  return presentElements({ ...whole }, [...names, ...all])
}
