/** npm run coverage:hl7v2: of all third-party messages, by type, the share of populated fields mapped, ignored by rule and unknown. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import { flows } from '#flows/index.ts'
import { decodeText, encodeText } from '#formats/hl7v2/charset.ts'
import { coverageCounts, type FieldCoverage } from '#formats/hl7v2/coverage.ts'
import { headerOf } from '#formats/hl7v2/header.ts'
import { readMessage } from '#formats/hl7v2/message.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'
import type { SourceTree } from '#formats/hl7v2/source.ts'
import { readArtifacts } from '#intake/artifact-folder.ts'
import { fieldCoverage } from '#intake/field-coverage.ts'
import { createTransformer } from '#intake/transform.ts'

const root = join(import.meta.dirname, '../..')

export interface TypeCoverage {
  messages: number
  refused: string[]
  fields: FieldCoverage[]
}

const caller: Caller = {
  clientId: 'interface',
  name: 'Interface',
  role: 'platform',
  scopes: [],
  actors: ['Organization/interface'],
  purpose: 'TREAT',
  // Without the grant orders come in as drafts, which directions that contradict the structure only mark.
  grants: [],
}

const transformer = createTransformer({
  artifacts: readArtifacts(root),
  digest: () => 'not asked for',
  deriveId: (...parts) => parts.slice(2).join('.'),
  restoreDecimals: (resource) => resource,
})

/** Coverage of every third-party message of a type that is taken in, by `RDE^O11`. */
export async function coverageOfAll(): Promise<Map<string, TypeCoverage>> {
  const folder = join(root, 'fixtures/third-party/hl7v2')
  const all = new Map<string, TypeCoverage>()
  const seen = new Set<string>()
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf-8' }).sort()) {
    if (!file.endsWith('.hl7')) continue
    const { text, charset } = decodeText(new Uint8Array(readFileSync(join(folder, file))))
    for (const each of messagesOf(splitPayload(text))) {
      const { type, trigger } = headerOf(readMessage(each, charset))
      const kind = `${type}^${trigger}`
      const flow = flows.find(({ door }) => door.kind === 'hl7v2' && door.messageTypes.includes(kind))
      if (!flow || seen.has(each)) continue
      seen.add(each)
      const found = all.get(kind) ?? { messages: 0, refused: [], fields: [] }
      all.set(kind, found)
      await cover(found, flow as Flow<SourceTree>, encodeText(each, charset), file)
    }
  }
  return all
}

async function cover(
  found: TypeCoverage,
  flow: Flow<SourceTree>,
  body: Uint8Array,
  file: string,
): Promise<void> {
  found.messages++
  try {
    found.fields.push(
      ...(await fieldCoverage(
        { flow, body, caller, timeZone: 'America/Chicago' },
        transformer,
        ignored(flow.mapping),
      )),
    )
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    found.refused.push(`${file}: ${cause.message}`)
  }
}

function ignored(mapping: string): Record<string, string> {
  const read = (name: string) => JSON.parse(readFileSync(join(root, `mappings/ignored/${name}.json`), 'utf8'))
  return { ...read('hl7v2'), ...read(mapping) }
}

if (import.meta.main) {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  for (const [kind, { messages, refused, fields }] of await coverageOfAll()) {
    const counts = coverageCounts(fields)
    const share = (count: number) => `${((100 * count) / (fields.length || 1)).toFixed(1)} %`
    say(
      `${kind}: ${messages - refused.length} of ${messages} messages taken, ${fields.length} fields: ` +
        `${share(counts.mapped)} mapped, ${share(counts.ignored)} ignored by rule, ${share(counts.unknown)} unknown`,
    )
    const unknown = new Set(
      fields.filter(({ state }) => state === 'unknown').map((each) => `${each.segment}-${each.field}`),
    )
    if (unknown.size > 0) say(`  unknown: ${[...unknown].join(' ')}`)
    const unread = new Set(
      fields.flatMap((each) =>
        (each.unread ?? []).map((component) => `${each.segment}-${each.field}.${component}`),
      ),
    )
    if (unread.size > 0) say(`  components nobody reads: ${[...unread].join(' ')}`)
    for (const reason of refused) say(`  refused ${reason}`)
  }
}
