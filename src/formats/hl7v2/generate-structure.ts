/**
 * Writes structure.json from npm `hl7v2-dictionary` 1.8.0 (MIT). Run by hand when that changes:
 *
 *     node src/formats/hl7v2/generate-structure.ts > src/formats/hl7v2/structure.json
 *
 * (Node only: the dictionary takes seconds and 300 MB to load. Nothing of the gateway imports this.)
 */
import { dictionaries, type HL7Dictionary } from 'hl7v2-dictionary'
import type { StructureTable } from './structure.ts'

type Fields = HL7Dictionary['segments'][string]['fields']
type Parts = NonNullable<HL7Dictionary['messages'][string]['segments']>

/** The dictionary's 2.8 is a copy of its 2.7.1, and 2.5.1 differs from 2.5 in nothing that has a name here. */
const versions = ['2.1', '2.2', '2.3', '2.3.1', '2.4', '2.5', '2.5.1', '2.6', '2.7', '2.7.1', '2.8'] as const

/** Structures of the messages that are taken in or sent (spec I8); the others would only weigh. */
const structures =
  `ACK ADT_A01 ADT_A05 ADT_A39 MDM_T01 MDM_T02 OMP_O09 ORM_O01 ORP_O10 ORR_O02 ORU_R01 RAS_O17 RDE_O11 RDS_O13
  REF_I12 RGV_O15 RRD_O14 RRE_O12 RRI_I12 SIU_S12`.split(/\s+/)

/**
 * What the dictionary lacks, after HL7 v2.9: NTE §2.14.10, ORC §4.5.1, OBR §4.5.3, PRT §7.3.4, OBX §7.4.2, SPM §7.4.3.
 * CON and PRT, which it has from 2.6 and 2.7 on, and ORM_O01 and ADT_A39, which it has until 2.6, need no rows: what a
 * version does not have is read as the nearest one that has it (structure.ts).
 */
const additions: Record<string, Record<number, string>> = {
  PRT: {
    16: '2.8 Participation Device Identifier:EI',
    17: '2.8 Participation Device Manufacture Date:DTM',
    18: '2.8 Participation Device Expiry Date:DTM',
    19: '2.8 Participation Device Lot Number:ST',
    20: '2.8 Participation Device Serial Number:ST',
    21: '2.8 Participation Device Donation Identification:EI',
    22: '2.8 Participation Device Type:CNE',
    23: '2.8 Preferred Method of Contact:CWE',
    24: '2.8 Contact Identifiers:PLN',
  },
  NTE: { 9: '2.8 Coded Comment:CWE' },
  OBR: { 55: '2.8 Action Code:ID' },
  OBX: {
    27: '2.8 Root Cause:CWE',
    28: '2.8 Local Process Control:CWE',
    29: '2.8 Observation Type:ID',
    30: '2.8 Observation Sub-Type:ID',
    31: '2.8 Action Code:ID',
    32: '2.8 Observation Value Absent Reason:CWE',
    33: '2.8 Observation Related Specimen Identifier:EIP',
  },
  SPM: { 35: '2.8 Action Code:ID' },
  ORC: {
    31: '2.8 Parent Universal Service Identifier:CWE',
    32: '2.8 Advanced Beneficiary Notice Date:DT',
    33: '2.8 Alternate Placer Order Number:CX',
    34: '2.8 Order Workflow Profile:EI',
  },
}

const known: Record<string, HL7Dictionary> = dictionaries
const table: StructureTable = { versions: [...versions], segments: {}, types: {}, messages: {} }

for (const name of namesOf('segments')) {
  const parts = mergedFields((version) => known[version]?.segments[name]?.fields)
  for (const [number, entry] of Object.entries(additions[name] ?? {})) parts[Number(number) - 1] = [entry]
  const title = versions.map((version) => known[version]?.segments[name]?.desc).findLast(Boolean)
  table.segments[name] = { name: title ?? name, fields: Array.from(parts, (entries) => entries ?? []) }
}
for (const name of namesOf('types')) {
  const parts = mergedFields((version) => known[version]?.types[name]?.fields)
  if (parts.length > 0) table.types[name] = Array.from(parts, (entries) => entries ?? [])
}
for (const name of structures) {
  const entries = merged((version) => {
    const parts = known[version]?.messages[name]?.segments
    return parts && partsText(parts)
  })
  if (entries.length > 0) table.messages[name] = entries
}
process.stdout.write(`${linesOf(table)}\n`)

function namesOf(kind: 'segments' | 'types'): string[] {
  return [...new Set(versions.flatMap((version) => Object.keys(known[version]?.[kind] ?? {})))].sort()
}

function mergedFields(fieldsOf: (version: string) => Fields | undefined): string[][] {
  const last = Math.max(0, ...versions.flatMap((version) => Object.keys(fieldsOf(version) ?? {}).map(Number)))
  return Array.from({ length: last }, (_none, index) =>
    merged((version) => {
      const field = fieldsOf(version)?.[index + 1]
      return field && `${(field.desc ?? '').trim()}:${field.type}`
    }),
  )
}

/** `2.3 what it is` from the version on in which it became so; gaps are bridged (the nearest version knows best). */
function merged(textOf: (version: string) => string | undefined): string[] {
  const entries: string[] = []
  let current: string | undefined
  for (const version of versions) {
    const text = textOf(version)
    if (text === undefined || text === current) continue
    entries.push(`${version} ${text}`)
    current = text
  }
  return entries
}

/** `MSH SFT* PATIENT?(PID PD1?) ORDER+(…)`: `?` and `*` may be absent, `*` and `+` may repeat, groups hold parentheses. */
function partsText(parts: Parts): string {
  return Object.entries(parts)
    .sort(([, a], [, b]) => a.idx - b.idx)
    .map(([name, { min = 0, max, segments }]) => {
      const often = min === 0 ? (max === 1 ? '?' : '*') : max === 1 ? '' : '+'
      return segments ? `${name}${often}(${partsText(segments)})` : `${name}${often}`
    })
    .join(' ')
}

/** One segment, type or message a line, so that a change shows as one. */
function linesOf({ versions: all, ...kinds }: StructureTable): string {
  const blocks = Object.entries(kinds).map(([kind, entries]) => {
    const lines = Object.entries(entries).map(([name, entry]) => `"${name}":${JSON.stringify(entry)}`)
    return `"${kind}":{\n${lines.join(',\n')}\n}`
  })
  return `{"versions":${JSON.stringify(all)},\n${blocks.join(',\n')}}`
}
