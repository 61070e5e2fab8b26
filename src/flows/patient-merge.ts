import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule, Flow, Party, ReadContext } from '#core/flow.ts'
import type { Resource } from '#core/resource.ts'
import type { SourceRepetition, SourceSegment } from '#formats/hl7v2/source.ts'
import { identifierOf } from './hl7v2-datatypes.ts'
import { patientParty } from './hl7v2-people.ts'
import { fieldOf, readSource, segmentsNamed } from './hl7v2-source.ts'
import {
  hasPatient,
  type PatientMessage,
  type PatientRecord,
  partiesOf,
  patientRecord,
  type ReplacedRecord,
} from './patient-record.ts'

/**
 * ADT that says that two records are one patient (A40; A18, A34 and A39 before it, of the same segments): the record of
 * PID-3 survives and `replaces` that of MRG-1, which is `replaced-by` it and no longer active (gap_06). Nothing is moved:
 * reads and consents follow the links (access/patient-context).
 */
export const patientMerge: Flow<PatientMessage> = {
  ...patientRecord,
  name: 'patient-merge',
  title: 'Merge of patient records (HL7 v2 ADT)',
  door: { kind: 'hl7v2', messageTypes: ['ADT^A40', 'ADT^A18', 'ADT^A34', 'ADT^A39'] },
  read: readMerge,
  parties: mergedParties,
  rules: [hasPatient, hasReplaced],
  parts: [],
}

/** The PATIENT group repeats, and a record may take the place of several. */
function readMerge(body: Uint8Array, context: ReadContext): PatientMessage {
  const source = readSource(body, context, 'several')
  const records = new Map<string, PatientRecord>()
  let count = 0
  for (const PID of source.PID ? [source.PID, ...segmentsNamed(source.PID, 'PID')] : []) {
    const { system, value } = patientParty(source.facility, PID)?.identifier ?? {}
    const key = `${system}|${value}`
    const record = records.get(key) ?? {
      slot: records.size === 0 ? 'subject' : `subject-${records.size}`,
      PID,
      replaced: [],
    }
    records.set(key, record)
    for (const MRG of segmentsNamed(PID, 'MRG')) {
      record.replaced.push({ slot: `replaced-${count++}`, MRG, identifiers: priorIdentifiers(PID, MRG) })
    }
  }
  return { ...source, records: [...records.values()], CON: [] }
}

/** A prior number whose kind nobody wrote is of the kind of the one that survives. */
function priorIdentifiers(PID: SourceSegment, MRG: SourceSegment): SourceRepetition[] {
  const kind = fieldOf(PID, 3)[0]?._5
  return [...fieldOf(MRG, 1), ...fieldOf(MRG, 4)].map((value) =>
    value._5 === undefined && value._4 === undefined && kind !== undefined ? { ...value, _5: kind } : value,
  )
}

function mergedParties(source: PatientMessage): Party[] {
  return source.records.flatMap((record) => [
    ...partiesOf(source, record).map((party) =>
      party.slot === record.slot ? { ...party, merge: 'survivor' as const } : party,
    ),
    ...record.replaced.flatMap((replaced) => replacedParty(source.facility, replaced) ?? []),
  ])
}

function replacedParty(facility: string, { slot, identifiers }: ReplacedRecord): Party | undefined {
  const identifier = identifiers
    .map((value) => identifierOf(facility, value))
    .find((each) => each !== undefined)
  if (!identifier) return undefined
  const stub: Resource = { resourceType: 'Patient', identifier: [identifier] }
  return { slot, type: 'Patient', identifier, stub, merge: 'replaced' }
}

function hasReplaced({ records }: PatientMessage): ReturnType<CareRule<PatientMessage>> {
  const issues = records.flatMap(({ replaced }): Issue[] => {
    if (replaced.length > 0 && replaced.every(({ identifiers }) => identifiers.some((value) => value._1)))
      return []
    return [
      {
        code: 'required',
        text: 'The identifier of the record that is replaced is required',
        expression: 'MRG-1',
      },
    ]
  })
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}
