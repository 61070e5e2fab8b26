import type { Communication } from 'fhir/r4'
import { sameValue } from '#care/same-value.ts'
import type { CareRule, EarlierLink, Flow, Party, ReadContext } from '#core/flow.ts'
import type { Identified, Resource } from '#core/resource.ts'
import type { SourceSegment } from '#formats/hl7v2/source.ts'
import { patientNeed, requireEach } from './hl7v2-needs.ts'
import { patientParty, practitionerParty } from './hl7v2-people.ts'
import { fieldOf, type Hl7v2Source, readSource, segmentsNamed } from './hl7v2-source.ts'
import { reviseMessage } from './message-revision.ts'
import { reviseMirror } from './mirrored-task.ts'

interface Appointment extends Hl7v2Source {
  SCH: SourceSegment[]
}

type Rule = CareRule<Appointment>

/** S23 and S24 are about a schedule (flows/schedule-block), S25 is a question, and neither has a patient. */
const triggers = [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 26]

/**
 * SIU^S12–S22 and S26: an appointment is a Task that mirrors what the scheduling system keeps. Its number (SCH-2, else
 * SCH-1) says which one a later event is about (HL7 v2.5.1 §10.4). A comment that says which side speaks (NTE-2) is a
 * Communication about it, from who asked for the appointment to who is to see the patient, or back.
 */
export const appointment: Flow<Appointment> = {
  name: 'appointment',
  title: 'Appointment (HL7 v2)',
  door: { kind: 'hl7v2', messageTypes: triggers.map((trigger) => `SIU^S${trigger}`) },
  read: readAppointment,
  messageId: (source) => source.controlId,
  primary: 'Task',
  parties: partiesOf,
  earlier: earlierAppointment,
  rules: [hasWhatAnAppointmentNeeds],
  mapping: 'appointment',
  profiles: { Communication: 'https://postern.health/fhir/StructureDefinition/SecureMessage' },
  receivers: [{ role: 'ehr', types: ['Task', 'Communication'] }],
  revisions: { Task: reviseMirror, Communication: reviseComment },
}

function readAppointment(body: Uint8Array, context: ReadContext): Appointment {
  const source = readSource(body, context)
  return { ...source, SCH: segmentsNamed(source.MSH, 'SCH') }
}

/** Who is to see the patient (AIP-3), else whom the filler names (SCH-16); who asked for it (SCH-12, else SCH-20). */
function partiesOf({ facility, PID, SCH: [sch] }: Appointment): Party[] {
  const seeing = PID ? segmentsNamed(PID, 'AIP').map((aip) => fieldOf(aip, 3)[0] ?? {}) : []
  const [owner] = [...seeing, ...fieldOf(sch, 16)].filter((each) => each._1)
  const [requester] = [...fieldOf(sch, 12), ...fieldOf(sch, 20)].filter((each) => each._1)
  return [
    PID && patientParty(facility, PID),
    practitionerParty(facility, 'owner', owner),
    practitionerParty(facility, 'requester', requester),
    ...seeing.map((each, index) => practitionerParty(facility, `person-${index}`, each)),
  ].filter((party) => party !== undefined)
}

/** An event may be the first that is heard of an appointment, but what is taken back has to be there. */
function earlierAppointment({ facility, trigger, SCH: [sch] }: Appointment): EarlierLink[] {
  const number = [...fieldOf(sch, 2), ...fieldOf(sch, 1)][0]?._1
  if (number === undefined) return []
  const link = (slot: string, type: EarlierLink['type'], name: string): EarlierLink => ({
    slot,
    type,
    key: { name, number: `${facility}|${number}` },
    place: 'SCH-2',
  })
  return [
    { ...link('appointment', 'Task', 'SCH-2'), required: trigger === 'S17' },
    link('letter-P', 'Communication', 'SCH-2-P'),
    link('letter-L', 'Communication', 'SCH-2-L'),
  ]
}

function hasWhatAnAppointmentNeeds({ PID, SCH }: Appointment): ReturnType<Rule> {
  requireEach([
    [SCH.length === 1, 'SCH', 'One appointment a message'],
    [
      [...fieldOf(SCH[0], 2), ...fieldOf(SCH[0], 1)][0]?._1,
      'SCH-2',
      'The number is required (SCH-2 or SCH-1)',
    ],
    patientNeed(PID),
  ])
  return { keep: true }
}

/** Every event of an appointment repeats its comments: one that says the same to the same is no new version. */
function reviseComment(standing: Identified, incoming: Identified): Resource {
  const said = ['status', 'identifier', 'topic', 'about', 'sender', 'recipient', 'payload'] as const
  const [before, now] = [standing, incoming] as [Partial<Communication>, Partial<Communication>]
  const isRepeated = said.every((element) => sameValue(before[element], now[element]))
  return isRepeated ? standing : reviseMessage(standing, incoming)
}
