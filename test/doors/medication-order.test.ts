import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

const post = (name: string, number = 'RX-88101') =>
  scene.platform.request(
    'POST',
    '/ingest/hl7v2',
    fixture(`medication-order/${name}.in.hl7`).replaceAll('RX-88101', number),
    { 'content-type': 'application/hl7-v2' },
  )

describe('a medication order that no pharmacy has encoded', () => {
  it('as ORM^O01 with its timing in ORC-7 is an order with that timing, and a Task for the pharmacy', async () => {
    const answer = await post('us-orm-old-timing')
    expect(answer.text).toContain('MSA|AA|MED-20260105-0002')
    const found = await scene.pharmacy.request('GET', `/fhir/MedicationRequest?patient=${scene.patient}`)
    const [order, ...others] = resourcesOf(found.body)
    expect(others).toEqual([])
    expect(order).toMatchObject({ status: 'active', intent: 'original-order' })
    expect(order.dosageInstruction[0].timing.repeat).toMatchObject({
      frequency: 1,
      period: 1,
      periodUnit: 'd',
      boundsPeriod: { start: '2026-01-06' },
    })
    expect(order.dosageInstruction[0].additionalInstruction).toEqual([{ text: 'for 90 D' }])
    const tasks = await scene.pharmacy.request('GET', `/fhir/Task?focus=MedicationRequest/${order.id}`)
    expect(resourcesOf(tasks.body).map(({ status }) => status)).toEqual(['requested'])
  })

  it('as OMP^O09 is taken in', async () => {
    expect((await post('us-omp', 'RX-OMP')).text).toContain('MSA|AA|MED-20260105-0001')
  })

  it.each([
    ['bad-laboratory-order', 'AR', 'ORC'],
    ['bad-cancel-request', 'AE', 'ORC^1^16'],
    ['bad-old-timing-contradicts-directions', 'AE', 'RXO^1^7'],
  ])('%s is answered %s with the place', async (name, code, place) => {
    const answer = await post(name)
    expect(answer.text).toContain(`MSA|${code}|`)
    expect(answer.text).toContain(place)
    expect(answer.text).not.toContain('MSA|AA|')
  })
})
