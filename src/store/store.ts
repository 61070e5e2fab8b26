import type { Committed, CommitUnit, VersionRef } from '#core/commit.ts'
import { Failure, type FailureKind } from '#core/failure.ts'
import type { LeafMaker, Store, Stored, StoredDelivery, Vault } from '#core/ports.ts'
import type { SearchQuery } from '#core/query.ts'
import { compileUnit, placeOf, receiptKey, receiptPlace } from './commit.ts'
import * as deliveries from './delivery-statements.ts'
import type { Driver, Guard, Outcome, Row } from './driver.ts'
import { createErasure, isTombstoned } from './erasure.ts'
import { sweepExports, sweepTold } from './export-statements.ts'
import { createExports } from './exports.ts'
import { createLedgers } from './ledger.ts'
import { reindexLeft, reindexSome } from './reindex.ts'
import { erasedBox, type Tables } from './schema.ts'
import { compileSearch } from './search.ts'
import { createSearchIndex } from './search-index.ts'
import { sweepSessions } from './session-statements.ts'
import { createSessions } from './sessions.ts'
import * as statements from './statements.ts'
import { sweepEvents } from './subscription-statements.ts'
import { createSubscriptions } from './subscriptions.ts'
import type { Bound } from './template.ts'

export interface StoreOptions {
  driver: Driver
  vault: Vault
  leaves: LeafMaker
}

const eventsKeptMs = 30 * 24 * 60 * 60_000

const lost: Record<Guard, [FailureKind, string]> = {
  version: ['precondition-failed', 'The resource was changed in between: read it again and repeat'],
  receipt: ['conflict', 'This message is being taken in already'],
  nonce: ['conflict', 'This one-time value was used before'],
  attempt: ['conflict', 'This delivery attempt was settled already'],
  export: ['conflict', 'This export was changed in between'],
  event: ['conflict', 'This event is on record already'],
  ledger: ['conflict', 'Something came into the ledger in between: look again'],
  session: ['conflict', 'This session began already'],
}

/** The store over any driver: what is written is sealed, what is read is opened, here and nowhere else. */
export function createStore({ driver, vault, leaves }: StoreOptions): Store {
  const listeners: ((unit: CommitUnit) => void)[] = []
  const cachers: (() => void)[] = []
  const index = createSearchIndex(driver)
  let dataVersion = driver.dataVersion?.()

  async function rows<T>(query: Bound): Promise<T[]> {
    return (await driver.all(query)) as T[]
  }

  async function commit(unit: CommitUnit): Promise<Committed> {
    const outcome = await driver.atomically(await compileUnit(unit, { vault, leaves, index }))
    if (!outcome.ok && isTombstoned(outcome.cause)) await erasure.settleErasures(unit.audit[0]?.recorded ?? 0)
    return { leaves: settled(outcome, unit).map((row) => Number(row.position)) }
  }

  function settled(outcome: Outcome, unit: CommitUnit): Row[] {
    if (!outcome.ok) {
      const [kind, text] = lost[outcome.guard]
      throw new Failure(kind, text, { cause: outcome.cause })
    }
    for (const listen of listeners) listen(unit)
    return outcome.rows
  }

  async function openVersion(row: Tables['version']): Promise<Stored> {
    const { type, id, version, updated, box, body } = row
    if (!box || !body) return { type, id, version, updated, deleted: true, json: '' }
    const json = (await vault.open(box)).open(body, placeOf(type, id, version))
    return { type, id, version, updated, deleted: false, json }
  }

  async function openAuditEvent(row: Tables['audit_event']): Promise<Stored> {
    const json = leaves.open(row.id, row.body, await vault.open(row.box))
    return { type: 'AuditEvent', id: row.id, version: 1, updated: row.recorded, deleted: false, json }
  }

  async function read(type: string, id: string): Promise<Stored | undefined> {
    if (type === 'AuditEvent') {
      const [event] = await rows<Tables['audit_event']>(statements.readAuditEvent.bind({ id }))
      return event && openAuditEvent(event)
    }
    const [row] = await rows<Tables['version']>(statements.readCurrent.bind({ type, id }))
    return row && openVersion(row)
  }

  async function openDelivery(row: Tables['delivery']): Promise<StoredDelivery> {
    const { id, destination, state, attempt, due, created, reason, box, body } = row
    const opened = JSON.parse((await vault.open(box)).open(body, `delivery/${id}`)) as {
      resources: VersionRef[]
      patient?: StoredDelivery['patient']
      notification?: StoredDelivery['notification']
    }
    const known = { id, destination, attempt, due, created, ...opened }
    return { ...known, state: state as StoredDelivery['state'], ...(reason ? { reason } : {}) }
  }

  async function readVersion(type: string, id: string, version: number): Promise<Stored | undefined> {
    if (type === 'AuditEvent') return version === 1 ? read(type, id) : undefined
    const [row] = await rows<Tables['version']>(statements.readVersion.bind({ type, id, version }))
    return row && openVersion(row)
  }

  const erasure = createErasure({
    driver,
    vault,
    index,
    openVersion,
    read,
    compile: (unit) => compileUnit(unit, { vault, leaves, index }),
    settled(outcome, unit) {
      settled(outcome, unit)
      for (const drop of cachers) drop()
    },
  })

  return {
    ...erasure,
    ...createLedgers({ driver, vault, readVersion }),
    ...createExports({ driver, vault, openVersion }),
    ...createSubscriptions({ driver, vault }),
    ...createSessions({ driver, vault }),
    commit,
    onCommit: (listener) => void listeners.push(listener),
    onChangeElsewhere: (listener) => void cachers.push(listener),
    changedElsewhere() {
      const now = driver.dataVersion?.()
      if (now === dataVersion) return false
      dataVersion = now
      for (const drop of cachers) drop()
      return true
    },
    read,
    readVersion,

    async history(type, id, limit, before = Number.MAX_SAFE_INTEGER) {
      const found = await rows<Tables['version']>(statements.readHistory.bind({ type, id, before, limit }))
      return Promise.all(found.map(openVersion))
    },

    async changes(type, limit, before = { updated: Number.MAX_SAFE_INTEGER, id: '', version: 0 }) {
      const { updated, id, version } = before
      const bound = statements.readChanges.bind({ type, updated, id, version, limit })
      return Promise.all((await rows<Tables['version']>(bound)).map(openVersion))
    },

    async search(query: SearchQuery) {
      await index.requireComplete(query)
      const found = await rows<Tables['version'] & Tables['audit_event'] & { key: number }>(
        await compileSearch(query, vault, driver.all),
      )
      const opened = query.type === 'AuditEvent' ? found.map(openAuditEvent) : found.map(openVersion)
      const all = await Promise.all(opened)
      return found.flatMap(({ key, id }, i) => {
        const stored = all[i]
        return stored ? [{ stored, cursor: { key, id } }] : []
      })
    },

    reindex: (limit) => reindexSome({ driver, vault, index, openVersion }, limit),
    reindexLeft: () => reindexLeft({ driver, vault, index, openVersion }),

    async findReceipt(sender, messageId, body) {
      const key = receiptKey(vault, sender, messageId)
      const [row] = await rows<Tables['receipt']>(statements.findReceipt.bind({ key }))
      if (!row) return undefined
      if (row.box === erasedBox) return { outcome: 'erased' }
      if (!row.hash || !row.box || !row.answer) return { outcome: 'purged' }
      if (body && !equal(row.hash, vault.mac('receipt-body', body))) return { outcome: 'differs' }
      return { outcome: 'same', answer: (await vault.open(row.box)).open(row.answer, receiptPlace(key)) }
    },

    async claimDeliveries(now, leaseMs, limit, { room, underway } = { room: limit, underway: {} }) {
      const claim = deliveries.claimDeliveries.bind({
        now,
        lease: now + leaseMs,
        limit,
        room,
        underway: JSON.stringify(underway),
      })
      return Promise.all((await rows<Tables['delivery']>(claim)).map(openDelivery))
    },
    async deliveries(limit) {
      return Promise.all(
        (await rows<Tables['delivery']>(deliveries.listDeliveries.bind({ limit }))).map(openDelivery),
      )
    },
    async nextDelivery(notBefore = {}) {
      const next = deliveries.nextDelivery.bind({ notBefore: JSON.stringify(notBefore) })
      const [row] = await rows<{ due: number | null }>(next)
      return row?.due ?? undefined
    },
    async requeueDelivery(id, due, audit) {
      const [row] = await rows<{ state: string }>(deliveries.deliveryState.bind({ id }))
      if (!row) throw new Failure('not-found', 'There is no such delivery')
      if (!['dead', 'stopped'].includes(row.state)) {
        throw new Failure(
          'conflict',
          `This delivery is ${row.state}: only a dead or stopped one is taken up again`,
        )
      }
      const unit = await compileUnit({ audit }, { vault, leaves, index })
      await driver.atomically([deliveries.requeueDelivery.bind({ delivery: id, due }), ...unit])
    },

    async findRegistration(kind, id) {
      const [row] = await rows<Tables['registration']>(statements.findRegistration.bind({ kind, id }))
      return row && openRegistration(row)
    },
    async registrations(kind) {
      const found = await rows<Tables['registration']>(statements.listRegistrations.bind({ kind }))
      return Promise.all(found.map(async (row) => ({ id: row.id, json: await openRegistration(row) })))
    },
    async counters() {
      const found = await rows<Tables['counter']>(statements.listCounters.bind({}))
      return Object.fromEntries(found.map(({ name, value }) => [name, value]))
    },
    async hasNonce(issuer, value) {
      const found = await rows(statements.findNonce.bind({ key: vault.mac('nonce', issuer, value) }))
      return found.length > 0
    },
    async sweep(now) {
      await erasure.settleErasures(now)
      await driver.atomically([
        statements.sweepNonces.bind({ now }),
        sweepSessions.bind({ now }),
        sweepExports.bind({ now }),
        sweepTold.bind({}),
        sweepEvents.bind({ before: now - eventsKeptMs }),
      ])
    },

    async logSize() {
      const [row] = await rows<{ size: number }>(statements.logSize.bind({}))
      return row?.size ?? 0
    },
    async logRows(from, limit) {
      const found = await rows<Row>(statements.logRows.bind({ from, limit }))
      return found.map((row) => ({
        position: row.position as number,
        eventId: row.event as string,
        entry: row.entry as Uint8Array,
        ...(row.body ? { sealed: row.body as Uint8Array, box: row.box as string } : {}),
      }))
    },
    async logPosition(event) {
      const [row] = await rows<{ position: number }>(statements.logPosition.bind({ event }))
      return row?.position
    },
    checkpoints: () => rows(statements.listCheckpoints.bind({})),
    lastCheckpoint: async () => (await rows<Tables['checkpoint']>(statements.lastCheckpoint.bind({})))[0],
    async addCheckpoint(row) {
      await driver.atomically([statements.addCheckpoint.bind(row)])
    },
    async anchoredSize() {
      const [row] = await rows<{ size: number }>(statements.anchoredSize.bind({}))
      return row?.size ?? 0
    },
    async addAnchored(size) {
      await driver.atomically([statements.addAnchored.bind({ size })])
    },

    async tileCount(level) {
      const [row] = await rows<{ count: number }>(statements.tileCount.bind({ level }))
      return row?.count ?? 0
    },
    async tile(level, number) {
      const [row] = await rows<{ hashes: Uint8Array }>(statements.readTile.bind({ level, number }))
      return row?.hashes
    },
    async tileRoots(level, from, limit) {
      const found = await rows<{ root: Uint8Array }>(statements.tileRoots.bind({ level, from, limit }))
      return found.map(({ root }) => root)
    },
    async addTiles(tiles) {
      await driver.atomically(tiles.map((each) => statements.addTile.bind({ ...each })))
    },
    close: () => driver.close(),
  }

  async function openRegistration(row: Tables['registration']): Promise<string> {
    return (await vault.open(row.box)).open(row.body, `registration/${row.kind}/${row.id}`)
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
