import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findInFiles, rowCounts, rowsIn } from './at-rest.ts'
import { fixture, message, openScene, patientIdentifier, placesIn, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
  await scene.destination({
    id: 'northside-ehr',
    name: 'Northside EHR',
    role: 'ehr',
    organization: scene.organizations.northside,
    purpose: 'TREAT',
    channel: { kind: 'fhir', address: 'http://127.0.0.1:9/fhir' },
  })
})
afterAll(() => scene.clinic.close())

describe('a failed screening', () => {
  const canaries = [
    'canary-family',
    'canary-given',
    'canary-mrn',
    'canary-screening',
    'canary-answer',
    'canary-question',
    'canary-reason',
    'canary-message-id',
    'Diabetes mellitus type 2',
    '44054006',
  ]
  const sent = message('eligibility-result/ineligible.in.json', {
    id: 'canary-message-id',
    screening: 'canary-screening',
    patient: {
      identifier: { ...patientIdentifier, value: 'canary-mrn' },
      name: { family: 'canary-family', given: ['canary-given'] },
    },
    outcome: { result: 'ineligible', reason: { text: 'canary-reason' } },
  })
  sent.items[1].items.push({
    linkId: 'other',
    text: 'canary-question',
    answers: [{ type: 'string', value: 'canary-answer' }],
  })
  const post = (body: object) => scene.platform.request('POST', '/ingest/eligibility', body)

  it('leaves a count, an AuditEvent without patient and the keyed hash of its id: no other row in any table', async () => {
    await scene.platform.token()
    // The request's own token would be a row too.
    await scene.platform.request('GET', '/ingest/receipts/none')
    const before = rowCounts(scene.clinic.folder)
    const counted = await scene.clinic.store.counters()
    const answer = await post(sent)
    expect(answer).toMatchObject({ status: 200, body: { outcome: 'purged' } })
    expect(Object.keys(answer.body)).toEqual(['outcome'])
    const after = rowCounts(scene.clinic.folder)
    const grown = Object.entries(after).filter(([table, count]) => count !== before[table])
    expect(grown.map(([table]) => table).sort()).toEqual([
      'audit_event',
      'counter',
      'leaf',
      'receipt',
      'token_row',
    ])
    // The only search row is the client that the AuditEvent can be found by.
    expect((after.token_row ?? 0) - (before.token_row ?? 0)).toBe(1)
    const receipt = rowsIn(scene.clinic.folder).get('receipt')?.at(-1)
    expect(receipt).toMatchObject({ hash: null, answer: null, box: null })
    const count = (await scene.clinic.store.counters())['screening-ineligible'] ?? 0
    expect(count).toBe((counted['screening-ineligible'] ?? 0) + 1)
  })

  it('is in no file of the clinic, in no spelling', async () => {
    expect(findInFiles(scene.clinic.folder, canaries)).toEqual([])
  })

  it('is in no AuditEvent', async () => {
    const found = await scene.auditor.request('GET', '/fhir/AuditEvent?agent=platform&_sort=-date&_count=200')
    expect(found.status).toBe(200)
    for (const canary of canaries) expect(found.text).not.toContain(canary)
    const [newest] = found.body.entry
    expect(JSON.stringify(newest)).not.toContain('Patient/')
  })

  it('makes no Patient, no resource and no delivery', async () => {
    const value = encodeURIComponent(`${patientIdentifier.system}|canary-mrn`)
    const found = await scene.platform.request('GET', `/fhir/Patient?identifier=${value}`)
    expect(found.body.entry ?? []).toEqual([])
    expect(await scene.clinic.store.deliveries(10)).toEqual([])
  })

  it('is answered the same when it comes again, and is not counted twice', async () => {
    const counted = await scene.clinic.store.counters()
    const again = await post(sent)
    expect(again).toMatchObject({ status: 200, body: { outcome: 'purged' } })
    expect(again.headers.get('idempotent-replay')).toBe('true')
    expect(await scene.clinic.store.counters()).toEqual(counted)
    // Nothing of its body was kept, so nothing can tell another body from it.
    expect(await post({ ...sent, language: 'de' })).toMatchObject({
      status: 200,
      body: { outcome: 'purged' },
    })
    const receipt = await scene.platform.request('GET', '/ingest/receipts/canary-message-id')
    expect(receipt).toMatchObject({ status: 200, body: { outcome: 'purged' } })
  })

  it('is counted once by twenty copies at once', async () => {
    const counted = (await scene.clinic.store.counters())['screening-ineligible'] ?? 0
    const copies = await Promise.all(Array.from({ length: 20 }, () => post({ ...sent, id: 'copies' })))
    for (const copy of copies) expect(copy).toMatchObject({ status: 200, body: { outcome: 'purged' } })
    expect((await scene.clinic.store.counters())['screening-ineligible']).toBe(counted + 1)
  })

  it('in a preview is told to be purged, and leaves nothing either', async () => {
    const answer = await scene.platform.request('POST', '/ingest/eligibility/$preview', {
      ...sent,
      id: 'canary-preview',
    })
    expect(answer).toMatchObject({ status: 200, body: { purged: true, resources: [] } })
    expect(findInFiles(scene.clinic.folder, [...canaries, 'canary-preview'])).toEqual([])
  })
})

describe('a failed screening with an urgent answer', () => {
  it('is kept, to be reviewed', async () => {
    const counted = await scene.clinic.store.counters()
    const answer = await scene.platform.request(
      'POST',
      '/ingest/eligibility',
      fixture('eligibility-result/ineligible-but-urgent.in.json'),
    )
    expect(answer.status).toBe(201)
    expect(await scene.clinic.store.counters()).toEqual(counted)
    const [place = ''] = placesIn(answer.body, 'QuestionnaireResponse')
    const read = await scene.ehr.request('GET', `/fhir/${place}`)
    expect(read.status).toBe(200)
    expect(read.text).toContain('"needs-review"')
    expect(read.text).not.toContain('"ineligible"')
  })
})

describe('the price comes before the sensitive questions', () => {
  it.each(['bad-price-after-sensitive-answer', 'bad-no-price'])(
    '%s is refused, with each answer that came too soon',
    async (name) => {
      const { refused } = JSON.parse(fixture(`eligibility-result/${name}.out.json`))
      const before = rowCounts(scene.clinic.folder)
      const answer = await scene.platform.request(
        'POST',
        '/ingest/eligibility',
        fixture(`eligibility-result/${name}.in.json`),
      )
      expect(answer.status).toBe(422)
      const told = answer.body.issue.map(
        (each: { expression?: string[]; diagnostics: string }) =>
          `${each.expression?.join()}: ${each.diagnostics}`,
      )
      expect(told).toEqual(refused.issues)
      const after = rowCounts(scene.clinic.folder)
      expect(after.version).toBe(before.version)
      expect(after.receipt).toBe(before.receipt)
    },
  )

  it('also of a failed screening: it is refused, not purged', async () => {
    const sent = message('eligibility-result/ineligible.in.json', { id: 'too-soon', pricing: undefined })
    expect((await scene.platform.request('POST', '/ingest/eligibility', sent)).status).toBe(422)
  })

  it('is kept with the response as evidence, to the cent', async () => {
    const answer = await scene.platform.request(
      'POST',
      '/ingest/eligibility',
      fixture('eligibility-result/eligible.in.json'),
    )
    const [place = ''] = placesIn(answer.body, 'QuestionnaireResponse')
    const { text } = await scene.ehr.request('GET', `/fhir/${place}`)
    expect(text).toContain('"value":35.00')
    expect(text).toContain('"value":129.90')
    expect(text).toContain('2026-01-05T09:17:55Z')
  })
})

describe('another message under the id of a purged screening', () => {
  const id = 'purged-and-taken'
  beforeAll(async () => {
    const purged = message('eligibility-result/ineligible.in.json', { id })
    expect((await scene.platform.request('POST', '/ingest/eligibility', purged)).body.outcome).toBe('purged')
  })

  it.each([
    ['messages', 'secure-message/patient-to-clinician'],
    ['eligibility', 'eligibility-result/eligible'],
    ['prescriptions', 'prescription/active-attested'],
  ])('is refused at /ingest/%s, not acknowledged and dropped', async (door, name) => {
    const answer = await scene.platform.request('POST', `/ingest/${door}`, message(`${name}.in.json`, { id }))
    expect(answer.status, answer.text).toBe(409)
  })

  it('is refused in HL7 v2 too, where the id is that of sender and control id', async () => {
    const whole = 'purged-v2@RXWRITER/NORTHSIDE^2.16.840.1.113883.19.6^ISO'
    const purged = message('eligibility-result/ineligible.in.json', { id: whole })
    expect((await scene.platform.request('POST', '/ingest/eligibility', purged)).body.outcome).toBe('purged')
    expect(await sendOrder('purged-v2')).not.toMatch(/MSA\|[AC]A\|/)
  })

  it('is another one in HL7 v2 by the control id alone, and kept', async () => {
    expect(await sendOrder(id)).toContain(`MSA|CA|${id}`)
    const sent = `${id}@RXWRITER/NORTHSIDE^2.16.840.1.113883.19.6^ISO`
    const { body } = await scene.platform.request('GET', `/ingest/receipts/${encodeURIComponent(sent)}`)
    expect(placesIn(body, 'MedicationRequest')).toHaveLength(1)
  })

  async function sendOrder(controlId: string): Promise<string> {
    const order = fixture('prescription-order/us-simple.in.hl7').replace('RDE-20260105-0001', controlId)
    const type = { 'content-type': 'application/hl7-v2' }
    return (await scene.platform.request('POST', '/ingest/hl7v2', order, type)).text
  }

  it('while the screening itself is answered as before', async () => {
    const again = message('eligibility-result/ineligible.in.json', { id })
    const answer = await scene.platform.request('POST', '/ingest/eligibility', again)
    expect(answer.body).toEqual({ outcome: 'purged' })
  })
})
