import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { careUpkeep } from '#care/upkeep.ts'
import { parseJson } from '#formats/json.ts'
import { message, openScene, placesIn, resourcesOf, type Scene } from '../doors/scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

const hour = 3_600_000
let count = 0

async function issued(changes: object) {
  count += 1
  const body = message('prescription/active-attested.in.json', { id: `timed-${count}`, ...changes })
  const answer = await scene.platform.request('POST', '/ingest/prescriptions', body)
  expect(answer.status, answer.text).toBe(201)
  const [order = ''] = placesIn(answer.body, 'MedicationRequest')
  return { order, task: placesIn(answer.body, 'Task')[0] ?? '' }
}

/** One round of the clinic's upkeep, at a time of the test's choosing. */
function upkeepAt(at: number, timeZone = 'Europe/London') {
  const { store, gateway } = scene.clinic
  const ids = { random: () => crypto.randomUUID() as string }
  return careUpkeep({
    store,
    audit: gateway.audit,
    clock: { now: () => at },
    ids,
    parse: parseJson,
    timeZone,
  })
}
const seen = async (place: string) => (await scene.ehr.request('GET', `/fhir/${place}`)).body

describe('the end of an order’s validity', () => {
  it('stops it when the last second of the day is over where the clinic is, and closes what nobody began', async () => {
    const { order, task } = await issued({ validity: { end: '2031-07-05' } })
    await upkeepAt(Date.parse('2031-07-05T22:59:59Z'))
    expect((await seen(order)).status).toBe('active')
    await upkeepAt(Date.parse('2031-07-05T23:00:00Z'))
    const stopped = await seen(order)
    expect([stopped.status, stopped.statusReason.coding[0].code]).toEqual(['stopped', 'expired'])
    expect((await seen(task)).status).toBe('cancelled')
    const events = await scene.auditor.request('GET', `/fhir/AuditEvent?entity=${order}`)
    expect(events.text).toContain(`${order}/_history/2`)
  })

  it('withdraws a draft', async () => {
    const { order } = await issued({ validity: { end: '2032-01-01' }, attestation: undefined })
    await upkeepAt(Date.parse('2032-01-02T00:00:00Z'))
    expect((await seen(order)).status).toBe('cancelled')
  })

  it('is told once, by however many at once', async () => {
    const { order } = await issued({ validity: { end: '2033-01-01' } })
    await Promise.all(Array.from({ length: 5 }, () => upkeepAt(Date.parse('2033-02-01T00:00:00Z'))))
    await upkeepAt(Date.parse('2033-02-01T00:00:00Z'))
    const history = await scene.ehr.request('GET', `/fhir/${order}/_history`)
    expect(resourcesOf(history.body).map(({ status }) => status)).toEqual(['stopped', 'active'])
  })

  it('finds every order, also beyond one page', async () => {
    const { store } = scene.clinic
    const now = Date.now()
    const writes = Array.from({ length: 450 }, (_, index) => ({
      resource: {
        resourceType: 'MedicationRequest',
        id: `many-${index}`,
        meta: { versionId: '1', lastUpdated: new Date(now).toISOString() },
        status: 'active',
        intent: 'order',
        subject: { reference: scene.patient },
        medicationCodeableConcept: { text: 'x' },
        dispenseRequest: { validityPeriod: { end: '2034-01-01' } },
      } as never,
      version: 1,
      updated: now,
    }))
    await store.commit({ audit: [], writes })
    expect(await upkeepAt(Date.parse('2034-02-01T00:00:00Z'))).toBe(450)
    expect(await upkeepAt(Date.parse('2034-02-01T00:00:00Z'))).toBe(0)
  })
})

describe('a cancellation that nobody answers', () => {
  it('is reminded of after a day; after two the order is unknown, and a person is told whom to call', async () => {
    const pharmacy = await seen(scene.organizations.mainStreet)
    const telecom = [{ system: 'phone', value: '+44 20 7946 0000' }]
    const headers = { 'if-match': `W/"${pharmacy.meta.versionId}"` }
    const changed = await scene.platform.request(
      'PUT',
      `/fhir/${scene.organizations.mainStreet}`,
      { ...pharmacy, telecom },
      headers,
    )
    expect(changed.status).toBe(200)
    const { order } = await issued({ validity: undefined })
    const reasonCode = {
      coding: [{ system: 'https://fhir.nhs.uk/CodeSystem/medicationrequest-status-reason', code: '0001' }],
    }
    const asked = await scene.ehr.request(
      'POST',
      '/fhir/Task',
      {
        resourceType: 'Task',
        status: 'requested',
        intent: 'order',
        code: { coding: [{ system: 'http://hl7.org/fhir/CodeSystem/task-code', code: 'abort' }] },
        focus: { reference: order },
        for: { reference: scene.patient },
        reasonCode,
      },
      { prefer: 'return=representation' },
    )
    const place = `Task/${asked.body.id}`
    // authoredOn is the server's where the client gives none.
    const from = Date.parse(asked.body.authoredOn)
    await upkeepAt(from + 24 * hour - 1)
    expect((await seen(place)).businessStatus).toBeUndefined()
    await upkeepAt(from + 24 * hour)
    expect((await seen(place)).businessStatus.coding[0].code).toBe('reminded')
    expect((await seen(order)).status).toBe('active')
    await upkeepAt(from + 48 * hour)
    expect((await seen(order)).status).toBe('unknown')
    await upkeepAt(from + 72 * hour)
    const found = await scene.ehr.request('GET', `/fhir/Task?focus=${order}&status=requested`)
    const alerts = resourcesOf(found.body).filter(({ code }) => code.text === 'Cancellation: no-answer')
    expect(alerts).toHaveLength(1)
    expect(alerts[0].input[0].valueContactPoint).toEqual(telecom[0])

    // A late answer still counts.
    for (const status of ['accepted', 'in-progress', 'completed']) {
      const read = await scene.pharmacy.request('GET', `/fhir/${place}`)
      const etag = read.headers.get('etag') ?? ''
      const answer = await scene.pharmacy.request(
        'PUT',
        `/fhir/${place}`,
        { ...read.body, status },
        { 'if-match': etag },
      )
      expect(answer.status, answer.text).toBe(200)
    }
    expect((await seen(order)).status).toBe('cancelled')
  })
})
