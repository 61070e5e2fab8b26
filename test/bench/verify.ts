// npm run bench -- verify: how fast the audit log is proved whole: every sealed body, leaf, tile and checkpoint.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAudit } from '#audit/balp.ts'
import { createLeafMaker } from '#audit/leaf.ts'
import { readConfig } from '#config.ts'
import type { Act } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import { createStore } from '#store/store.ts'
import { openFileKeyring } from '#vault/file-keyring.ts'
import { openSqliteKeyStore } from '#vault/sqlite-key-store.ts'
import { createVault } from '#vault/vault.ts'
import { verifyClinic } from '../../src/cli-audit.ts'
import { openClinic, systemPorts } from '../../src/node.ts'
import { openBulk } from './bulk-driver.ts'
import { spread, text } from './spread.ts'

const events = 100_000

const caller: Caller = {
  clientId: 'ehr-northside',
  name: 'Northside EHR',
  role: 'ehr',
  scopes: ['system/*.rs'],
  actors: ['Organization/northside'],
  purpose: 'TREAT',
  tokenId: 'b3d1a0c2-6f0e-4a7e-9d0b-4a2b9a1f5c11',
  grants: [],
}

/** Audited reads, sealed as always. */
async function fill(folder: string, events: number): Promise<void> {
  mkdirSync(join(folder, 'keyring'), { recursive: true, mode: 0o700 })
  const keys = openSqliteKeyStore(join(folder, 'keyring', 'keys.db'))
  const keyring = openFileKeyring(join(folder, 'keyring'))
  const vault = await createVault({ clinic: 'test', keyring, keys })
  const driver = await openBulk(join(folder, 'data.db'))
  const store = createStore({ driver, vault, leaves: createLeafMaker() })
  const server = { name: 'Postern test', reference: 'Device/postern', address: 'http://127.0.0.1' } as const
  const audit = createAudit({ server, ids: systemPorts.ids })
  const start = Date.now() - events
  for (let n = 0; n < events; n++) {
    const act: Act = {
      kind: 'read',
      outcome: 'success',
      at: start + n,
      requestId: `made-${n}`,
      caller,
      patients: [`Patient/${n % 300}`],
      entities: [`Communication/${n}/_history/1`],
    }
    await store.commit({ audit: audit.record(act) })
  }
  await store.close()
  keys.close()
  const clinic = await openClinic(configOf(folder), 'http://127.0.0.1')
  await clinic.gateway.log.checkpoint()
  await clinic.close()
}
/** Prints medians [least … most] of the rounds. The processor time counts all threads: the machine may be shared. */
export async function verify(rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-verify-'))
  try {
    await fill(folder, events)
    const clinic = await openClinic(configOf(folder), 'http://127.0.0.1')
    const rates: number[] = []
    const costs: number[] = []
    for (let round = 0; round < rounds; round++) {
      const [began, before] = [performance.now(), process.cpuUsage()]
      const { ok, size } = await verifyClinic(clinic, clinic.vkey, clinic.anchored())
      const { user, system } = process.cpuUsage(before)
      if (!ok || size < events) throw new Error('A log that nobody touched was not found whole')
      rates.push((size / (performance.now() - began)) * 1000)
      costs.push((user + system) / size)
    }
    await clinic.close()
    const load = loadavg()[0]?.toFixed(1)
    process.stdout.write(
      `${text(spread(rates), 0)} leaves/s, CPU µs a leaf ${text(spread(costs), 1)}, load ${load}\n`,
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function configOf(folder: string) {
  return readConfig({ POSTERN_DATA: folder, POSTERN_CLINIC: 'test' })
}
