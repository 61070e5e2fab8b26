/**
 * npm run coverage:hl7v2: of all third-party messages, by type, the share of populated fields mapped, ignored by rule and
 * unknown; `-- --write` puts the table into docs/hl7v2.md.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '#core/failure.ts'
import { coverageCounts, type FieldCoverage } from '#formats/hl7v2/coverage.ts'
import { fieldCoverage } from '#intake/field-coverage.ts'
import { callerWith, transformer } from '../flows/replay.ts'
import { ignoreTableOf, root, supportedMessages, type ThirdPartyMessage } from './corpus.ts'

export interface TypeCoverage {
  messages: number
  refused: string[]
  fields: FieldCoverage[]
}

/** Coverage of every third-party message of a type that is taken in, by `RDE^O11`. */
export async function coverageOfAll(): Promise<Map<string, TypeCoverage>> {
  const all = new Map<string, TypeCoverage>()
  for (const message of supportedMessages()) {
    const found = all.get(message.kind) ?? { messages: 0, refused: [], fields: [] }
    all.set(message.kind, found)
    found.messages++
    try {
      found.fields.push(...(await coverageOf(message)))
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause
      found.refused.push(`${message.file}: ${cause.message}`)
    }
  }
  return all
}

/** Throws the Failure that refuses the message. */
export function coverageOf({ flow, body }: ThirdPartyMessage): Promise<FieldCoverage[]> {
  // Without the grant orders come in as drafts, which directions that contradict the structure only mark.
  const question = { flow, body, caller: callerWith([]), timeZone: 'America/Chicago' }
  return fieldCoverage(question, transformer, ignoreTableOf(flow.mapping))
}

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
const place = /(?<=<!-- coverage -->\n)[\s\S]*(?=<!-- \/coverage -->)/

/** The table as the page has it. */
export function printedTable(): string {
  return place.exec(readFileSync(page, 'utf8'))?.[0] ?? ''
}

if (import.meta.main) {
  const all = await coverageOfAll()
  if (process.argv.includes('--write')) {
    writeFileSync(page, readFileSync(page, 'utf8').replace(place, coverageTable(all)))
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
