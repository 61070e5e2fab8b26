import type {
  CodeableConcept,
  Dosage,
  Medication,
  MedicationRequest,
  Patient,
  Practitioner,
  Quantity,
} from 'fhir/r4'
import type { MllpChannelSettings } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import { codedElement, composed, numeral, repeated, segmentOf, universalId } from './compose.ts'
import { dtmAt, dtmText } from './date-time.ts'
import { encodingCharacters, standardDelimiters } from './delimiters.ts'
import { patientSegment, practitionerField } from './order-people.ts'
import { timingSegment } from './order-timing.ts'

/** Table 0119: cancel, discontinue, hold, release. */
export type OrderControl = 'CA' | 'DC' | 'HD' | 'RL'

/** What one outbound order is made of. */
export interface OrderValues {
  order: MedicationRequest
  patient: Patient
  requester?: Practitioner
  settings: Pick<MllpChannelSettings, 'sending' | 'receiving'>
  /** MSH-10: at most 20 characters, the same at every attempt. */
  controlId: string
  /** MSH-7, milliseconds since the epoch. */
  at: number
  /** ORC-1 where something is asked about an order that is there already; else its status says it. */
  control?: OrderControl
}

/**
 * RDE^O11 (HL7 v2.5.1 §4.13.5) of a MedicationRequest, in UTF-8. The way back of the v2-to-FHIR tables; numbers go out
 * digit for digit. Notes, reasons and supporting information stay here: chat and questionnaire text must not reach a
 * pharmacy (prescriptions R10). Throws Failure `invalid` for an order that must not be sent and `unsupported` for
 * what v2 cannot say: nothing that changes the meaning is left out in silence.
 */
export function writeOrderMessage(values: OrderValues): string {
  const { order, patient, settings, requester, control = controls[values.order.status] } = values
  requireSendable(order, control)
  const dosages = order.dosageInstruction ?? []
  for (const [index, dosage] of dosages.entries()) requireSayable(dosage, index)
  return [
    headerSegment(values),
    patientSegment(patient, settings.sending.application),
    orderSegment(order, control, practitionerField(requester), settings.sending.application),
    encodedOrder(order, dosages),
    ...dosages.map((dosage, index) => timingSegment(dosage, index + 1, order.priority)),
    ...routeSegments(dosages),
  ].join('')
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
  if (order.modifierExtension) throw refused('HL7 v2 cannot say this modifier', 'modifierExtension')
  if (!['order', 'original-order', 'filler-order', 'instance-order'].includes(order.intent)) {
    throw refused('Only an order is sent', 'intent')
  }
}

/** What has no field of its own must stand in the text. */
function requireSayable(dosage: Dosage, index: number): void {
  if (dosage.modifierExtension) throw refused('HL7 v2 cannot say this modifier', 'dosageInstruction')
  if (dosage.text) return
  const doses = dosage.doseAndRate ?? []
  const limits = [dosage.maxDosePerPeriod, dosage.maxDosePerAdministration, dosage.maxDosePerLifetime]
  const rates = doses.flatMap((each) => [each.rateQuantity, each.rateRange, each.rateRatio])
  const laterRange = index > 0 && doses.some((each) => each.doseRange)
  if (doses.length <= 1 && !laterRange && [...limits, ...rates].every((each) => each === undefined)) return
  const text = 'HL7 v2 cannot say this dosage and there is no text'
  throw new Failure('unsupported', [{ text, expression: place('dosageInstruction') }])
}

function headerSegment({ settings, controlId, at }: OrderValues): string {
  if (controlId === '' || controlId.length > 20)
    throw new Failure('internal', 'MSH-10 holds 1 to 20 characters')
  const { sending, receiving } = settings
  return segmentOf('MSH', {
    1: encodingCharacters(standardDelimiters),
    2: composed([sending.application]),
    3: composed([sending.facility]),
    4: composed([receiving.application]),
    5: composed([receiving.facility]),
    6: dtmAt(at),
    8: composed(['RDE', 'O11', 'RDE_O11']),
    9: composed([controlId]),
    10: 'P',
    11: '2.5.1',
    17: 'UNICODE UTF-8',
  })
}

function orderSegment(
  order: MedicationRequest,
  control: string | undefined,
  requester: string,
  application: string,
): string {
  return segmentOf('ORC', {
    1: control ?? '',
    2: placerNumber(order, application),
    9: order.authoredOn ? dtmText(order.authoredOn) : '',
    12: requester,
    15: order.dispenseRequest?.validityPeriod?.start
      ? dtmText(order.dispenseRequest.validityPeriod.start)
      : '',
  })
}

/** EI: what RRE, ORP and RDS answers name. It must never change, so it is the placer's identifier or our id. */
function placerNumber(order: MedicationRequest, application: string): string {
  const identifiers = (order.identifier ?? []).filter((identifier) => identifier.value)
  const isPlacer = (code: string | undefined) => code === 'PLAC'
  const placer = identifiers.find((each) => each.type?.coding?.some((coding) => isPlacer(coding.code)))
  const chosen = placer ?? identifiers[0]
  if (chosen) return composed([chosen.value, undefined, ...universalId(chosen.system)])
  if (!order.id) throw refused('An order needs an identifier', 'identifier')
  return composed([order.id, application])
}

/** RXE. A required field that the order leaves open is the explicit null, never a made-up value. */
function encodedOrder(order: MedicationRequest, dosages: readonly Dosage[]): string {
  const dispense = order.dispenseRequest
  const [dose, maximum] = doseOf(dosages)
  const refills = dispense?.numberOfRepeatsAllowed
  return segmentOf('RXE', {
    2: codedElement(medicationOf(order)),
    3: dose ? numeral(dose.value) : '""',
    4: maximum ? numeral(maximum.value) : '',
    5: unitField(dose) || '""',
    7: repeated(dosages.flatMap(instructionsOf)),
    9: substitutionCode(order.substitution),
    10: dispense?.quantity ? numeral(dispense.quantity.value) : '',
    11: unitField(dispense?.quantity),
    12: refills === undefined ? '' : numeral(refills),
    15: composed([order.identifier?.find((identifier) => identifier.value)?.value ?? order.id]),
  })
}

function medicationOf(order: MedicationRequest): CodeableConcept {
  const id = order.medicationReference?.reference?.replace(/^#/, '')
  const contained = order.contained?.find((resource) => resource.id === id)
  const concept =
    order.medicationCodeableConcept ??
    (contained?.resourceType === 'Medication' ? (contained as Medication).code : undefined)
  if (!concept || codedElement(concept) === '')
    throw refused('An order must name its medication', 'medication')
  return concept
}

/** The first dosage's dose: least (or exact) and most. Others say theirs in TQ1-2. */
function doseOf(dosages: readonly Dosage[]): [Quantity?, Quantity?] {
  const dose = dosages[0]?.doseAndRate?.[0]
  if (dose?.doseQuantity) return [dose.doseQuantity]
  return dose?.doseRange ? [dose.doseRange.low, dose.doseRange.high] : []
}

function unitField(quantity: Quantity | undefined): string {
  if (!quantity) return ''
  const { code, system, unit } = quantity
  return codedElement(code ? { coding: [{ code, system, display: unit }] } : { text: unit })
}

/** RXE-7: what the label must say. */
function instructionsOf({ text, patientInstruction, additionalInstruction }: Dosage): string[] {
  return [
    composed([undefined, text]),
    composed([undefined, patientInstruction]),
    ...(additionalInstruction ?? []).map(codedElement),
  ]
}

/** Table 0167 by HL7 v3 substanceAdminSubstitution; `0`: the prescriber did not say. */
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

function substitutionCode(substitution: MedicationRequest['substitution']): string {
  if (!substitution) return '0'
  if (substitution.allowedBoolean !== undefined) return substitution.allowedBoolean ? 'G' : 'N'
  const [meant] = substitution.allowedCodeableConcept?.coding ?? []
  if (meant?.system === 'http://terminology.hl7.org/CodeSystem/data-absent-reason') return '0'
  const code = substitutions[meant?.code ?? '']
  if (!code)
    throw new Failure('unsupported', [
      { text: 'HL7 v2 cannot say this substitution', expression: place('substitution') },
    ])
  return code
}

/** RXR is required: where no route was given, it says so with the explicit null. */
function routeSegments(dosages: readonly Dosage[]): string[] {
  const segments = dosages.map((dosage) =>
    segmentOf('RXR', {
      1: codedElement(dosage.route) || '""',
      2: codedElement(dosage.site),
      4: codedElement(dosage.method),
    }),
  )
  // A null beside a route would say that the route is to be deleted.
  const routes = new Set(segments.filter((segment) => segment !== 'RXR|""\r'))
  return routes.size > 0 ? [...routes] : ['RXR|""\r']
}

function refused(text: string, element: string): Failure {
  return new Failure('invalid', [{ text, expression: place(element) }])
}

function place(element: string): string {
  return `MedicationRequest.${element}`
}
