import type {
  Annotation,
  Condition,
  Dosage,
  Extension,
  Medication,
  MedicationIngredient,
  MedicationRequest,
  Observation,
} from 'fhir/r4'
import { decimalText } from '#core/decimal.ts'
import { conceptWords, periodWords, quantityWords, rangeWords, ratioWords, timingWords } from './words.ts'

/** One thing that an order says, in words for a person, and the element that it is about. */
export interface Idea {
  path: string
  /** Empty where there are no words for it. */
  text: string
}

/** What a pharmacist reads of an order where HL7 v2 has no field for it: `At most 8 tablet in 1 week`. */
export function orderIdeas(order: MedicationRequest): Idea[] {
  const { dosageInstruction = [], note = [], extension = [], contained = [] } = order
  return [
    ...dosageInstruction.flatMap((dosage, index) => dosageIdeas(dosage, index, dosageInstruction.length)),
    ...dispenseIdeas(order),
    ...contained.flatMap((each, index) =>
      each.resourceType === 'Medication' ? medicationIdeas(each as Medication, `contained[${index}]`) : [],
    ),
    ...plainIdeas(order),
    ...reasonIdeas(order),
    ...note.map((each, index) => ({ path: `note[${index}]`, text: authorWords(each, index) })),
    ...extension.map((each, index) => ({ path: `extension[${index}]`, text: extensionWords(each) })),
  ]
}

function dosageIdeas(dosage: Dosage, index: number, count: number): Idea[] {
  const path = `dosageInstruction[${index}]`
  const which = count > 1 ? `Dose ${index + 1}: ` : ''
  const { maxDosePerPeriod: period, maxDosePerAdministration: once, maxDosePerLifetime: life } = dosage
  const idea = (element: string, text: string) => ({
    path: `${path}.${element}`,
    text: text && which + text,
  })
  return [
    idea('doseAndRate', doseWords(dosage)),
    idea('timing', prefixed('Timing: ', timingWords(dosage.timing))),
    idea(
      'asNeededCodeableConcept',
      prefixed('As needed for: ', conceptWords(dosage.asNeededCodeableConcept)),
    ),
    idea('maxDosePerPeriod', prefixed('At most ', ratioWords(period, ' in '))),
    idea('maxDosePerAdministration', prefixed('At most ', quantityWords(once), ' at a time')),
    idea('maxDosePerLifetime', prefixed('At most ', quantityWords(life), ' in a lifetime')),
    ...(dosage.additionalInstruction ?? []).map((each, at) =>
      idea(`additionalInstruction[${at}]`, prefixed('Instruction: ', conceptWords(each))),
    ),
    idea('patientInstruction', prefixed('For the patient: ', dosage.patientInstruction ?? '')),
  ]
}

function doseWords({ doseAndRate = [] }: Dosage): string {
  const doses = doseAndRate.map((each) => {
    const dose = quantityWords(each.doseQuantity) || rangeWords(each.doseRange)
    const rate =
      quantityWords(each.rateQuantity) || rangeWords(each.rateRange) || ratioWords(each.rateRatio, ' per ')
    const type = conceptWords(each.type)
    return [dose, rate && `at a rate of ${rate}`, type && `(${type})`].filter(Boolean).join(' ')
  })
  return prefixed('Dose: ', doses.join('; or '))
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

function medicationIdeas({ ingredient = [], amount, batch }: Medication, path: string): Idea[] {
  return [
    { path: `${path}.amount`, text: prefixed('The product holds ', ratioWords(amount, ' in ')) },
    { path: `${path}.batch`, text: prefixed('Batch: ', batch?.lotNumber ?? '') },
    ...ingredient.map((each, index) => ({
      path: `${path}.ingredient[${index}]`,
      text: ingredientWords(each),
    })),
  ]
}

function ingredientWords({
  itemCodeableConcept,
  itemReference,
  strength,
  isActive,
}: MedicationIngredient): string {
  const name = conceptWords(itemCodeableConcept) || itemReference?.display
  const active = isActive === undefined ? '' : isActive ? ' (active)' : ' (not active)'
  return name ? [`Ingredient: ${name}${active}`, ratioWords(strength, ' in ')].filter(Boolean).join(', ') : ''
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

function authorWords({ authorString, authorReference, time }: Annotation, index: number): string {
  const author = authorString ?? authorReference?.display
  const words = [author && `by ${author}`, time && `of ${time}`].filter(Boolean)
  return prefixed(`Note ${index + 1} is `, words.join(' '))
}

/** Whoever made the extension chose its name; the words are its values. */
function extensionWords(extension: Extension): string {
  const values = [...valuesOf(extension)]
  const name = extension.url.split(/[/:#]/).findLast((part) => part !== '')
  return values.length > 0 ? `${name}: ${values.join(', ')}` : ''
}

function* valuesOf(value: unknown): Generator<string> {
  const text = decimalText(value) ?? (typeof value === 'object' ? undefined : String(value))
  if (text !== undefined) yield text
  else if (Array.isArray(value)) for (const item of value) yield* valuesOf(item)
  else
    for (const [name, item] of Object.entries(value ?? {}))
      if (name !== 'url' && name !== 'system') yield* valuesOf(item)
}

function prefixed(before: string, words: string, after = ''): string {
  return words === '' ? '' : `${before}${words}${after}`
}
