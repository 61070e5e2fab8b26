import { randomUUID } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createAudit } from '#audit/balp.ts'
import { registerClient } from '#auth/clients.ts'
import { checkKeyUrl } from '#auth/remote-keys.ts'
import { createSealer } from '#auth/sealer.ts'
import { type Auth, createAuth } from '#auth/smart.ts'
import { generateSigningKey } from '#auth/tokens.ts'
import { type OpenStore, openStore } from '../open-store.ts'

/*
 * A real server holds the keys. Only the way there is ours: the registered https name is taken to its address without
 * TLS, since a test has no certificate that anybody would trust.
 */
const issuer = 'https://clinic.example'
const keysAt = 'https://keys.example/jwks'
const clock = { time: Date.now(), now: () => clock.time }
const ids = { random: randomUUID }
const audit = createAudit({ server: { name: 'Postern test', reference: 'Device/postern' }, ids })

let open: OpenStore
let auth: Auth
let hits = 0
let serve: (response: ServerResponse) => void
const server = createServer((_, response) => {
  hits++
  serve(response)
})

interface Key {
  jwk: JWK
  private: CryptoKey
}

async function key(kid: string): Promise<Key> {
  const pair = await generateKeyPair('ES384', { extractable: true })
  return {
    jwk: { ...(await exportJWK(pair.publicKey)), kid, alg: 'ES384', use: 'sig' },
    private: pair.privateKey,
  }
}

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const toServer: typeof fetch = (input, init) =>
    fetch(String(input).replace('https://keys.example', `http://127.0.0.1:${port}`), init)
  open = await openStore()
  const signingKey = await generateSigningKey()
  const sealer = createSealer(await open.vault.box('clinic'), open.vault, clock)
  auth = await createAuth({
    store: open.store,
    audit,
    clock,
    ids,
    issuer,
    signingKey,
    sealer,
    fetch: toServer,
  })
})
afterAll(async () => {
  server.close()
  await open.close()
})

let client = ''
beforeEach(async () => {
  hits = 0
  client = randomUUID()
  const by = { requestId: randomUUID(), at: clock.now() }
  await registerClient(open.store, audit, registration(`${keysAt}/${client}`), by)
})

function registration(jwksUrl: string) {
  return {
    id: client,
    name: 'An EHR',
    role: 'ehr',
    organization: 'Organization/clinic',
    scopes: ['system/Communication.rs'],
    purposes: ['TREAT'],
    grants: [],
    jwks: { keys: [] },
    jwksUrl,
    active: true,
  }
}

const json =
  (body: unknown, headers: Record<string, string> = {}) =>
  (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(body))
  }

async function ask({ jwk, private: secret }: Key): Promise<number> {
  const assertion = await new SignJWT({})
    .setProtectedHeader({ alg: 'ES384', kid: String(jwk.kid), typ: 'JWT' })
    .setIssuer(client)
    .setSubject(client)
    .setAudience(`${issuer}/auth/token`)
    .setJti(randomUUID())
    .setExpirationTime(Math.floor(clock.now() / 1000) + 100)
    .sign(secret)
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
    scope: 'system/Communication.rs',
  })
  return (await auth.token(form, { requestId: randomUUID() })).status
}

describe('keys at a registered address', () => {
  it('prove a client, and are asked for once in the time the answer allows', async () => {
    const one = await key('one')
    serve = json({ keys: [one.jwk] }, { 'cache-control': 'max-age=120' })
    expect([await ask(one), await ask(one), hits]).toEqual([200, 200, 1])
    clock.time += 121_000
    expect([await ask(one), hits]).toEqual([200, 2])
  })

  it('are kept for an hour at the most', async () => {
    const one = await key('one')
    serve = json({ keys: [one.jwk] }, { 'cache-control': 'max-age=999999' })
    await ask(one)
    clock.time += 3_601_000
    expect([await ask(one), hits]).toEqual([200, 2])
  })

  it('are looked for again when a kid is unknown, once a minute', async () => {
    const [one, two] = [await key('one'), await key('two')]
    serve = json({ keys: [one.jwk] })
    expect([await ask(one), await ask(two), await ask(two), hits]).toEqual([200, 401, 401, 1])
    serve = json({ keys: [one.jwk, two.jwk] })
    clock.time += 61_000
    expect([await ask(two), hits]).toEqual([200, 2])
  })

  it('that were withdrawn prove nothing once the set is asked for again', async () => {
    const one = await key('one')
    serve = json({ keys: [one.jwk] }, { 'cache-control': 'max-age=10' })
    expect(await ask(one)).toBe(200)
    serve = json({ keys: [(await key('other')).jwk] })
    clock.time += 11_000
    expect(await ask(one)).toBe(401)
  })

  it.each<[string, (one: Key) => (response: ServerResponse) => void]>([
    [
      'a redirect',
      () => (response) => {
        response.writeHead(302, { location: 'https://keys.example/elsewhere' })
        response.end()
      },
    ],
    ['more than 64 KiB', ({ jwk }) => json({ keys: [jwk], padding: 'x'.repeat(65_536) })],
    ['what is no JSON', () => (response) => response.end('<html>')],
    [
      'an error',
      ({ jwk }) =>
        (response) => {
          response.writeHead(500)
          response.end(JSON.stringify({ keys: [jwk] }))
        },
    ],
    ['two keys with one kid', ({ jwk }) => json({ keys: [jwk, jwk] })],
    ['a symmetric key among them', ({ jwk }) => json({ keys: [jwk, { kty: 'oct', kid: 'k', k: 'AAAA' }] })],
  ])('prove nothing when the answer is %s', async (_, answer) => {
    const one = await key('one')
    serve = answer(one)
    expect([await ask(one), hits]).toEqual([401, 1])
    // And the next asks no more than once a minute.
    expect([await ask(one), hits]).toEqual([401, 1])
  })
})

describe('an address for keys', () => {
  it.each([
    'http://keys.example/jwks',
    'https://user:secret@keys.example/jwks',
    'https://127.0.0.1/jwks',
    'https://[::1]/jwks',
    'https://2130706433/jwks',
    'https://0x7f.1/jwks',
    'https://169.254.169.254/latest/meta-data',
    'https://localhost/jwks',
    'https://db.internal/jwks',
    'file:///etc/passwd',
    'no address',
  ])('%s is not registered', (address) => {
    expect(checkKeyUrl(address)).toBeTypeOf('string')
  })

  it('that is public is', () =>
    expect(checkKeyUrl('https://ehr.example.org/.well-known/jwks.json')).toBeUndefined())

  it('is refused at registration with the reason', async () => {
    const by = { requestId: randomUUID(), at: clock.now() }
    await expect(
      registerClient(open.store, audit, registration('http://keys.example'), by),
    ).rejects.toMatchObject({
      kind: 'invalid',
      issues: [{ expression: 'jwksUrl' }],
    })
  })
})
