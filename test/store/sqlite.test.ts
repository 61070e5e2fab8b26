import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createLeafMaker } from '#audit/leaf.ts'
import * as deliveries from '#store/delivery-statements.ts'
import { openSqlite } from '#store/sqlite.ts'
import { createStore } from '#store/store.ts'
import { openFileKeyring } from '#vault/file-keyring.ts'
import { openSqliteKeyStore } from '#vault/sqlite-key-store.ts'
import { createVault } from '#vault/vault.ts'
import { storeContract } from './contract.ts'
import type { WithStore } from './units.ts'

const withStore: WithStore = async (claim) => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-store-'))
  const keys = openSqliteKeyStore(join(folder, 'keys.db'))
  const driver = openSqlite(join(folder, 'data.db'))
  try {
    const vault = await createVault({
      clinic: 'test',
      keyring: openFileKeyring(join(folder, 'keyring')),
      keys,
    })
    await claim({ store: createStore({ driver, vault, leaves: createLeafMaker() }), driver, vault })
  } finally {
    await driver.close()
    keys.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

storeContract('SQLite', withStore)

describe('claiming deliveries', () => {
  it('walks the open ones only, however many were delivered', () =>
    withStore(async ({ driver }) => {
      for (const query of [
        deliveries.claimDeliveries.bind({ now: 0, lease: 0, limit: 1, room: 1, underway: '{}' }),
        deliveries.nextDelivery.bind({ notBefore: '{}' }),
      ]) {
        const plan = await driver.all({ ...query, sql: `EXPLAIN QUERY PLAN ${query.sql}` })
        const details = plan.map(({ detail }) => detail)
        expect(details).not.toContain('SCAN delivery')
        expect(details.some((detail) => /delivery USING INDEX delivery_open/.test(String(detail)))).toBe(true)
      }
    }))
})
