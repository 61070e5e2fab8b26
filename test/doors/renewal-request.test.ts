import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OrderScene, orderScene } from './order-scene.ts'
import { openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
let orders: OrderScene
beforeAll(async () => {
  scene = await openScene()
  orders = orderScene(scene)
})
afterAll(() => scene.clinic.close())

const renewal = '103742009'
const ordersOf = async () =>
  resourcesOf(
    (await scene.ehr.request('GET', `/fhir/MedicationRequest?patient=${scene.patient}&_count=200`)).body,
  )

describe('a pharmacy that asks for a renewal', () => {
  it.each([
    ['renewal-request/us-renewal', 'RX-R1'],
    ['renewal-request/us-renewal-legacy', 'RX-R2'],
    ['refill-request/us-refill', 'RX-R3'],
    ['refill-request/us-refill-said-to-be-new', 'RX-R4'],
  ])('by %s gets a Task on the order that it names, and no new order', async (name, number) => {
    const reference = await orders.order(number)
    const before = await ordersOf()
    const controlId = `RNW-${number}`
    expect(await orders.post(scene.pharmacy, orders.told(name, controlId, number))).toContain(
      `MSA|AA|${controlId}`,
    )
    const [task, ...others] = await orders.tasksOf(reference, renewal)
    expect(others).toEqual([])
    expect(task).toMatchObject({
      status: 'requested',
      requester: { reference: scene.organizations.mainStreet },
      for: { reference: scene.patient },
    })
    expect(task.input[0].valueCodeableConcept.coding[0].code).toBe('308136')
    expect(await ordersOf()).toHaveLength(before.length)
    expect(await orders.statusOf(reference)).toBe('active')
  })

  it('by several channels is one Task, with the numbers of each', async () => {
    const reference = await orders.order('RX-R5')
    const asked = await scene.pharmacy.request('POST', '/fhir/Task', {
      resourceType: 'Task',
      status: 'requested',
      intent: 'proposal',
      code: { coding: [{ system: 'http://snomed.info/sct', code: renewal }] },
      focus: { reference },
      for: { reference: scene.patient },
      requester: { reference: scene.organizations.mainStreet },
    })
    expect(asked.status, asked.text).toBe(201)
    const first = orders.told('renewal-request/us-renewal', 'RNW-R5a', 'RX-R5')
    const second = orders.told('refill-request/us-refill', 'RNW-R5b', 'RX-R5')
    expect(await orders.post(scene.pharmacy, first)).toContain('MSA|AA|RNW-R5a')
    expect(await orders.post(scene.pharmacy, second)).toContain('MSA|AA|RNW-R5b')
    const tasks = await orders.tasksOf(reference, renewal)
    expect(tasks).toHaveLength(1)
    const numbers = tasks[0].identifier.map(({ value }: { value: string }) => value)
    expect(numbers).toEqual(['RNW-R5a/0', 'F-2201', 'RNW-R5b/0'])
    const again = await scene.pharmacy.request('POST', '/fhir/Task', { ...asked.body, id: undefined })
    expect(again.status).toBe(409)
  })

  it('of an order that is not here, or is another pharmacy’s, makes nothing', async () => {
    const reference = await orders.order('RX-R6')
    const text = (number: string) => orders.told('renewal-request/us-renewal', `RNW-${number}`, number)
    expect(await orders.post(scene.pharmacy, text('RX-NEVER'))).toContain('MSA|AE|')
    expect(await orders.post(scene.otherPharmacy, text('RX-R6'))).toContain('MSA|AE|')
    expect(await orders.tasksOf(reference, renewal)).toEqual([])
  })
})
