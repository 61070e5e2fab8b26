import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Reference } from '#core/resource.ts'
import { postern } from '../doors/command-line.ts'
import { fixture, made, openScene, placesIn, resourcesOf, type Scene } from '../doors/scene.ts'
import type { TestClient } from '../open-clinic.ts'

let scene: Scene
let officer: TestClient
let message: Reference
let order: Reference

beforeAll(async () => {
  scene = await openScene()
  officer = await scene.clinic.client({
    id: 'officer',
    role: 'privacy-officer',
    scopes: ['system/AuditEvent.rs', 'system/Consent.rs'],
    purposes: ['HOPERAT'],
    grants: [],
  })
  const sent = await scene.platform.request(
    'POST',
    '/ingest/messages',
    fixture('secure-message/patient-to-clinician.in.json'),
  )
  message = placesIn(sent.body, 'Communication')[0] as Reference
  const placed = await scene.platform.request(
    'POST',
    '/ingest/prescriptions',
    fixture('prescription/active-attested.in.json'),
  )
  order = placesIn(placed.body, 'MedicationRequest')[0] as Reference
})
afterAll(() => scene.clinic.close())

function ask(client: TestClient, actor: string, resource: string, more: Record<string, string> = {}) {
  const query = new URLSearchParams({ 'actor-client': actor, resource, ...more })
  return client.request('GET', `/access/explain?${query}`)
}

function refusalOf(actor: Reference) {
  const system = 'http://terminology.hl7.org/CodeSystem'
  return {
    resourceType: 'Consent',
    status: 'active',
    scope: { coding: [{ system: `${system}/consentscope`, code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: scene.patient },
    dateTime: '2026-01-02',
    policyRule: { coding: [{ system: `${system}/v3-ActCode`, code: 'OPTOUT' }] },
    provision: {
      type: 'deny',
      actor: [{ role: { coding: [{ code: 'IRCP' }] }, reference: { reference: actor } }],
    },
  }
}

describe('a privacy officer who asks why', () => {
  it('is told the rules that let a treating party in, as the FHIR door applies them', async () => {
    const { status, body } = await ask(officer, 'ehr', message, { interaction: 'read', purpose: 'TREAT' })
    expect(status).toBe(200)
    expect(body).toEqual({
      client: 'ehr',
      resource: message,
      interaction: 'read',
      purpose: 'TREAT',
      permit: true,
      reasons: ['role:ehr', 'scope', 'treating', 'consent:none'],
      consents: [],
      rules: expect.stringMatching(/^postern-access\//),
      hidden: [],
    })
  })

  it('is told why a stranger is kept out', async () => {
    const { body } = await ask(officer, 'stranger', message)
    expect(body).toMatchObject({ permit: false, reasons: ['role:ehr', 'scope', 'not-treating'] })
  })

  it('is told which consent decided', async () => {
    const place = await made(scene.platform, refusalOf(scene.organizations.northside))
    const { body } = await ask(officer, 'ehr', message)
    expect(body).toMatchObject({ permit: false, consents: [place] })
    expect(body.reasons).toContain('consent:deny')
    await scene.platform.request('DELETE', `/fhir/${place}`)
  })

  it('is told which elements a pharmacy does not see, and that a message is none of its business', async () => {
    const seen = await ask(officer, 'pharmacy', order)
    expect(seen.body.permit).toBe(true)
    const shown = (await scene.pharmacy.request('GET', `/fhir/${order}`)).body
    const whole = (await scene.ehr.request('GET', `/fhir/${order}`)).body
    const missing = Object.keys(whole).filter((name) => !(name in shown))
    expect(missing.length).toBeGreaterThan(0)
    expect(seen.body.hidden).toEqual(expect.arrayContaining(missing))
    expect((await ask(officer, 'pharmacy', message)).body.reasons).toEqual(['role:pharmacy'])
  })

  it('is told when the purpose is not registered for the client', async () => {
    const { body } = await ask(officer, 'ehr', message, { purpose: 'HRESCH' })
    expect(body.permit).toBe(false)
    expect(body.reasons[0]).toBe('purpose:not-registered')
  })

  it('hears the same of what never was, of an unknown client and of what was deleted', async () => {
    const gone = await made(scene.platform, refusalOf(scene.organizations.elsewhere))
    await scene.platform.request('DELETE', `/fhir/${gone}`)
    const answers = await Promise.all([
      ask(officer, 'ehr', 'Communication/never-was'),
      ask(officer, 'nobody', message),
      ask(officer, 'ehr', gone),
    ])
    for (const { status } of answers) expect(status).toBe(404)
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
  })

  it.each([
    ['no resource', ''],
    ['a search', 'Communication?patient=1'],
    ['a path that climbs', '../Patient/1'],
  ])('is told to name one resource when it names %s', async (_, resource) => {
    expect((await ask(officer, 'ehr', resource)).status).toBe(400)
  })

  it('and every question is on record, with the patient and the resource', async () => {
    await ask(officer, 'stranger', message)
    const all = resourcesOf((await officer.request('GET', `/fhir/AuditEvent?patient=${scene.patient}`)).body)
    expect(all.some((event) => event.outcomeDesc === 'access explained')).toBe(true)
  })
})

describe('anybody else who asks why', () => {
  it('may ask about itself, and is not told consents or names of what is hidden', async () => {
    const { status, body } = await scene.pharmacy.request('GET', `/access/explain?resource=${order}`)
    expect(status).toBe(200)
    expect(body).toMatchObject({ client: 'pharmacy', permit: true, hidden: [], consents: [] })
  })

  it('hears that what it may not see is not there, byte for byte', async () => {
    const hidden = await ask(scene.stranger, 'stranger', message)
    const none = await ask(scene.stranger, 'stranger', 'Communication/never-was')
    expect([hidden.status, hidden.text]).toEqual([404, none.text])
  })

  it('is told what its own token shows, whether or not there is such a resource', async () => {
    const hidden = await ask(scene.pharmacy, 'pharmacy', message)
    const none = await ask(scene.pharmacy, 'pharmacy', 'Communication/never-was')
    for (const { status, body } of [hidden, none]) {
      expect([status, body.permit, body.reasons]).toEqual([200, false, ['role:pharmacy']])
    }
  })

  it('may not ask about others, be they there or not', async () => {
    expect((await ask(scene.ehr, 'pharmacy', order)).status).toBe(403)
    expect((await ask(scene.ehr, 'nobody', order)).status).toBe(403)
    expect((await ask(scene.auditor, 'ehr', order)).status).toBe(403)
  })

  it('without a token gets 401', async () => {
    const response = await fetch(`${scene.clinic.baseUrl}/access/explain?resource=${message}`)
    expect(response.status).toBe(401)
  })
})

describe('postern consent explain', () => {
  const run = (...parameters: string[]) => postern(scene.clinic.folder, ...parameters)

  it('says the same on the command line', async () => {
    const { code, stdout } = await run('--json', 'consent', 'explain', 'ehr', message)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual((await ask(officer, 'ehr', message)).body)
    const refused = await run('consent', 'explain', 'stranger', message)
    expect(refused.stdout).toContain(`stranger may not read ${message} for TREAT`)
    expect((await run('consent', 'explain', 'ehr', 'Patient/none')).code).toBe(1)
  })
})
