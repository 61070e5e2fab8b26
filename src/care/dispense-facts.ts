import type { MedicationDispense, Quantity } from 'fhir/r4'

/** What a dispense says has happened. */
export type DispenseFact = 'expected' | 'handed-over' | 'in-part' | 'owing' | 'not-dispensed' | 'void'

const byStatus: Readonly<Record<MedicationDispense['status'], DispenseFact>> = {
  preparation: 'expected',
  'in-progress': 'expected',
  cancelled: 'not-dispensed',
  'on-hold': 'owing',
  completed: 'handed-over',
  'entered-in-error': 'void',
  stopped: 'not-dispensed',
  declined: 'not-dispensed',
  unknown: 'expected',
}

/** NHS EPS leaves status at in-progress and says the truth in `type`; HL7 v3 names the fills that are a part only. */
const byType: Readonly<Record<string, DispenseFact>> = {
  'https://fhir.nhs.uk/CodeSystem/medicationdispense-type|0001': 'handed-over',
  'https://fhir.nhs.uk/CodeSystem/medicationdispense-type|0002': 'not-dispensed',
  'https://fhir.nhs.uk/CodeSystem/medicationdispense-type|0003': 'in-part',
  'https://fhir.nhs.uk/CodeSystem/medicationdispense-type|0004': 'owing',
  'https://fhir.nhs.uk/CodeSystem/medicationdispense-type|0005': 'not-dispensed',
  'https://fhir.nhs.uk/CodeSystem/medicationdispense-type|0006': 'not-dispensed',
}
const partFills = ['FFP', 'RFP', 'DFP', 'TFP', 'UDFP']

export function dispenseFactOf({ status, type }: MedicationDispense): DispenseFact {
  const fact = byStatus[status]
  const codings = type?.coding ?? []
  if (fact === 'handed-over')
    return codings.some(({ code }) => partFills.includes(code ?? '')) ? 'in-part' : fact
  if (fact !== 'expected') return fact
  return (
    codings.map(({ system, code }) => byType[`${system}|${code}`]).find((each) => each !== undefined) ?? fact
  )
}

/** The patient, or whom they sent, has it or a part of it. */
export function isHandedOver(dispense: MedicationDispense): boolean {
  const fact = dispenseFactOf(dispense)
  return fact === 'handed-over' || fact === 'in-part'
}

/** A dispense that has ended stays as it is, but for being marked as a mistake. */
const ended: readonly MedicationDispense['status'][] = [
  'completed',
  'cancelled',
  'stopped',
  'declined',
  'entered-in-error',
]

/** The statuses that a dispense of this one may be given; all that there are for what is under way. */
export function nextDispenseStatuses(from: MedicationDispense['status']): MedicationDispense['status'][] {
  if (from === 'entered-in-error') return []
  if (ended.includes(from)) return ['entered-in-error']
  return (Object.keys(byStatus) as MedicationDispense['status'][]).filter((status) => status !== from)
}

/** Whether two amounts are counted in the same thing: by code, else by the same word. */
export function isSameUnit(one: Quantity, other: Quantity): boolean {
  if (one.code && other.code) return one.system === other.system && one.code === other.code
  return (one.unit ?? '').trim().toLowerCase() === (other.unit ?? '').trim().toLowerCase()
}
