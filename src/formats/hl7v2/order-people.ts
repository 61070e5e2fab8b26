import type { HumanName, Patient, Practitioner } from 'fhir/r4'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { composed, identifierType, repeated, segmentOf } from './compose.ts'
import { authority, dtm } from './dialect.ts'

const sexes: Record<string, string> = { female: 'F', male: 'M', other: 'O', unknown: 'U' }

/** PID: who a message is about. MSH-3 vouches for an id of ours. */
export function patientSegment(patient: Patient, dialect: Hl7v2Dialect): string {
  const identifiers = (patient.identifier ?? []).filter((identifier) => identifier.value)
  const ids = identifiers.map((each) =>
    composed([each.value, undefined, undefined, authority(dialect, each.system), identifierType(each)]),
  )
  return segmentOf('PID', {
    1: '1',
    3:
      ids.length > 0
        ? repeated(ids)
        : composed([patient.id, undefined, undefined, dialect.sending.application]),
    5: repeated((patient.name ?? []).map(personName)) || '""',
    7: dtm(dialect, patient.birthDate),
    8: sexes[patient.gender ?? ''] ?? '',
    11: repeated(
      (patient.address ?? []).map(({ line, city, state, postalCode, country }) =>
        composed([line?.[0], line?.slice(1).join(', '), city, state, postalCode, country]),
      ),
    ),
    13: repeated(
      (patient.telecom ?? [])
        .filter(({ system }) => system === 'phone')
        .map(({ value }) => composed([value])),
    ),
  })
}

/** XCN: who answers for something. */
export function practitionerField(practitioner: Practitioner | undefined, dialect: Hl7v2Dialect): string {
  if (!practitioner) return ''
  const identifier = practitioner.identifier?.find((each) => each.value)
  const name = practitioner.name?.[0]
  return composed([
    identifier?.value ?? practitioner.id,
    name?.family ?? name?.text,
    name?.given?.[0],
    name?.given?.slice(1).join(' '),
    name?.suffix?.join(' '),
    name?.prefix?.join(' '),
    undefined,
    undefined,
    identifier ? authority(dialect, identifier.system) : undefined,
    undefined,
    undefined,
    undefined,
    identifier ? identifierType(identifier) : undefined,
  ])
}

const nameTypes: Record<string, string> = {
  official: 'L',
  usual: 'D',
  nickname: 'N',
  maiden: 'M',
  anonymous: 'S',
}

/** XPN */
function personName(name: HumanName): string {
  const { family, given, suffix, prefix, text, use } = name
  const type = nameTypes[use ?? 'official'] ?? 'U'
  const parts = [family ?? text, given?.[0], given?.slice(1).join(' '), suffix?.join(' '), prefix?.join(' ')]
  return composed([...parts, undefined, type])
}
