import { Failure } from '#core/failure.ts'
import type { Reindexed, Stored, Vault } from '#core/ports.ts'
import type { Identified } from '#core/resource.ts'
import type { Driver, Statement } from './driver.ts'
import * as statements from './reindex-statements.ts'
import type { Tables } from './schema.ts'
import type { Building, SearchIndex } from './search-index.ts'
import type { SearchParameter } from './search-parameters.ts'
import { searchRows } from './search-rows.ts'

export interface ReindexPorts {
  driver: Driver
  vault: Vault
  index: SearchIndex
  openVersion(row: Tables['version']): Promise<Stored>
}

/**
 * The next resources of one type get the rows of the parameters that changed, and lose those of their former definitions.
 * How far it came stands in the same atomic unit, so that it goes on from there whatever happens; a resource that is
 * written in between keeps the rows that its write brought.
 */
export async function reindexSome(ports: ReindexPorts, limit: number): Promise<Reindexed> {
  const { driver, index } = ports
  const all = await index.refresh()
  const [first] = all
  if (!first) return { parameters: [], done: 0, left: 0, unreadable: 0 }
  const parts = all.filter(({ type, reached }) => type === first.type && reached === first.reached)
  const bound = statements.readBatch.bind({ type: first.type, after: first.reached, limit })
  const batch = (await driver.all(bound)) as unknown as Tables['version'][]
  const made = await Promise.all(batch.map((row) => rowsAnew(ports, parts, row)))
  const params = JSON.stringify(parts.map(({ param }) => param))
  const last = batch.at(-1)
  const progress =
    batch.length < limit || !last
      ? [statements.completeIndexes.bind({ params }), statements.forgetIndexes.bind({ params })]
      : [statements.reachIndexes.bind({ params, reached: last.id })]
  await driver.atomically([...made.flatMap((each) => each ?? []), ...progress])
  const unreadable = made.filter((each) => each === undefined).length
  return { ...(await reindexLeft(ports)), done: batch.length, unreadable }
}

/** What is left of it. */
export async function reindexLeft({
  driver,
  index,
}: ReindexPorts): Promise<Omit<Reindexed, 'done' | 'unreadable'>> {
  const all = await index.refresh()
  const begun = new Map(all.map(({ type, reached }) => [`${type} ${reached}`, { type, after: reached }]))
  let left = 0
  for (const { type, after } of begun.values()) {
    const [row] = await driver.all(statements.countAfter.bind({ param: `${type}._lastUpdated`, after }))
    left += Number(row?.count ?? 0)
  }
  return { parameters: all.map(({ param }) => param), left }
}

/** Undefined for a body that cannot be opened: its key is gone, and nobody finds or reads it any more. */
async function rowsAnew(
  { vault, openVersion }: ReindexPorts,
  parts: readonly Building[],
  row: Tables['version'],
): Promise<Statement[] | undefined> {
  const { type, id, version } = row
  const resource = await opened(openVersion, row)
  if (resource === 'deleted') return []
  if (!resource) return undefined
  const former = parts.flatMap((part) => part.former)
  const wanted = parts.flatMap(({ parameter }): SearchParameter[] => (parameter ? [parameter] : []))
  const gone = await searchRows(resource, vault, former)
  const made = await searchRows(resource, vault, wanted)
  const of = (rows: unknown) => ({ type, id, version, rows: JSON.stringify(rows) })
  return [
    statements.deleteTokensOf.bind(of(gone.hashes.map(hex))),
    statements.deleteDatesOf.bind(of([...new Set([...gone.params, ...made.params])])),
    statements.insertTokensOf.bind(of(made.hashes.map(hex))),
    statements.insertDatesOf.bind(of(made.dates)),
  ]
}

async function opened(
  openVersion: ReindexPorts['openVersion'],
  row: Tables['version'],
): Promise<Identified | 'deleted' | undefined> {
  try {
    const { deleted, json } = await openVersion(row)
    return deleted ? 'deleted' : JSON.parse(json)
  } catch (cause) {
    if (cause instanceof Failure && cause.kind === 'internal') return undefined
    throw cause
  }
}

function hex(hash: Uint8Array): string {
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
