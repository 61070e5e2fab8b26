import type { Dosage } from 'fhir/r4'
import type { Idea } from './rest.ts'
import { conceptWords, prefixed, quantityWords, rangeWords, ratioWords, timingWords } from './words.ts'

/** What is left to be said of each dosage: `Dose 2: At most 8 tablet in 1 week`. */
export function dosageIdeas(dosages: readonly Dosage[]): Idea[] {
  return dosages.flatMap((dosage, index) => ideasOf(dosage, index, dosages.length))
}

function ideasOf(dosage: Dosage, index: number, count: number): Idea[] {
  const path = `dosageInstruction[${index}]`
  const which = count > 1 ? `Dose ${index + 1}: ` : ''
  const { maxDosePerPeriod: period, maxDosePerAdministration: once, maxDosePerLifetime: life } = dosage
  const idea = (element: string, text: string) => ({
    path: `${path}.${element}`,
    text: text && which + text,
  })
  return [
    idea('text', prefixed('Directions: ', dosage.text ?? '')),
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
    idea('asNeededBoolean', dosage.asNeededBoolean ? 'As needed' : ''),
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
