import type { Condition, MedicationRequest, Observation } from 'fhir/r4'
import { dosageIdeas } from './dosage-ideas.ts'
import { medicationIdeas } from './medication-ideas.ts'
import { authorIdeas, extensionIdeas } from './note-ideas.ts'
import type { Idea } from './rest.ts'
import { conceptWords, periodWords, prefixed, quantityWords } from './words.ts'

/** What a pharmacist reads of an order where HL7 v2 has no field for it: `At most 8 tablet in 1 week`. */
export function orderIdeas(order: MedicationRequest): Idea[] {
  const { dosageInstruction = [], note = [], extension = [], contained = [] } = order
  return [
    ...dosageIdeas(dosageInstruction),
    ...dispenseIdeas(order),
    ...medicationIdeas(contained),
    ...plainIdeas(order),
    ...reasonIdeas(order),
    ...authorIdeas(note),
    ...extensionIdeas(extension),
  ]
}

function dispenseIdeas({ dispenseRequest: dispense }: MedicationRequest): Idea[] {
  const first = dispense?.initialFill
  const words = [quantityWords(first?.quantity), prefixed('to last ', quantityWords(first?.duration))]
  return [
    ['validityPeriod', prefixed('The prescription is valid ', periodWords(dispense?.validityPeriod))],
    [
      'expectedSupplyDuration',
      prefixed('Each supply is to last ', quantityWords(dispense?.expectedSupplyDuration)),
    ],
    ['dispenseInterval', prefixed('Time between supplies: ', quantityWords(dispense?.dispenseInterval))],
    ['initialFill', prefixed('The first supply: ', words.filter(Boolean).join(', '))],
    ['performer', prefixed('To be dispensed by: ', dispense?.performer?.display ?? '')],
  ].map(([name, text = '']) => ({ path: `dispenseRequest.${name}`, text }))
}

function plainIdeas(order: MedicationRequest): Idea[] {
  const { substitution, category = [], identifier = [], priorPrescription: prior } = order
  const ideas: [string, string, string | undefined][] = [
    ['priority', 'Priority: ', order.priority],
    ['courseOfTherapyType', 'Course of therapy: ', conceptWords(order.courseOfTherapyType)],
    ['performerType', 'To be given by: ', conceptWords(order.performerType)],
    ['performer', 'To be given by: ', order.performer?.display],
    ['recorder', 'Entered by: ', order.recorder?.display],
    [
      'substitution.allowedCodeableConcept',
      'Substitution: ',
      conceptWords(substitution?.allowedCodeableConcept),
    ],
    ['substitution.reason', 'Reason of what is said of substitution: ', conceptWords(substitution?.reason)],
    ['priorPrescription', 'Follows the prescription: ', prior?.display ?? prior?.identifier?.value],
    ...category.map((each, index): [string, string, string] => [
      `category[${index}]`,
      'Kind of order: ',
      conceptWords(each),
    ]),
    ...identifier.map((each, index): [string, string, string | undefined] => [
      `identifier[${index}].value`,
      'Further number of the order: ',
      each.value,
    ]),
  ]
  return ideas.map(([path, before, words = '']) => ({ path, text: prefixed(before, words) }))
}

function reasonIdeas({
  reasonCode = [],
  reasonReference = [],
  statusReason,
  contained = [],
}: MedicationRequest): Idea[] {
  return [
    ...reasonCode.map((each, index) => ({
      path: `reasonCode[${index}]`,
      text: prefixed('Reason: ', conceptWords(each)),
    })),
    ...reasonReference.map(({ display = '' }, index) => ({
      path: `reasonReference[${index}]`,
      text: prefixed('Reason: ', display),
    })),
    ...contained.map((each, index) => ({
      path: `contained[${index}].code`,
      text:
        each.resourceType === 'Condition' || each.resourceType === 'Observation'
          ? prefixed('Reason: ', conceptWords((each as Condition | Observation).code))
          : '',
    })),
    { path: 'statusReason', text: prefixed('Reason of the status: ', conceptWords(statusReason)) },
  ]
}
