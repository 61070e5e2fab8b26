/**
 * npm run coverage:hl7v2: of all third-party messages, by type, the share of populated fields mapped, ignored by rule and
 * unknown; `-- --write` puts the table into docs/hl7v2.md, and beside it what facts are left out and which are kept
 * elsewhere.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { coverageCounts } from '#formats/hl7v2/coverage.ts'
import { root } from './corpus.ts'
import { fieldPresence } from './field-presence.ts'
import { elsewhereTable } from './kept-elsewhere.ts'
import { leftOutTable } from './left-out.ts'
import { coverageOfAll, type TypeCoverage } from './message-coverage.ts'

/** The table of docs/hl7v2.md. */
export function coverageTable(all: ReadonlyMap<string, TypeCoverage>): string {
  const rows = [...all]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, { messages, refused, fields }]) => {
      const { mapped, ignored, unknown } = coverageCounts(fields)
      const shares = [mapped, ignored, unknown].map((count) => share(count, fields.length))
      return [kind, `${messages - refused.length} of ${messages}`, String(fields.length), ...shares]
    })
  const head = ['type', 'messages taken', 'populated fields', 'mapped', 'ignored by rule', 'unknown']
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('')
}

function share(count: number, all: number): string {
  return all === 0 ? '–' : `${((100 * count) / all).toFixed(1)} %`
}

const page = join(root, 'docs/hl7v2.md')

/** Tables of docs/hl7v2.md that are written here, by the name of their marks. */
type Table = 'coverage' | 'left-out' | 'elsewhere'

const placeOf = (table: Table) => new RegExp(`(?<=<!-- ${table} -->\\n)[\\s\\S]*(?=<!-- /${table} -->)`)

/** A table as the page has it. */
export function printedTable(table: Table): string {
  return placeOf(table).exec(readFileSync(page, 'utf8'))?.[0] ?? ''
}

function printTable(table: Table, text: string): void {
  writeFileSync(
    page,
    readFileSync(page, 'utf8').replace(placeOf(table), () => text),
  )
}

if (import.meta.main) {
  const all = await coverageOfAll()
  if (process.argv.includes('--write')) {
    const presence = await fieldPresence()
    printTable('coverage', coverageTable(all))
    printTable('left-out', leftOutTable(presence.lost, presence.facts))
    printTable('elsewhere', elsewhereTable())
  }
  process.stdout.write(`${coverageTable(all)}${[...all].map(detailsOf).join('')}`)
}

function detailsOf([kind, { refused, fields }]: [string, TypeCoverage]): string {
  const unknown = fields
    .filter(({ state }) => state === 'unknown')
    .map((each) => `${each.segment}-${each.field}`)
  const unread = fields.flatMap((each) =>
    (each.unread ?? []).map((component) => `${each.segment}-${each.field}.${component}`),
  )
  const lines = [
    ...(unknown.length > 0 ? [`unknown: ${[...new Set(unknown)].join(' ')}`] : []),
    ...(unread.length > 0 ? [`components nobody reads: ${[...new Set(unread)].join(' ')}`] : []),
    ...refused.map((each) => `refused ${each}`),
  ]
  return lines.map((line) => `${kind}  ${line}\n`).join('')
}
