import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLeafMaker } from '#audit/leaf.ts'
import { openSqlite } from '#store/sqlite.ts'
import { createStore } from '#store/store.ts'
import { openFileKeyring } from '#vault/file-keyring.ts'
import { openSqliteKeyStore } from '#vault/sqlite-key-store.ts'
import { createVault } from '#vault/vault.ts'
import { storeContract } from './contract.ts'

storeContract('SQLite', async (claim) => {
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
})
