import type { ExportStore, ExportTold, SnapshotQuery, StoredExport, VersionPlace } from '#core/export.ts'
import type { Stored, Vault } from '#core/ports.ts'
import type { Driver, Statement } from './driver.ts'
import * as statements from './export-statements.ts'
import type { Tables } from './schema.ts'

export interface ExportPorts {
  driver: Driver
  vault: Vault
  openVersion(row: Tables['version']): Promise<Stored>
}

const last: VersionPlace = { updated: Number.MAX_SAFE_INTEGER, id: '', version: 0 }

/** What the store does for bulk exports. */
export function createExports({ driver, vault, openVersion }: ExportPorts): ExportStore {
  async function open(row: Tables['export_job'] | undefined): Promise<StoredExport | undefined> {
    if (!row) return undefined
    const { id, revision, client, state, lease, expires, box, body } = row
    const json = (await vault.open(box)).open(body, placeOf(id, revision))
    return { id, revision, client, state: state as StoredExport['state'], lease, expires, json }
  }

  return {
    async findExport(id) {
      return open(
        (await driver.all(statements.findExport.bind({ id })))[0] as Tables['export_job'] | undefined,
      )
    },
    async claimExport(now, leaseMs) {
      const [row] = await driver.all(statements.claimExport.bind({ now, lease: now + leaseMs }))
      return open(row as Tables['export_job'] | undefined)
    },
    async countExports(client) {
      const [row] = await driver.all(statements.countExports.bind({ client }))
      return Number(row?.count ?? 0)
    },
    async nextExport() {
      const [row] = await driver.all(statements.nextExport.bind({}))
      return (row?.due as number | null | undefined) ?? undefined
    },
    async findTold(told) {
      const byHash = new Map(told.keys.map((key) => [toldHash(vault, told.export, key), key]))
      const hashes = JSON.stringify([...byHash.keys()])
      const rows = await driver.all(statements.findTold.bind({ export: told.export, hashes }))
      return new Set(rows.flatMap((row) => byHash.get(hex(row.hash as Uint8Array)) ?? []))
    },
    async snapshot(query) {
      const { type, at, from, until = last, limit } = query
      const { among, list } = amongOf(query, vault)
      const bound = statements.snapshots[among][query.deletions ? 'deleted' : 'live'].bind({
        type,
        at,
        limit,
        fromUpdated: from.updated,
        fromId: from.id,
        fromVersion: from.version,
        toUpdated: until.updated,
        toId: until.id,
        toVersion: until.version,
        among: JSON.stringify(list),
      })
      const rows = (await driver.all(bound)) as unknown as (Tables['version'] & { superseded: number })[]
      return Promise.all(
        rows.map(async (row) => ({ stored: await openVersion(row), superseded: row.superseded === 1 })),
      )
    },
  }
}

/** A change of an export and the end of what it was before. */
export async function exportStatements(
  { id, revision, client, state, lease, expires, json }: StoredExport,
  vault: Vault,
): Promise<Statement[]> {
  const box = await vault.box('clinic')
  const body = box.seal(json, placeOf(id, revision))
  const row = { id, revision, client, state, lease, expires, box: box.keyId, body }
  return [
    { ...statements.insertExport.bind(row), guard: 'export' },
    statements.deleteExportsBefore.bind({ id, revision }),
  ]
}

export function toldStatements(told: ExportTold, vault: Vault): Statement[] {
  const hashes = JSON.stringify(told.keys.map((key) => toldHash(vault, told.export, key)))
  return [statements.insertTold.bind({ export: told.export, hashes })]
}

/** Patients by the blind index of the `patient` parameter; deletions have no search rows any more. */
function amongOf(
  { type, patients }: SnapshotQuery,
  vault: Vault,
): { among: statements.Among; list: string[] } {
  if (!patients) return { among: 'all', list: [] }
  if (type === 'Patient') return { among: 'ids', list: patients.map((each) => each.slice('Patient/'.length)) }
  return { among: 'hashes', list: patients.map((each) => hex(vault.index(`${type}.patient`, each))) }
}

function placeOf(id: string, revision: number): string {
  return `export/${id}/${revision}`
}

function toldHash(vault: Vault, id: string, key: string): string {
  return hex(vault.mac('export', id, key).subarray(0, 16))
}

function hex(bytes: Uint8Array): string {
  return bytes.reduce((text, byte) => text + byte.toString(16).padStart(2, '0'), '')
}
