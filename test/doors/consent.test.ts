import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Reference } from '#core/resource.ts'
import type { Answer, TestClient } from '../open-clinic.ts'
import { fixture, made, message, openScene, placesIn, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
/** What a stranger must not know of. */
const places: Reference[] = []
beforeAll(async () => {
  scene = await openScene()
  for (const [door, name] of [
    ['messages', 'secure-message/patient-to-clinician'],
    ['eligibility', 'eligibility-result/eligible'],
    ['prescriptions', 'prescription/active-attested'],
  ]) {
    const answer = await scene.platform.request('POST', `/ingest/${door}`, fixture(`${name}.in.json`))
    expect(answer.status, answer.text).toBe(201)
    places.push(
      ...['Communication', 'QuestionnaireResponse', 'MedicationRequest', 'Task', 'Provenance'].flatMap(
        (type) => placesIn(answer.body, type) as Reference[],
      ),
    )
  }
  places.push(scene.patient)
})
afterAll(() => scene.clinic.close())

/** An answer with what differs between any two requests taken out: date, request id, bundle id and time, asked id. */
function comparable({ status, headers, text }: Answer, ...ids: string[]): string {
  const kept = [...headers].filter(([name]) => !['date', 'x-request-id', 'content-length'].includes(name))
  const same = ids.reduce((all, id) => all.replaceAll(id, 'ID'), text)
  const body = same.replace(
    /^\{"resourceType":"Bundle","id":"[^"]+","meta":\{"lastUpdated":"[^"]+"\}/,
    '{"resourceType":"Bundle"',
  )
  return JSON.stringify([status, kept, body])
}

const nobody = '00000000-0000-4000-8000-000000000000'

/** Asks about a place and about one that never was, and expects the same bytes. */
async function expectAbsent(client: TestClient, place: Reference): Promise<void> {
  const [type = '', id = ''] = place.split('/')
  for (const after of ['', '/_history', '/_history/1', '/_history/2', '?_format=json']) {
    const real = await client.request('GET', `/fhir/${type}/${id}${after}`)
    const none = await client.request('GET', `/fhir/${type}/${nobody}${after}`)
    expect(none.status).toBe(404)
    expect(comparable(real, id), `${type}${after}`).toBe(comparable(none, nobody))
  }
  const real = await client.request('GET', `/fhir/${type}?_id=${id}`)
  const none = await client.request('GET', `/fhir/${type}?_id=${nobody}`)
  expect(none.status).toBe(200)
  expect(comparable(real, id), `${type}?_id`).toBe(comparable(none, nobody))
}

interface Provision {
  type?: 'permit' | 'deny'
  period?: { start?: string; end?: string }
  purpose?: string
  actor?: Reference
}

/** A consent as the platform writes it over FHIR. */
function consent(rule: 'permit' | 'deny', { period, purpose, actor }: Provision = {}) {
  const system = 'http://terminology.hl7.org/CodeSystem'
  return {
    resourceType: 'Consent',
    status: 'active',
    scope: { coding: [{ system: `${system}/consentscope`, code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: scene.patient },
    dateTime: '2026-01-02',
    policyRule: {
      coding: [{ system: `${system}/v3-ActCode`, code: rule === 'permit' ? 'OPTIN' : 'OPTOUT' }],
    },
    provision: {
      type: rule,
      ...(period ? { period } : {}),
      ...(purpose ? { purpose: [{ system: `${system}/v3-ActReason`, code: purpose }] } : {}),
      ...(actor
        ? {
            actor: [
              {
                role: { coding: [{ system: `${system}/v3-ParticipationType`, code: 'IRCP' }] },
                reference: { reference: actor },
              },
            ],
          }
        : {}),
    },
  }
}

async function withdraw(place: Reference): Promise<void> {
  const gone = await scene.platform.request('DELETE', `/fhir/${place}`)
  expect([200, 204]).toContain(gone.status)
}

describe('without any consent', () => {
  it('the EHR of the managing organization reads', async () => {
    for (const place of places)
      expect((await scene.ehr.request('GET', `/fhir/${place}`)).status, place).toBe(200)
  })

  it('another organization’s EHR sees what a patient who never was would give, byte for byte', async () => {
    for (const place of places) await expectAbsent(scene.stranger, place)
  })

  it('its searches by patient are those for nobody', async () => {
    const id = scene.patient.slice('Patient/'.length)
    const asked = [
      (who: string) => `/fhir/Communication?patient=Patient/${who}`,
      (who: string) => `/fhir/Communication?patient=Patient/${who}&_include=Communication:subject`,
      (who: string) => `/fhir/Communication?subject=Patient/${who}&_total=accurate`,
      (who: string) => `/fhir/MedicationRequest?patient=Patient/${who}&_summary=count`,
      (who: string) => `/fhir/MedicationRequest?patient=Patient/${who}&_sort=-authoredon&_count=1`,
      (who: string) => `/fhir/QuestionnaireResponse?patient=${who}`,
      (who: string) => `/fhir/Task?patient=Patient/${who}`,
      (who: string) => `/fhir/Consent?patient=Patient/${who}`,
      (who: string) => `/fhir/Provenance?patient=Patient/${who}`,
    ]
    for (const path of asked) {
      const real = await scene.stranger.request('GET', path(id))
      const none = await scene.stranger.request('GET', path(nobody))
      expect(none.status).toBe(200)
      expect(comparable(real, id), path('…')).toBe(comparable(none, nobody))
    }
    const identifier = encodeURIComponent('urn:oid:2.16.840.1.113883.19.5|MRN-4711')
    const none = encodeURIComponent('urn:oid:2.16.840.1.113883.19.5|MRN-0000')
    const real = await scene.stranger.request('GET', `/fhir/Patient?identifier=${identifier}`)
    const other = await scene.stranger.request('GET', `/fhir/Patient?identifier=${none}`)
    expect(comparable(real, 'MRN-4711')).toBe(comparable(other, 'MRN-0000'))
  })

  it('it can write nothing to what it may not see, and learns nothing by trying', async () => {
    const place = places.find((each) => each.startsWith('Communication/')) ?? places[0]
    const [type, id = ''] = (place ?? '').split('/')
    const body = { resourceType: type, status: 'completed' }
    for (const headers of [{}, { 'if-match': 'W/"1"' }] as Record<string, string>[]) {
      const real = await scene.stranger.request('PUT', `/fhir/${type}/${id}`, { ...body, id }, headers)
      const none = await scene.stranger.request(
        'PUT',
        `/fhir/${type}/${nobody}`,
        { ...body, id: nobody },
        headers,
      )
      expect(comparable(real, id)).toBe(comparable(none, nobody))
      expect(real.status).toBeGreaterThanOrEqual(400)
    }
  })
})

describe('a consent that permits', () => {
  it('opens the door to whom it names with the next request, and closes it when it is withdrawn', async () => {
    const place = await made(scene.platform, consent('permit', { actor: scene.organizations.elsewhere }))
    for (const each of places)
      expect((await scene.stranger.request('GET', `/fhir/${each}`)).status, each).toBe(200)
    const found = await scene.stranger.request('GET', `/fhir/Communication?patient=${scene.patient}`)
    expect(found.body.entry).toHaveLength(1)
    await withdraw(place)
    for (const each of places) await expectAbsent(scene.stranger, each)
  })

  it.each([
    ['has expired', { period: { start: '2020-01-01', end: '2020-12-31' } }],
    ['has not begun', { period: { start: '2099-01-01' } }],
    ['is for another purpose', { purpose: 'HRESCH' }],
    ['names somebody else', { actor: 'Organization/somebody-else' as Reference }],
  ])('and %s is as none', async (_name, given) => {
    const place = await made(
      scene.platform,
      consent('permit', { actor: scene.organizations.elsewhere, ...given }),
    )
    for (const each of places) await expectAbsent(scene.stranger, each)
    await withdraw(place)
  })

  it('and is not active is as none', async () => {
    const place = await made(scene.platform, {
      ...consent('permit', { actor: scene.organizations.elsewhere }),
      status: 'inactive',
    })
    for (const each of places) await expectAbsent(scene.stranger, each)
    await withdraw(place)
  })
})

describe('a consent that denies', () => {
  it('closes the door to the treating EHR with the next request, and opens it again', async () => {
    const place = await made(scene.platform, consent('deny', { actor: scene.organizations.northside }))
    for (const each of places) await expectAbsent(scene.ehr, each)
    const found = await scene.ehr.request('GET', `/fhir/Communication?patient=${scene.patient}`)
    expect(found.body.entry ?? []).toEqual([])
    await withdraw(place)
    for (const each of places)
      expect((await scene.ehr.request('GET', `/fhir/${each}`)).status, each).toBe(200)
  })

  it('wins over one that permits, in whatever order they came', async () => {
    const actor = scene.organizations.elsewhere
    for (const rules of [['permit', 'deny'] as const, ['deny', 'permit'] as const]) {
      const placed: Reference[] = []
      for (const rule of rules) placed.push(await made(scene.platform, consent(rule, { actor })))
      for (const each of places) await expectAbsent(scene.stranger, each)
      for (const each of placed) await withdraw(each)
    }
  })

  it('and has expired is as none', async () => {
    const period = { start: '2020-01-01', end: '2020-12-31' }
    const place = await made(
      scene.platform,
      consent('deny', { actor: scene.organizations.northside, period }),
    )
    for (const each of places) expect((await scene.ehr.request('GET', `/fhir/${each}`)).status).toBe(200)
    await withdraw(place)
  })

  it('holds on the next page of a search that began before it', async () => {
    for (let index = 0; index < 3; index++) {
      const sent = message('secure-message/patient-to-clinician.in.json', { id: `page-${index}` })
      expect((await scene.platform.request('POST', '/ingest/messages', sent)).status).toBe(201)
    }
    const first = await scene.ehr.request('GET', `/fhir/Communication?patient=${scene.patient}&_count=2`)
    expect(first.body.entry).toHaveLength(2)
    const next = first.body.link.find((each: { relation: string }) => each.relation === 'next').url
    const before = await scene.ehr.request('GET', next)
    expect(before.body.entry).toHaveLength(2)
    const place = await made(scene.platform, consent('deny', { actor: scene.organizations.northside }))
    const after = await scene.ehr.request('GET', next)
    expect(after.status).toBe(200)
    expect(resourcesOf(after.body)).toEqual([])
    expect(after.text).not.toContain('"next"')
    await withdraw(place)
    expect((await scene.ehr.request('GET', next)).body.entry).toHaveLength(2)
    // A page link is good for nobody else.
    expect((await scene.stranger.request('GET', next)).status).toBe(410)
  })

  it('stops what is already queued for who is denied', async () => {
    await scene.destination({
      id: 'northside-ehr',
      name: 'Northside EHR',
      role: 'ehr',
      organization: scene.organizations.northside,
      purpose: 'TREAT',
      channel: { kind: 'fhir', address: 'http://127.0.0.1:9/fhir' },
    })
    const place = await made(scene.platform, consent('deny', { actor: scene.organizations.northside }))
    const sent = message('secure-message/patient-to-clinician.in.json', { id: 'queued' })
    const { body } = await scene.platform.request('POST', '/ingest/messages', sent)
    const delivery = body.deliveries[0]
    const state = async () => (await scene.clinic.store.deliveries(10)).find((each) => each.id === delivery)
    for (let wait = 0; wait < 100 && (await state())?.state !== 'stopped'; wait++)
      await new Promise((resolve) => setTimeout(resolve, 30))
    expect(await state()).toMatchObject({ state: 'stopped', reason: 'consent' })
    await withdraw(place)
  })
})

describe('purpose', () => {
  it('that is not treatment is refused without a consent for it', async () => {
    const marketing = await scene.clinic.client({
      id: 'marketing',
      role: 'ehr',
      organization: scene.organizations.northside,
      scopes: ['system/*.rs'],
      purposes: ['HMARKT'],
      grants: [],
    })
    for (const place of places) await expectAbsent(marketing, place)
    const place = await made(
      scene.platform,
      consent('permit', { actor: scene.organizations.northside, purpose: 'HMARKT' }),
    )
    expect((await marketing.request('GET', `/fhir/${places[0]}`)).status).toBe(200)
    await withdraw(place)
  })
})

describe('consents', () => {
  it('of a form that is not computable are refused or restrict; never do they open', async () => {
    const odd = { ...consent('permit', { actor: scene.organizations.elsewhere }), provision: undefined }
    const answer = await scene.platform.request('POST', '/fhir/Consent', odd)
    if (answer.status === 201) {
      for (const each of places) await expectAbsent(scene.stranger, each)
      const id = answer.headers.get('location')?.match(/Consent\/([^/]+)/)?.[1]
      await withdraw(`Consent/${id}`)
    } else expect(answer.status).toBe(422)
  })

  it('are written by the platform, not by an EHR or a pharmacy', async () => {
    const open = consent('permit', { actor: scene.organizations.elsewhere })
    for (const client of [scene.stranger, scene.ehr, scene.pharmacy])
      expect((await client.request('POST', '/fhir/Consent', open)).status).toBe(403)
  })
})
