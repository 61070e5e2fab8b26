import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestClient } from '../open-clinic.ts'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

const post = (client: TestClient, body: string) =>
  client.request('POST', '/ingest/hl7v2', body, { 'content-type': 'application/hl7-v2' })

/** An order of its own at the pharmacy of the fixtures, with its refills. */
async function order(number: string, refills = 3): Promise<string> {
  const text = fixture('prescription-order/us-simple.in.hl7')
    .replace('RDE-20260105-0001', `RDE-${number}`)
    .replaceAll('RX-88001', number)
    .replace('|TAB^tablet|3|', `|TAB^tablet|${refills}|`)
  expect((await post(scene.platform, text)).text).toContain(`MSA|AA|RDE-${number}`)
  const value = encodeURIComponent(`urn:oid:2.16.840.1.113883.19.6.1|${number}`)
  const found = await scene.ehr.request('GET', `/fhir/MedicationRequest?identifier=${value}`)
  return `MedicationRequest/${resourcesOf(found.body)[0].id}`
}

function dispense(name: string, controlId: string, number: string): string {
  return fixture(`dispense/${name}.in.hl7`)
    .replace(/RDS-20260107-\d+/, controlId)
    .replaceAll('RX-88001', number)
    .replaceAll('F-2201', `F-${controlId}`)
}

async function dispensesOf(client: TestClient, reference: string) {
  const found = await client.request('GET', `/fhir/MedicationDispense?prescription=${reference}`)
  expect(found.status, found.text).toBe(200)
  return resourcesOf(found.body)
}

describe('an RDS^O13', () => {
  it('of the pharmacy becomes a dispense on the order that it names, and the clinic sees it', async () => {
    const reference = await order('RX-D1')
    const answer = await post(scene.pharmacy, dispense('us-dispensed', 'RDS-D1', 'RX-D1'))
    expect(answer.text).toContain('MSA|AA|RDS-D1')
    const [made, ...others] = await dispensesOf(scene.ehr, reference)
    expect(others).toEqual([])
    expect(made).toMatchObject({
      status: 'completed',
      subject: { reference: scene.patient },
      authorizingPrescription: [{ reference }],
      quantity: { value: 90, code: '{tablet}' },
      whenHandedOver: '2026-01-07T16:15:00-06:00',
    })
    expect(made.performer[0].actor.reference).toBe(scene.organizations.mainStreet)
    expect((await scene.ehr.request('GET', `/fhir/${reference}`)).body.status).toBe('active')
  })

  it('that names the order by the prescription number alone finds it', async () => {
    const reference = await order('RX-D2')
    const answer = await post(scene.pharmacy, dispense('us-part-fill-by-number-only', 'RDS-D2', 'RX-D2'))
    expect(answer.text).toContain('MSA|AA|RDS-D2')
    expect(await dispensesOf(scene.pharmacy, reference)).toHaveLength(1)
  })

  it('of all that was authorised completes the order in the same commit', async () => {
    const reference = await order('RX-D3', 0)
    await post(scene.pharmacy, dispense('us-dispensed', 'RDS-D3', 'RX-D3'))
    const { body } = await scene.ehr.request('GET', `/fhir/${reference}`)
    expect(body).toMatchObject({ status: 'completed', meta: { versionId: '2' } })
  })

  it('that is only tried shows the pharmacy of the order what it may read of it, and says whose that is', async () => {
    const reference = await order('RX-D9', 0)
    const whole = JSON.stringify((await scene.ehr.request('GET', `/fhir/${reference}`)).body)
    const headers = { 'content-type': 'application/hl7-v2' }
    const text = dispense('us-dispensed', 'RDS-D9', 'RX-D9')
    const tried = await scene.pharmacy.request('POST', '/ingest/hl7v2/$preview', text, headers)
    const [{ outcome, resources }] = tried.body.messages
    expect(outcome).toBe('accepted')
    const [shown] = resources.filter(
      (each: { resourceType: string }) => each.resourceType === 'MedicationRequest',
    )
    expect(shown).toMatchObject({ id: reference.split('/')[1], status: 'completed', dosageInstruction: [{}] })
    for (const secret of ['Essential (primary) hypertension', 'easy-open caps']) {
      expect(whole).toContain(secret)
      expect(tried.text).not.toContain(secret)
    }
    const { body } = await scene.auditor.request(
      'GET',
      `/fhir/AuditEvent?patient=${scene.patient}&_sort=-date`,
    )
    expect(JSON.stringify(resourcesOf(body)[0])).toContain('preview')
  })

  it('of more than was authorised is kept, and an issue is detected', async () => {
    const reference = await order('RX-D4', 0)
    await post(scene.pharmacy, dispense('us-dispensed', 'RDS-D4', 'RX-D4'))
    const second = dispense('us-dispensed', 'RDS-D4b', 'RX-D4')
    expect((await post(scene.pharmacy, second)).text).toContain('MSA|AA|RDS-D4b')
    expect(await dispensesOf(scene.ehr, reference)).toHaveLength(2)
    const issues = await scene.ehr.request('GET', `/fhir/DetectedIssue?patient=${scene.patient}`)
    expect(resourcesOf(issues.body).map((issue) => issue.implicated[0].reference)).toContain(reference)
  })

  it('that comes again makes nothing new and gets its first answer', async () => {
    const reference = await order('RX-D5')
    const text = dispense('us-dispensed', 'RDS-D5', 'RX-D5')
    const first = await post(scene.pharmacy, text)
    const second = await post(scene.pharmacy, text)
    expect(second.text).toBe(first.text)
    expect(await dispensesOf(scene.ehr, reference)).toHaveLength(1)
  })

  it('of an order that is not here, or is another pharmacy’s, is answered AE alike', async () => {
    const reference = await order('RX-D6')
    const unknown = await post(scene.pharmacy, dispense('us-dispensed', 'RDS-D6', 'RX-NEVER'))
    const foreign = await post(scene.otherPharmacy, dispense('us-dispensed', 'RDS-D6', 'RX-D6'))
    for (const { text } of [unknown, foreign]) {
      expect(text).toMatch(/MSA\|[AC]E\|RDS-D6/)
      expect(text).toContain('ERR|')
      expect(text).not.toContain('MSA|AA|')
    }
    const withoutOwn = (text: string) => text.split('\r').filter((line) => !line.startsWith('MSH'))
    expect(withoutOwn(foreign.text)).toEqual(withoutOwn(unknown.text))
    expect(await dispensesOf(scene.ehr, reference)).toEqual([])
  })

  it('of who is no pharmacy is answered AR, and a request to cancel one too', async () => {
    await order('RX-D7')
    const answer = await post(scene.ehr, dispense('us-dispensed', 'RDS-D7', 'RX-D7'))
    expect(answer.text).toMatch(/MSA\|[AC]R\|RDS-D7/)
    const cancel = await post(scene.pharmacy, dispense('bad-cancel', 'RDS-D7b', 'RX-D7'))
    expect(cancel.text).toMatch(/MSA\|[AC]R\|RDS-D7b/)
    expect(cancel.text).toContain('ORC^1^1')
  })
})
