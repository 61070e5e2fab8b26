import type { Identifier, Patient } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { Identified } from '#core/resource.ts'
import type { SourceSegment } from '#formats/hl7v2/source.ts'
import { patientParty } from './hl7v2-people.ts'
import { segmentsNamed } from './hl7v2-source.ts'
import type { PatientMessage } from './patient-record.ts'
import { extensionsOf, isOlder } from './source-time.ts'

type Record = Identified<Patient>
type Number = Pick<Identifier, 'system' | 'value'>

/** One patient of the message, and the number that its record was found by. */
interface Told {
  PID: SourceSegment
  number: Number
}

/**
 * What a message changes of a patient (HL7 v2.9 §2.5.3.2, and ADT's snapshot of fields): a field that was sent replaces what
 * came of it, `""` deletes it, an empty one leaves it as it is. Other senders' identifiers stay, and so does what no
 * field speaks of. A message older than what stands changes nothing but links.
 */
export function revisePatient(
  standing: Identified,
  incoming: Identified,
  source: PatientMessage,
): Identified {
  if (standing.resourceType !== 'Patient' || incoming.resourceType !== 'Patient') return standing
  const record = recordOf(source, incoming)
  if (!record) return replacedBy(standing, incoming)
  const told = isOlder(incoming, standing) ? standing : merged(standing, incoming, record)
  const links = newLinks(standing, incoming)
  return links.length > 0 ? { ...told, link: [...(standing.link ?? []), ...links] } : told
}

/** Which elements come of which fields: those of a group are replaced together. */
const groups: readonly {
  segment: 'PID' | 'PD1' | 'NK1'
  fields: readonly number[]
  elements: readonly (keyof Patient)[]
}[] = [
  { segment: 'PID', fields: [5], elements: ['name'] },
  { segment: 'PID', fields: [7], elements: ['birthDate', '_birthDate'] },
  { segment: 'PID', fields: [8], elements: ['gender'] },
  { segment: 'PID', fields: [11], elements: ['address'] },
  { segment: 'PID', fields: [15], elements: ['communication'] },
  { segment: 'PID', fields: [16], elements: ['maritalStatus'] },
  { segment: 'PID', fields: [24, 25], elements: ['multipleBirthBoolean', 'multipleBirthInteger'] },
  { segment: 'PID', fields: [29, 30], elements: ['deceasedBoolean', 'deceasedDateTime'] },
  { segment: 'PD1', fields: [3, 4], elements: ['generalPractitioner'] },
  { segment: 'NK1', fields: [2, 3], elements: ['contact'] },
]

const core = 'http://hl7.org/fhir/StructureDefinition'
const usCore = 'http://hl7.org/fhir/us/core/StructureDefinition'

/** The same of extensions, by URL. */
const extensionGroups: readonly { segment: 'PID' | 'PD1'; fields: readonly number[]; url: string }[] = [
  { segment: 'PID', fields: [6], url: `${core}/patient-mothersMaidenName` },
  { segment: 'PID', fields: [10], url: `${usCore}/us-core-race` },
  { segment: 'PID', fields: [17], url: `${core}/patient-religion` },
  { segment: 'PID', fields: [22], url: `${usCore}/us-core-ethnicity` },
  { segment: 'PID', fields: [23], url: `${core}/patient-birthPlace` },
  { segment: 'PID', fields: [26, 39], url: `${core}/patient-citizenship` },
  { segment: 'PID', fields: [28], url: `${core}/patient-nationality` },
  { segment: 'PD1', fields: [6], url: `${core}/patient-disability` },
  { segment: 'PD1', fields: [14], url: `${core}/patient-congregation` },
]

function merged(standing: Record, incoming: Record, { PID, number }: Told): Record {
  const next: Record = {
    ...standing,
    identifier: identifiersOf(standing, toldOf(standing, incoming, number)),
  }
  const from = incoming as unknown as { [element: string]: unknown }
  for (const { segment, fields, elements } of groups) {
    const isTold = elements.some((element) => from[element] !== undefined)
    if (!isTold && !isDeleted(PID, segment, fields)) continue
    for (const element of elements) delete next[element]
    for (const element of elements)
      if (from[element] !== undefined) Object.assign(next, { [element]: from[element] })
  }
  const telecom = telecomOf(standing, incoming, PID)
  delete next.telecom
  if (telecom.length > 0) next.telecom = telecom
  delete next.extension
  return { ...next, ...extensionsTold(standing, incoming, PID) }
}

/** When it was told, and what else this message says in extensions; those that it does not speak of stay. */
function extensionsTold(standing: Record, incoming: Record, PID: SourceSegment): Pick<Patient, 'extension'> {
  const told = incoming.extension ?? []
  const deleted = extensionGroups.filter(({ segment, fields }) => isDeleted(PID, segment, fields))
  const kept = standing.extension?.filter(({ url }) => !deleted.some((group) => group.url === url)) ?? []
  return extensionsOf({ extension: kept }, { extension: told })
}

/** PID-14 is for work, PID-13 and PID-40 for all else. */
function telecomOf(standing: Record, incoming: Record, PID: SourceSegment): NonNullable<Patient['telecom']> {
  const isWork = ({ use }: { use?: string }) => use === 'work'
  const told = incoming.telecom ?? []
  const keptOf = (work: boolean, fields: readonly number[]) => {
    const isTold = told.some((each) => isWork(each) === work)
    if (isTold || isDeleted(PID, 'PID', fields)) return []
    return (standing.telecom ?? []).filter((each) => isWork(each) === work)
  }
  return [...told, ...keptOf(false, [13, 40]), ...keptOf(true, [14])]
}

const kindOf = ({ system, type }: Identifier) => `${system}|${type?.coding?.[0]?.code}`

const same = (one: Number, other: Number) => one.system === other.system && one.value === other.value

/**
 * The numbers that are this record's. A message may name it by the number of a record that was merged into it: that one
 * stays where it stands, or it would take the place of the number by which this one is known.
 */
function toldOf({ link, identifier }: Record, incoming: Record, number: Number): Identifier[] {
  const told = incoming.identifier ?? []
  const isSurvivor = link?.some(({ type }) => type === 'replaces')
  if (!isSurvivor || identifier?.some((each) => same(each, number))) return told
  const former = told.find((each) => same(each, number))
  return told.filter((each) => !former || kindOf(each) !== kindOf(former))
}

/** What this message tells of takes the place of what has its system and kind; the rest is of others. */
function identifiersOf(standing: Record, told: Identifier[]): Identifier[] {
  const kinds = new Set(told.map(kindOf))
  const others = (standing.identifier ?? []).filter(
    (each) => !told.some((one) => same(one, each)) && (each.use === 'old' || !kinds.has(kindOf(each))),
  )
  return [...told, ...others]
}

/** Whether one of the fields is sent as `""`, in the patient's segment or one that stands under it. */
function isDeleted(PID: SourceSegment, segment: string, fields: readonly number[]): boolean {
  const segments = segment === 'PID' ? [PID] : segmentsNamed(PID, segment)
  return segments.some(({ _null }) => fields.some((field) => _null?.includes(String(field))))
}

/** The record of the message that this one was made of; none for what is replaced, which no PID speaks of. */
function recordOf({ facility, records }: PatientMessage, incoming: Record): Told | undefined {
  if (incoming.active === false) return undefined
  const told = records.flatMap(({ PID }): Told[] => {
    const number = patientParty(facility, PID)?.identifier
    return number ? [{ PID, number }] : []
  })
  return told.find(({ number }) => incoming.identifier?.some((each) => same(each, number)))
}

function newLinks(standing: Record, incoming: Record): NonNullable<Patient['link']> {
  return (incoming.link ?? []).filter(
    (link) =>
      !standing.link?.some(
        ({ type, other }) => type === link.type && other.reference === link.other.reference,
      ),
  )
}

/** Merged twice into the same record it stays as it is. Throws Failure `conflict` where another one has its place. */
function replacedBy(standing: Record, incoming: Record): Record {
  if (newLinks(standing, incoming).length === 0) return standing
  if (standing.link?.some(({ type }) => type === 'replaced-by')) {
    throw new Failure('conflict', [
      { text: 'This record was merged into another one before: undo that first', expression: 'MRG-1' },
    ])
  }
  const old = (identifier: Identifier): Identifier =>
    incoming.identifier?.some(
      ({ system, value }) => system === identifier.system && value === identifier.value,
    )
      ? { ...identifier, use: 'old' }
      : identifier
  return {
    ...standing,
    active: false,
    identifier: standing.identifier?.map(old),
    name: standing.name ?? incoming.name,
    link: [...(standing.link ?? []), ...(incoming.link ?? [])],
  }
}
