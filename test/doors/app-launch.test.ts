import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signOutEverywhere } from '#auth/people/invite.ts'
import type { TestClient } from '../open-clinic.ts'
import { addApp, authorizeAs, type Browser, openAccount, openBrowser, type TestAccount } from '../sign-in.ts'
import { openScene, type Scene } from './scene.ts'

/*
 * SMART App Launch, with openid-client and oauth4webapi as they come. The claims under "Inferno" are the assertions of
 * its SMART App Launch and (g)(10) test kits; docs/access.md has the table.
 */

let scene: Scene
let base: string
let ada: TestAccount
let adas: Browser
let config: client.Configuration
let watcher: TestClient
const redirect = 'https://app.example/back'
const insecure = { [oauth.allowInsecureRequests]: true }
const usual = 'openid fhirUser offline_access launch/patient patient/Communication.rs patient/Patient.r'

beforeAll(async () => {
  scene = await openScene()
  base = scene.clinic.baseUrl
  await addApp(scene.clinic, { id: 'app' })
  ada = await openAccount(scene.clinic, scene.patient, 'patient', { purpose: 'PATRQT' })
  adas = openBrowser(base)
  config = await client.discovery(new URL(base), 'app', undefined, client.None(), {
    execute: [client.allowInsecureRequests],
  })
  watcher = await scene.clinic.client({
    id: 'watcher',
    role: 'auditor',
    scopes: ['system/AuditEvent.rs'],
    purposes: ['HOPERAT'],
    grants: ['introspect'],
  })
})
afterAll(() => scene.clinic.close())

interface Asked {
  url: URL
  checks: { pkceCodeVerifier: string; expectedState: string; expectedNonce: string }
}

async function ask(more: Record<string, string> = {}): Promise<Asked> {
  const verifier = client.randomPKCECodeVerifier()
  const [state, nonce] = [client.randomState(), client.randomNonce()]
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirect,
    scope: usual,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    aud: `${base}/fhir`,
    state,
    nonce,
    ...more,
  })
  return { url, checks: { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce } }
}

/** The person allows it all; the app comes back with this. */
async function backFrom(asked: Asked, allow?: (scopes: string[]) => string[]): Promise<URL> {
  const page = await authorizeAs(adas, asked.url.href, ada, allow)
  if (!page.location) throw new Error(`${page.status} ${page.text}`)
  return new URL(page.location)
}

async function granted(more: Record<string, string> = {}, allow?: (scopes: string[]) => string[]) {
  const asked = await ask(more)
  return client.authorizationCodeGrant(config, await backFrom(asked, allow), asked.checks)
}

function read(path: string, token: string): Promise<Response> {
  return fetch(`${base}/fhir/${path}`, { headers: { authorization: `Bearer ${token}` } })
}

async function tokenFor(
  form: Record<string, string>,
): Promise<{ status: number; error: string; headers: Headers }> {
  const body = new URLSearchParams({ client_id: 'app', ...form })
  const response = await fetch(`${base}/auth/token`, { method: 'POST', body })
  return { status: response.status, error: (await response.json()).error, headers: response.headers }
}

/** SMART asks for `typ`, which RFC 7523 leaves out: an option of the client’s own. */
function assertion(key: CryptoKey, kid: string): oauth.ClientAuth {
  const modifyAssertion = (header: Record<string, unknown>) => void Object.assign(header, { typ: 'JWT' })
  return oauth.PrivateKeyJwt({ key, kid }, { [oauth.modifyAssertion]: modifyAssertion })
}

async function introspected(token: string): Promise<oauth.IntrospectionResponse> {
  const as = config.serverMetadata()
  const by = { client_id: 'watcher' }
  const auth = assertion(watcher.key, 'watcher-1')
  const response = await oauth.introspectionRequest(as, by, auth, token, insecure)
  return oauth.processIntrospectionResponse(as, by, response)
}

describe('a patient’s app', () => {
  it('is let in by its person, reads that person’s record, and goes on by refreshing', async () => {
    const tokens = await granted()
    expect(tokens.claims()).toMatchObject({ fhirUser: `${base}/fhir/${scene.patient}`, sub: ada.id })
    expect(tokens).toMatchObject({ patient: scene.patient.slice(8), expires_in: 300 })
    expect((await read(scene.patient, tokens.access_token)).status).toBe(200)
    const again = await client.refreshTokenGrant(config, String(tokens.refresh_token))
    expect((await read(scene.patient, again.access_token)).status).toBe(200)
  })

  it('loses everything when a refresh token or a code is used twice, whoever used it first', async () => {
    const tokens = await granted()
    const refresh = { grant_type: 'refresh_token', refresh_token: String(tokens.refresh_token) }
    const next = await client.refreshTokenGrant(config, refresh.refresh_token)
    expect(await tokenFor(refresh)).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect((await read(scene.patient, next.access_token)).status).toBe(401)
    expect(await tokenFor({ ...refresh, refresh_token: String(next.refresh_token) })).toMatchObject({
      status: 400,
    })

    const asked = await ask()
    const back = await backFrom(asked)
    const first = await client.authorizationCodeGrant(config, back, asked.checks)
    expect((await read(scene.patient, first.access_token)).status).toBe(200)
    await expect(client.authorizationCodeGrant(config, back, asked.checks)).rejects.toThrow()
    expect((await read(scene.patient, first.access_token)).status).toBe(401)
  })

  it('that redeems one code many times at once is left with nothing', async () => {
    const asked = await ask()
    const code = String((await backFrom(asked)).searchParams.get('code'))
    const form = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirect,
      code_verifier: asked.checks.pkceCodeVerifier,
    }
    const answers = await Promise.all(Array.from({ length: 10 }, () => tokenFor(form)))
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
    expect(new Set(answers.map(({ status }) => status))).toContain(400)
  })

  it('gets its answer with state and iss, and an error the same way', async () => {
    const asked = await ask()
    const back = await backFrom(asked)
    expect(back.searchParams.get('iss')).toBe(base)
    expect(back.searchParams.get('state')).toBe(asked.checks.expectedState)
    for (const [more, error] of [
      [{ scope: 'patient/Communication.rs nonsense' }, 'invalid_scope'],
      [{ response_type: 'token' }, 'unsupported_response_type'],
      [{ prompt: 'none' }, 'login_required'],
      [{ launch: 'made-up', scope: 'launch patient/Patient.r' }, 'invalid_request'],
      [{ scope: 'system/Patient.rs' }, 'access_denied'],
    ] as const) {
      const wrong = await backFrom(await ask({ ...more }))
      expect(Object.fromEntries(wrong.searchParams)).toMatchObject({
        error,
        iss: base,
        state: expect.any(String),
      })
    }
  })

  it('is sent nobody to an address that it is not registered with, letter by letter', async () => {
    for (const redirect_uri of [
      `${redirect}/`,
      `${redirect}?x=1`,
      'https://app.example.evil.example/back',
      '',
    ]) {
      const page = await adas.get((await ask({ redirect_uri })).url.href)
      expect([page.status, page.location]).toEqual([400, ''])
    }
    expect((await adas.get((await ask({ client_id: 'nobody' })).url.href)).status).toBe(400)
  })

  it('that is disabled, or whose person is signed out everywhere, is refused from the next request on', async () => {
    const tokens = await granted()
    await addApp(scene.clinic, { id: 'app', active: false })
    expect((await read(scene.patient, tokens.access_token)).status).toBe(401)
    await addApp(scene.clinic, { id: 'app' })
    expect((await read(scene.patient, tokens.access_token)).status).toBe(200)
    const { store, gateway } = scene.clinic
    const ports = { store, audit: gateway.audit, clock: { now: () => Date.now() } }
    await signOutEverywhere(ports, ada.id, { disable: false }, { requestId: 'test-setup', at: Date.now() })
    expect((await read(scene.patient, tokens.access_token)).status).toBe(401)
    expect(
      await tokenFor({ grant_type: 'refresh_token', refresh_token: String(tokens.refresh_token) }),
    ).toMatchObject({ status: 400 })
  })
})

describe('the pages', () => {
  it('hold no script of their own, no frame and nothing of the patient, and name the app', async () => {
    const page = await adas.get((await ask()).url.href)
    const onward = /url=([^"]*)/.exec(page.text)?.[1] ?? ''
    const sent = await openBrowser(base).get(onward)
    const signIn = await openBrowser(base).get(sent.location)
    for (const each of [page, signIn]) {
      expect(each.headers.get('content-security-policy')).toMatch(
        /default-src 'none'.*frame-ancestors 'none'/,
      )
      expect(each.headers.get('cache-control')).toBe('no-store')
      expect(each.text).not.toMatch(/Okafor|<script>|onclick|style=/)
    }
  })

  it('take no answer from another site, another session or a stranger', async () => {
    const asked = await ask()
    const onward = /url=([^"]*)/.exec((await adas.get(asked.url.href)).text)?.[1] ?? ''
    // Whoever was signed out by the claims before signs in again.
    if ((await adas.get(onward)).location) await backFrom(asked)
    const page = await adas.get(onward)
    const answer = { state: page.field('state'), scope: ['patient/Patient.r'], answer: 'allow' }
    const elsewhere: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
    ]
    for (const headers of elsewhere) expect((await adas.post('consent', answer, headers)).status).toBe(403)
    expect((await openBrowser(base).post('consent', answer)).status).toBe(400)
    expect((await adas.post('consent', { ...answer, answer: 'deny' })).location).toContain(
      'error=access_denied',
    )
  })
})

describe('Inferno: discovery', () => {
  it('answers JSON to any origin, with all that launch and sign-on need, and S256 without plain', async () => {
    for (const path of [
      '/.well-known/smart-configuration',
      '/fhir/.well-known/smart-configuration',
      '/.well-known/openid-configuration',
    ]) {
      const response = await fetch(`${base}${path}`, {
        headers: { accept: 'text/html', origin: 'https://app.example' },
      })
      expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([200, '*'])
      expect(response.headers.get('content-type')).toContain('application/json')
      const said = await response.json()
      for (const name of [
        'issuer',
        'jwks_uri',
        'authorization_endpoint',
        'token_endpoint',
        'introspection_endpoint',
      ])
        expect(said[name], name).toMatch(/^https?:\/\//)
      expect(said.grant_types_supported).toEqual(
        expect.arrayContaining(['authorization_code', 'client_credentials']),
      )
      expect(said.code_challenge_methods_supported).toEqual(['S256'])
      expect(said.capabilities).toEqual(
        expect.arrayContaining(['launch-ehr', 'launch-standalone', 'sso-openid-connect']),
      )
    }
  })
})

describe('Inferno: tokens', () => {
  it('come uncached, as JSON, with an id_token in RS256 under a published RSA key, of a person of this server', async () => {
    const asked = await ask()
    const code = String((await backFrom(asked)).searchParams.get('code'))
    const body = new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirect,
      code_verifier: asked.checks.pkceCodeVerifier,
      client_id: 'app',
    })
    const response = await fetch(`${base}/auth/token`, { method: 'POST', body })
    expect([response.headers.get('cache-control'), response.headers.get('pragma')]).toEqual([
      'no-store',
      'no-cache',
    ])
    const tokens = await response.json()
    expect(tokens).toMatchObject({ token_type: 'Bearer', expires_in: 300, access_token: expect.any(String) })
    const { alg, kid } = decodeProtectedHeader(tokens.id_token)
    const { keys } = await (await fetch(`${base}/auth/jwks`)).json()
    expect(keys.find((key: { kid: string }) => key.kid === kid)).toMatchObject({ kty: 'RSA', alg: 'RS256' })
    expect(alg).toBe('RS256')
    const { sub = '', fhirUser } = decodeJwt<{ fhirUser: string }>(tokens.id_token)
    expect(sub.length).toBeLessThan(256)
    expect(fhirUser).toMatch(/\/fhir\/(?:Patient|Practitioner|PractitionerRole|RelatedPerson|Person)\//)
  })

  it('are refused for a bad code, client, verifier or refresh token', async () => {
    const asked = await ask()
    const code = String((await backFrom(asked)).searchParams.get('code'))
    const good = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirect,
      code_verifier: asked.checks.pkceCodeVerifier,
    }
    const challenge = String(asked.url.searchParams.get('code_challenge'))
    expect(await tokenFor({ ...good, code: 'bad' })).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(await tokenFor({ ...good, client_id: 'bad' })).toMatchObject({
      status: 401,
      error: 'invalid_client',
    })
    for (const code_verifier of ['', ' ', 'x'.repeat(43), challenge])
      expect(await tokenFor({ ...good, code_verifier })).toMatchObject({ status: 400 })
    expect(await tokenFor({ ...good, redirect_uri: `${redirect}/` })).toMatchObject({ status: 400 })
    expect(await tokenFor({ grant_type: 'refresh_token', refresh_token: 'bad' })).toMatchObject({
      status: 400,
    })
    expect(await tokenFor({ ...good, grant_type: 'password' })).toMatchObject({
      error: 'unsupported_grant_type',
    })
    // None of this used the code up.
    expect((await tokenFor(good)).status).toBe(200)
  })

  it('are not begun without PKCE in S256, nor for another audience', async () => {
    const wrong = [
      ['code_challenge_method', 'plain'],
      ['code_challenge', ''],
      ['aud', 'https://other.example/fhir'],
      ['aud', ''],
    ] as const
    for (const [name, value] of wrong) {
      const back = await backFrom(await ask({ [name]: value }))
      expect([back.searchParams.get('error'), back.searchParams.has('code')]).toEqual([
        'invalid_request',
        false,
      ])
    }
  })

  it('hold what the person left of what was asked, and never more by refreshing', async () => {
    const tokens = await granted({}, (scopes) =>
      scopes.filter((scope) => !/Communication|launch/.test(scope)),
    )
    expect(tokens).not.toHaveProperty('patient')
    expect(String(tokens.scope).split(' ')).not.toContain('patient/Communication.rs')
    expect((await read(`Communication?patient=${scene.patient}`, tokens.access_token)).status).toBe(403)
    const wider = await client.refreshTokenGrant(config, String(tokens.refresh_token), {
      scope: 'patient/*.cruds',
    })
    expect(String(wider.scope).split(' ')).toEqual(['patient/Patient.r'])
  })

  it('leave out what was asked for in a query, rather than grant more, and take v1 letters', async () => {
    const scope = 'openid patient/Communication.rs?status=completed patient/Patient.read'
    expect((await granted({ scope })).scope).toBe('openid patient/Patient.rs')
  })

  it('are introspected by who may: all that they say, and nothing but that they are over', async () => {
    const tokens = await granted()
    const said = await introspected(tokens.access_token)
    expect(said).toMatchObject({
      active: true,
      client_id: 'app',
      scope: tokens.scope,
      iss: base,
      sub: tokens.claims()?.sub,
      patient: scene.patient.slice(8),
      fhirUser: `${base}/fhir/${scene.patient}`,
    })
    expect(said.exp).toBeGreaterThan(Date.now() / 1000 - 600)
    await client.tokenRevocation(config, String(tokens.refresh_token))
    expect(await introspected(tokens.access_token)).toEqual({ active: false })
    expect((await read(scene.patient, tokens.access_token)).status).toBe(401)
    expect(
      await tokenFor({ grant_type: 'refresh_token', refresh_token: String(tokens.refresh_token) }),
    ).toMatchObject({ status: 400 })
    expect((await fetch(`${base}/fhir/${scene.patient}`)).status).toBe(401)
  })
})

describe('an app of staff', () => {
  const scope = 'openid fhirUser launch online_access patient/Patient.rs patient/Communication.rs'

  it('is launched by the EHR about one patient, is bound to a key, and sees nobody else', async () => {
    const keys = await generateKeyPair('ES384', { extractable: true })
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'chart-1', alg: 'ES384', use: 'sig' }
    await addApp(scene.clinic, { id: 'chart', jwks: { keys: [jwk] } })
    const doctor = await scene.platform.request('POST', '/fhir/Practitioner', {
      resourceType: 'Practitioner',
      active: true,
      name: [{ family: 'Brandt' }],
    })
    const other = await scene.platform.request('POST', '/fhir/Patient', {
      resourceType: 'Patient',
      managingOrganization: { reference: scene.organizations.northside },
      name: [{ family: 'Somebody' }],
    })
    const brandt = await openAccount(scene.clinic, `Practitioner/${doctor.body.id}`, 'clinician', {
      organization: scene.organizations.northside,
    })
    const launched = await scene.ehr.request('POST', '/auth/launch', { app: 'chart', patient: scene.patient })
    expect(launched.status).toBe(201)
    for (const by of [scene.stranger, scene.pharmacy])
      expect(
        (await by.request('POST', '/auth/launch', { app: 'chart', patient: scene.patient })).status,
      ).toBe(404)

    const as = config.serverMetadata()
    const asked = await ask({ client_id: 'chart', scope, launch: launched.body.launch })
    const browser = openBrowser(base)
    const { location } = await authorizeAs(browser, asked.url.href, brandt)
    const self = { client_id: 'chart' }
    const back = oauth.validateAuthResponse(as, self, new URL(location), asked.checks.expectedState)
    const auth = assertion(keys.privateKey, 'chart-1')
    const { pkceCodeVerifier: verifier, expectedNonce } = asked.checks
    const plain = await oauth.authorizationCodeGrantRequest(
      as,
      self,
      auth,
      back,
      redirect,
      verifier,
      insecure,
    )
    expect((await plain.json()).error).toBe('invalid_dpop_proof')
    const DPoP = oauth.DPoP({}, await oauth.generateKeyPair('ES256'))
    const bound = { ...insecure, DPoP }
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      self,
      auth,
      back,
      redirect,
      verifier,
      bound,
    )
    const tokens = await oauth.processAuthorizationCodeResponse(as, self, response, { expectedNonce })
    expect(tokens).toMatchObject({
      token_type: 'dpop',
      patient: scene.patient.slice(8),
      need_patient_banner: true,
    })
    const get = async (path: string) =>
      (
        await oauth.protectedResourceRequest(
          tokens.access_token,
          'GET',
          new URL(`${base}/fhir/${path}`),
          undefined,
          undefined,
          bound,
        )
      ).status
    expect(await get(scene.patient)).toBe(200)
    expect(await get(`Patient/${other.body.id}`).catch((cause) => cause.status ?? cause)).toBe(404)
    expect((await read(scene.patient, tokens.access_token)).status).toBe(401)
    const again = await ask({ client_id: 'chart', scope, launch: launched.body.launch })
    expect((await authorizeAs(browser, again.url.href, brandt)).status).toBe(400)
  })

  it('has its person sign in again when that was too long ago for it', async () => {
    const asked = await ask({ prompt: 'login' })
    const onward = /url=([^"]*)/.exec((await adas.get(asked.url.href)).text)?.[1] ?? ''
    expect((await adas.get(onward)).location).toContain('sign-in?request=')
  })
})
