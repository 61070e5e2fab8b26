import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLeafMaker } from '#audit/leaf.ts'
import type { Store, Vault } from '#core/ports.ts'
import type { Driver } from '#store/driver.ts'
import { openSqlite } from '#store/sqlite.ts'
import { createStore } from '#store/store.ts'
import { openFileKeyring } from '#vault/file-keyring.ts'
import { openSqliteKeyStore } from '#vault/sqlite-key-store.ts'
import { createVault } from '#vault/vault.ts'

export interface OpenStore {
  store: Store
  vault: Vault
  /** Holds data.db, keys.db and keyring/. */
  folder: string
  /** Closes the store and removes the folder. */
  close(): Promise<void>
}

/** A real SQLite store in a folder of its own; `between` stands between it and its database. */
export async function openStore(
  folder = mkdtempSync(join(tmpdir(), 'postern-test-')),
  between: (driver: Driver) => Driver = (driver) => driver,
): Promise<OpenStore> {
  const keys = openSqliteKeyStore(join(folder, 'keys.db'))
  const vault = await createVault({ clinic: 'test', keyring: openFileKeyring(join(folder, 'keyring')), keys })
  const driver = between(openSqlite(join(folder, 'data.db')))
  const store = createStore({ driver, vault, leaves: createLeafMaker() })
  return {
    store,
    vault,
    folder,
    close: async () => {
      await store.close()
      keys.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
