import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import type { TestProject } from 'vitest/node'
import { startEhr } from '../peers/ehr.ts'
import { startWebhook } from '../peers/webhook.ts'

/** The clinic's organization: the first client registers it under an id of its own space. */
const organization = 'Organization/platform.northside'

const clients = {
  platform: { role: 'platform', scopes: ['system/*.cruds'], grants: ['order-source'], organization },
  ehr: { role: 'ehr', scopes: ['system/*.rs', 'system/Subscription.cruds'], grants: [], organization },
  stranger: {
    role: 'ehr',
    scopes: ['system/*.rs'],
    grants: [],
    organization: 'Organization/platform.elsewhere',
  },
  auditor: { role: 'auditor', scopes: ['system/AuditEvent.rs'], grants: [] },
}

declare module 'vitest' {
  export interface ProvidedContext {
    edgeBindings: Record<string, string>
  }
}

/**
 * What the edge tests are deployed with: an EHR that is not ours, and secrets made anew for each run, as `wrangler
 * secret put` would be given them. The private keys of the clients go along for the tests, which are not the Worker's.
 */
export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const ehr = await startEhr()
  const hook = await startWebhook()
  const webhooks = { addresses: [hook.address], secret: `whsec_${randomBytes(32).toString('base64')}` }
  const { keys, registrations } = await registerAll({ ehr: { webhooks } })
  // A short timeout, since the object is not put out of memory while a timer runs.
  const channel = { kind: 'fhir', address: ehr.base, timeoutMs: 2000 }
  const destinations = [{ id: 'ehr', name: 'EHR', role: 'ehr', organization, purpose: 'TREAT', channel }]
  const clinic = { clinic: 'northside', clients: registrations, destinations }
  const signing = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
  provide('edgeBindings', {
    POSTERN_KEYRING: JSON.stringify({ active: 'kek', keys: { kek: randomBytes(32).toString('base64') } }),
    POSTERN_CHECKPOINT_KEY: String(signing),
    POSTERN_CLINICS: JSON.stringify({ 'northside.example': clinic }),
    TEST_CLIENT_KEYS: JSON.stringify(keys),
    TEST_EHR: ehr.base,
    TEST_WEBHOOK: JSON.stringify({ address: hook.address, secret: webhooks.secret }),
  })
  return async () => {
    await ehr.close()
    await hook.close()
  }
}

async function registerAll(more: Record<string, object>) {
  const keys: Record<string, unknown> = {}
  const registrations: object[] = []
  for (const [id, client] of Object.entries(clients)) {
    const { privateKey, publicKey } = await generateKeyPair('ES384', { extractable: true })
    const kid = `${id}-1`
    keys[id] = { ...(await exportJWK(privateKey)), kid }
    const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES384', use: 'sig' }
    registrations.push({
      id,
      name: id,
      purposes: ['TREAT'],
      active: true,
      jwks: { keys: [jwk] },
      ...client,
      ...more[id],
    })
  }
  return { keys, registrations }
}
