import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Answer, TestClient } from '../open-clinic.ts'
import { fieldsOf } from './mllp-socket.ts'
import { fixture, message, openScene, placesIn, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

// biome-ignore lint/suspicious/noExplicitAny: AuditEvents are read as they come
type Event = any

/** Every AuditEvent, oldest first, as an auditor reads it. */
async function wholeLog(): Promise<Event[]> {
  const events: Event[] = []
  for (let next = '/fhir/AuditEvent?_count=200&_sort=date'; next !== ''; ) {
    const page: Answer = await scene.auditor.request('GET', next)
    expect(page.status).toBe(200)
    events.push(...resourcesOf(page.body))
    next = page.body.link.find((each: { relation: string }) => each.relation === 'next')?.url ?? ''
  }
  return events
}

function eventsOf(log: readonly Event[], requestId: string): Event[] {
  return log.filter((event) =>
    event.entity?.some(
      (entity: Event) =>
        entity.what?.identifier?.value === requestId ||
        entity.detail?.some((each: Event) => each.valueString === requestId),
    ),
  )
}

/** One request at a door, what it is answered and how the log must tell of it. */
interface Act {
  name: string
  by: keyof Scene | 'nobody'
  method?: string
  path: string
  body?: unknown
  headers?: Record<string, string>
  status: number
  outcome: '0' | '4' | '8'
  action: 'C' | 'R' | 'U' | 'D' | 'E'
  /** The event names the patient. */
  patient?: true
}

describe('every act at a door', () => {
  const acts: Act[] = []
  const answers = new Map<string, Answer>()
  let log: Event[]

  beforeAll(async () => {
    const sent = fixture('secure-message/patient-to-clinician.in.json')
    const first = await scene.platform.request('POST', '/ingest/messages', sent, {
      'x-request-id': 'the-first-message',
    })
    const [communication = ''] = placesIn(first.body, 'Communication')
    const { patient } = scene
    const json = { 'content-type': 'application/json' }
    const v2 = { 'content-type': 'application/hl7-v2' }
    const rde = fixture('prescription-order/us-simple.in.hl7')
    const organization = { resourceType: 'Organization', name: 'Audited', active: true }
    acts.push(
      {
        name: 'a read',
        by: 'ehr',
        path: `/fhir/${communication}`,
        status: 200,
        outcome: '0',
        action: 'R',
        patient: true,
      },
      {
        name: 'a vread',
        by: 'ehr',
        path: `/fhir/${communication}/_history/1`,
        status: 200,
        outcome: '0',
        action: 'R',
        patient: true,
      },
      {
        name: 'a history',
        by: 'ehr',
        path: `/fhir/${communication}/_history`,
        status: 200,
        outcome: '0',
        action: 'R',
        patient: true,
      },
      {
        name: 'a search',
        by: 'ehr',
        path: `/fhir/Communication?patient=${patient}`,
        status: 200,
        outcome: '0',
        action: 'E',
        patient: true,
      },
      {
        name: 'a search by POST',
        by: 'ehr',
        method: 'POST',
        path: '/fhir/Communication/_search',
        body: `patient=${patient}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        status: 200,
        outcome: '0',
        action: 'E',
        patient: true,
      },
      {
        name: 'a create',
        by: 'platform',
        method: 'POST',
        path: '/fhir/Organization',
        body: organization,
        status: 201,
        outcome: '0',
        action: 'C',
      },
      {
        name: 'a create that is not valid',
        by: 'platform',
        method: 'POST',
        path: '/fhir/Organization',
        body: { ...organization, active: 'yes' },
        status: 422,
        outcome: '4',
        action: 'C',
      },
      {
        name: 'a create that is no JSON',
        by: 'platform',
        method: 'POST',
        path: '/fhir/Organization',
        body: '{',
        status: 400,
        outcome: '4',
        action: 'C',
      },
      {
        name: 'an update without If-Match',
        by: 'platform',
        method: 'PUT',
        path: `/fhir/${scene.organizations.elsewhere}`,
        body: { ...organization, id: scene.organizations.elsewhere.split('/')[1] },
        status: 428,
        outcome: '4',
        action: 'U',
      },
      {
        name: 'an update of an old version',
        by: 'platform',
        method: 'PUT',
        path: `/fhir/${scene.organizations.elsewhere}`,
        body: { ...organization, id: scene.organizations.elsewhere.split('/')[1] },
        headers: { 'if-match': 'W/"7"' },
        status: 412,
        outcome: '4',
        action: 'U',
      },
      {
        name: 'a read of what is hidden',
        by: 'stranger',
        path: `/fhir/${communication}`,
        status: 404,
        outcome: '8',
        action: 'R',
        patient: true,
      },
      {
        name: 'a read of what is not there',
        by: 'ehr',
        path: '/fhir/Communication/nothing',
        status: 404,
        outcome: '4',
        action: 'R',
      },
      {
        name: 'a read of a type that the role may not see',
        by: 'pharmacy',
        path: `/fhir/${communication}`,
        status: 403,
        outcome: '8',
        action: 'R',
      },
      {
        name: 'a search with an unknown parameter',
        by: 'ehr',
        path: '/fhir/Communication?colour=red',
        status: 400,
        outcome: '4',
        action: 'E',
      },
      {
        name: 'a type that is not served',
        by: 'ehr',
        path: '/fhir/Basket/1',
        status: 404,
        outcome: '4',
        action: 'R',
      },
      {
        name: 'an address where nothing is',
        by: 'ehr',
        path: '/elsewhere',
        status: 404,
        outcome: '4',
        action: 'R',
      },
      {
        name: 'a request without token',
        by: 'nobody',
        path: `/fhir/${communication}`,
        status: 401,
        outcome: '8',
        action: 'E',
      },
      {
        name: 'a message without token',
        by: 'nobody',
        method: 'POST',
        path: '/ingest/messages',
        body: sent,
        headers: json,
        status: 401,
        outcome: '8',
        action: 'E',
      },
      {
        name: 'a message that came before',
        by: 'platform',
        method: 'POST',
        path: '/ingest/messages',
        body: sent,
        status: 200,
        outcome: '0',
        action: 'C',
        patient: true,
      },
      {
        name: 'a message with a used id',
        by: 'platform',
        method: 'POST',
        path: '/ingest/messages',
        body: `${sent} `,
        status: 409,
        outcome: '4',
        action: 'C',
      },
      {
        name: 'a message of a role that sends none',
        by: 'pharmacy',
        method: 'POST',
        path: '/ingest/messages',
        body: sent,
        status: 403,
        outcome: '8',
        action: 'C',
      },
      {
        name: 'a message that is not valid',
        by: 'platform',
        method: 'POST',
        path: '/ingest/messages',
        body: fixture('secure-message/bad-many-problems.in.json'),
        status: 422,
        outcome: '4',
        action: 'C',
      },
      {
        name: 'a message that is no JSON',
        by: 'platform',
        method: 'POST',
        path: '/ingest/messages',
        body: '{',
        status: 400,
        outcome: '4',
        action: 'C',
      },
      {
        name: 'a message of another media type',
        by: 'platform',
        method: 'POST',
        path: '/ingest/messages',
        body: sent,
        headers: { 'content-type': 'text/plain' },
        status: 415,
        outcome: '4',
        action: 'C',
      },
      {
        name: 'a message too large',
        by: 'platform',
        method: 'POST',
        path: '/ingest/messages',
        body: 'x'.repeat(6 * 1024 * 1024 + 1),
        status: 413,
        outcome: '4',
        action: 'C',
      },
      {
        name: 'a preview',
        by: 'platform',
        method: 'POST',
        path: '/ingest/messages/$preview',
        body: sent,
        status: 200,
        outcome: '0',
        action: 'C',
      },
      {
        name: 'a preview that is refused',
        by: 'platform',
        method: 'POST',
        path: '/ingest/messages/$preview',
        body: '{}',
        status: 422,
        outcome: '4',
        action: 'C',
      },
      {
        name: 'a receipt',
        by: 'platform',
        path: '/ingest/receipts/msg-1001',
        status: 200,
        outcome: '0',
        action: 'R',
        patient: true,
      },
      {
        name: 'a receipt that is not there',
        by: 'platform',
        path: '/ingest/receipts/none',
        status: 404,
        outcome: '4',
        action: 'R',
      },
      {
        name: 'a failed screening',
        by: 'platform',
        method: 'POST',
        path: '/ingest/eligibility',
        body: fixture('eligibility-result/ineligible.in.json'),
        status: 200,
        outcome: '0',
        action: 'C',
      },
      {
        name: 'an order over HL7 v2',
        by: 'platform',
        method: 'POST',
        path: '/ingest/hl7v2',
        body: rde,
        headers: v2,
        status: 200,
        outcome: '0',
        action: 'C',
        patient: true,
      },
      {
        name: 'a v2 message that is not understood',
        by: 'platform',
        method: 'POST',
        path: '/ingest/hl7v2',
        body: rde.replace('RDE^O11', 'ZZZ^Z01'),
        headers: v2,
        status: 200,
        outcome: '4',
        action: 'R',
      },
      {
        name: 'a v2 message that is none',
        by: 'platform',
        method: 'POST',
        path: '/ingest/hl7v2',
        body: 'hello',
        headers: v2,
        status: 400,
        outcome: '4',
        action: 'R',
      },
      {
        name: 'a read of the log',
        by: 'auditor',
        path: '/fhir/AuditEvent?_count=1',
        status: 200,
        outcome: '0',
        action: 'E',
      },
      {
        name: 'a read of the log by who may not',
        by: 'ehr',
        path: '/fhir/AuditEvent?_count=1',
        status: 403,
        outcome: '8',
        action: 'E',
      },
      {
        name: 'a write to the log',
        by: 'auditor',
        method: 'POST',
        path: '/fhir/AuditEvent',
        body: { resourceType: 'AuditEvent' },
        status: 403,
        outcome: '8',
        action: 'C',
      },
    )
    for (const act of acts) answers.set(act.name, await perform(act))
    log = await wholeLog()
  })

  function perform({ name, by, method = 'GET', path, body, headers }: Act): Promise<Answer> {
    const all = { ...headers, 'x-request-id': requestIdOf(name) }
    if (by !== 'nobody') return (scene[by] as TestClient).request(method, path, body, all)
    return fetch(`${scene.clinic.baseUrl}${path}`, { method, headers: all, body: body as string }).then(
      async (response) => ({
        status: response.status,
        headers: response.headers,
        text: await response.text(),
        body: {},
      }),
    )
  }

  const requestIdOf = (name: string) => name.replaceAll(' ', '-').padEnd(8, '-')

  it('leaves exactly the AuditEvents that tell of it', () => {
    const seen = acts.map(({ name }) => ({
      name,
      status: answers.get(name)?.status,
      events: eventsOf(log, requestIdOf(name)).map(({ outcome, action }) => `${action}${outcome}`),
    }))
    const expected = acts.map(({ name, status, action, outcome }) => ({
      name,
      status,
      events: [`${action}${outcome}`],
    }))
    expect(seen).toEqual(expected)
  })

  it('names who did it, from where, and the patient where one is concerned', () => {
    for (const { name, by, patient } of acts) {
      const [event] = eventsOf(log, requestIdOf(name))
      const text = JSON.stringify(event)
      if (by !== 'nobody') expect(text, name).toContain(`"${by}"`)
      expect(text, name).toContain('127.0.0.1')
      const patients = event?.entity?.filter((each: Event) => each.what?.reference === scene.patient)
      expect(patients?.length, name).toBe(patient ? 1 : 0)
    }
  })

  it('tells what was made by its version', () => {
    const [event] = eventsOf(log, 'the-first-message')
    const named = event.entity.map((each: Event) => each.what?.reference).filter(Boolean)
    expect(named.filter((each: string) => each.endsWith('/_history/1'))).toHaveLength(2)
  })

  it('tells no content, no token and no assertion', () => {
    const text = JSON.stringify(log)
    const canaries = ['Okafor', 'MRN-4711', 'headache', 'Diabetes', 'eyJ', 'Brandt', 'amLODIPine']
    for (const canary of canaries) expect(text).not.toContain(canary)
    // Queries are told whole, in base64: a search value in them is for auditors, and sealed at rest.
    for (const event of log)
      for (const entity of event.entity ?? [])
        if (entity.query) expect(Buffer.from(entity.query, 'base64').toString()).not.toContain('eyJ')
  })
})

describe('a token', () => {
  it('that is given, and one that is refused, is told', async () => {
    const given = await scene.clinic.store.logSize()
    await scene.ehr.token('system/Communication.rs')
    expect(await scene.clinic.store.logSize()).toBe(given + 1)
    await expect(scene.ehr.token('system/AuditEvent.rs')).rejects.toThrow('invalid_scope')
    expect(await scene.clinic.store.logSize()).toBe(given + 2)
    const newest = resourcesOf(
      (await scene.auditor.request('GET', '/fhir/AuditEvent?_sort=-date&_count=5')).body,
    )
    expect(
      newest.some((event) => event.outcome === '8' && event.outcomeDesc?.startsWith('invalid_scope')),
    ).toBe(true)
  })
})

describe('the log', () => {
  it('is read by auditors and privacy officers, and by nobody else', async () => {
    const [event] = await wholeLog()
    for (const by of ['platform', 'ehr', 'stranger', 'pharmacy', 'otherPharmacy'] as const)
      for (const path of [
        '/fhir/AuditEvent',
        `/fhir/AuditEvent/${event.id}`,
        `/fhir/AuditEvent?patient=${scene.patient}`,
      ])
        expect((await scene[by].request('GET', path)).status, `${by} ${path}`).toBe(403)
    expect((await scene.auditor.request('GET', `/fhir/AuditEvent/${event.id}`)).status).toBe(200)
  })

  it('is changed by nobody', async () => {
    const [event] = await wholeLog()
    for (const by of ['auditor', 'platform'] as const)
      for (const [method, path] of [
        ['PUT', `/fhir/AuditEvent/${event.id}`],
        ['DELETE', `/fhir/AuditEvent/${event.id}`],
        ['PATCH', `/fhir/AuditEvent/${event.id}`],
        ['POST', '/fhir/AuditEvent'],
      ] as const) {
        const answer = await scene[by].request(method, path, method === 'DELETE' ? undefined : event)
        expect([403, 404, 405], `${by} ${method}`).toContain(answer.status)
      }
    expect((await scene.auditor.request('GET', `/fhir/AuditEvent/${event.id}`)).body).toEqual(event)
  })

  it('finds by patient, agent and entity what was done', async () => {
    const sent = message('secure-message/patient-to-clinician.in.json', { id: 'findable' })
    const { body } = await scene.platform.request('POST', '/ingest/messages', sent)
    const [communication = ''] = placesIn(body, 'Communication')
    await scene.ehr.request('GET', `/fhir/${communication}`)
    const found = async (query: string) =>
      resourcesOf((await scene.auditor.request('GET', `/fhir/AuditEvent?${query}&_count=200`)).body)
    expect((await found(`entity=${communication}`)).map((event) => event.action).sort()).toEqual(['C', 'R'])
    expect((await found(`entity=${communication}&agent=ehr`)).map((event) => event.action)).toEqual(['R'])
    expect((await found(`patient=${scene.patient}&agent=platform`)).length).toBeGreaterThan(1)
  })

  it('answers of v2 carry nothing of it', async () => {
    const answer = await scene.platform.request(
      'POST',
      '/ingest/hl7v2',
      fixture('prescription-order/us-simple.in.hl7'),
      {
        'content-type': 'application/hl7-v2',
      },
    )
    expect(fieldsOf(answer.text, 'MSA')[1]).toBe('CA')
    expect(answer.text).not.toContain('OKAFOR')
  })
})
