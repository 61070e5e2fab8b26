import type { HumanName, Patient } from 'fhir/r4'
import { recordsOfPerson } from '#access/same-person.ts'
import type { Issue } from '#core/failure.ts'
import type { Flow, Party } from '#core/flow.ts'
import type { Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import { numberKey, type PatientNumber } from './unknown-patient.ts'

/** Numbers of one person in one message; more are refused where the patient is made (intake/parties). */
const maxNumbers = 100

/** A number that leads to a record which may be of somebody else, and why. */
export interface Doubt {
  number: PatientNumber
  issues: Issue[]
}

export interface CheckedPatients {
  doubts: Doubt[]
  /** What differs, and is no reason to doubt. */
  warnings: Issue[]
}

interface Named {
  flow: Pick<Flow, 'door' | 'revisions'>
  parties: readonly Party[]
  /** By slot, as resolved. */
  references: Readonly<Record<string, Reference>>
  /** Numbers of which a person said that they lead to the right record. */
  confirmed: readonly PatientNumber[]
}

/**
 * A mistyped number is another patient's. Whoever is known by the number but has another birth date **and** another family
 * name, or has one number where another known patient has the next, may not be whom the message is about; one of
 * both alone is told in a warning, except where the message is there to correct it. What either side leaves out differs
 * from nothing. Not a word of anybody's data is in what is said.
 */
export async function checkPatients(
  store: Pick<Store, 'read' | 'search'>,
  { flow, parties, references, confirmed }: Named,
): Promise<CheckedPatients> {
  const doubts = new Map<string, Doubt>()
  const warnings = new Map<string, Issue>()
  for (const party of parties) {
    const { type, identifier, slot, stub } = party
    const reference = references[slot]
    const isAsked = type === 'Patient' && party.merge !== 'replaced' && reference !== undefined
    if (!isAsked || confirmed.some((each) => numberKey(each) === numberKey(identifier))) continue
    const records = await recordsOfPerson(store, reference)
    // Nobody yet: a record will be made of what the message says.
    if (records.length === 0) continue
    const places = placesOf(flow)
    const told = stub as Patient
    const differing = [
      ...(hasOtherName(told, records) ? [places.name] : []),
      ...(hasOtherBirthDate(told, records) ? [places.birthDate] : []),
    ]
    const others = party.merge ? [] : await numbersOfOthers(store, told, records)
    const issues = [
      ...(differing.length > 1 ? differing.map(belongsToAnother) : []),
      ...others.map((index) => leadsToAnother(places.number(index))),
    ]
    if (issues.length > 0) doubts.set(numberKey(identifier), { number: identifier, issues })
    else if (!flow.revisions?.Patient)
      for (const expression of differing) warnings.set(expression, differs(expression))
  }
  return { doubts: [...doubts.values()], warnings: [...warnings.values()] }
}

function placesOf({ door }: Pick<Flow, 'door'>) {
  if (door.kind === 'hl7v2')
    return { name: 'PID-5', birthDate: 'PID-7', number: (index: number) => `PID-3[${index + 1}]` }
  return { name: 'patient.name', birthDate: 'patient.birthDate', number: () => 'patient.identifier' }
}

/** Positions of the numbers that this record does not carry and another patient's does. */
async function numbersOfOthers(
  store: Pick<Store, 'search'>,
  { identifier: told = [] }: Patient,
  records: readonly Patient[],
): Promise<number[]> {
  const own = new Set(
    records.flatMap(({ identifier = [] }) => identifier.map(({ system, value }) => `${system}|${value}`)),
  )
  const found: number[] = []
  for (const [index, { system, value }] of told.slice(0, maxNumbers).entries()) {
    const number = `${system}|${value}`
    if (!system || !value || own.has(number)) continue
    const rows = await store.search({
      type: 'Patient',
      criteria: [{ kind: 'token', param: 'identifier', values: [number] }],
      limit: 1,
    })
    if (rows.length > 0) found.push(index)
  }
  return found
}

/** Dates of different precision differ where the shorter one is not the beginning of the longer. */
function hasOtherBirthDate({ birthDate: told }: Patient, records: readonly Patient[]): boolean {
  const known = records.flatMap(({ birthDate }) => birthDate ?? [])
  if (told === undefined || known.length === 0) return false
  return !known.some((each) => each.startsWith(told) || told.startsWith(each))
}

/** Any of the names counts, maiden names and aliases too, and so does any part of a double name. */
function hasOtherName(told: Patient, records: readonly Patient[]): boolean {
  const known = new Set(records.flatMap(({ name }) => familiesOf(name)))
  const said = familiesOf(told.name)
  return said.length > 0 && known.size > 0 && !said.some((each) => known.has(each))
}

/** Words that stand in the family names of many who are no relatives. */
const particles = new Set(
  'al da de del della den der di dos du el la las le los mc san st van vom von zu'.split(' '),
)

function familiesOf(names: readonly HumanName[] | undefined): string[] {
  return (names ?? []).flatMap(({ family }) => {
    const words = (family ?? '').split(/[\s\-/]+/).map(plain)
    const whole = words.join('')
    const parts = words.filter((each) => each.length > 1 && !particles.has(each))
    return whole === '' ? [] : [whole, ...parts]
  })
}

/** Without case, accents and marks; as a letter is written where it has none: Müller, Mueller, MULLER. */
function plain(text: string): string {
  return text
    .toLowerCase()
    .replaceAll('ß', 'ss')
    .replaceAll('ø', 'o')
    .replaceAll('æ', 'a')
    .replaceAll('ł', 'l')
    .normalize('NFD')
    .replace(/[^\p{L}\p{N}]/gu, '')
    .replace(/([aou])e/g, '$1')
}

function belongsToAnother(expression: string): Issue {
  return {
    code: 'not-found',
    text: 'The number belongs to another person here: name and birth date both differ',
    expression,
  }
}

function leadsToAnother(expression: string): Issue {
  return { code: 'not-found', text: 'This number belongs to another patient here than the first', expression }
}

function differs(expression: string): Issue {
  return {
    severity: 'warning',
    code: 'business-rule',
    text: 'This differs from what is here of the patient with the number: check whom the message is about',
    expression,
  }
}
