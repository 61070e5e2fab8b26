import type { Identifier, MedicationRequest, Organization, Patient, Practitioner } from 'fhir/r4'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import { amountField, coded, sayTime, type Telling, unitField } from './coded.ts'
import { composed, numeral, repeated, segmentOf } from './compose.ts'
import {
  authority,
  dtm,
  type Envelope,
  entity,
  headerSegment,
  isSince,
  type MessageType,
  noteSegments,
  requireWritable,
} from './dialect.ts'
import { type DosageFields, dosageFields } from './dosage-fields.ts'
import { type MedicationFields, medicationFields } from './medication-fields.ts'
import { patientSegment, practitionerField } from './order-people.ts'
import { orderRest } from './order-rest.ts'
import { timingField, timingSegment } from './order-timing.ts'
import { createSaid, requireNoModifiers, type Said } from './said.ts'

/** Table 0119: cancel, discontinue, hold, release. */
export type OrderControl = 'CA' | 'DC' | 'HD' | 'RL'

/** What one outbound order is made of. */
export interface OrderValues extends Envelope {
  order: MedicationRequest
  patient: Patient
  requester?: Practitioner
  recorder?: Practitioner
  /** Who is to dispense it. */
  pharmacy?: Organization
  /** A pharmacy is told nothing of why, nor of what was said (prescriptions R10). */
  audience: 'pharmacy' | 'ehr'
  /** ORC-1 where something is asked about an order that is there already; else its status says it. */
  control?: OrderControl
}

/**
 * RDE^O11 (HL7 v2.5.1 §4.13.5) or OMP^O09 (§4.13.3) of a MedicationRequest, as the partner's settings ask. The way back
 * of the v2-to-FHIR tables; numbers go out digit for digit, nothing is cut. What has no field is told beside them
 * (formats/hl7v2/order-rest), except what stays here by rule. Throws Failure `invalid` for an order that must not be
 * sent and `unsupported` for what v2, or the partner's character set, cannot say.
 */
export function writeOrderMessage(values: OrderValues): string {
  const { order, patient, dialect, control = controls[values.order.status] } = values
  requireSendable(order, control)
  const telling: Telling = { dialect, said: createSaid() }
  const parts: Parts = {
    values,
    telling,
    medication: medicationFields(order, telling),
    dosages: dosageFields(order.dosageInstruction ?? [], order.priority, telling),
  }
  const placed = dialect.orders === 'OMP'
  const timings = timingsOf(parts)
  const orc = control ?? ''
  const beginning = [
    headerSegment(values, typeOf(dialect)),
    patientSegment(patient, dialect),
    orderSegment(parts, orc, placed ? timings.field : ''),
    ...(placed ? timings.segments : []),
    placed ? placedOrder(parts) : encodedOrder(parts, timings.field),
  ]
  // Last to be written: by then it is known what had no place.
  const { notes, copy } = orderRest(values, orc, telling.said)
  const text = [
    ...beginning,
    ...noteSegments(notes),
    ...(placed ? [] : timings.segments),
    ...parts.dosages.routes,
    ...parts.medication.components,
    copy,
  ].join('')
  requireWritable(text, dialect)
  return text
}

interface Parts {
  values: OrderValues
  telling: Telling
  medication: MedicationFields
  dosages: DosageFields
}

/** ORC-1 (table 0119) by status; a status that is not here has nothing to tell a pharmacy. */
const controls: Partial<Record<MedicationRequest['status'], string>> = {
  active: 'NW',
  cancelled: 'CA',
  stopped: 'DC',
  'on-hold': 'HD',
}

function requireSendable(order: MedicationRequest, control: string | undefined): void {
  if (!control) throw refused('An order of this status is not sent', 'status')
  if (order.reportedBoolean || order.reportedReference)
    throw refused('A reported order is not sent', 'reported')
  if (order.doNotPerform) throw refused('HL7 v2 cannot order not to dispense', 'doNotPerform')
  requireNoModifiers(order)
  if (!['order', 'original-order', 'filler-order', 'instance-order'].includes(order.intent)) {
    throw refused('Only an order is sent', 'intent')
  }
}

/** Trigger events of their own since 2.4. */
function typeOf(dialect: Hl7v2Dialect): MessageType {
  const modern = isSince(dialect, '2.4')
  if (dialect.orders === 'OMP') return modern ? ['OMP', 'O09', 'OMP_O09'] : ['ORM', 'O01', 'ORM_O01']
  return modern ? ['RDE', 'O11', 'RDE_O11'] : ['RDE', 'O01', 'RDE_O01']
}

/** TQ1 segments since 2.5, before that one field: RXE-1, or ORC-7 of an order as placed. */
function timingsOf({ values: { order }, dosages: { places }, telling }: Parts) {
  const all = (order.dosageInstruction ?? []).map((dosage, index) => ({ dosage, place: places[index] }))
  const placed = all.flatMap(({ dosage, place }) => (place ? [{ dosage, place }] : []))
  if (!isSince(telling.dialect, '2.5'))
    return {
      segments: [],
      field: repeated(placed.map(({ dosage, place }) => timingField(dosage, place, telling))),
    }
  const segments = placed.map(({ dosage, place }) => timingSegment(dosage, place, telling))
  return { segments: segments.length > 0 ? segments : ['TQ1|1\r'], field: '' }
}

function orderSegment({ values, telling }: Parts, control: string, timing: string): string {
  const { order, dialect, requester, recorder } = values
  const { said } = telling
  const group = order.groupIdentifier
  sayTime(telling, 'authoredOn', order.authoredOn)
  sayTime(telling, 'dispenseRequest.validityPeriod.start', order.dispenseRequest?.validityPeriod?.start)
  if (group?.value) said.say('groupIdentifier.value', 'groupIdentifier.system')
  if (recorder) said.say('recorder')
  return segmentOf('ORC', {
    1: control,
    2: placerNumber(order, telling),
    3: fillerNumber(order, telling),
    4: group?.value ? composed(entity(dialect, group)) : '',
    7: timing,
    8: parentOf(order, telling),
    9: dtm(dialect, order.authoredOn),
    10: practitionerField(recorder, dialect),
    12: practitionerField(requester, dialect),
    15: dtm(dialect, order.dispenseRequest?.validityPeriod?.start),
    29: isSince(dialect, '2.5') ? settingOf(order, telling) : '',
  })
}

/** EI: what RRE, ORP and RDS answers name. It must never change, so it is the placer's identifier or our id. */
function placerNumber(order: MedicationRequest, { dialect, said }: Telling): string {
  const index = placerIndex(order)
  const chosen = order.identifier?.[index]
  sayNumber(chosen, `identifier[${index}]`, said)
  if (chosen) return composed(entity(dialect, chosen))
  if (!order.id) throw refused('An order needs an identifier', 'identifier')
  return composed([order.id, dialect.sending.application])
}

function placerIndex({ identifier = [] }: MedicationRequest): number {
  const placer = identifier.findIndex((each) => each.value && isTyped(each, 'PLAC'))
  return placer === -1 ? identifier.findIndex((each) => each.value && !isTyped(each, 'FILL')) : placer
}

function fillerNumber({ identifier = [] }: MedicationRequest, { dialect, said }: Telling): string {
  const index = identifier.findIndex((each) => each.value && isTyped(each, 'FILL'))
  const found = identifier[index]
  if (!found) return ''
  sayNumber(found, `identifier[${index}]`, said)
  return composed(entity(dialect, found))
}

/** ORC-2 and ORC-3 say of a number what it is, so a type that says the same is told by its place. */
function sayNumber(identifier: Identifier | undefined, path: string, said: Said): void {
  said.say(`${path}.value`, `${path}.system`)
  const [coding, ...more] = identifier?.type?.coding ?? []
  const isPlace = ['PLAC', 'FILL'].includes(coding?.code ?? '') && more.length === 0
  if (isPlace && identifier?.type?.text === undefined) said.say(`${path}.type`)
}

function isTyped(identifier: Identifier, code: string): boolean {
  return identifier.type?.coding?.some((coding) => coding.code === code) ?? false
}

/** ORC-8, EIP: the placer's number of the prescription before. */
function parentOf({ priorPrescription }: MedicationRequest, { dialect, said }: Telling): string {
  const identifier = priorPrescription?.identifier
  if (!identifier?.value) return ''
  const path = 'priorPrescription'
  said.say(`${path}.type`, `${path}.identifier.value`, `${path}.identifier.system`)
  return composed([entity(dialect, identifier)])
}

/** Table 0482. */
const settings: Record<string, string> = { inpatient: 'I', outpatient: 'O', community: 'O' }

function settingOf({ category }: MedicationRequest, { said }: Telling): string {
  const coding = category?.[0]?.coding?.[0]
  const code = settings[coding?.code ?? '']
  if (!code) return ''
  // O is an outpatient's; that it is filled in the community is left to a note.
  if (coding?.code !== 'community') {
    said.say('category[0].coding[0].code', 'category[0].coding[0].system', 'category[0].coding[0].display')
    if (category?.[0]?.text?.toLowerCase() === coding?.code) said.sayRoughly('category[0].text')
  }
  return composed([code])
}

/** RXE. A required field that the order leaves open is the explicit null, never a made-up value. */
function encodedOrder({ values, medication, dosages, telling }: Parts, timing: string): string {
  const { order, pharmacy } = values
  const dispense = order.dispenseRequest
  const has = (version: '2.4' | '2.5') => isSince(telling.dialect, version)
  return segmentOf('RXE', {
    1: timing,
    2: medication.code,
    3: dosages.low || '""',
    4: dosages.high,
    5: dosages.units || '""',
    6: medication.form,
    7: dosages.directions,
    9: substitutionCode(order.substitution, '0', telling),
    10: amountField(dispense?.quantity, 'dispenseRequest.quantity', telling),
    11: unitField(dispense?.quantity, 'dispenseRequest.quantity', telling),
    12: refillsOf(order, telling),
    15: prescriptionNumber(order, telling),
    19: dosages.daily,
    22: dosages.per,
    23: dosages.rate,
    24: dosages.rateUnits,
    25: medication.strength,
    26: medication.strengthUnits,
    27: reasonsOf(values, telling),
    31: has('2.4') ? medication.supplementary : '',
    33: medication.volume,
    34: medication.volumeUnits,
    39: has('2.5') ? initialFill(order, telling) : '',
    40: has('2.5') ? pharmacyField(pharmacy, telling) : '',
  })
}

/** RXO. */
function placedOrder({ values, medication, dosages, telling }: Parts): string {
  const { order, pharmacy } = values
  const dispense = order.dispenseRequest
  const since = (version: '2.4' | '2.6') => isSince(telling.dialect, version)
  return segmentOf('RXO', {
    1: medication.code,
    2: dosages.low || '""',
    3: dosages.high,
    4: dosages.units || '""',
    5: medication.form,
    7: dosages.directions,
    9: substitutionCode(order.substitution, '', telling),
    11: amountField(dispense?.quantity, 'dispenseRequest.quantity', telling),
    12: unitField(dispense?.quantity, 'dispenseRequest.quantity', telling),
    13: refillsOf(order, telling),
    17: dosages.per,
    18: medication.strength,
    19: medication.strengthUnits,
    20: reasonsOf(values, telling),
    21: dosages.rate,
    22: dosages.rateUnits,
    23: dosages.daily,
    24: since('2.4') ? medication.supplementary : '',
    25: medication.volume,
    26: medication.volumeUnits,
    28: intervalOf(order, telling),
    32: since('2.6') ? pharmacyField(pharmacy, telling) : '',
  })
}

function refillsOf({ dispenseRequest }: MedicationRequest, { said }: Telling): string {
  const refills = dispenseRequest?.numberOfRepeatsAllowed
  said.say('dispenseRequest.numberOfRepeatsAllowed')
  return refills === undefined ? '' : numeral(refills)
}

const givenNames = 'https://postern.health/fhir/sid/v2/'

/** RXE-15: the prescription's own number, or the number that answers name. */
function prescriptionNumber(order: MedicationRequest, { said }: Telling): string {
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

/** RXE-39 has no units but those of RXE-11. */
function initialFill({ dispenseRequest }: MedicationRequest, telling: Telling): string {
  const first = dispenseRequest?.initialFill?.quantity
  const { quantity } = dispenseRequest ?? {}
  if (!first || first.unit !== quantity?.unit || first.code !== quantity?.code) return ''
  telling.said.say('dispenseRequest.initialFill.quantity')
  return numeral(first.value)
}

/** RXO-28 is in days. */
function intervalOf({ dispenseRequest }: MedicationRequest, { dialect, said }: Telling): string {
  const interval = dispenseRequest?.dispenseInterval
  if (interval?.code !== 'd' || !isSince(dialect, '2.5')) return ''
  const say = interval.unit === 'days' ? said.say : said.sayRoughly
  say('dispenseRequest.dispenseInterval')
  return numeral(interval.value)
}

/** CWE of RXE-40 and RXO-32: number, name, and who gave the number. */
function pharmacyField(pharmacy: Organization | undefined, { dialect, said }: Telling): string {
  const identifier = pharmacy?.identifier?.find((each) => each.value)
  if (!pharmacy || !identifier) return ''
  said.say('dispenseRequest.performer')
  const npi = identifier.system === 'http://hl7.org/fhir/sid/us-npi'
  const [namespace, id] = authority(dialect, identifier.system)
  return composed([identifier.value, pharmacy.name, npi ? 'NPI' : namespace || id])
}

/** RXE-27 and RXO-20: why, for those who may know it. */
function reasonsOf({ order, audience }: OrderValues, telling: Telling): string {
  if (audience === 'pharmacy') return ''
  return repeated(
    (order.reasonCode ?? []).map((concept, index) => coded(concept, `reasonCode[${index}]`, telling)),
  )
}

/** Tables 0167 and 0161 by HL7 v3 substanceAdminSubstitution. */
const substitutions: Record<string, string> = {
  N: 'N',
  G: 'G',
  E: 'G',
  EC: 'G',
  BC: 'G',
  TE: 'T',
  TB: 'T',
  TG: 'T',
  F: 'T',
}

/** Codes that say no less than what they are written as. */
const exactly = ['N', 'G', 'TE']

function substitutionCode(
  substitution: MedicationRequest['substitution'],
  open: string,
  { said }: Telling,
): string {
  said.say('substitution.allowedBoolean')
  if (!substitution) return open
  if (substitution.allowedBoolean !== undefined) return substitution.allowedBoolean ? 'G' : 'N'
  const { coding = [], text } = substitution.allowedCodeableConcept ?? {}
  const [meant] = coding
  const absent = meant?.system === 'http://terminology.hl7.org/CodeSystem/data-absent-reason'
  const code = absent ? open : substitutions[meant?.code ?? '']
  if (code === undefined) throw unsupported('HL7 v2 cannot say this substitution', 'substitution')
  for (const [index, { code: each, system }] of coding.entries())
    if (absent || exactly.includes(each ?? '') || /v2-01(?:61|67)$/.test(system ?? ''))
      said.say(`substitution.allowedCodeableConcept.coding[${index}]`)
  if (text === 'unspecified') said.say('substitution.allowedCodeableConcept.text')
  return code
}

function refused(text: string, element: string): Failure {
  return new Failure('invalid', [{ text, expression: `MedicationRequest.${element}` }])
}

function unsupported(text: string, element: string): Failure {
  return new Failure('unsupported', [{ text, expression: `MedicationRequest.${element}` }])
}
