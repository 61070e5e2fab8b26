import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { registerClient } from '#auth/clients.ts'
import { readConfig } from '#config.ts'
import type { ClientRegistration } from '#core/caller.ts'
import { type RunningClinic, startClinic, systemPorts } from '../src/node.ts'
import { auditFaults } from './audit-conformance.ts'

/** A running clinic in a folder of its own, and clients that hold real keys. */
export interface TestClinic extends RunningClinic {
  folder: string
  /** Registers a client with a fresh ES384 key. */
  client(
    registration: Omit<ClientRegistration, 'jwks' | 'active' | 'name'> & { name?: string },
  ): Promise<TestClient>
  /** Stops the doors but keeps the folder, for opening it again. */
  stop(): Promise<void>
}

export interface TestClient {
  id: string
  /** A token from the token endpoint, by private_key_jwt. */
  token(scope?: string): Promise<string>
  /** Asks with a token; JSON bodies are written, answers read as JSON where they are. */
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** The private key, for clients that make their own assertions. */
  key: CryptoKey
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever was answered
  body: any
}

export async function openClinic(
  settings: Record<string, string> = {},
  folder = mkdtempSync(join(tmpdir(), 'postern-clinic-')),
): Promise<TestClinic> {
  const clinic = await startClinic(
    readConfig({
      POSTERN_DATA: folder,
      POSTERN_PORT: '0',
      POSTERN_MLLP_PORT: '0',
      POSTERN_CLINIC: 'test',
      ...settings,
    }),
  )
  let open = true
  const stop = async () => {
    if (open) await clinic.close()
    open = false
  }
  return {
    ...clinic,
    folder,
    client: (registration) => addClient(clinic, registration),
    stop,
    async close() {
      // Whatever a test was about, what it left in the log is valid by FHIR and by the BALP profiles it claims.
      const faults = open ? await auditFaults(clinic.store) : []
      await stop()
      rmSync(folder, { recursive: true, force: true })
      if (faults.length > 0) throw new Error(`AuditEvents that are not valid: ${faults.join('; ')}`)
    },
  }
}

async function addClient(
  clinic: RunningClinic,
  registration: Omit<ClientRegistration, 'jwks' | 'active' | 'name'> & { name?: string },
): Promise<TestClient> {
  const { privateKey, publicKey } = await generateKeyPair('ES384', { extractable: true })
  const kid = `${registration.id}-1`
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES384', use: 'sig' }
  await registerClient(
    clinic.store,
    clinic.gateway.audit,
    { name: registration.id, ...registration, jwks: { keys: [jwk] }, active: true },
    { requestId: 'test-setup', at: systemPorts.clock.now() },
  )
  return clientWithKey(clinic.baseUrl, registration, privateKey, kid)
}

export function clientWithKey(
  baseUrl: string,
  { id, scopes }: { id: string; scopes: readonly string[] },
  key: CryptoKey,
  kid: string,
): TestClient {
  const endpoint = `${baseUrl}/auth/token`
  /** One for all that is asked side by side. */
  let current: { token: Promise<string>; until: number } | undefined

  async function token(scope = scopes.join(' ')): Promise<string> {
    const assertion = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES384', kid, typ: 'JWT' })
      .setIssuer(id)
      .setSubject(id)
      .setAudience(endpoint)
      .setJti(crypto.randomUUID())
      .setIssuedAt()
      .setExpirationTime('2m')
      .sign(key)
    const response = await fetch(endpoint, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        scope,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }),
    })
    const answer = (await response.json()) as { access_token?: string; error_description?: string }
    if (!answer.access_token) throw new Error(`No token for ${id}: ${JSON.stringify(answer)}`)
    return answer.access_token
  }

  async function request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    if (!current || current.until < Date.now()) current = { token: token(), until: Date.now() + 200_000 }
    const type = path.startsWith('/fhir') ? 'application/fhir+json' : 'application/json'
    const response = await fetch(path.startsWith('http') ? path : `${baseUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${await current.token}`,
        ...(body === undefined ? {} : { 'content-type': type }),
        ...headers,
      },
      body:
        body === undefined || typeof body === 'string' ? (body as string | undefined) : JSON.stringify(body),
    })
    const text = await response.text()
    const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '')
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson && text ? JSON.parse(text) : undefined,
    }
  }

  return { id, token, request, key }
}
