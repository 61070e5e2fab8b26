import type { MedicationRequest, Organization, Patient, Practitioner } from 'fhir/r4'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import { coded, sayTime, type Telling } from './coded.ts'
import { composed, repeated, segmentOf } from './compose.ts'
import {
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
import { encodedOrder, placedOrder } from './order-detail.ts'
import { fillerNumber, parentOf, placerNumber } from './order-numbers.ts'
import { patientSegment, practitionerField } from './order-people.ts'
import { orderRest } from './order-rest.ts'
import { timingField, timingSegment } from './order-timing.ts'
import { createSaid, requireNoModifiers } from './said.ts'

/** Table 0119: cancel, discontinue, hold, release; a request for renewal approved, and denied. */
export type OrderControl = 'CA' | 'DC' | 'HD' | 'RL' | 'AF' | 'DF'

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
  /** ORC-16, why: `CODE^text^SYSTEM`. */
  controlReason?: string
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
  const parts: OrderParts = {
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
  const { notes, copy } = orderRest(values, telling.said)
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

/** What one order is written of. */
export interface OrderParts {
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
function timingsOf({ values: { order }, dosages: { places }, telling }: OrderParts) {
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

function orderSegment({ values, telling }: OrderParts, control: string, timing: string): string {
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
    16: controlReasonOf(values, control, telling),
    29: isSince(dialect, '2.5') ? settingOf(order, telling) : '',
  })
}

/** Why this is asked or answered. Of a new order it would be read as what the order is for. */
function controlReasonOf(
  { order, audience, controlReason }: OrderValues,
  control: string,
  telling: Telling,
): string {
  if (controlReason) return composed(controlReason.split('^'))
  return control !== 'NW' && audience === 'ehr' ? coded(order.statusReason, 'statusReason', telling) : ''
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

function refused(text: string, element: string): Failure {
  return new Failure('invalid', [{ text, expression: `MedicationRequest.${element}` }])
}
