import type { CommitUnit } from '#core/commit.ts'
import type { Erasure, ErasureStore, PatientRecord, RecordedResource } from '#core/erasure.ts'
import type { Box, Stored, Vault } from '#core/ports.ts'
import type { Identified, Reference } from '#core/resource.ts'
import { placeOf } from './commit.ts'
import type { Driver, Outcome, Statement } from './driver.ts'
import * as statements from './erasure-statements.ts'
import { indexRows } from './index-rows.ts'
import { placeOfEntry } from './ledger.ts'
import type { Tables } from './schema.ts'
import type { SearchIndex } from './search-index.ts'
import type { SearchParameter } from './search-parameters.ts'
import { searchRows } from './search-rows.ts'
import * as rows from './statements.ts'
import { insertTokens } from './token-rows.ts'

export interface ErasurePorts {
  driver: Driver
  vault: Vault
  index: SearchIndex
  openVersion(row: Tables['version']): Promise<Stored>
  read(type: string, id: string): Promise<Stored | undefined>
  compile(unit: CommitUnit): Promise<Statement[]>
  /** Rejects for a violated guard; tells the listeners of a commit, and that caches hold nothing true any more. */
  settled(outcome: Outcome, unit: CommitUnit): void
}

/** A patient's record and its end (core/erasure). */
export function createErasure(ports: ErasurePorts): ErasureStore {
  const { driver, vault } = ports

  async function all<T>(bound: Statement): Promise<T[]> {
    return (await driver.all(bound)) as T[]
  }

  async function settleErasures(at: number) {
    const known = new Set(
      (await all<{ box: string }>(statements.listTombstones.bind({}))).map(({ box }) => box),
    )
    const destroyed = new Set(await vault.destroyed())
    const due = [...known].filter((box) => !destroyed.has(box))
    for (const box of due) await vault.destroy(box)
    for (const box of known) vault.forget(box)
    const restored = [...destroyed].filter((box) => !known.has(box))
    for (const box of restored) await driver.atomically(unopenedEnd(box, at))
    if (restored.length > 0 || due.length > 0) await driver.truncateLog?.()
    return { keys: due.length, restored: restored.length }
  }

  return {
    findRecord: (patient) => findRecord(ports, patient),
    async erase(erasure, unit) {
      const unitOf = await erasureStatements(ports, erasure)
      ports.settled(await driver.atomically([...unitOf, ...(await ports.compile(unit))]), unit)
      await settleErasures(erasure.at)
    },
    settleErasures,
  }
}

async function findRecord(ports: ErasurePorts, patient: Reference): Promise<PatientRecord | undefined> {
  const { driver, vault, openVersion, read } = ports
  const box = await vault.find(patient)
  if (!box) return undefined
  const key = { box: box.keyId }
  const versions = (await driver.all(statements.listVersions.bind(key))) as unknown as Tables['version'][]
  // The last of each is the newest that has a body.
  const last = new Map(versions.map((row) => [`${row.type}/${row.id}` as Reference, row]))
  const resources: RecordedResource[] = []
  for (const [reference, row] of last) {
    const opened = await openVersion(row)
    const stored = (await read(row.type, row.id)) ?? opened
    resources.push({ reference, stored, resource: JSON.parse(opened.json) as Identified })
  }
  const deliveries = await driver.all(statements.listDeliveries.bind(key))
  const open = deliveries.filter(isOpen).length
  return {
    key: box.keyId,
    versions: versions.length,
    resources,
    deliveries: { open, settled: deliveries.length - open },
    receipts: Number((await driver.all(statements.countReceipts.bind(key)))[0]?.count),
    events: Number((await driver.all(statements.countEvents.bind(key)))[0]?.count),
    ledgerEntries: (await driver.all(statements.listLedger.bind(key))).length,
  }
}

/** In this order: the key counts as destroyed before rows of the ledger may go (migrations). */
async function erasureStatements(ports: ErasurePorts, erasure: Erasure): Promise<Statement[]> {
  const { driver, vault, index } = ports
  const { patient, record, keeps, accounts, at } = erasure
  const box = record.key
  const versions = (await driver.all(statements.listVersions.bind({ box }))) as unknown as Tables['version'][]
  const former = (await index.building()).flatMap((each) =>
    each.former.map((one) => ({ ...one, type: each.type })),
  )
  const next = keeps.size > 0 ? await vault.next(patient) : undefined
  const old = await vault.open(box)
  const parts: Statement[][] = []
  for (const { reference, stored, resource } of record.resources) {
    const formerOfType = former.filter((each) => each.type === stored.type)
    if (!next || !keeps.has(reference))
      parts.push(await gone(vault, { stored, resource, box, former: formerOfType }))
    else if (!stored.deleted) parts.push(indexedAnew({ resource, former: formerOfType, old, next }))
  }
  const kept = versions.filter(({ type, id }) => keeps.has(`${type}/${id}`))
  return [
    { ...statements.expectVersions.bind({ box, count: record.versions }), guard: 'version' },
    statements.addTombstone.bind({ box, at }),
    ...parts.flat(),
    ...(next ? kept.flatMap((row) => resealed(row, old, next)) : []),
    ...(next ? await keptBeside(driver, { box, keeps, old, next }) : []),
    ...Object.values(statements.withKey).map((each) => each.bind({ box })),
    ...accounts.map((id) => statements.deleteAccount.bind({ id })),
  ]
}

interface Gone extends Pick<RecordedResource, 'stored' | 'resource'> {
  box: string
  former: readonly SearchParameter[]
}

async function gone(vault: Vault, { stored, resource, box, former }: Gone): Promise<Statement[]> {
  const { type, id, deleted } = stored
  const found = deleted ? [] : [await searchRows(resource, vault)]
  if (!deleted && former.length > 0) found.push(await searchRows(resource, vault, former))
  return [
    ...found.flatMap(({ hashes }) => hashes.map((hash) => rows.deleteToken.bind({ hash, id }))),
    statements.deleteAllDates.bind({ id, from: `${type}.`, until: `${type}/` }),
    statements.deleteWaiting.bind({ type, id }),
    statements.deleteBacklogOf.bind({ type, id }),
    statements.deleteVersions.bind({ type, id, box }),
    statements.deleteDeletions.bind({ type, id }),
  ]
}

/** Telling codes are hashed under the patient's own key: of what stays, they are hashed under the next one. */
function indexedAnew(of: {
  resource: Identified
  former: readonly SearchParameter[]
  old: Box
  next: Box
}): Statement[] {
  const { resource, former, old, next } = of
  const { resourceType: type, id } = resource
  const telling = (box: Box, parameters?: readonly SearchParameter[]) =>
    indexRows(resource, parameters)
      .tokens.filter((row) => row.perPatient)
      .map((row) => box.index(`${type}.${row.param}`, row.value))
  const before = [...telling(old), ...(former.length > 0 ? telling(old, former) : [])]
  return [
    ...before.map((hash) => rows.deleteToken.bind({ hash, id })),
    ...insertTokens(id, telling(next)),
    ...(former.length > 0 ? insertTokens(id, telling(next, former)) : []),
  ]
}

function resealed({ type, id, version, body }: Tables['version'], old: Box, next: Box): Statement[] {
  if (!body) return []
  const place = placeOf(type, id, version)
  return [
    statements.resealVersion.bind({
      type,
      id,
      version,
      box: next.keyId,
      body: next.seal(old.open(body, place), place),
    }),
  ]
}

/**
 * What goes on with what stays: the ledger, which is the evidence of what was signed, and deliveries that are on their
 * way with nothing but what stays.
 */
async function keptBeside(
  driver: Driver,
  { box, keeps, old, next }: { box: string; keeps: ReadonlySet<Reference>; old: Box; next: Box },
): Promise<Statement[]> {
  const ledger = (await driver.all(
    statements.listLedger.bind({ box }),
  )) as unknown as Tables['ledger_entry'][]
  const open = (await driver.all(statements.listDeliveries.bind({ box }))).filter(isOpen)
  const sealedAnew = (body: Uint8Array, place: string) => next.seal(old.open(body, place), place)
  return [
    ...ledger.map(({ id, body }) =>
      statements.resealLedger.bind({ id, box: next.keyId, body: sealedAnew(body, placeOfEntry(id)) }),
    ),
    ...(open as unknown as Tables['delivery'][]).flatMap(({ id, body }) => {
      const place = `delivery/${id}`
      const { resources } = JSON.parse(old.open(body, place)) as { resources: { type: string; id: string }[] }
      const stays = resources.every((each) => keeps.has(`${each.type}/${each.id}`))
      return stays
        ? [statements.resealDelivery.bind({ id, box: next.keyId, body: sealedAnew(body, place) })]
        : []
    }),
  ]
}

function isOpen({ state }: Record<string, unknown>): boolean {
  return state === 'queued' || state === 'claimed'
}

/** The end of rows that came back with a backup after their key was destroyed. */
function unopenedEnd(box: string, at: number): Statement[] {
  const { tokens, dates, deletions, versions } = statements.unopened
  return [
    statements.addTombstone.bind({ box, at }),
    ...[tokens, dates, deletions, versions].map((each) => each.bind({ box })),
    ...Object.values(statements.withKey).map((each) => each.bind({ box })),
  ]
}

/** Commits of this process and of others may come with a key that another one destroyed meanwhile. */
export function isTombstoned(cause: unknown): boolean {
  return cause instanceof Error && cause.message.includes('the key was destroyed')
}
