import type { Medication, MedicationDispense, MedicationRequest, Patient, Practitioner } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import { amountField, coded, sayTime, type Telling, unitField } from './coded.ts'
import { composed, repeated, segmentOf } from './compose.ts'
import {
  dtm,
  type Envelope,
  entity,
  headerSegment,
  isSince,
  noteSegments,
  requireWritable,
} from './dialect.ts'
import { dispenseRest } from './dispense-rest.ts'
import { dailyOf } from './dosage-fields.ts'
import { containedMedication, medicationFields } from './medication-fields.ts'
import { givenNames, sayNumber } from './order-numbers.ts'
import { patientSegment, practitionerField } from './order-people.ts'
import { createSaid, requireNoModifiers } from './said.ts'

/** What one outbound dispense is made of. */
export interface DispenseValues extends Envelope {
  dispense: MedicationDispense
  patient: Patient
  /** The order it was given on, of which ORC-2 is the number. */
  order?: MedicationRequest
  /** The person who gave it. */
  dispenser?: Practitioner
}

/**
 * RDS^O13 (HL7 v2.5.1 §4.13.7; RDS^O01 before 2.4) of a MedicationDispense: the way back of gap_02. What has no field is
 * told beside them (formats/hl7v2/dispense-rest). Throws Failure `unsupported` for what v2 cannot say and `invalid` for a dispense without what RDS
 * requires: what, when, how much, and on which order.
 */
export function writeDispenseMessage(values: DispenseValues): string {
  const { dispense, patient, dispenser, dialect } = values
  requireNoModifiers(dispense)
  const telling: Telling = { dialect, said: createSaid() }
  const { said } = telling
  const status = statuses[dispense.status]
  if (!status) throw refused('unsupported', 'A dispense of this status is not sent', 'status')
  const at = dispense.whenHandedOver ?? dispense.whenPrepared
  if (!at) throw refused('invalid', 'A dispense must say when', 'whenHandedOver')
  sayWhen(dispense, telling)
  if (dispense.quantity?.value === undefined)
    throw refused('invalid', 'A dispense must say how much', 'quantity')
  const medication = medicationFields(dispense, telling)
  const [number, fill] = numberOf(dispense, telling)
  const [dosage, ...more] = dispense.dosageInstruction ?? []
  const has = (version: '2.4' | '2.5') => isSince(dialect, version)
  const inside = containedMedication(dispense)
  const { batch, manufacturer }: Partial<Medication> = inside?.medication ?? {}
  said.say(`${inside?.path}.batch.lotNumber`, `${inside?.path}.manufacturer.display`)
  sayTime(telling, `${inside?.path}.batch.expirationDate`, batch?.expirationDate)
  const orc = orderSegment(values, status, telling)
  const detail = segmentOf('RXD', {
    1: composed([fill]),
    2: medication.code,
    3: dtm(dialect, at),
    4: amountField(dispense.quantity, 'quantity', telling),
    5: unitField(dispense.quantity, 'quantity', telling),
    6: medication.form,
    7: composed([number]),
    10: practitionerField(dispenser, dialect),
    11: substitutionOf(dispense, telling),
    12: more.length === 0 ? dailyOf(dosage, telling) : '',
    16: medication.strength,
    17: medication.strengthUnits,
    18: composed([batch?.lotNumber]),
    19: dtm(dialect, batch?.expirationDate),
    20: composed([undefined, manufacturer?.display]),
    25: has('2.4') ? medication.supplementary : '',
    28: medication.volume,
    29: medication.volumeUnits,
    30: has('2.5') ? locationOf(dispense, telling) : '',
    33: has('2.5') ? typeOf(dispense, telling) : '',
  })
  const routes = routeSegment(dispense, telling)
  const { notes, copy } = dispenseRest(values, said)
  const text = [
    headerSegment(values, has('2.4') ? ['RDS', 'O13', 'RDS_O13'] : ['RDS', 'O01', 'RDS_O01']),
    patientSegment(patient, dialect),
    orc,
    detail,
    ...noteSegments(notes),
    routes,
    ...medication.components,
    copy,
  ].join('')
  requireWritable(text, dialect)
  return text
}

/** RXD-3 is read as what the status makes of it. */
function sayWhen({ status, whenHandedOver, whenPrepared }: MedicationDispense, telling: Telling): void {
  const element = whenHandedOver === undefined ? 'whenPrepared' : 'whenHandedOver'
  sayTime(telling, element, whenHandedOver ?? whenPrepared)
  const readBack: Partial<Record<typeof status, string>> = {
    completed: 'whenHandedOver',
    preparation: 'whenPrepared',
    'in-progress': 'whenPrepared',
  }
  if (readBack[status] !== element) telling.said.keepCopy(element)
}

/** ORC-5 (table 0038) by status; what did not happen is no RDS. */
const statuses: Partial<Record<MedicationDispense['status'], string>> = {
  preparation: 'IP',
  'in-progress': 'SC',
  completed: 'CM',
  'on-hold': 'HD',
  cancelled: 'CA',
  stopped: 'DC',
}

function orderSegment(
  { dispense, order, dialect }: DispenseValues,
  status: string,
  { said }: Telling,
): string {
  const [prescription] = dispense.authorizingPrescription ?? []
  const placed = order?.identifier?.find((each) => each.type?.coding?.some(({ code }) => code === 'PLAC'))
  const number = prescription?.identifier ?? placed ?? order?.identifier?.find((each) => each.value)
  if (!number?.value) throw refused('invalid', 'A dispense must name its order', 'authorizingPrescription')
  said.say('authorizingPrescription')
  const index = dispense.identifier?.findIndex((each) => each.value && !isNumbered(each)) ?? -1
  const filler = dispense.identifier?.[index]
  sayNumber(filler, `identifier[${index}]`, said, ['FILL'])
  return segmentOf('ORC', {
    1: 'RE',
    2: composed(entity(dialect, number)),
    3: filler ? composed(entity(dialect, filler)) : '',
    5: status,
  })
}

const numbered = 'prescription number and dispense'

function isNumbered(identifier: { type?: { text?: string } }): boolean {
  return identifier.type?.text === numbered
}

/** RXD-7 and RXD-1: the prescription's number, and which dispense of it this is. */
function numberOf({ identifier = [] }: MedicationDispense, { said }: Telling): [string?, string?] {
  const index = identifier.findIndex((each) => each.value && isNumbered(each))
  const value = identifier[index]?.value
  if (value === undefined) return [undefined, '1']
  const path = `identifier[${index}]`
  said.say(`${path}.value`, `${path}.type`)
  // A name that we gave to the numbers of who sent it; the receiver gives its own.
  if (identifier[index]?.system?.startsWith(givenNames)) said.say(`${path}.system`)
  const cut = value.lastIndexOf('/')
  return [value.slice(0, cut), value.slice(cut + 1)]
}

/** RXD-30, where it was given, by name. */
function locationOf({ location }: MedicationDispense, { said }: Telling): string {
  said.say('location.display')
  return composed([undefined, location?.display])
}

const supplyTypes = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'

/** Table 0484 by HL7 v3 ActPharmacySupplyType: the way back of our table `dispense-type`. */
const fills: Record<string, string> = { TF: 'B', FFC: 'N', FFP: 'P', RFP: 'Q', RFC: 'R', TB: 'T' }

/** RXD-33 is of table 0484. What the type says beside that code is left to the copy. */
function typeOf({ type }: MedicationDispense, telling: Telling): string {
  const { coding = [] } = type ?? {}
  const at = coding.findIndex(({ system }) => system === 'http://terminology.hl7.org/CodeSystem/v2-0484')
  const meant = coding.findIndex(({ system, code }) => system === supplyTypes && fills[code ?? ''])
  const code = coding[at]?.code ?? fills[coding[meant]?.code ?? '']
  if (code === undefined) return coded(type, 'type', telling)
  for (const index of [at, meant])
    telling.said.say(...['system', 'code', 'display'].map((name) => `type.coding[${index}].${name}`))
  const isBack = meant === -1 || fills[coding[meant]?.code ?? ''] === code
  if (!isBack || coding.length > 2) telling.said.keepCopy('type')
  return composed([code, coding[at]?.display, 'HL70484'])
}

/** RXD-11, table 0167. */
function substitutionOf({ substitution }: MedicationDispense, { said }: Telling): string {
  if (!substitution) return ''
  const codes: Record<string, string> = { N: 'N', G: 'G', E: 'G', TE: 'T' }
  const { coding = [] } = substitution.type ?? {}
  const index = coding.findIndex(({ code }) => codes[code ?? ''] !== undefined)
  const code = codes[coding[index]?.code ?? ''] ?? (substitution.wasSubstituted ? '' : 'N')
  if (code === '') return ''
  said.say('substitution.wasSubstituted')
  // What the code means is read back, with its own code.
  if (index === -1 || substitution.wasSubstituted !== (code !== 'N')) said.keepCopy('substitution')
  for (const [at, { code: each, system }] of coding.entries())
    if (each === code || (each === 'TE' && code === 'T') || /v2-0167$/.test(system ?? ''))
      said.say(`substitution.type.coding[${at}]`)
  return repeated([composed([code])])
}

/** One RXR a dispense: several would be alternatives. */
function routeSegment({ dosageInstruction = [] }: MedicationDispense, telling: Telling): string {
  // What is told once is read back as one dosage.
  if (dosageInstruction.length > 1) telling.said.keepCopy('dosageInstruction')
  const segments = dosageInstruction.map(({ route, site, method }, index) => {
    const place = `dosageInstruction[${index}]`
    return segmentOf('RXR', {
      1: coded(route, `${place}.route`, telling) || '""',
      2: coded(site, `${place}.site`, telling),
      4: coded(method, `${place}.method`, telling),
    })
  })
  const [first = 'RXR|""\r', ...others] = new Set(segments)
  if (others.length === 0) return first
  throw refused('unsupported', 'HL7 v2 has one route, site and method a dispense', 'dosageInstruction')
}

function refused(kind: 'invalid' | 'unsupported', text: string, element: string): Failure {
  return new Failure(kind, [{ text, expression: `MedicationDispense.${element}` }])
}
