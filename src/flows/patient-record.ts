import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule, Flow, Party, ReadContext } from '#core/flow.ts'
import type { SourceRepetition, SourceSegment } from '#formats/hl7v2/source.ts'
import { reviseConsent } from './consent-revision.ts'
import { organizationParty, patientParty, practitionerParty } from './hl7v2-people.ts'
import { fieldOf, type Hl7v2Source, readSource, segmentsAnywhere, segmentsNamed } from './hl7v2-source.ts'
import { revisePatient } from './patient-revision.ts'

/** A message about who patients are, whichever way it is to be read. */
export interface PatientMessage extends Hl7v2Source {
  records: PatientRecord[]
  /** Consents, wherever they stand. */
  CON: SourceSegment[]
}

/** One patient of the message, and the records whose place this one takes. */
export interface PatientRecord {
  slot: string
  PID: SourceSegment
  replaced: ReplacedRecord[]
}

export interface ReplacedRecord {
  slot: string
  MRG: SourceSegment
  /** Its identifiers, CX. */
  identifiers: SourceRepetition[]
}

/**
 * ADT that tells who a patient is (A01 A04 A08 A28 A31): a Patient, made where nobody with the identifier is known,
 * else changed by what was sent (flows/patient-revision). Of the visit nothing is kept: no Encounter is served here.
 */
export const patientRecord: Flow<PatientMessage> = {
  name: 'patient-record',
  title: 'Patient data (HL7 v2 ADT)',
  door: { kind: 'hl7v2', messageTypes: ['ADT^A01', 'ADT^A04', 'ADT^A08', 'ADT^A28', 'ADT^A31'] },
  read: readRecord,
  messageId: (source) => source.controlId,
  primary: 'Patient',
  parties: (source) => source.records.flatMap((record) => partiesOf(source, record)),
  rules: [hasPatient],
  mapping: 'patient-record',
  parts: ['consent-directive'],
  profiles: {},
  receivers: [],
  revisions: { Patient: revisePatient, Consent: reviseConsent },
}

function readRecord(body: Uint8Array, context: ReadContext): PatientMessage {
  const source = readSource(body, context)
  const records = source.PID ? [{ slot: 'subject', PID: source.PID, replaced: [] }] : []
  return { ...source, records, CON: segmentsAnywhere(source, 'CON') }
}

/** The patient, and whose patient they are: by PD1-3 and PD1-4, and as primary care provider (PP) by ROL and PRT. */
export function partiesOf({ facility }: PatientMessage, { slot, PID }: PatientRecord): Party[] {
  const [pd1] = segmentsNamed(PID, 'PD1')
  const subject = patientParty(facility, PID)
  return [
    subject && { ...subject, slot },
    ...fieldOf(pd1, 3).map((value, index) => organizationParty(facility, `${slot}-practice-${index}`, value)),
    ...fieldOf(pd1, 4).map((value, index) =>
      practitionerParty(facility, `${slot}-practitioner-${index}`, value),
    ),
    ...providersNamed(PID, 'ROL', 3).map((role, index) =>
      practitionerParty(facility, `${slot}-role-${index}`, fieldOf(role, 4)[0], {
        address: fieldOf(role, 11)[0],
        phone: fieldOf(role, 12)[0],
      }),
    ),
    ...providersNamed(PID, 'PRT', 4).map((part, index) =>
      practitionerParty(facility, `${slot}-participant-${index}`, fieldOf(part, 5)[0]),
    ),
  ].filter((party) => party !== undefined)
}

/** Segments about the patient's primary care provider. */
function providersNamed(pid: SourceSegment, segment: 'ROL' | 'PRT', role: number): SourceSegment[] {
  return segmentsNamed(pid, segment).filter((each) => fieldOf(each, role)[0]?._1 === 'PP')
}

export function hasPatient({ records }: PatientMessage): ReturnType<CareRule<PatientMessage>> {
  const issues = records.flatMap(({ PID }): Issue[] => {
    if (fieldOf(PID, 3).some((value) => value._1)) return []
    return [{ code: 'required', text: 'A patient identifier is required', expression: 'PID-3' }]
  })
  if (records.length === 0)
    issues.push({ code: 'required', text: 'A patient is required', expression: 'PID' })
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}
