import type { Medication, MedicationIngredient, Resource } from 'fhir/r4'
import type { Idea } from './rest.ts'
import { conceptWords, prefixed, ratioWords } from './words.ts'

/** What is left to be said of the product that stands inside of an order or a dispense. */
export function medicationIdeas(contained: readonly Resource[]): Idea[] {
  return contained.flatMap((each, index) =>
    each.resourceType === 'Medication' ? ideasOf(each as Medication, `contained[${index}]`) : [],
  )
}

function ideasOf({ ingredient = [], amount, batch }: Medication, path: string): Idea[] {
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
