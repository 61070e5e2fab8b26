import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { registerIssuer } from '#auth/issuers.ts'
import type { Reference } from '#core/resource.ts'
import { openClinic, type TestClient, type TestClinic } from '../open-clinic.ts'
import { app, type IdentityProvider, openIdentityProvider, type TestPerson } from '../people.ts'

/** People come with tokens of the clinic's own login (ACC3), and the gateway sees what they do as theirs. */
let clinic: TestClinic
let login: IdentityProvider
let platform: TestClient
let doctor: TestPerson
let patient: TestPerson
let ada: Reference
let own: Reference
let other: Reference
const now = () => Math.floor(Date.now() / 1000)
const by = { requestId: 'test-setup', at: Date.now() }

beforeAll(async () => {
  clinic = await openClinic()
  login = await openIdentityProvider(clinic)
  platform = await clinic.client({
    id: 'platform',
    role: 'platform',
    scopes: ['system/*.cruds'],
    purposes: ['TREAT'],
    grants: [],
  })
  ada = await made({ resourceType: 'Practitioner', active: true, name: [{ given: ['Ada'], family: 'Kern' }] })
  own = await made({ resourceType: 'Patient', name: [{ family: 'Own' }] })
  other = await made({ resourceType: 'Patient', name: [{ family: 'Other' }] })
  doctor = await login.person(ada, 'physician')
  patient = await login.person(own, 'patient')
})
afterAll(() => clinic.close())

async function made(resource: { resourceType: string; [element: string]: unknown }): Promise<Reference> {
  const { body } = await platform.request('POST', `/fhir/${resource.resourceType}`, resource)
  return `${resource.resourceType}/${body.id}`
}

/** Status of a read with a bearer token that is right but for these claims: a patient's own record. */
async function ask(
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<number> {
  const token = await login.token({ fhirUser: own, roles: ['patient'], ...claims }, header)
  const headers = { authorization: `Bearer ${token}` }
  return (await fetch(`${clinic.baseUrl}/fhir/${own}`, { headers })).status
}

describe('a person with a token of the clinic’s login', () => {
  it('sees what is their own, and nothing of anybody else', async () => {
    expect((await patient.request('GET', `/fhir/${own}`)).status).toBe(200)
    expect((await patient.request('GET', `/fhir/${other}`)).status).toBe(404)
    expect(await ask()).toBe(200)
  })

  it('is on record by name, with the app that was used and the sign-in’s token', async () => {
    expect((await doctor.request('GET', `/fhir/${ada}`)).status).toBe(200)
    const auditor = await login.person(ada, 'privacy')
    const { body } = await auditor.request('GET', '/fhir/AuditEvent?_count=200')
    const agents = JSON.stringify(
      body.entry.map((entry: { resource: { agent: unknown } }) => entry.resource.agent),
    )
    expect(agents).toContain(`"who":{"reference":"${ada}"},"name":"Ada Kern"`)
    expect(agents).toContain(`"${app} ${ada}"`)
    expect(agents).not.toContain('Own')
  })

  it('may be named by an absolute address of this gateway, and of no other', async () => {
    expect(await ask({ fhirUser: `${clinic.baseUrl}/fhir/${own}` })).toBe(200)
    expect(await ask({ fhirUser: 'https://elsewhere.example/fhir/Patient/own' })).toBe(401)
  })

  it('has a record of the kind that the role is for', async () => {
    expect(await ask({ fhirUser: ada })).toBe(401)
    const posing = await login.person(own, 'physician')
    expect((await posing.request('GET', `/fhir/${ada}`)).status).toBe(401)
  })

  it('is let in as a related person while the relation holds, and not before or after', async () => {
    const statusIn = async (period?: { start?: string; end?: string }) => {
      const related = { resourceType: 'RelatedPerson', patient: { reference: own } }
      const proxy = await login.person(await made({ ...related, ...(period ? { period } : {}) }), 'parent')
      return (await proxy.request('GET', `/fhir/${own}`)).status
    }
    // Let in and shown nothing: no consent names this person.
    expect(await statusIn()).toBe(404)
    expect(await statusIn({ start: '2020-01-01' })).toBe(404)
    expect(await statusIn({ end: '2020-01-01' })).toBe(401)
    expect(await statusIn({ start: '2999-01-01' })).toBe(401)
  })

  it('is refused once their record is inactive, with the token that was good a moment ago', async () => {
    const leaver = await made({ resourceType: 'Patient', active: true })
    const token = await login.token({ fhirUser: leaver, roles: ['patient'] })
    const headers = { authorization: `Bearer ${token}` }
    const read = async () => (await fetch(`${clinic.baseUrl}/fhir/${ada}`, { headers })).status
    expect(await read()).toBe(200)
    const record = await platform.request('GET', `/fhir/${leaver}`)
    const match = { 'if-match': record.headers.get('etag') ?? '' }
    await platform.request('PUT', `/fhir/${leaver}`, { ...record.body, active: false }, match)
    expect(await read()).toBe(401)
  })
})

describe('a token of another issuer is refused', () => {
  const seconds = now()
  it.each([
    ['of an issuer that nobody registered', { iss: 'https://stranger.example' }, {}],
    ['of an issuer that is no text', { iss: { a: 1 } }, {}],
    ['of an issuer that is true', { iss: true }, {}],
    ['for another audience', { aud: 'https://other.example' }, {}],
    [
      'for several audiences of which none is this one',
      { aud: ['https://a.example', 'https://b.example'] },
      {},
    ],
    ['of an app that was not agreed', { client_id: 'game' }, {}],
    ['that has expired', { iat: seconds - 900, exp: seconds - 60 }, {}],
    ['that lives longer than was agreed', { exp: seconds + 7200 }, {}],
    ['made in the future', { iat: seconds + 600, exp: seconds + 900 }, {}],
    ['without jti', { jti: undefined }, {}],
    ['with a jti that is no text', { jti: { a: 1 } }, {}],
    ['with a jti of several words', { jti: 'two words' }, {}],
    ['bound to a certificate, which nobody shows here', { cnf: { 'x5t#S256': 'x'.repeat(43) } }, {}],
    ['bound to a thumbprint that is none', { cnf: { jkt: 5 } }, {}],
    ['without scope', { scope: undefined }, {}],
    ['with scopes of sign-in only', { scope: 'openid fhirUser' }, {}],
    ['with scopes of a system', { scope: 'system/*.rs' }, {}],
    ['that does not say when its person signed in', { auth_time: undefined }, {}],
    ['of a sign-in twelve hours ago', { auth_time: seconds - 12 * 3600 }, {}],
    ['of a sign-in in the future', { auth_time: seconds + 600 }, {}],
    ['of a person who is not here', { fhirUser: 'Patient/nobody' }, {}],
    ['of a person with a role that means nothing here', { roles: ['janitor'] }, {}],
    ['of a person without role', { roles: undefined }, {}],
    ['with a path for a name', { fhirUser: 'Patient/own/../other' }, {}],
    ['of a type that is no access token', {}, { typ: 'JWT' }],
    ['without type', {}, { typ: undefined }],
    ['under a key id that is not registered', {}, { kid: 'login-2' }],
  ])('%s', async (_, claims, header) => {
    expect(await ask(claims, header)).toBe(401)
  })

  it('when it is not signed, or signed by somebody else, or was changed', async () => {
    const token = await login.token({ fhirUser: own, roles: ['patient'] })
    const [header = '', payload = '', signature = ''] = token.split('.')
    const text = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
    const others = await openIdentityProviderOfSomebodyElse()
    for (const forged of [
      `${text({ alg: 'none', typ: 'at+jwt' })}.${payload}.`,
      `${header}.${text({ ...claims, fhirUser: other })}.${signature}`,
      `${text({ alg: 'HS384', kid: 'login-1', typ: 'at+jwt' })}.${payload}.${signature}`,
      others,
    ]) {
      const headers = { authorization: `Bearer ${forged}` }
      const { status } = await fetch(`${clinic.baseUrl}/fhir/${own}`, { headers })
      expect(status).toBe(401)
    }
  })

  async function openIdentityProviderOfSomebodyElse(): Promise<string> {
    const { SignJWT, generateKeyPair } = await import('jose')
    const { privateKey } = await generateKeyPair('ES384')
    const claims = { fhirUser: own, roles: ['patient'], client_id: app, scope: 'patient/*.rs' }
    return new SignJWT({ ...claims, auth_time: now(), jti: 'x'.repeat(20), sub: 'x' })
      .setProtectedHeader({ alg: 'ES384', kid: 'login-1', typ: 'at+jwt' })
      .setIssuer('https://login.example')
      .setAudience(clinic.baseUrl)
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey)
  }
})

describe('staff', () => {
  it('come with two factors (J11)', async () => {
    const careless = await login.person(ada, 'physician', { amr: ['pwd'] })
    const { status, text } = await careless.request('GET', `/fhir/${ada}`)
    expect(status).toBe(401)
    expect(text).toContain('two factors')
    const byClass = await login.person(ada, 'physician', {
      amr: undefined,
      acr: 'urn:example:two-factors',
    })
    expect((await byClass.request('GET', `/fhir/${ada}`)).status).toBe(200)
  })

  it('come with a key of their own: a token alone, or with another key’s proof, opens nothing (ACC14)', async () => {
    const claims = { fhirUser: ada, roles: ['physician'] }
    const url = `${clinic.baseUrl}/fhir/${ada}`
    const bearer = await login.token(claims)
    expect((await fetch(url, { headers: { authorization: `Bearer ${bearer}` } })).status).toBe(401)
    const bound = await login.token({ ...claims, cnf: { jkt: doctor.thumbprint } })
    expect((await fetch(url, { headers: { authorization: `Bearer ${bound}` } })).status).toBe(401)
    const thief = await login.person(ada, 'physician')
    const dpop = await thief.proof('GET', url, bound)
    expect((await fetch(url, { headers: { authorization: `DPoP ${bound}`, dpop } })).status).toBe(401)
  })

  it('have the first of their roles that the registration names, and its scopes only', async () => {
    const both = await login.person(ada, 'nurse', { roles: ['nurse', 'physician'] })
    const explain = await both.request('GET', `/fhir/MedicationRequest?patient=${own}`)
    expect(explain.status).toBe(200)
    const narrow = await login.person(ada, 'physician', { scope: 'user/Practitioner.r' })
    expect((await narrow.request('GET', `/fhir/${ada}`)).status).toBe(200)
    expect((await narrow.request('GET', `/fhir/MedicationRequest?patient=${own}`)).status).toBe(403)
  })
})

describe('an issuer', () => {
  it('that is switched off lets nobody in from the next request on', async () => {
    const token = await login.token({ fhirUser: own, roles: ['patient'] })
    const read = () =>
      fetch(`${clinic.baseUrl}/fhir/${own}`, { headers: { authorization: `Bearer ${token}` } })
    expect((await read()).status).toBe(200)
    const { store, gateway } = clinic
    await registerIssuer(store, gateway.audit, { ...login.registration, active: false }, by)
    expect((await read()).status).toBe(401)
    await registerIssuer(store, gateway.audit, login.registration, by)
    expect((await read()).status).toBe(200)
  })

  it.each([
    ['an address without TLS', { issuer: 'http://login.example' }],
    ['a key that is no public key', { jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'a' }] } }],
    ['keys and an address for them', { jwksUrl: 'https://login.example/jwks' }],
    ['an address of this network for its keys', { jwks: undefined, jwksUrl: 'https://10.0.0.1/jwks' }],
    ['tokens that live for more than an hour', { lifetime: 3601 }],
    ['a role that only systems have', { role: 'platform' }],
    ['no app', { apps: [] }],
  ])('is not registered with %s', async (_, changes) => {
    const { store, gateway } = clinic
    const registering = registerIssuer(store, gateway.audit, { ...login.registration, ...changes }, by)
    await expect(registering).rejects.toMatchObject({ kind: 'invalid' })
  })
})
