/**
 * Writes what the field-presence oracle asks, from folders of third-party cases. Run by hand when those change:
 *
 *     node test/fields/write-oracle.ts <messages> <tables>
 *
 * - `<messages>/<set>/<name>.hl7` with some converter's FHIR beside it (`.expected.fhir.json`, `.source.fhir.json`):
 *   fixtures/third-party/hl7v2/<set>/facts.json gets, by message and FHIR path, those values that the message has too.
 *   The bundles themselves are 25 MB and wrong in known places: as facts that the message confirms they are neither.
 * - `<tables>/ig/seg_*.csv` and `<tables>/gap_0*.csv`: fixtures/third-party/v2-to-fhir/fields.json gets, by field, the
 *   FHIR elements into which the official tables or what fills their gaps map it.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeText } from '#formats/hl7v2/charset.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'
import { comparable, type Facts, factsOf, placesOf } from './fhir-facts.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/third-party')
const [messages = '', tables = ''] = process.argv.slice(2)

/** Families of message types that are or will be taken in (docs/hl7v2.md). */
const families = /\|(?:RDE|OMP|ORM|RDS|RGV|RAS|RRE|ORP|RRD|ORR|MDM|ORU|ADT|SIU|REF|RRI)\^/

/** Longer values are files. */
const maxLength = 1000

/** Elements that each converter fills by rules of its own. */
const madeUp = /\.(?:system|assigner)\b/

for (const set of readdirSync(messages, { withFileTypes: true })) {
  if (!set.isDirectory()) continue
  const found: Record<string, Facts> = {}
  for (const file of readdirSync(join(messages, set.name)).sort()) {
    const facts = file.endsWith('.hl7') ? confirmedFacts(join(messages, set.name, file)) : undefined
    if (facts) found[file] = facts
  }
  if (Object.keys(found).length > 0) write(join(fixtures, 'hl7v2', set.name, 'facts.json'), found)
}
write(join(fixtures, 'v2-to-fhir/fields.json'), mappedFields())

function confirmedFacts(path: string): Facts | undefined {
  const beside = ['.expected.fhir.json', '.source.fhir.json']
    .map((ending) => path.replace(/\.hl7$/, ending))
    .filter((file) => existsSync(file))
  const { text, charset } = decodeText(new Uint8Array(readFileSync(path)))
  if (beside.length === 0 || !families.test(text.slice(0, 400))) return undefined
  const places = new Set(
    messagesOf(splitPayload(text)).flatMap((each) => [...placesOf(each, charset).keys()]),
  )
  const facts = factsOf(beside.map((file) => JSON.parse(readFileSync(file, 'utf8'))))
  const isConfirmed = (value: string) => value.length <= maxLength && places.has(comparable(value))
  const confirmed = Object.entries(facts)
    .filter(([element]) => !madeUp.test(element))
    .map(([element, values]) => [element, values.filter(isConfirmed)] as const)
    .filter(([, values]) => values.length > 0)
  return Object.fromEntries(confirmed.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function mappedFields(): Record<string, string[]> {
  const found = new Map<string, Set<string>>()
  const add = (field: string, element: string) => {
    found.set(field, (found.get(field) ?? new Set()).add(element))
  }
  for (const file of readdirSync(join(tables, 'ig')).filter((name) => name.startsWith('seg_'))) {
    const type = file.split('_')[2]?.replace('.csv', '') ?? ''
    for (const row of rowsOf(join(tables, 'ig', file))) {
      if (row.fhir_attribute && row.v2_field) add(row.v2_field, `${type}.${row.fhir_attribute}`)
    }
  }
  // gap_08 is for what is sent.
  for (const file of readdirSync(tables).filter((name) => /^gap_0[1-7].*\.csv$/.test(name))) {
    for (const row of rowsOf(join(tables, file))) {
      for (const field of fieldsNamed(row.v2_field ?? '')) if (row.fhir_path) add(field, row.fhir_path)
    }
  }
  return Object.fromEntries(
    [...found]
      .filter(([field]) => /^[A-Z][A-Z0-9]{2}-\d+$/.test(field))
      .sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
      .map(([field, elements]) => [field, [...elements]]),
  )
}

/** `RXD-18/19/20`, `RXR-1,2,4,5` and `RXE-3 / RXE-4`: every field that is meant. */
function fieldsNamed(text: string): string[] {
  return [...text.matchAll(/([A-Z][A-Z0-9]{2})-(\d+(?:\s*[/,]\s*\d+)*)/g)].flatMap(
    ([, segment, numbers = '']) => numbers.split(/[/,]/).map((number) => `${segment}-${number.trim()}`),
  )
}

function rowsOf(path: string): Record<string, string>[] {
  const [head = [], ...rows] = csv(readFileSync(path, 'utf8'))
  return rows.map((row) => Object.fromEntries(head.map((name, index) => [name, row[index] ?? ''])))
}

/** RFC 4180. */
function csv(text: string): string[][] {
  const rows: string[][] = [[]]
  for (const [, quoted, plain = '', end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    rows.at(-1)?.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'))
    if (end !== ',' && end !== '') rows.push([])
    if (end === '') break
  }
  return rows.filter((row) => row.length > 1)
}

/** One message or field a line. */
function write(path: string, entries: Record<string, unknown>): void {
  const lines = Object.entries(entries).map(
    ([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  )
  writeFileSync(path, `{\n${lines.join(',\n')}\n}\n`)
}
