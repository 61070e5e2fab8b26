import { createHash } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, registerClient } from '#auth/clients.ts'
import { openClinic, type TestClient, type TestClinic } from '../open-clinic.ts'

let clinic: TestClinic
let ehr: TestClient
let key: { private: CryptoKey; jwk: JWK }

async function newKey() {
  const pair = await generateKeyPair('ES256', { extractable: true })
  return { private: pair.privateKey, jwk: await exportJWK(pair.publicKey) }
}

beforeAll(async () => {
  clinic = await openClinic()
  ehr = await clinic.client({
    id: 'ehr',
    role: 'ehr',
    organization: 'Organization/clinic',
    scopes: ['system/Communication.rs'],
    purposes: ['TREAT'],
    grants: [],
  })
  key = await newKey()
})
afterAll(() => clinic.close())

interface Wanted {
  method?: string
  path?: string
  token?: string
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  by?: { private: CryptoKey; jwk: JWK }
}

function proof({
  method = 'GET',
  path = '/fhir/Communication',
  token,
  claims = {},
  header = {},
  by = key,
}: Wanted = {}) {
  const all = {
    htm: method,
    htu: `${clinic.baseUrl}${path}`,
    iat: Math.floor(Date.now() / 1000),
    jti: crypto.randomUUID(),
    ...(token ? { ath: createHash('sha256').update(token).digest('base64url') } : {}),
    ...claims,
  }
  return new SignJWT(all)
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: by.jwk, ...header })
    .sign(by.private)
}

async function askToken(dpop?: string) {
  const assertion = await new SignJWT({})
    .setProtectedHeader({ alg: 'ES384', kid: 'ehr-1', typ: 'JWT' })
    .setIssuer('ehr')
    .setSubject('ehr')
    .setAudience(`${clinic.baseUrl}/auth/token`)
    .setJti(crypto.randomUUID())
    .setExpirationTime('2m')
    .sign(ehr.key)
  const response = await fetch(`${clinic.baseUrl}/auth/token`, {
    method: 'POST',
    headers: dpop ? { dpop } : {},
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'system/Communication.rs',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    }),
  })
  return { status: response.status, body: await response.json() }
}

const atToken = { method: 'POST', path: '/auth/token' }
const bound = async (): Promise<string> => (await askToken(await proof(atToken))).body.access_token

async function use(token: string, dpop: string | undefined, scheme = 'DPoP', query = ''): Promise<number> {
  const headers = { authorization: `${scheme} ${token}`, ...(dpop ? { dpop } : {}) }
  return (await fetch(`${clinic.baseUrl}/fhir/Communication${query}`, { headers })).status
}

describe('a token that is bound to a key (RFC 9449)', () => {
  it('is given for a proof and used with one for each request, whatever the query', async () => {
    const { status, body } = await askToken(await proof(atToken))
    expect([status, body.token_type]).toEqual([200, 'DPoP'])
    const token = body.access_token
    expect(await use(token, await proof({ token }))).toBe(200)
    expect(await use(token, await proof({ token }), 'DPoP', '?_count=1')).toBe(200)
  })

  it('is no bearer token, and a bearer token is not one of these', async () => {
    const token = await bound()
    expect(await use(token, undefined, 'Bearer')).toBe(401)
    expect(await use(token, await proof({ token }), 'Bearer')).toBe(401)
    expect(await use(token, undefined)).toBe(401)
    const plain = await ehr.token()
    expect(await use(plain, await proof({ token: plain }))).toBe(401)
    expect(await use(plain, undefined, 'Bearer')).toBe(200)
  })

  it('is worth nothing to who has another key', async () => {
    const token = await bound()
    expect(await use(token, await proof({ token, by: await newKey() }))).toBe(401)
  })

  it('takes a proof once, also of fifty at the same time', async () => {
    const token = await bound()
    const one = await proof({ token })
    const statuses = await Promise.all(Array.from({ length: 50 }, () => use(token, one)))
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 401)).toHaveLength(49)
  })

  const now = Math.floor(Date.now() / 1000)
  it.each<[string, Omit<Wanted, 'token'>]>([
    ['another method', { method: 'POST' }],
    ['another address', { path: '/fhir/Patient' }],
    ['another host', { claims: { htu: 'https://elsewhere.example/fhir/Communication' } }],
    ['another token', { claims: { ath: createHash('sha256').update('x').digest('base64url') } }],
    ['no token', { claims: { ath: undefined } }],
    ['a time gone by', { claims: { iat: now - 600 } }],
    ['a time to come', { claims: { iat: now + 600 } }],
    ['no time', { claims: { iat: undefined } }],
    ['no jti', { claims: { jti: undefined } }],
    ['another typ', { header: { typ: 'JWT' } }],
    ['a kid of its own', { header: { kid: 'x' } }],
    ['an address for keys', { header: { jku: 'https://evil.example' } }],
  ])('refuses a proof for %s', async (_, wanted) => {
    const token = await bound()
    expect(await use(token, await proof({ token, ...wanted }))).toBe(401)
  })

  it('refuses a proof that carries its private key, or none', async () => {
    const pair = await generateKeyPair('ES256', { extractable: true })
    const secret = { private: pair.privateKey, jwk: await exportJWK(pair.privateKey) }
    expect((await askToken(await proof({ ...atToken, by: secret }))).body.error).toBe('invalid_dpop_proof')
    expect((await askToken(await proof({ ...atToken, header: { jwk: undefined } }))).body.error).toBe(
      'invalid_dpop_proof',
    )
    expect((await askToken('garbage')).body.error).toBe('invalid_dpop_proof')
  })
})

it('a client that is registered for bound tokens gets no other', async () => {
  const registered = await clientOf(clinic.store, 'ehr')
  const by = { requestId: 'x', at: Date.now() }
  await registerClient(clinic.store, clinic.gateway.audit, { ...registered, senderConstrained: true }, by)
  expect(await askToken()).toMatchObject({ status: 400, body: { error: 'invalid_dpop_proof' } })
  expect((await askToken(await proof(atToken))).status).toBe(200)
})
