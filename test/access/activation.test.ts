import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openScene, resourcesOf, type Scene } from '../doors/scene.ts'
import type { TestClient } from '../open-clinic.ts'

const system = 'http://terminology.hl7.org/CodeSystem'
let scene: Scene
let officer: TestClient

beforeAll(async () => {
  scene = await openScene()
  officer = await scene.clinic.client({
    id: 'officer',
    role: 'privacy-officer',
    scopes: ['system/*.cruds'],
    purposes: ['HOPERAT'],
    grants: [],
  })
})
afterAll(() => scene.clinic.close())

function consent(provision: object | undefined, status = 'active') {
  return {
    resourceType: 'Consent',
    status,
    scope: { coding: [{ system: `${system}/consentscope`, code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: scene.patient },
    dateTime: '2026-01-02',
    policyRule: { coding: [{ system: `${system}/v3-ActCode`, code: 'OPTOUT' }] },
    ...(provision ? { provision } : {}),
  }
}

const write = (body: object) =>
  scene.platform.request('POST', '/fhir/Consent', body, { prefer: 'return=representation' })
const queue = async () =>
  resourcesOf((await officer.request('GET', `/fhir/Task?patient=${scene.patient}`)).body)

describe('a consent with labels that nothing here is labelled with', () => {
  const labelled = { type: 'deny', securityLabel: [{ system: 'http://example.org/labels', code: 'SECRET' }] }

  it('is not put into force, and the answer says where the label stands', async () => {
    const nested = { type: 'permit', provision: [labelled] }
    const answer = await write(consent(nested))
    expect(answer.status).toBe(422)
    expect(answer.body.issue[0].expression).toEqual(['Consent.provision.provision[0].securityLabel[0]'])
    expect(answer.text).not.toContain('SECRET')
  })

  it('may be kept as a draft, and not be activated later', async () => {
    const kept = await write(consent(labelled, 'draft'))
    expect(kept.status).toBe(201)
    const { id } = kept.body
    const headers = { 'if-match': 'W/"1"' }
    const activated = await scene.platform.request(
      'PUT',
      `/fhir/Consent/${id}`,
      { ...kept.body, status: 'active' },
      headers,
    )
    expect(activated.status).toBe(422)
  })
})

describe('a consent that cannot be carried out', () => {
  it('is kept, refuses everything, and waits for a privacy officer, who signs it off', async () => {
    expect((await scene.ehr.request('GET', `/fhir/${scene.patient}`)).status).toBe(200)
    const kept = await write(consent({ purpose: [{ system: `${system}/v3-ActReason`, code: 'TREAT' }] }))
    expect(kept.status).toBe(201)
    expect((await scene.ehr.request('GET', `/fhir/${scene.patient}`)).status).toBe(404)

    const [task] = await queue()
    expect(task).toMatchObject({
      status: 'requested',
      focus: { reference: `Consent/${kept.body.id}` },
      for: { reference: scene.patient },
      code: { coding: [{ code: 'consent-not-computable' }] },
    })
    const sign = (body: object) =>
      officer.request('PUT', `/fhir/Task/${task.id}`, body, { 'if-match': 'W/"1"' })
    expect((await sign({ ...task, status: 'completed' })).status).toBe(422)
    const reason = { statusReason: { text: 'asked the patient; a new consent is on its way' } }
    expect((await sign({ ...task, status: 'completed', ...reason })).status).toBe(200)
    await scene.platform.request('DELETE', `/fhir/Consent/${kept.body.id}`)
    expect((await scene.ehr.request('GET', `/fhir/${scene.patient}`)).status).toBe(200)
  })

  it('flags nothing when it can be carried out', async () => {
    const before = (await queue()).length
    const kept = await write(
      consent({ type: 'deny', purpose: [{ system: `${system}/v3-ActReason`, code: 'HRESCH' }] }),
    )
    expect(kept.status).toBe(201)
    expect(await queue()).toHaveLength(before)
  })
})

describe('the queue of reviews', () => {
  it('is all that a privacy officer sees of Tasks, and nobody can put anything into it', async () => {
    const task = {
      resourceType: 'Task',
      status: 'requested',
      intent: 'order',
      code: { coding: [{ system: 'https://postern.health/fhir/CodeSystem/review', code: 'break-glass' }] },
      for: { reference: scene.patient },
    }
    expect((await scene.ehr.request('POST', '/fhir/Task', task)).status).toBe(422)
    const work = await scene.ehr.request(
      'POST',
      '/fhir/Task',
      { ...task, code: { text: 'call back' } },
      { prefer: 'return=representation' },
    )
    expect(work.status).toBe(201)
    expect((await officer.request('GET', `/fhir/Task/${work.body.id}`)).status).toBe(404)
  })
})
