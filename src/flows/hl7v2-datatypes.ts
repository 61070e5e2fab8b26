import { fhirDate } from '#formats/hl7v2/date-time.ts'
import type { SourceRepetition } from '#formats/hl7v2/source.ts'

/**
 * HL7 v2 datatypes as FHIR R4, for the persons and organizations of a message, after the v2-to-FHIR guide's maps of
 * CX, EI, HD, XPN, XAD and XTN (https://hl7.org/fhir/uv/v2mappings/datatype_maps.html).
 */
export interface Identifier {
  system: string
  value: string
}

/** Object identifiers that FHIR knows by a URI of its own (https://hl7.org/fhir/R4/identifier-registry.html). */
const wellKnownOids: Record<string, string> = {
  '2.16.840.1.113883.4.6': 'http://hl7.org/fhir/sid/us-npi',
  '2.16.840.1.113883.4.1': 'http://hl7.org/fhir/sid/us-ssn',
}

/** Names that mean one well-known system whoever sends them: assigning authorities, tables 0203 and 0396. */
const wellKnown: Record<string, string> = {
  NPI: 'http://hl7.org/fhir/sid/us-npi',
  SS: 'http://hl7.org/fhir/sid/us-ssn',
  USSSA: 'http://hl7.org/fhir/sid/us-ssn',
  // Registration numbers of the Drug Enforcement Administration.
  DEA: 'urn:oid:2.16.840.1.113883.4.814',
}

/**
 * The URI of an assigning authority: its ISO, UUID or URI universal id, else a well-known one, else one of our own made of
 * the sending facility and the authority's name there, so that two facilities' `LAB` stay apart.
 */
export function systemOf(
  facility: string,
  authority: { namespace?: string | undefined; universalId?: string | undefined; type?: string | undefined },
  kind = '',
): string {
  const { namespace = '', universalId = '', type = '' } = authority
  if (type === 'ISO' && /^[0-2](?:\.\d+)+$/.test(universalId)) {
    return wellKnownOids[universalId] ?? `urn:oid:${universalId}`
  }
  if (type === 'UUID' && universalId !== '') return `urn:uuid:${universalId.toLowerCase()}`
  if (type === 'URI' && /^[a-z][a-z0-9+.-]*:\S+$/i.test(universalId)) return universalId
  const known = wellKnown[namespace.toUpperCase()] ?? wellKnown[kind.toUpperCase()]
  if (known) return known
  const name = namespace || universalId || kind || 'local'
  return `https://postern.health/fhir/sid/v2/${encodeURIComponent(facility)}/${encodeURIComponent(name)}`
}

/** CX, and the same components of XCN where `authority` and `type` stand elsewhere. */
export function identifierOf(
  facility: string,
  value: SourceRepetition,
  authority = 4,
  type = 5,
): Identifier | undefined {
  if (!value._1) return undefined
  const assigning = {
    namespace: value[`_${authority}`],
    universalId: value[`_${authority}_2`],
    type: value[`_${authority}_3`],
  }
  return { system: systemOf(facility, assigning, value[`_${type}`]), value: value._1 }
}

/** Who assigned an identifier, where the sender names it beside an id of its own (CX-4, XCN-9: HD). */
export function assignerOf(value: SourceRepetition, authority = 4): object | undefined {
  const name = value[`_${authority}`]
  const universalId = value[`_${authority}_2`]
  if (name === undefined || universalId === undefined) return undefined
  return { assigner: { display: name, identifier: { value: universalId } } }
}

/**
 * From when to when a name, address or number holds: of the components that say each end, else of the range (DR, withdrawn)
 * in component `range`. Throws Failure `invalid` for what is no date.
 */
function periodOf(value: SourceRepetition, from: number, to: number, range?: number): object {
  const [first, last] = [from, to].map((component) => value[`_${component}`])
  const isRange = range !== undefined && first === undefined && last === undefined
  const start = fhirDate((isRange ? value[`_${range}`] : first) ?? '')
  const end = fhirDate((isRange ? value[`_${range}_2`] : last) ?? '')
  return start || end ? { period: { ...(start ? { start } : {}), ...(end ? { end } : {}) } } : {}
}

/** EI: number, namespace, universal id, type of universal id. */
export function entityIdentifierOf(facility: string, value: SourceRepetition): Identifier | undefined {
  if (!value._1) return undefined
  const authority = { namespace: value._2, universalId: value._3, type: value._4 }
  return { system: systemOf(facility, authority, 'PLAC'), value: value._1 }
}

const nameUses: Record<string, string> = {
  L: 'official',
  R: 'official',
  D: 'usual',
  N: 'nickname',
  M: 'maiden',
  MSK: 'anonymous',
  BAD: 'old',
  TEMP: 'temp',
}

/** XPN; with `from` 2, the name inside an XCN. */
export function humanNameOf(value: SourceRepetition, from = 1): object | undefined {
  const part = (offset: number) => value[`_${from + offset}`]
  const use = nameUses[value[from === 1 ? '_7' : '_10'] ?? '']
  const given = [part(1), part(2)].filter((name) => name !== undefined)
  // XPN-14, XCN-21: what stands behind the name for a profession; XPN-6, XCN-7: an academic degree, withdrawn since 2.7.
  const professional = value[from === 1 ? '_14' : '_21']
  const suffix = [part(3), part(5), professional].filter((name) => name !== undefined)
  const prefix = part(4)
  if (part(0) === undefined && given.length === 0) return undefined
  return {
    ...(use ? { use } : {}),
    ...(part(0) ? { family: part(0) } : {}),
    ...(given.length > 0 ? { given } : {}),
    ...(prefix ? { prefix: [prefix] } : {}),
    ...(suffix.length > 0 ? { suffix } : {}),
    ...(from === 1 ? periodOf(value, 12, 13, 10) : periodOf(value, 19, 20, 17)),
  }
}

/** XPN where many names may stand: what somebody is called by (XPN-15) is a name of its own. */
export function humanNamesOf(value: SourceRepetition): object[] {
  const name = humanNameOf(value)
  return [...(name ? [name] : []), ...(value._15 ? [{ use: 'nickname', given: [value._15] }] : [])]
}

const addressUses: Record<string, string> = {
  H: 'home',
  B: 'work',
  O: 'work',
  BI: 'billing',
  C: 'temp',
  BA: 'old',
}

/** XAD. */
export function addressOf(value: SourceRepetition): object | undefined {
  const use = addressUses[value._7 ?? '']
  // Older messages send the street as plain text, newer ones as street address, street name and dwelling number.
  const line = [value._1, value._1_2, value._1_3, value._2, value._19].filter((part) => part !== undefined)
  // CWE[string]: the name of the county before its code.
  const district = value._9_2 ?? value._9
  const type = value._7 === 'M' || value._7 === 'SH' ? 'postal' : undefined
  const address = {
    ...(use ? { use } : {}),
    ...(type ? { type } : {}),
    ...(line.length > 0 ? { line } : {}),
    ...(value._3 ? { city: value._3.trim() } : {}),
    ...(district ? { district } : {}),
    ...(value._4 ? { state: value._4 } : {}),
    ...(value._5 ? { postalCode: value._5 } : {}),
    ...(value._6 ? { country: value._6 } : {}),
  }
  const isSomewhere = Object.keys(address).some((key) => key !== 'use' && key !== 'type')
  return isSomewhere ? { ...address, ...periodOf(value, 13, 14, 12) } : undefined
}

const telecomUses: Record<string, string> = {
  PRN: 'home',
  ORN: 'home',
  VHN: 'home',
  WPN: 'work',
  PRS: 'mobile',
}
const telecomSystems: Record<string, string> = {
  PH: 'phone',
  CP: 'phone',
  FX: 'fax',
  BP: 'pager',
  SAT: 'phone',
  TDD: 'other',
  TTY: 'other',
  Internet: 'email',
  'X.400': 'email',
}

/** XTN: the number as one text, from XTN-12 or XTN-1, else put together of its parts. */
export function contactPointOf(value: SourceRepetition, use?: string): object | undefined {
  const mail = value._4 ?? (value._3 === 'Internet' ? value._1 : undefined)
  const parts = [value._5 && `+${value._5}`, value._6, value._7, value._8 && `X${value._8}`].filter(Boolean)
  const number = value._12 ?? value._1 ?? (value._7 ? parts.join(' ') : undefined)
  const text =
    telecomSystems[value._3 ?? ''] === 'email' || (value._3 === undefined && value._4) ? mail : number
  if (text === undefined) return undefined
  const system = telecomSystems[value._3 ?? ''] ?? (text === mail && mail === value._4 ? 'email' : 'phone')
  const said = value._3 === 'CP' ? 'mobile' : (telecomUses[value._2 ?? ''] ?? use)
  const rank = /^[1-9]\d{0,8}$/.test(value._18 ?? '') ? Number(value._18) : undefined
  return {
    system,
    value: text,
    ...(said ? { use: said } : {}),
    ...(rank ? { rank } : {}),
    ...periodOf(value, 13, 14),
  }
}
