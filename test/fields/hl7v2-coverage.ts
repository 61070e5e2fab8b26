/** npm run coverage:hl7v2: of all third-party messages, by type, the share of populated fields mapped, ignored by rule and unknown. */
import { Failure } from '#core/failure.ts'
import { coverageCounts, type FieldCoverage } from '#formats/hl7v2/coverage.ts'
import { fieldCoverage } from '#intake/field-coverage.ts'
import { callerWith, transformer } from '../flows/replay.ts'
import { ignoreTableOf, supportedMessages, type ThirdPartyMessage } from './corpus.ts'

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
