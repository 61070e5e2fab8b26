import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OrderScene, orderScene } from './order-scene.ts'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
let orders: OrderScene
beforeAll(async () => {
  scene = await openScene()
  orders = orderScene(scene)
})
afterAll(() => scene.clinic.close())

const given = (name: string, controlId: string, number: string) =>
  fixture(`administration/${name}.in.hl7`)
    .replace(/RAS-20260108-\d+/, controlId)
    .replaceAll('RX-88001', number)

const administrationsOf = async (reference: string, client = scene.ehr) =>
  resourcesOf((await client.request('GET', `/fhir/MedicationAdministration?request=${reference}`)).body)

describe('an RAS^O17', () => {
  it('of the clinic’s ward becomes an administration on the order that it names, and moves nothing', async () => {
    const reference = await orders.order('RX-M1')
    expect(await orders.post(scene.ehr, given('us-given', 'RAS-M1', 'RX-M1'))).toContain('MSA|AA|RAS-M1')
    const [made, ...others] = await administrationsOf(reference)
    expect(others).toEqual([])
    expect(made).toMatchObject({
      status: 'completed',
      subject: { reference: scene.patient },
      request: { reference },
      effectiveDateTime: '2026-01-08T08:30:00-06:00',
      dosage: { dose: { value: 2.5, code: 'mg' } },
    })
    expect(await orders.statusOf(reference)).toBe('active')
    expect(await administrationsOf(reference, scene.stranger)).toEqual([])
  })

  it('of what was refused is told as not done, and why', async () => {
    const reference = await orders.order('RX-M2')
    expect(await orders.post(scene.pharmacy, given('us-refused', 'RAS-M2', 'RX-M2'))).toContain(
      'MSA|AA|RAS-M2',
    )
    const [made] = await administrationsOf(reference)
    expect(made).toMatchObject({ status: 'not-done', statusReason: [{ coding: [{ code: 'PATREF' }] }] })
    expect(made.dosage).toBeUndefined()
  })

  it('about a stranger’s order is answered as about none, and a correction AR with the place', async () => {
    const reference = await orders.order('RX-M3')
    const text = given('us-given', 'RAS-M3', 'RX-M3')
    for (const other of [scene.otherPharmacy, scene.stranger]) {
      const answer = await orders.post(other, text)
      expect(answer).toContain('MSA|AE|RAS-M3')
      expect(answer).toContain('ERR||ORC^1^2|204^')
    }
    const resource = {
      resourceType: 'MedicationAdministration',
      status: 'completed',
      medicationCodeableConcept: { text: 'amlodipine' },
      subject: { reference: scene.patient },
      request: { reference },
      effectiveDateTime: '2026-01-08T08:30:00-06:00',
    }
    const posted = await scene.stranger.request('POST', '/fhir/MedicationAdministration', resource)
    expect(posted.status).toBe(403)
    const correction = await orders.post(scene.ehr, given('bad-correction', 'RAS-M4', 'RX-M3'))
    expect(correction).toContain('MSA|AR|RAS-M4')
    expect(correction).toContain('RXA^1^21')
    expect(await administrationsOf(reference)).toEqual([])
  })

  it.each([
    ['a time that is none', 'RXA|0|1|20260108083000-0600', 'RXA|0|1|8:30', 'RXA^1^3|102'],
    ['a day that does not exist', '19870314', '19870231', 'PID^1^7|102'],
    ['a status of no table', '|CP', '|QQ', 'RXA^1^20|102'],
    ['a number of a give that is none', 'RXA|0|', 'RXA|first|', 'RXA^1^1|102'],
  ])('with %s is refused at its field', async (_case, from, to, place) => {
    const text = given('us-given', 'RAS-M5', 'RX-M1')
    expect(text).toContain(from)
    const answer = await orders.post(scene.ehr, text.replace(from, to))
    expect(answer).toContain('MSA|AE|RAS-M5')
    expect(answer).toContain(`ERR||${place}^`)
  })
})
