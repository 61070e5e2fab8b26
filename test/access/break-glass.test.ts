import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Reference } from '#core/resource.ts'
import { fixture, made, openScene, placesIn, resourcesOf, type Scene } from '../doors/scene.ts'
import type { TestClient } from '../open-clinic.ts'

const system = 'http://terminology.hl7.org/CodeSystem'
const reason = 'unconscious, no relatives, drug history needed'
let scene: Scene
let rescue: TestClient
let ordinary: TestClient
let officer: TestClient
let note: Reference
let other: Reference

beforeAll(async () => {
  scene = await openScene()
  const emergency = (id: string, grants: string[]) =>
    scene.clinic.client({
      id,
      role: 'ehr',
      organization: scene.organizations.elsewhere,
      scopes: ['system/*.cruds'],
      purposes: ['TREAT', 'BTG'],
      grants,
    })
  rescue = await emergency('rescue', ['break-glass'])
  ordinary = await emergency('ordinary', [])
  officer = await scene.clinic.client({
    id: 'officer',
    role: 'privacy-officer',
    scopes: ['system/*.cruds'],
    purposes: ['HOPERAT'],
    grants: [],
  })
  const sent = await scene.platform.request(
    'POST',
    '/ingest/messages',
    fixture('secure-message/patient-to-clinician.in.json'),
  )
  note = placesIn(sent.body, 'Communication')[0] as Reference
  other = await made(scene.platform, {
    resourceType: 'Patient',
    active: true,
    managingOrganization: { reference: scene.organizations.northside },
  })
})
afterAll(() => scene.clinic.close())

/** Asks the token endpoint as an emergency system would. */
async function ask(client: TestClient, glass: object | undefined) {
  const endpoint = `${scene.clinic.baseUrl}/auth/token`
  const assertion = await new SignJWT({
    extensions: {
      'hl7-b2b': { purpose_of_use: ['BTG'] },
      ...(glass ? { 'postern-break-glass': glass } : {}),
    },
  })
    .setProtectedHeader({ alg: 'ES384', kid: `${client.id}-1`, typ: 'JWT' })
    .setIssuer(client.id)
    .setSubject(client.id)
    .setAudience(endpoint)
    .setJti(crypto.randomUUID())
    .setExpirationTime('2m')
    .sign(client.key)
  const response = await fetch(endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'system/*.cruds',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    }),
  })
  return { status: response.status, body: await response.json() }
}

async function read(token: string, place: string) {
  const response = await fetch(`${scene.clinic.baseUrl}/fhir/${place}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  return { status: response.status, body: await response.json() }
}

async function broken(): Promise<string> {
  const { status, body } = await ask(rescue, { patient: scene.patient, reason })
  expect(status, JSON.stringify(body)).toBe(200)
  return body.access_token
}

function refusal(provision: object) {
  return {
    resourceType: 'Consent',
    status: 'active',
    scope: { coding: [{ system: `${system}/consentscope`, code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: scene.patient },
    dateTime: '2026-01-02',
    policyRule: { coding: [{ system: `${system}/v3-ActCode`, code: 'OPTOUT' }] },
    provision: { type: 'deny', ...provision },
  }
}

describe('breaking the glass', () => {
  it.each<[string, () => object | undefined]>([
    ['no word of why', () => undefined],
    ['no patient', () => ({ reason })],
    ['more than one patient', () => ({ patient: [scene.patient, other], reason })],
    ['no reason', () => ({ patient: scene.patient })],
    ['a reason of nine characters', () => ({ patient: scene.patient, reason: '123456789' })],
    ['a reason of blanks', () => ({ patient: scene.patient, reason: ' '.repeat(20) })],
    ['a patient who never was', () => ({ patient: 'Patient/never-was', reason })],
  ])('is refused with %s', async (_, glass) => {
    const { status, body } = await ask(rescue, glass())
    expect([status, body.error]).toEqual([400, 'invalid_grant'])
  })

  it('is refused to a client that is not of the group, whatever purposes it has', async () => {
    const { status, body } = await ask(ordinary, { patient: scene.patient, reason })
    expect([status, body.error]).toEqual([400, 'invalid_grant'])
  })

  it('opens one patient to a stranger for minutes, and nobody else', async () => {
    expect((await rescue.request('GET', `/fhir/${note}`)).status).toBe(404)
    const { body } = await ask(rescue, { patient: scene.patient, reason })
    expect(body.expires_in).toBeLessThanOrEqual(3600)
    expect((await read(body.access_token, note)).status).toBe(200)
    expect((await read(body.access_token, scene.patient)).status).toBe(200)
    const found = await read(body.access_token, `Communication?patient=${scene.patient}`)
    expect(found.body.entry).toHaveLength(1)
    expect((await read(body.access_token, other)).status).toBe(404)
    // What the token does not say, the client's other tokens do not get.
    expect((await rescue.request('GET', `/fhir/${note}`)).status).toBe(404)
  })

  it('goes past an ordinary refusal, and not past one that names emergencies', async () => {
    const token = await broken()
    const ordinaryRefusal = await made(scene.platform, refusal({}))
    expect((await read(token, note)).status).toBe(200)
    const named = await made(
      scene.platform,
      refusal({ purpose: [{ system: `${system}/v3-ActReason`, code: 'BTG' }] }),
    )
    expect((await read(token, note)).status).toBe(404)
    for (const place of [ordinaryRefusal, named]) await scene.platform.request('DELETE', `/fhir/${place}`)
  })

  it('leaves what is very restricted shut', async () => {
    const secret = await scene.ehr.request(
      'POST',
      '/fhir/Communication',
      {
        resourceType: 'Communication',
        meta: { security: [{ system: `${system}/v3-Confidentiality`, code: 'V' }] },
        status: 'completed',
        subject: { reference: scene.patient },
        sender: { reference: scene.organizations.northside },
        recipient: [{ reference: scene.patient }],
        payload: [{ contentString: 'x' }],
      },
      { prefer: 'return=representation' },
    )
    expect(secret.status, secret.text).toBe(201)
    expect((await read(await broken(), `Communication/${secret.body.id}`)).status).toBe(404)
  })

  it('opens reading only', async () => {
    const response = await fetch(`${scene.clinic.baseUrl}/fhir/Communication`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await broken()}`, 'content-type': 'application/fhir+json' },
      body: JSON.stringify({
        resourceType: 'Communication',
        status: 'completed',
        subject: { reference: scene.patient },
        payload: [{ contentString: 'x' }],
      }),
    })
    expect(response.status).toBe(403)
  })

  it('puts an alert into the queue with the token, and the reason on record', async () => {
    const queue = async () =>
      resourcesOf((await officer.request('GET', `/fhir/Task?patient=${scene.patient}&_count=200`)).body)
    const before = (await queue()).length
    await broken()
    const now = await queue()
    expect(now).toHaveLength(before + 1)
    expect(now.at(-1)).toMatchObject({
      status: 'requested',
      priority: 'urgent',
      code: { coding: [{ code: 'break-glass' }] },
      for: { reference: scene.patient },
      requester: { reference: scene.organizations.elsewhere },
    })
    expect(JSON.stringify(now)).not.toContain('unconscious')
    const events = resourcesOf(
      (await officer.request('GET', `/fhir/AuditEvent?patient=${scene.patient}&_count=200`)).body,
    )
    const told = events.filter((event) => event.outcomeDesc === 'the glass was broken')
    expect(told.length).toBeGreaterThan(0)
    const queries = told.flatMap((event) => event.entity).map((entity) => atob(entity?.query ?? ''))
    expect(queries.some((query) => new URLSearchParams(query).get('break-glass-reason') === reason)).toBe(
      true,
    )
  })

  it('ends with the grant, on the next request', async () => {
    const token = await broken()
    expect((await read(token, note)).status).toBe(200)
    const { registerClient, clientOf } = await import('#auth/clients.ts')
    const { store, gateway } = scene.clinic
    const registered = await clientOf(store, 'rescue')
    await registerClient(
      store,
      gateway.audit,
      { ...registered, grants: [] },
      { requestId: 'x', at: Date.now() },
    )
    expect((await read(token, note)).status).toBe(401)
    await registerClient(store, gateway.audit, registered, { requestId: 'x', at: Date.now() })
  })
})
