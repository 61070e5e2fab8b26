import type { CodeableConcept, Medication, MedicationIngredient, Quantity, Ratio } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import { amountField, coded, furtherCodings, type Telling, unitField } from './coded.ts'
import { repeated, segmentOf } from './compose.ts'
import { isSince } from './dialect.ts'

/** What an order or a dispense gives, as the fields of RXO, RXE and RXD that are alike; empty where nothing is known. */
export interface MedicationFields {
  code: string
  supplementary: string
  form: string
  strength: string
  strengthUnits: string
  volume: string
  volumeUnits: string
  /** RXC segments, one a component. */
  components: string[]
}

interface Named {
  resourceType: string
  contained?: readonly { resourceType: string; id?: string }[]
  medicationCodeableConcept?: CodeableConcept
  medicationReference?: { reference?: string; display?: string }
}

/** The Medication that stands inside, and where. */
export function containedMedication(resource: Named): { medication: Medication; path: string } | undefined {
  const id = resource.medicationReference?.reference?.replace(/^#/, '')
  const index = (resource.contained ?? []).findIndex((each) => each.id === id)
  const found = resource.contained?.[index]
  if (found?.resourceType !== 'Medication') return undefined
  return { medication: found as Medication, path: `contained[${index}]` }
}

/** Throws Failure `invalid` where nothing names what is given. */
export function medicationFields(resource: Named, telling: Telling): MedicationFields {
  const inside = containedMedication(resource)
  const concept = resource.medicationCodeableConcept ?? inside?.medication.code
  const path = resource.medicationCodeableConcept ? 'medicationCodeableConcept' : `${inside?.path}.code`
  const code = coded(concept, path, telling)
  if (code === '')
    throw new Failure('invalid', [
      { text: 'An order must name its medication', expression: `${resource.resourceType}.medication` },
    ])
  const further = isSince(telling.dialect, '2.4') ? furtherCodings(concept, path, telling) : []
  telling.said.say('medicationReference.reference')
  if (resource.medicationReference?.display === concept?.text) telling.said.say('medicationReference.display')
  const plain = { code, supplementary: repeated(further), form: '', components: [], ...noStrength }
  if (!inside) return plain
  telling.said.say(`${inside.path}.resourceType`, `${inside.path}.id`)
  const form = coded(inside.medication.form, `${inside.path}.form`, telling)
  return { ...plain, form, ...ingredientFields(inside.medication, inside.path, telling) }
}

const noStrength = { strength: '', strengthUnits: '', volume: '', volumeUnits: '' }

/** One ingredient that is the product itself is its strength; others are components of a compound. */
function ingredientFields({ code, ingredient = [] }: Medication, path: string, telling: Telling) {
  const strong = ingredient.findIndex((each) => componentType(each) === undefined && isSame(each, code))
  const at = `${path}.ingredient[${strong}]`
  const product = ingredient[strong]
  if (product) telling.said[isAlike(product, code) ? 'say' : 'sayRoughly'](`${at}.itemCodeableConcept`)
  const components = ingredient
    .map((each, index) =>
      index === strong ? '' : componentSegment(each, `${path}.ingredient[${index}]`, telling),
    )
    .filter((segment) => segment !== '')
  return { ...strengthFields(product?.strength, `${at}.strength`, telling), components }
}

function isSame({ itemCodeableConcept }: MedicationIngredient, code: CodeableConcept | undefined): boolean {
  const [a, b] = [itemCodeableConcept, code].map((each) =>
    JSON.stringify([each?.text, each?.coding?.map(({ system, code: value }) => [system, value])]),
  )
  return itemCodeableConcept !== undefined && a === b
}

function isAlike({ itemCodeableConcept }: MedicationIngredient, code: CodeableConcept | undefined): boolean {
  return JSON.stringify(itemCodeableConcept) === JSON.stringify(code)
}

/** Amount and units, and of what volume; a denominator of 1 without unit is a piece of the product. */
function strengthFields(strength: Ratio | undefined, path: string, telling: Telling): typeof noStrength {
  if (!strength?.numerator) return noStrength
  const { numerator, denominator } = strength
  const whole = isOne(denominator)
  const speaks = !whole && isSince(telling.dialect, '2.5')
  // An amount without what it is of would be another strength.
  if (!whole && !speaks) return noStrength
  if (whole) telling.said.say(`${path}.denominator`)
  return {
    strength: amountField(numerator, `${path}.numerator`, telling),
    strengthUnits: unitField(numerator, `${path}.numerator`, telling),
    volume: speaks ? amountField(denominator, `${path}.denominator`, telling) : '',
    volumeUnits: speaks ? unitField(denominator, `${path}.denominator`, telling) : '',
  }
}

function isOne(quantity: Quantity | undefined): boolean {
  if (!quantity) return true
  return (
    String((quantity.value as { rawJSON?: string } | undefined)?.rawJSON ?? quantity.value) === '1' &&
    !quantity.unit &&
    !quantity.code
  )
}

const typeUrl = 'https://postern.health/fhir/StructureDefinition/component-type'
const amountUrl = 'https://postern.health/fhir/StructureDefinition/component-amount'

function componentType({ extension }: MedicationIngredient): string | undefined {
  return extension?.find(({ url }) => url === typeUrl)?.valueCode
}

/** RXC. Its amount is of the whole compound; a strength of one piece is that, and one of a volume is not. */
function componentSegment(ingredient: MedicationIngredient, path: string, telling: Telling): string {
  const { extension = [], itemCodeableConcept, strength } = ingredient
  for (const [index, { url }] of extension.entries())
    if (url === typeUrl) telling.said.say(`${path}.extension[${index}]`)
  const code = coded(itemCodeableConcept, `${path}.itemCodeableConcept`, telling)
  if (code === '') throw new Failure('unsupported', [{ text: 'A component must be named', expression: path }])
  const at = extension.findIndex(({ url }) => url === amountUrl)
  const given = extension[at]?.valueQuantity
  const amountPath = `${path}.extension[${at}].valueQuantity`
  telling.said.say(`${path}.extension[${at}].url`)
  const fields = strengthFields(strength, `${path}.strength`, telling)
  const isPiece = fields.volume === ''
  const amount = given ? amountField(given, amountPath, telling) : isPiece ? fields.strength : ''
  const units = given ? unitField(given, amountPath, telling) : isPiece ? fields.strengthUnits : ''
  const detail = given || !isPiece ? fields : noStrength
  return segmentOf('RXC', {
    // Table 0166: base or additive. What is not said to be the base is added.
    1: componentType(ingredient) ?? 'A',
    2: code,
    3: amount || '""',
    4: units || '""',
    5: detail.strength,
    6: detail.strengthUnits,
    8: detail.volume,
    9: detail.volumeUnits,
  })
}
