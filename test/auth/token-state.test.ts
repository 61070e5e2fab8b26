import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openClinic, type TestClient, type TestClinic } from '../open-clinic.ts'

let clinic: TestClinic
let ehr: TestClient
let other: TestClient
let server: TestClient

beforeAll(async () => {
  clinic = await openClinic()
  const add = (id: string, grants: string[] = []) =>
    clinic.client({
      id,
      role: 'ehr',
      organization: 'Organization/clinic',
      scopes: ['system/Communication.rs'],
      purposes: ['TREAT'],
      grants,
    })
  ;[ehr, other, server] = [await add('ehr'), await add('other'), await add('server', ['introspect'])]
})
afterAll(() => clinic.close())

async function assertion(
  client: TestClient,
  path: string,
  jti: string = crypto.randomUUID(),
): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: 'ES384', kid: `${client.id}-1`, typ: 'JWT' })
    .setIssuer(client.id)
    .setSubject(client.id)
    .setAudience(`${clinic.baseUrl}${path}`)
    .setJti(jti)
    .setExpirationTime('2m')
    .sign(client.key)
}

async function post(path: string, fields: Record<string, string>) {
  const response = await fetch(`${clinic.baseUrl}${path}`, {
    method: 'POST',
    body: new URLSearchParams(fields),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : undefined }
}

async function about(path: string, client: TestClient, token: string, more: Record<string, string> = {}) {
  return post(path, {
    token,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await assertion(client, path),
    ...more,
  })
}

const use = async (token: string) =>
  (
    await fetch(`${clinic.baseUrl}/fhir/Communication?_count=1`, {
      headers: { authorization: `Bearer ${token}` },
    })
  ).status

describe('revocation (RFC 7009)', () => {
  it('refuses a token from the next request on, and again revokes without complaint', async () => {
    const [token, kept] = [await ehr.token(), await ehr.token()]
    expect(await use(token)).toBe(200)
    const { status, body } = await about('/auth/revoke', ehr, token, { token_type_hint: 'access_token' })
    expect([status, body]).toEqual([200, undefined])
    expect(await use(token)).toBe(401)
    expect(await use(kept)).toBe(200)
    expect((await about('/auth/revoke', ehr, token)).status).toBe(200)
    expect(await use(token)).toBe(401)
  })

  it('outlives the process', async () => {
    const token = await ehr.token()
    await about('/auth/revoke', ehr, token)
    await clinic.gateway.auth.authenticate(`Bearer ${token}`, undefined).then(
      () => expect.unreachable(),
      (failure) => expect(failure.kind).toBe('unauthenticated'),
    )
    const jti = JSON.parse(atob(token.split('.')[1] ?? '')).jti
    expect(await clinic.store.hasNonce('revoked-token', jti)).toBe(true)
  })

  it('does nothing to another client’s token, and says the same', async () => {
    const token = await ehr.token()
    expect((await about('/auth/revoke', other, token)).status).toBe(200)
    expect(await use(token)).toBe(200)
    expect((await about('/auth/revoke', other, 'a.b.c')).status).toBe(200)
  })

  it('takes no request from who does not prove who it is, nor one twice', async () => {
    const token = await ehr.token()
    const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    const client_assertion = await assertion(ehr, '/auth/revoke')
    expect((await post('/auth/revoke', { token })).status).toBe(400)
    expect((await post('/auth/revoke', { token, client_assertion_type, client_assertion: 'x' })).status).toBe(
      401,
    )
    const fields = { token: 'a.b.c', client_assertion_type, client_assertion }
    expect((await post('/auth/revoke', fields)).status).toBe(200)
    expect((await post('/auth/revoke', fields)).status).toBe(401)
    expect(await use(token)).toBe(200)
  })
})

describe('introspection (RFC 7662)', () => {
  it('tells a client about its own token, and a server with the grant about anybody’s', async () => {
    const token = await ehr.token()
    for (const client of [ehr, server]) {
      const { status, headers, body } = await about('/auth/introspect', client, token)
      expect(status).toBe(200)
      expect(headers.get('cache-control')).toBe('no-store')
      expect(body).toMatchObject({
        active: true,
        scope: 'system/Communication.rs',
        client_id: 'ehr',
        token_type: 'bearer',
        iss: clinic.baseUrl,
        sub: 'ehr',
        purpose: 'TREAT',
      })
      expect(body.exp).toBeGreaterThan(Date.now() / 1000)
    }
  })

  it('says that a token is not good and nothing else: revoked, garbage, somebody else’s', async () => {
    const revoked = await ehr.token()
    await about('/auth/revoke', ehr, revoked)
    const strangers = await ehr.token()
    const asked: [TestClient, string][] = [
      [ehr, revoked],
      [ehr, 'garbage'],
      [server, revoked],
      [other, strangers],
    ]
    for (const [client, token] of asked) {
      const { status, body } = await about('/auth/introspect', client, token)
      expect([status, body]).toEqual([200, { active: false }])
    }
  })
})

it('both endpoints are told in discovery', async () => {
  const found = await (await fetch(`${clinic.baseUrl}/.well-known/smart-configuration`)).json()
  expect(found).toMatchObject({
    revocation_endpoint: `${clinic.baseUrl}/auth/revoke`,
    introspection_endpoint: `${clinic.baseUrl}/auth/introspect`,
  })
})
