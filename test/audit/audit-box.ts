import type { Box, KeyStore } from '#core/ports.ts'
import { createVault } from '#vault/vault.ts'

/** The box of the audit key class of a real vault whose wraps lie in memory. */
export async function openAuditBox(): Promise<Box> {
  const wraps = new Map<string, Uint8Array>()
  const keys: KeyStore = {
    find: async (keyId) => wraps.get(keyId),
    async add(keyId, wrap) {
      if (!wraps.has(keyId)) wraps.set(keyId, wrap)
      return wraps.get(keyId) ?? wrap
    },
    async destroy(keyId) {
      wraps.delete(keyId)
    },
    wasDestroyed: async () => false,
    destroyed: async () => [],
    list: async () => [...wraps].map(([keyId, wrap]) => ({ keyId, wrap })),
    replace: async () => false,
    countUses: async (_keyId, uses) => uses,
  }
  const keyring = { active: 'test', keys: new Map([['test', new Uint8Array(32).fill(7)]]) }
  const vault = await createVault({ clinic: 'clinic', keyring, keys })
  return vault.box('audit')
}
