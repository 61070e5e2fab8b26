import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture, message, openScene, patientIdentifier, placesIn, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
  await scene.destination({
    id: 'northside-ehr',
    name: 'Northside EHR',
    role: 'ehr',
    organization: scene.organizations.northside,
    purpose: 'TREAT',
    // Nothing listens there: a delivery is queued all the same.
    channel: { kind: 'fhir', address: 'http://127.0.0.1:9/fhir' },
  })
})
afterAll(() => scene.clinic.close())

const flows = [
  { door: '/ingest/messages', case: 'secure-message/patient-to-clinician', type: 'Communication' },
  {
    door: '/ingest/messages',
    case: 'secure-message/clinician-reply-with-attachments',
    type: 'Communication',
  },
  { door: '/ingest/messages', case: 'secure-message/end-to-end-encrypted', type: 'Communication' },
  { door: '/ingest/eligibility', case: 'eligibility-result/eligible', type: 'QuestionnaireResponse' },
  { door: '/ingest/eligibility', case: 'eligibility-result/pending', type: 'QuestionnaireResponse' },
  { door: '/ingest/prescriptions', case: 'prescription/active-attested', type: 'MedicationRequest' },
  { door: '/ingest/prescriptions', case: 'prescription/draft-as-needed', type: 'MedicationRequest' },
] as const

describe.each(flows)('$case', ({ door, case: name, type }) => {
  const sent = fixture(`${name}.in.json`)
  const { id } = JSON.parse(sent)
  // biome-ignore lint/suspicious/noExplicitAny: whatever was answered
  let receipt: any

  it('is answered with a receipt: resources, mapping, log position and deliveries', async () => {
    const answer = await scene.platform.request('POST', door, sent)
    expect(answer.status, answer.text).toBe(201)
    expect(answer.headers.get('idempotent-replay')).toBeNull()
    receipt = answer.body
    expect(receipt.messageId).toBe(id)
    const mapping = name.split('/')[0] ?? ''
    const text = createHash('sha256')
      .update(fixture(`../mappings/${mapping}.jsonata`))
      .digest('hex')
    expect(receipt.mapping).toEqual({ name: mapping, sha256: text })
    expect(placesIn(receipt, type)).toHaveLength(1)
    expect(placesIn(receipt, 'Provenance')).toHaveLength(1)
    expect(receipt.deliveries).toHaveLength(1)
    const deliveries = await scene.clinic.store.deliveries(100)
    expect(deliveries.map((each) => each.id)).toContain(receipt.deliveries[0])
    expect(await scene.clinic.store.logPosition(receipt.auditEvent)).toBe(receipt.leaf)
    expect(await scene.auditor.request('GET', `/fhir/AuditEvent/${receipt.auditEvent}`)).toMatchObject({
      status: 200,
      body: { outcome: '0' },
    })
  })

  it('is read back by the EHR as the fixture says it becomes', async () => {
    const expected = JSON.parse(fixture(`${name}.out.json`)).resources.find(
      (each: { resourceType: string }) => each.resourceType === type,
    )
    const [place = ''] = placesIn(receipt, type)
    const read = await scene.ehr.request('GET', `/fhir/${place}`)
    expect(read.status).toBe(200)
    expect(withoutPlaces(read.body)).toEqual(withoutPlaces(expected))
    expect(read.body.subject).toEqual({ reference: scene.patient })
    const found = await scene.ehr.request('GET', `/fhir/${type}?patient=${scene.patient}&_count=200`)
    expect(resourcesOf(found.body).map((each) => each.id)).toContain(place.split('/')[1])
  })

  it('gets the same receipt again when it comes again, and makes nothing', async () => {
    const before = await count(type)
    const again = await scene.platform.request('POST', door, sent)
    expect(again.status).toBe(200)
    expect(again.headers.get('idempotent-replay')).toBe('true')
    expect(again.body).toEqual(receipt)
    expect(await count(type)).toBe(before)
    const kept = await scene.platform.request('GET', `/ingest/receipts/${encodeURIComponent(id)}`)
    expect(kept).toMatchObject({ status: 200, body: receipt })
  })

  it('is refused with another body under the same id', async () => {
    const answer = await scene.platform.request('POST', door, `${sent} `)
    expect(answer.status).toBe(409)
    expect(answer.body.resourceType).toBe('OperationOutcome')
  })
})

async function count(type: string): Promise<number> {
  const found = await scene.ehr.request('GET', `/fhir/${type}?patient=${scene.patient}&_count=200`)
  return resourcesOf(found.body).length
}

/** A mapped resource without what depends on when and where it was taken in. */
// biome-ignore lint/suspicious/noExplicitAny: any resource
function withoutPlaces(resource: any): unknown {
  const { id: _id, meta, received: _received, ...rest } = resource
  const text = JSON.stringify({ ...rest, profile: meta.profile, security: meta.security })
  return JSON.parse(text.replace(/"reference":"[^"]*"/g, '"reference":"…"'))
}

describe('many at once', () => {
  it('fifty parallel copies make one resource and one receipt', async () => {
    const sent = JSON.stringify(message('secure-message/patient-to-clinician.in.json', { id: 'fifty' }))
    const before = await count('Communication')
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => scene.platform.request('POST', '/ingest/messages', sent)),
    )
    expect(answers.filter((each) => each.status === 201)).toHaveLength(1)
    expect(answers.filter((each) => each.status === 200)).toHaveLength(49)
    expect(new Set(answers.map((each) => each.text)).size).toBe(1)
    expect(await count('Communication')).toBe(before + 1)
  })

  it('of parallel messages with one id and different bodies one stands and the others are refused', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        scene.platform.request(
          'POST',
          '/ingest/messages',
          message('secure-message/patient-to-clinician.in.json', { id: 'ten', text: `number ${index}` }),
        ),
      ),
    )
    expect(answers.map((each) => each.status).sort()).toEqual([201, ...Array(9).fill(409)])
  })

  it('parallel messages about one unknown patient make one Patient and one Practitioner', async () => {
    const patient = { identifier: { ...patientIdentifier, value: 'MRN-NEW' }, name: { family: 'Nyberg' } }
    const recipients = [
      { type: 'Practitioner', identifier: { system: 'http://hl7.org/fhir/sid/us-npi', value: '1992000001' } },
    ]
    const sender = { type: 'Patient', identifier: patient.identifier }
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        scene.platform.request(
          'POST',
          '/ingest/messages',
          message('secure-message/patient-to-clinician.in.json', {
            id: `new-${index}`,
            patient,
            sender,
            recipients,
          }),
        ),
      ),
    )
    expect(answers.map((each) => each.status)).toEqual(Array(30).fill(201))
    expect(new Set(answers.map((each) => each.body.parties.subject)).size).toBe(1)
    for (const [type, value] of [
      ['Patient', `${patientIdentifier.system}|MRN-NEW`],
      ['Practitioner', 'http://hl7.org/fhir/sid/us-npi|1992000001'],
    ]) {
      const found = await scene.platform.request(
        'GET',
        `/fhir/${type}?identifier=${encodeURIComponent(value ?? '')}`,
      )
      expect(found.body.entry).toHaveLength(1)
    }
  })
})

describe('a bad message', () => {
  it.each(['secure-message', 'prescription', 'eligibility-result'])(
    'of %s is refused with every problem by its path, and no value is said back',
    async (flow) => {
      const sent = fixture(`${flow}/bad-many-problems.in.json`)
      const { refused } = JSON.parse(fixture(`${flow}/bad-many-problems.out.json`))
      const door = { 'secure-message': 'messages', prescription: 'prescriptions' }[flow] ?? 'eligibility'
      const answer = await scene.platform.request('POST', `/ingest/${door}`, sent)
      expect(answer.status).toBe(422)
      const told = answer.body.issue.map(
        (each: { expression?: string[]; diagnostics: string }) =>
          `${each.expression?.join() ?? ''}: ${each.diagnostics}`,
      )
      expect(told.sort()).toEqual([...refused.issues].sort())
      // The short ones, and the name of a type, are words of the rules too.
      for (const value of textsIn(JSON.parse(sent)).filter((each) => each.length > 7)) {
        expect(answer.text).not.toContain(value)
      }
    },
  )

  it('that is larger than the limit gets 413, announced or not', async () => {
    const large = 'x'.repeat(6 * 1024 * 1024 + 1)
    expect(await scene.platform.request('POST', '/ingest/messages', large)).toMatchObject({ status: 413 })
    const token = await scene.platform.token()
    const chunked = await fetch(`${scene.clinic.baseUrl}/ingest/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: new Blob([large]).stream(),
      duplex: 'half',
    } as RequestInit)
    expect(chunked.status).toBe(413)
  })

  it('of another media type gets 415', async () => {
    const sent = fixture('secure-message/patient-to-clinician.in.json')
    for (const type of ['text/plain', 'application/xml', 'application/fhir+json']) {
      const answer = await scene.platform.request('POST', '/ingest/messages', sent, { 'content-type': type })
      expect(answer.status).toBe(415)
    }
  })

  it.each([
    ['nested deeper than 64', `{"id":${'['.repeat(65)}1${']'.repeat(65)}}`],
    ['cut off', '{"id":"cut"'],
    ['no JSON', 'id=1'],
    ['not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ['empty', ''],
    ['with a key twice', '{"id":"a","id":"b"}'],
  ])('%s gets 400', async (_name, body) => {
    const token = await scene.platform.token()
    const answer = await fetch(`${scene.clinic.baseUrl}/ingest/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body,
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ resourceType: 'OperationOutcome' })
  })
})

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}

describe('who may send', () => {
  it('nobody without a token, and that is said before the body is read', async () => {
    const { hostname, port } = new URL(scene.clinic.baseUrl)
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const asking = httpRequest({ hostname, port, path: '/ingest/messages', method: 'POST' }, (answer) => {
        resolve(answer.statusCode)
        asking.destroy()
      })
      asking.on('error', reject)
      asking.setHeader('content-type', 'application/json')
      asking.setHeader('content-length', '100000')
      // The body never comes: who reads it first would wait for ever.
      asking.flushHeaders()
    })
    expect(status).toBe(401)
  })

  it.each(['nonsense', 'Bearer nonsense', 'Bearer a.b.c', 'Basic cGxhdGZvcm06eA=='])(
    'nobody with %s',
    async (authorization) => {
      const answer = await fetch(`${scene.clinic.baseUrl}/ingest/messages`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: fixture('secure-message/patient-to-clinician.in.json'),
      })
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/)
    },
  )

  it('no token without the scope, whatever the client is registered for', async () => {
    const token = await scene.platform.token('system/Patient.r system/Communication.r')
    const answer = await fetch(`${scene.clinic.baseUrl}/ingest/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(message('secure-message/patient-to-clinician.in.json', { id: 'no-scope' })),
    }).catch((cause) => cause)
    expect(answer.status).toBe(403)
  })

  it('no role that hands nothing in', async () => {
    const sent = message('secure-message/patient-to-clinician.in.json', { id: 'no-role' })
    expect((await scene.pharmacy.request('POST', '/ingest/messages', sent)).status).toBe(403)
    expect((await scene.auditor.request('POST', '/ingest/messages', sent)).status).toBe(403)
  })
})

describe('receipts', () => {
  it('are their sender’s alone', async () => {
    const sent = message('secure-message/patient-to-clinician.in.json', { id: 'mine' })
    expect((await scene.platform.request('POST', '/ingest/messages', sent)).status).toBe(201)
    expect((await scene.drafter.request('GET', '/ingest/receipts/mine')).status).toBe(404)
    expect((await scene.ehr.request('GET', '/ingest/receipts/mine')).status).toBe(404)
  })

  it('of ids that are not there, or are no ids, are absent', async () => {
    for (const id of ['never-sent', '%ZZ', '%00', 'a%2Fb'])
      expect((await scene.platform.request('GET', `/ingest/receipts/${id}`)).status).toBe(404)
  })

  it('are found by ids of every printable sign', async () => {
    const id = 'a/b?c#d%e&f+g=h'
    const sent = message('secure-message/patient-to-clinician.in.json', { id })
    const receipt = await scene.platform.request('POST', '/ingest/messages', sent)
    expect(receipt.status).toBe(201)
    expect(await scene.platform.request('GET', `/ingest/receipts/${encodeURIComponent(id)}`)).toMatchObject({
      status: 200,
      body: receipt.body,
    })
  })
})

describe('a preview', () => {
  it('says what a message would become and stores nothing but an AuditEvent', async () => {
    const identifier = { ...patientIdentifier, value: 'MRN-PREVIEW' }
    const sent = message('secure-message/patient-to-clinician.in.json', {
      id: 'preview',
      patient: { identifier },
      sender: { type: 'Patient', identifier },
    })
    const before = await stored()
    const answer = await scene.platform.request('POST', '/ingest/messages/$preview', sent)
    expect(answer.status).toBe(200)
    expect(answer.body.resources.map((each: { resourceType: string }) => each.resourceType).sort()).toEqual([
      'Communication',
      'Patient',
      'Provenance',
    ])
    expect(answer.body.deliveries).toMatchObject([{ destination: 'Northside EHR' }])
    const after = await stored()
    expect(after).toEqual({ ...before, log: before.log + 1 })
    const value = encodeURIComponent(`${identifier.system}|${identifier.value}`)
    expect(
      (await scene.platform.request('GET', `/fhir/Patient?identifier=${value}`)).body.entry ?? [],
    ).toEqual([])
    expect((await scene.platform.request('GET', '/ingest/receipts/preview')).status).toBe(404)
    // The message itself can still come.
    expect((await scene.platform.request('POST', '/ingest/messages', sent)).status).toBe(201)
  })

  it('needs the same right as the message itself', async () => {
    const sent = fixture('secure-message/patient-to-clinician.in.json')
    expect((await scene.auditor.request('POST', '/ingest/messages/$preview', sent)).status).toBe(403)
  })
})

async function stored() {
  const { store } = scene.clinic
  return { log: await store.logSize(), deliveries: (await store.deliveries(1000)).length }
}
