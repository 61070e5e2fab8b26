import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'

/** Host of the clinic that the edge tests talk to. */
const host = 'northside.example'

const clients = {
  platform: {
    role: 'platform',
    scopes: ['system/*.cruds'],
    grants: ['order-source'],
    organization: 'Organization/platform.northside',
  },
  ehr: { role: 'ehr', scopes: ['system/*.rs'], grants: [], organization: 'Organization/platform.northside' },
  stranger: {
    role: 'ehr',
    scopes: ['system/*.rs'],
    grants: [],
    organization: 'Organization/platform.elsewhere',
  },
  auditor: { role: 'auditor', scopes: ['system/AuditEvent.rs'], grants: [] },
}

/**
 * Secrets of a deployment, made anew for each run: what `wrangler secret put` would be given. The private keys of the
 * clients go along for the tests, which are not the Worker's.
 */
export async function edgeBindings(): Promise<Record<string, string>> {
  const keys: Record<string, unknown> = {}
  const registrations = []
  for (const [id, client] of Object.entries(clients)) {
    const { privateKey, publicKey } = await generateKeyPair('ES384', { extractable: true })
    const kid = `${id}-1`
    keys[id] = { ...(await exportJWK(privateKey)), kid }
    const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES384', use: 'sig' }
    registrations.push({ id, name: id, purposes: ['TREAT'], active: true, jwks: { keys: [jwk] }, ...client })
  }
  const signing = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
  return {
    POSTERN_KEYRING: JSON.stringify({ active: 'kek', keys: { kek: randomBytes(32).toString('base64') } }),
    POSTERN_CHECKPOINT_KEY: String(signing),
    POSTERN_CLINICS: JSON.stringify({ [host]: { clinic: 'northside', clients: registrations } }),
    TEST_CLIENT_KEYS: JSON.stringify(keys),
  }
}
