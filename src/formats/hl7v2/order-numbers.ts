import type { Identifier, MedicationRequest } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { Telling } from './coded.ts'
import { composed } from './compose.ts'
import { entity } from './dialect.ts'
import type { Said } from './said.ts'

/** ORC-2, EI: what RRE, ORP and RDS answers name. It must never change, so it is the placer's identifier or our id. */
export function placerNumber(order: MedicationRequest, { dialect, said }: Telling): string {
  const index = placerIndex(order)
  const chosen = order.identifier?.[index]
  sayNumber(chosen, `identifier[${index}]`, said)
  if (chosen) return composed(entity(dialect, chosen))
  if (!order.id)
    throw new Failure('invalid', [
      { text: 'An order needs an identifier', expression: 'MedicationRequest.identifier' },
    ])
  return composed([order.id, dialect.sending.application])
}

function placerIndex({ identifier = [] }: MedicationRequest): number {
  const placer = identifier.findIndex((each) => each.value && isTyped(each, 'PLAC'))
  return placer === -1 ? identifier.findIndex((each) => each.value && !isTyped(each, 'FILL')) : placer
}

/** ORC-3, EI. */
export function fillerNumber({ identifier = [] }: MedicationRequest, { dialect, said }: Telling): string {
  const index = identifier.findIndex((each) => each.value && isTyped(each, 'FILL'))
  const found = identifier[index]
  if (!found) return ''
  sayNumber(found, `identifier[${index}]`, said)
  return composed(entity(dialect, found))
}

/** ORC-2 and ORC-3 say of a number what it is, so a type that says the same is told by its place. */
export function sayNumber(
  identifier: Identifier | undefined,
  path: string,
  said: Said,
  kinds: readonly string[] = ['PLAC', 'FILL'],
): void {
  said.say(`${path}.value`, `${path}.system`)
  const [coding, ...more] = identifier?.type?.coding ?? []
  const isPlace = kinds.includes(coding?.code ?? '') && more.length === 0
  if (isPlace && identifier?.type?.text === undefined) said.say(`${path}.type`)
}

function isTyped(identifier: Identifier, code: string): boolean {
  return identifier.type?.coding?.some((coding) => coding.code === code) ?? false
}

/** ORC-8, EIP: the placer's number of the prescription before. */
export function parentOf({ priorPrescription }: MedicationRequest, { dialect, said }: Telling): string {
  const identifier = priorPrescription?.identifier
  if (!identifier?.value) return ''
  const path = 'priorPrescription'
  said.say(`${path}.type`, `${path}.identifier.value`, `${path}.identifier.system`)
  return composed([entity(dialect, identifier)])
}

/** Systems that we named after a facility, for its numbers without authority. */
export const givenNames = 'https://postern.health/fhir/sid/v2/'

/** RXE-15: the prescription's own number, or the number that answers name. */
export function prescriptionNumber(order: MedicationRequest, { said }: Telling): string {
  const { identifier = [] } = order
  const index = identifier.findIndex((each) => each.value && each.type?.text === 'prescription number')
  if (index !== -1) {
    const path = `identifier[${index}]`
    said.say(`${path}.value`, `${path}.type`)
    // A name that we gave to the numbers of who sent it; the receiver gives its own.
    if (identifier[index]?.system?.startsWith(givenNames)) said.say(`${path}.system`)
  }
  return composed([identifier[index]?.value ?? identifier[placerIndex(order)]?.value ?? order.id])
}
