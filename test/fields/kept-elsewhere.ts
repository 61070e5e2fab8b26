/**
 * What other converters say in one element and we in another, on purpose. A fact of theirs counts as kept where ours has it
 * in the element named here, and nowhere else.
 */
export interface KeptElsewhere {
  /** Messages, as they begin: `SIU`, `RDS^O13`; all where absent. */
  messages?: string
  /** Fields of the message that such a fact comes from: `NK1`, `PID-3`. */
  fields: string
  /** Their elements; what a `*` at the end stands for is put in the place of ours. */
  theirs: readonly string[]
  ours: readonly string[]
  /** Words within a longer text of ours are enough. */
  within?: true
  why: string
}

const usCoreRace = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race'

export const keptElsewhere: readonly KeptElsewhere[] = [
  {
    messages: 'ADT',
    fields: 'NK1',
    theirs: ['RelatedPerson.*', 'Organization.contact.*'],
    ours: ['Patient.contact.*'],
    why: 'a contact without a record of their own, and whom to speak to at an organization, are contacts of the patient',
  },
  {
    messages: 'ADT',
    fields: 'NK1-13',
    theirs: ['Organization.name', 'Organization.identifier.*', 'RelatedPerson.identifier.*'],
    ours: ['Patient.contact.organization.display', 'Patient.contact.organization.identifier.*'],
    why: 'the organization of a contact is named by its number, not made',
  },
  {
    messages: 'ADT',
    fields: 'PID-10',
    theirs: [`RelatedPerson.extension(${usCoreRace}).*`],
    ours: [`Patient.extension(${usCoreRace}).*`],
    within: true,
    why: 'it is the race of the patient',
  },
  {
    messages: 'ADT',
    fields: 'ROL-12',
    theirs: ['PractitionerRole.telecom.*'],
    ours: ['Practitioner.telecom.*'],
    why: 'who cares is known as a Practitioner here, by number',
  },
  {
    fields: 'PID-2.4 PID-3.4 PD1-4.9 ROL-4.9 RXD-10.9',
    theirs: ['Organization.identifier.value'],
    ours: ['Patient.identifier.system', 'Practitioner.identifier.system'],
    within: true,
    why: 'who gave a number is the system of that number',
  },
  {
    messages: 'ADT',
    fields: 'EVN-2 MSH-7',
    theirs: ['Provenance.recorded', 'Provenance.occurredDateTime'],
    ours: ['Patient.extension(https://postern.health/fhir/StructureDefinition/source-time).valueDateTime'],
    why: 'when the sender recorded it decides whether it is news; Provenance says when it came here',
  },
  {
    fields: 'PID-3',
    theirs: ['Patient.identifier.type.coding.display'],
    ours: ['Patient.identifier.type.coding.code'],
    why: 'the message has the code only',
  },
  {
    messages: 'MDM',
    fields: 'OBX-5',
    theirs: ['Observation.valueString'],
    ours: ['Communication.payload.contentString'],
    within: true,
    why: 'a document is a message to somebody, its lines are one text',
  },
  {
    messages: 'MDM',
    fields: 'TXA-2 TXA-12',
    theirs: ['DocumentReference.masterIdentifier.value', 'DocumentReference.type.*'],
    ours: ['Communication.identifier.value', 'Communication.topic.*'],
    why: 'a document is a message to somebody, with its number and kind',
  },
  {
    messages: 'SIU REF',
    fields: 'NTE-3',
    theirs: [
      'Appointment.comment',
      'ServiceRequest.note.text',
      'Device.note.text',
      'Location.alias',
      'Observation.note.text',
    ],
    ours: ['Task.note.text', 'Communication.payload.contentString'],
    within: true,
    why: 'an appointment or referral is a Task, and its words are a note or a message',
  },
  {
    messages: 'SIU',
    fields: 'SCH AIS AIG AIL AIP',
    theirs: [
      'Appointment.*',
      'Appointment.appointmentType.coding.code',
      'Appointment.participant.*',
      'Appointment.status',
    ],
    ours: ['Task.*', 'Task.reasonCode.text', 'Task.input.*', 'Task.businessStatus.text'],
    why: 'an appointment is a Task here, who and what takes part in it its inputs',
  },
  {
    messages: 'SIU',
    fields: 'AIG-3 AIL-3 AIS',
    theirs: ['Device.identifier.value', 'Device.deviceName.name', 'Location.name'],
    ours: ['Task.input.valueCodeableConcept.coding.code', 'Task.input.valueCodeableConcept.text'],
    within: true,
    why: 'rooms and equipment are not made, they are named in the inputs',
  },
  {
    messages: 'SIU REF',
    fields: 'AIS AIG AIL OBR OBX DG1 AL1 PR1',
    theirs: [
      'ServiceRequest.code.*',
      'ServiceRequest.orderDetail.*',
      'Condition.code.*',
      'Procedure.code.*',
      'Procedure.reasonCode.*',
      'DiagnosticReport.code.*',
      'Observation.code.*',
      'AllergyIntolerance.code.*',
    ],
    ours: ['Task.input.valueCodeableConcept.*', 'Task.input.type.*'],
    why: 'what is asked for, and what is told of the patient with it, are inputs of the Task',
  },
  {
    messages: 'REF',
    fields: 'AL1 OBX OBR',
    theirs: [
      'AllergyIntolerance.code.coding.code',
      'AllergyIntolerance.reaction.manifestation.text',
      'Observation.valueString',
      'Observation.effectiveDateTime',
      'DiagnosticReport.effectiveDateTime',
    ],
    ours: [
      'Task.input.valueCodeableConcept.text',
      'Task.input.valueString',
      `Task.input.${detail('observed')}`,
    ],
    within: true,
    why: 'the same, with its time and result',
  },
  {
    messages: 'ADT',
    fields: 'NK1-3',
    theirs: ['RelatedPerson.relationship.coding.display'],
    ours: ['Patient.contact.relationship.text'],
    why: 'a word that stands where a code should is no display of a code',
  },
  {
    messages: 'ADT',
    fields: 'NK1-4',
    theirs: [
      'RelatedPerson.address.state',
      'RelatedPerson.address.postalCode',
      'RelatedPerson.address.country',
    ],
    ours: [
      'Patient.contact.address.city',
      'Patient.contact.address.state',
      'Patient.contact.address.postalCode',
    ],
    why: 'theirs is of GT1 too, where the sender put a component too many',
  },
  {
    messages: 'RDE',
    fields: 'IN1',
    theirs: [
      'Coverage.network',
      'Coverage.relationship.coding.code',
      'Organization.name',
      'Practitioner.name.given',
      'RelatedPerson.identifier.value',
      'RelatedPerson.name.*',
    ],
    ours: [
      'Coverage.class.name',
      'Coverage.relationship.text',
      'Coverage.payor.display',
      'Coverage.subscriber.display',
      'Coverage.subscriberId',
    ],
    within: true,
    why: 'who insures and who is insured are named in the Coverage',
  },
  {
    messages: 'RDE',
    fields: 'PV1-19',
    theirs: ['Encounter.identifier.*', 'Organization.identifier.value'],
    ours: ['MedicationRequest.encounter.identifier.*', 'MedicationRequest.encounter.identifier.system'],
    within: true,
    why: 'a visit is named by its number, not made',
  },
  {
    messages: 'RDE',
    fields: 'PRT RXE-13',
    theirs: [
      'Organization.name',
      'Practitioner.name.*',
      'Practitioner.identifier.value',
      'PractitionerRole.code.coding.code',
    ],
    ours: [
      'MedicationRequest.supportingInformation.display',
      'MedicationRequest.supportingInformation.identifier.value',
      'MedicationRequest.requester.display',
    ],
    within: true,
    why: 'who has no number is no record that could be found again: they are named',
  },
  {
    messages: 'RDE^O11',
    fields: 'RXC',
    theirs: ['Medication.code.*', 'Medication.amount.numerator.unit'],
    ours: [
      'Medication.ingredient.itemCodeableConcept.*',
      'Medication.ingredient.extension(https://postern.health/fhir/StructureDefinition/component-amount).valueQuantity.unit',
    ],
    why: 'a component is an ingredient of the drug that is ordered, no drug of its own',
  },
  {
    messages: 'RDE^O11',
    fields: 'RXO-7 RXE-7 TQ1-10',
    theirs: [
      'MedicationRequest.dosageInstruction.additionalInstruction.coding.code',
      'MedicationRequest.dosageInstruction.patientInstruction',
      'MedicationRequest.dosageInstruction.asNeededCodeableConcept.text',
    ],
    ours: [
      'MedicationRequest.dosageInstruction.text',
      'MedicationRequest.dosageInstruction.patientInstruction',
      'MedicationRequest.dosageInstruction.additionalInstruction.text',
    ],
    within: true,
    why: 'directions are text; a condition alone does not make a scheduled order optional',
  },
  {
    messages: 'RDE^O11',
    fields: 'OBX-5',
    theirs: ['Observation.component.valueCodeableConcept.coding.code'],
    ours: ['Observation.valueString'],
    within: true,
    why: 'two values of one finding are told as they came: nobody says that they are codes',
  },
  {
    messages: 'RDE^O25',
    fields: 'RXE RXC',
    theirs: [
      'Medication.code.text',
      'MedicationRequest.dispenseRequest.quantity.*',
      'MedicationRequest.dispenseRequest.initialFill.quantity.*',
    ],
    ours: ['Task.input.valueCodeableConcept.text', 'Task.input.valueQuantity.*'],
    why: 'a request for renewal changes no order: what it asks for is the input of a Task',
  },
  {
    messages: 'RDS',
    fields: 'ORC-2 RXE-15 RXD-7',
    theirs: [
      'MedicationRequest.identifier.value',
      'MedicationDispense.authorizingPrescription.identifier.value',
    ],
    ours: [
      'MedicationDispense.authorizingPrescription.identifier.value',
      'MedicationDispense.identifier.value',
    ],
    within: true,
    why: 'a dispense makes no order, it names it; its own number is that of the prescription and the fill',
  },
  {
    messages: 'RDS',
    fields: 'RXR',
    theirs: ['MedicationRequest.dosageInstruction.*'],
    ours: ['MedicationDispense.dosageInstruction.*'],
    why: 'an RXR after RXD says how what was dispensed is taken',
  },
  {
    messages: 'RDS',
    fields: 'RXD-30',
    theirs: ['Location.name', 'Location.identifier.value'],
    ours: ['MedicationDispense.location.display'],
    why: 'a place is named, not made',
  },
  {
    messages: 'RDS',
    fields: 'RXD-10',
    theirs: ['Practitioner.name.family'],
    ours: ['Practitioner.name.given'],
    why: 'the fourth component of XCN is a given name',
  },
]

/** A detail of an input that R4 has no element for. */
function detail(name: string): string {
  const url = 'https://postern.health/fhir/StructureDefinition/observation-details'
  return `extension(${url}).extension(${name}).valueDateTime`
}

/** Elements of ours in which a fact may stand that is not in the element that it has elsewhere. */
export function elsewhereOf(
  kind: string,
  field: string,
  element: string,
): { rule: KeptElsewhere; paths: string[] }[] {
  return keptElsewhere.flatMap((rule) => {
    if (rule.messages && !rule.messages.split(' ').some((each) => kind.startsWith(each))) return []
    if (!rule.fields.split(' ').some((each) => isOf(field, each))) return []
    const paths = rule.theirs.flatMap((theirs) => {
      if (!theirs.endsWith('*')) return theirs === element ? rule.ours : []
      const prefix = theirs.slice(0, -1)
      if (!element.startsWith(prefix)) return []
      return rule.ours.map((ours) => ours.replace(/\*$/, element.slice(prefix.length)))
    })
    return paths.length > 0 ? [{ rule, paths }] : []
  })
}

/** Whether a place (`PID-3.4`) is of a segment, field or component (`PID`, `PID-3`, `PID-3.4`). */
export function isOf(place: string, pattern: string): boolean {
  return place === pattern || (place.startsWith(pattern) && /^[-.]/.test(place.slice(pattern.length)))
}

/** The table of docs/hl7v2.md. */
export function elsewhereTable(): string {
  const code = (elements: readonly string[]) => elements.map((each) => `\`${each}\``).join(', ')
  const rows = keptElsewhere.map(({ messages = 'all', fields, theirs, ours, why }) => [
    messages,
    fields,
    code(theirs),
    code(ours),
    why,
  ])
  const head = ['messages', 'fields', 'others', 'here', 'why']
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('')
}
