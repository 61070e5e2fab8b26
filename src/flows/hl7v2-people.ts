import type { Party } from '#core/flow.ts'
import type { Resource } from '#core/resource.ts'
import { fhirDate } from '#formats/hl7v2/date-time.ts'
import type { SourceRepetition, SourceSegment } from '#formats/hl7v2/source.ts'
import {
  addressOf,
  assignerOf,
  contactPointOf,
  humanNameOf,
  humanNamesOf,
  type Identifier,
  identifierOf,
  systemOf,
} from './hl7v2-datatypes.ts'
import { fieldOf } from './hl7v2-source.ts'

const genders: Record<string, string> = {
  F: 'female',
  M: 'male',
  O: 'other',
  A: 'other',
  N: 'other',
  X: 'other',
  U: 'unknown',
}

/** PID → Patient (v2-to-FHIR: PID[Patient]); found by its medical record number, else by its first identifier. */
export function patientParty(facility: string, pid: SourceSegment): Party | undefined {
  const listed = fieldOf(pid, 3).flatMap((value) => {
    const identifier = identifierOf(facility, value)
    return identifier ? [{ identifier, type: value._5, assigner: assignerOf(value) }] : []
  })
  const chosen =
    listed.find(({ type }) => type === 'MR') ?? listed.find(({ type }) => type === 'PI') ?? listed[0]
  if (!chosen) return undefined
  const name = some(fieldOf(pid, 5).flatMap(humanNamesOf))
  const address = some(fieldOf(pid, 11).map(addressOf))
  const telecom = some([
    ...fieldOf(pid, 13).map((value) => contactPointOf(value, 'home')),
    ...fieldOf(pid, 14).map((value) => contactPointOf(value, 'work')),
  ])
  const gender = genders[fieldOf(pid, 8)[0]?._1 ?? '']
  const birthDate = fhirDate(fieldOf(pid, 7)[0]?._1 ?? '')
  const stub = {
    resourceType: 'Patient',
    identifier: listed.map(({ identifier, type, assigner }) => ({
      ...typed(type),
      ...identifier,
      ...assigner,
    })),
    ...(name ? { name } : {}),
    ...(telecom ? { telecom } : {}),
    ...(gender ? { gender } : {}),
    ...(birthDate ? { birthDate } : {}),
    ...(address ? { address } : {}),
  }
  return { slot: 'subject', type: 'Patient', identifier: chosen.identifier, stub: stub as Resource }
}

/** XCN → Practitioner, when it has an identifier (v2-to-FHIR: XCN[Practitioner]). */
export function practitionerParty(
  facility: string,
  slot: string,
  value: SourceRepetition | undefined,
  contact: { address?: SourceRepetition | undefined; phone?: SourceRepetition | undefined } = {},
): Party | undefined {
  const identifier = value && identifierOf(facility, value, 9, 13)
  if (!identifier) return undefined
  const name = humanNameOf(value, 2)
  const telecom = contact.phone && contactPointOf(contact.phone, 'work')
  const address = contact.address && addressOf(contact.address)
  const stub = {
    resourceType: 'Practitioner',
    identifier: [{ ...typed(value._13), ...identifier, ...assignerOf(value, 9) }],
    ...(name ? { name: [name] } : {}),
    ...(telecom ? { telecom: [telecom] } : {}),
    ...(address ? { address: [address] } : {}),
  }
  return { slot, type: 'Practitioner', identifier, stub: stub as Resource }
}

/**
 * XON → Organization, when it has an identifier (v2-to-FHIR: XON[Organization]): component 10, else the withdrawn 3. A
 * number that nobody says the authority or kind of is of the sender's own numbers named `kind`.
 */
export function organizationParty(
  facility: string,
  slot: string,
  value: SourceRepetition,
): Party | undefined {
  const number = value._10 ?? value._3
  if (!number) return undefined
  const authority = { namespace: value._6, universalId: value._6_2, type: value._6_3 }
  const identifier = { system: systemOf(facility, authority, value._7 ?? 'organization'), value: number }
  const stub = { resourceType: 'Organization', identifier: [identifier], name: value._1 ?? number }
  return { slot, type: 'Organization', identifier, stub: stub as Resource }
}

/**
 * PRD → Practitioner with the first of its numbers (PRD-7: number, kind), else the Organization of PRD-10. PRD is in no
 * map of the guide; its name is an XPN and its number's kind is of table 0338.
 */
export function providerParty(facility: string, slot: string, prd: SourceSegment): Party | undefined {
  const number = fieldOf(prd, 7).find((value) => value._1)
  const [name = {}, organization, address, phone] = [2, 10, 3, 5].map((field) => fieldOf(prd, field)[0])
  if (!number?._1) return organization && organizationParty(facility, slot, organization)
  const person: SourceRepetition = { _1: number._1 }
  if (number._2) person._13 = number._2
  for (let part = 1; part <= 6; part++) {
    const said = name[`_${part}`]
    if (said !== undefined) person[`_${part + 1}`] = said
  }
  return practitionerParty(facility, slot, person, { address, phone })
}

/** A pharmacy as RXO-32 and RXE-40 give it: code, name, and the name of what the code is from. */
export function pharmacyParty(
  facility: string,
  slot: string,
  value: SourceRepetition | undefined,
  contact: { address?: SourceRepetition | undefined; phone?: SourceRepetition | undefined },
): Party | undefined {
  if (!value?._1) return undefined
  const identifier: Identifier = {
    system: systemOf(facility, { namespace: value._3 }, 'pharmacy'),
    value: value._1,
  }
  const address = contact.address && addressOf(contact.address)
  const telecom = contact.phone && contactPointOf(contact.phone, 'work')
  const stub = {
    resourceType: 'Organization',
    identifier: [identifier],
    name: value._2 ?? value._1,
    ...(telecom ? { telecom: [telecom] } : {}),
    ...(address ? { address: [address] } : {}),
  }
  return { slot, type: 'Organization', identifier, stub: stub as Resource }
}

function typed(code: string | undefined): object {
  return code ? { type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code }] } } : {}
}

function some(values: (object | undefined)[]): object[] | undefined {
  const found = values.filter((value) => value !== undefined)
  return found.length > 0 ? found : undefined
}
