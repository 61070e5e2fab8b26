import type { Caller } from '#core/caller.ts'
import type { Flow } from '#core/flow.ts'
import type { Artifacts } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import { coverageCounts, type FieldCoverage, type IgnoreTable, watchReads } from '#formats/hl7v2/coverage.ts'
import type { SourceTree } from '#formats/hl7v2/source.ts'
import type { Coverage } from './receipt.ts'
import type { Transformer } from './transform.ts'

const tables = new WeakMap<Artifacts['ignored'], Map<string, IgnoreTable>>()

/** What every flow leaves out, and what those with this mapping do: put together once. */
export function ignoreTable(ignored: Artifacts['ignored'], mapping: string): IgnoreTable {
  const known = tables.get(ignored) ?? new Map<string, IgnoreTable>()
  tables.set(ignored, known)
  const table = known.get(mapping) ?? { ...ignored.get('hl7v2'), ...ignored.get(mapping) }
  known.set(mapping, table)
  return table
}

/** More places than this say no more. */
const maxPlaces = 100

/** Counts, and the places without their values. */
export function coverageOf(fields: readonly FieldCoverage[]): Coverage {
  const places = fields.flatMap(({ segment, field, state, unread = [] }) =>
    state === 'unknown'
      ? [`${segment}-${field}`]
      : unread.map((component) => `${segment}-${field}.${component}`),
  )
  return { ...coverageCounts(fields), places: [...new Set(places)].slice(0, maxPlaces) }
}

export interface CoverageQuestion {
  /** A flow of the HL7 v2 door. */
  flow: Flow<SourceTree>
  body: Uint8Array
  caller: Caller
  /** IANA zone of times without offset. */
  timeZone: string
}

/**
 * What a flow makes of each populated field of a message (I9), found by taking it through the mapping once more and
 * watching what is read: by the persons and organizations it names, its attestation and its mapping. The rules of care
 * read too, but nothing is made of what they read. Throws the Failure by which a rule refuses it.
 */
export async function fieldCoverage(
  { flow, body, caller, timeZone }: CoverageQuestion,
  transformer: Transformer,
  ignored: IgnoreTable,
): Promise<FieldCoverage[]> {
  const plain = flow.read(body, { timeZone })
  for (const rule of flow.rules) rule(plain, caller)
  const { source, coverage } = watchReads(plain)
  const references: Record<string, Reference> = {}
  for (const { slot, type } of flow.parties(source)) references[slot] = `${type}/${slot}`
  await transformer.transform(flow, source, {
    caller,
    body,
    messageId: flow.messageId(plain),
    received: 0,
    references,
  })
  return coverage(ignored)
}
