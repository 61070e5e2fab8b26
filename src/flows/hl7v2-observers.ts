import type { Party } from '#core/flow.ts'
import type { Resource } from '#core/resource.ts'
import type { SourceRepetition, SourceSegment } from '#formats/hl7v2/source.ts'
import { systemOf } from './hl7v2-datatypes.ts'
import { organizationParty, practitionerParty } from './hl7v2-people.ts'
import { fieldOf, segmentsNamed } from './hl7v2-source.ts'

/**
 * Who speaks in a result and who is to hear it, from OBR, OBX, PRT and ORC (v2-to-FHIR: XCN[Practitioner],
 * NDL[PractitionerRole], XON[Organization]).
 */

/** The party who answers for a result: interpreter, observer, performing organization, else the sending facility. */
export function observerParty(
  facility: string,
  slot: string,
  { MSH, OBR }: { MSH: SourceSegment; OBR: SourceSegment },
): Party | undefined {
  const results = segmentsNamed(OBR, 'OBX')
  const persons = [
    ...fieldOf(OBR, 32).map(personOfNdl),
    ...participants(OBR, ['PI', 'SB', 'AUT']),
    ...results.flatMap((obx) => [...fieldOf(obx, 16), ...participants(obx, ['RO', 'SB', 'AUT'])]),
  ]
  const person = persons.find((each) => each._1)
  if (person) return practitionerParty(facility, slot, person)
  const [performer] = results.flatMap((obx) => fieldOf(obx, 23)).filter((each) => each._10 ?? each._3)
  return performer
    ? organizationParty(facility, slot, performer)
    : facilityParty(facility, slot, fieldOf(MSH, 4)[0])
}

/** Those to whom a result goes: who ordered it (OBR-16, else ORC-12) and who gets copies (OBR-28, PRT), each once. */
export function resultRecipients(
  facility: string,
  slot: string,
  { ORC, OBR }: { ORC?: SourceSegment | undefined; OBR: SourceSegment },
): Party[] {
  const orderer = [...fieldOf(OBR, 16), ...fieldOf(ORC, 12)].slice(0, 1)
  const persons = [...orderer, ...fieldOf(OBR, 28), ...participants(OBR, ['RCT'])]
  return eachOnce(
    slot,
    persons.map((person) => practitionerParty(facility, slot, person)),
  )
}

/**
 * Those to whom a document goes: TXA-23, and as of version 2.7 whom a PRT names for copies, a person or an organization;
 * where nobody is named, the facility that the message is addressed to (MSH-6).
 */
export function documentRecipients(
  facility: string,
  slot: string,
  { MSH, txa }: { MSH: SourceSegment; txa: SourceSegment | undefined },
): Party[] {
  const copies = fieldOf(txa, 23).map((person) => practitionerParty(facility, slot, person))
  const named = eachOnce(slot, [...copies, ...participantParties(facility, slot, txa, ['RCT'])])
  return named.length > 0 ? named : eachOnce(slot, [facilityParty(facility, slot, fieldOf(MSH, 6)[0])])
}

/** Who speaks in a document: its originator (TXA-9, else TXA-5), else whom a PRT names as its author or sender. */
export function documentAuthor(
  facility: string,
  slot: string,
  txa: SourceSegment | undefined,
): Party | undefined {
  const [originator] = [...fieldOf(txa, 9), ...fieldOf(txa, 5)].filter((each) => each._1)
  if (originator) return practitionerParty(facility, slot, originator)
  return participantParties(facility, slot, txa, ['AUT', 'SB'])[0]
}

function eachOnce(slot: string, named: readonly (Party | undefined)[]): Party[] {
  const parties = named.filter((party) => party !== undefined)
  const keyOf = ({ identifier }: Party) => `${identifier.system}|${identifier.value}`
  return parties
    .filter((party, index) => parties.findIndex((other) => keyOf(other) === keyOf(party)) === index)
    .map((party, index) => ({ ...party, slot: `${slot}-${index}` }))
}

/** PRT-5 of those with one of these parts. */
function participants(owner: SourceSegment, parts: readonly string[]): SourceRepetition[] {
  return participations(owner, parts).flatMap((prt) => fieldOf(prt, 5))
}

/** The persons (PRT-5) of those with one of these parts; where a PRT names none, its organizations (PRT-8). */
function participantParties(
  facility: string,
  slot: string,
  owner: SourceSegment | undefined,
  parts: readonly string[],
): Party[] {
  return (owner ? participations(owner, parts) : []).flatMap((prt) => {
    const persons = fieldOf(prt, 5).flatMap((person) => practitionerParty(facility, slot, person) ?? [])
    if (persons.length > 0) return persons
    return fieldOf(prt, 8).flatMap((value) => organizationParty(facility, slot, value) ?? [])
  })
}

/** PRT-4, table 0912. */
function participations(owner: SourceSegment, parts: readonly string[]): SourceSegment[] {
  return segmentsNamed(owner, 'PRT').filter((prt) => parts.includes(fieldOf(prt, 4)[0]?._1 ?? ''))
}

/** NDL: its first component is a CNN, whose parts stand where XCN has components. */
function personOfNdl(value: SourceRepetition): SourceRepetition {
  const parts: SourceRepetition = {}
  const places = [
    ['_1', '_1'],
    ['_2', '_1_2'],
    ['_3', '_1_3'],
    ['_4', '_1_4'],
    ['_5', '_1_5'],
    ['_6', '_1_6'],
    ['_9', '_1_9'],
    ['_9_2', '_1_10'],
    ['_9_3', '_1_11'],
  ] as const
  for (const [place, from] of places) {
    const part = value[from]
    if (part !== undefined) parts[place] = part
  }
  return parts
}

/** HD of a facility (MSH-4, MSH-6): by its universal id, else by the name it goes by here. */
function facilityParty(
  facility: string,
  slot: string,
  value: SourceRepetition | undefined,
): Party | undefined {
  const name = value?._1 ?? value?._2
  if (!value || name === undefined) return undefined
  const universal = value._2 && value._3 ? systemOf(facility, { universalId: value._2, type: value._3 }) : ''
  const identifier = universal.startsWith('urn:')
    ? { system: 'urn:ietf:rfc:3986', value: universal }
    : { system: systemOf(facility, { namespace: 'facility' }), value: name }
  const stub = { resourceType: 'Organization', identifier: [identifier], name }
  return { slot, type: 'Organization', identifier, stub: stub as Resource }
}
