import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import {
  isEvidence,
  type LateEntry,
  type LedgerEntry,
  type LedgerStore,
  ledgerText,
  type NewLedgerEntry,
  type ReceivedEntry,
} from '#core/ledger.ts'
import type { Stored, Vault } from '#core/ports.ts'
import type { Identified, Reference } from '#core/resource.ts'
import { sha256 } from '#vault/crypto.ts'
import type { Driver, Statement } from './driver.ts'
import * as statements from './ledger-statements.ts'
import type { Tables } from './schema.ts'

interface LedgerPorts {
  driver: Driver
  vault: Vault
  readVersion(type: string, id: string, version: number): Promise<Stored | undefined>
}

/** What the store does for ledgers beside appending what comes in. */
export function createLedgers({ driver, vault, readVersion }: LedgerPorts): LedgerStore {
  async function openText({ id, box, body }: Pick<Tables['ledger_entry'], 'id' | 'box' | 'body'>) {
    return JSON.parse((await vault.open(box)).open(body, placeOfEntry(id))) as {
      patient: Reference
      text: string
    }
  }

  /** The statements that give one version of an earlier release its entry. */
  async function caughtUp({ seq, type, id, version }: Tables['ledger_backlog']): Promise<Statement[]> {
    const done = statements.deleteBacklog.bind({ seq })
    const stored = await readable(() => readVersion(type, id, version))
    if (!stored) return [done]
    const before = stored.deleted ? await readable(() => readVersion(type, id, version - 1)) : stored
    if (!before || before.deleted) return [done]
    const resource = JSON.parse(before.json) as Identified
    const evidence = {
      resource,
      json: stored.json,
      version,
      updated: stored.updated,
      deleted: stored.deleted,
    }
    return [...(await evidenceStatements(evidence, vault)), done]
  }

  return {
    async ledger(patient, from, limit) {
      if ((await driver.all(statements.backlog.bind({ limit: 1 }))).length > 0)
        throw new Failure('unavailable', 'The ledgers are being completed after an upgrade: try again')
      const bound = statements.listEntries.bind({ chain: chainOf(vault, patient), from, limit })
      const rows = (await driver.all(bound)) as unknown as Tables['ledger_entry'][]
      return Promise.all(
        rows.map(async (row) => {
          const { position, hash } = row
          return { position, hash, text: (await openText(row)).text }
        }),
      )
    },
    async completeLedgers(limit) {
      const rows = (await driver.all(
        statements.backlog.bind({ limit }),
      )) as unknown as Tables['ledger_backlog'][]
      for (const row of rows) await driver.atomically(await caughtUp(row))
      return rows.length === limit
    },
    async lateEntries(limit) {
      const rows = (await driver.all(statements.lateEntries.bind({ limit }))) as unknown as (Pick<
        Tables['ledger_entry'],
        'id' | 'box' | 'body'
      > & { seq: number })[]
      return Promise.all(
        rows.map(async (row): Promise<LateEntry> => {
          const { patient, text } = await openText(row)
          return { seq: row.seq, patient, entry: JSON.parse(text) as ReceivedEntry }
        }),
      )
    },
  }
}

/** Undefined for what no key opens any more: nobody can be shown it. */
async function readable<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (cause) {
    if (cause instanceof Failure && cause.kind === 'internal') return undefined
    throw cause
  }
}

/** A write as the ledger sees it; `json` is the text that is stored. */
type Evidence = Pick<ResourceWrite, 'resource' | 'version' | 'updated' | 'deleted'> & { json: string }

/** The entry of a version, if it is evidence: whatever door it came in by, it is appended in the commit that stores it. */
export async function evidenceStatements(evidence: Evidence, vault: Vault): Promise<Statement[]> {
  const { resource, version, updated, deleted, json } = evidence
  const patient = patientOf(resource)
  if (!patient || !isEvidence(resource)) return []
  const { resourceType: type, id } = resource
  const what = `${type}/${id}/_history/${version}`
  const head = { id: vault.deriveId('ledger', type, id, String(version)), at: updated, what }
  const entry: LedgerEntry = deleted
    ? { kind: 'withdrawn', ...head }
    : { kind: 'received', ...head, sha256: hex(sha256(json)) }
  return entryStatements({ patient, entry }, vault)
}

export async function entryStatements(
  { patient, entry, position }: NewLedgerEntry,
  vault: Vault,
): Promise<Statement[]> {
  const text = ledgerText(entry)
  const box = await vault.box(patient)
  const { id, kind } = entry
  const body = box.seal(JSON.stringify({ patient, text }), placeOfEntry(id))
  const row = { chain: chainOf(vault, patient), id, kind, hash: sha256(text), box: box.keyId, body }
  if (position === undefined) return [statements.appendEntry.bind(row)]
  return [{ ...statements.placeEntry.bind({ ...row, position }), guard: 'ledger' }]
}

function chainOf(vault: Vault, patient: Reference): Uint8Array {
  return vault.mac('ledger', patient).subarray(0, 16)
}

export function placeOfEntry(id: string): string {
  return `ledger/${id}`
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
