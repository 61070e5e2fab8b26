import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { createLeafMaker } from '#audit/leaf.ts'
import { openDurableObject } from '#store/durable-object.ts'
import { createStore } from '#store/store.ts'
import { createVault } from '#vault/vault.ts'
import { storeContract } from '../store/contract.ts'

const keyring = { active: 'kek', keys: new Map([['kek', crypto.getRandomValues(new Uint8Array(32))]]) }

storeContract('the SQLite of a Durable Object', async (claim) => {
  const host = crypto.randomUUID()
  await runInDurableObject(env.CLINIC.get(env.CLINIC.idFromName(host)), async (_, { storage }) => {
    const keys = env.KEY_VAULT.get(env.KEY_VAULT.idFromName(host))
    const vault = await createVault({ clinic: 'test', keyring, keys })
    const driver = openDurableObject(storage)
    await claim({ store: createStore({ driver, vault, leaves: createLeafMaker() }), driver, vault })
  })
})
