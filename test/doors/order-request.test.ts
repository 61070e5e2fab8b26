import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OrderScene, orderScene } from './order-scene.ts'
import { fixture, openScene, type Scene } from './scene.ts'

let scene: Scene
let orders: OrderScene
beforeAll(async () => {
  scene = await openScene()
  orders = orderScene(scene)
})
afterAll(() => scene.clinic.close())

describe('ORC-1 that asks something about an order', () => {
  it('as CA is a Task for the pharmacy, and the order stays in force until it is answered', async () => {
    const reference = await orders.order('RX-Q1')
    expect(
      await orders.post(scene.platform, orders.told('order-request/us-cancel', 'REQ-Q1', 'RX-Q1')),
    ).toContain('MSA|AA|REQ-Q1')
    const [task, ...others] = await orders.tasksOf(reference, 'abort')
    expect(others).toEqual([])
    expect(task).toMatchObject({
      status: 'requested',
      owner: { reference: scene.organizations.mainStreet },
      for: { reference: scene.patient },
      reasonCode: { coding: [{ code: 'DUP' }] },
    })
    expect(await orders.statusOf(reference)).toBe('active')
    // What the pharmacy then says over FHIR ends it.
    const { body } = await scene.pharmacy.request('GET', `/fhir/Task/${task.id}`)
    let current = body
    for (const status of ['accepted', 'in-progress', 'completed']) {
      const moved = await scene.pharmacy.request(
        'PUT',
        `/fhir/Task/${task.id}`,
        { ...current, status },
        { 'if-match': `W/"${current.meta.versionId}"`, prefer: 'return=representation' },
      )
      expect(moved.status, moved.text).toBe(200)
      current = moved.body
    }
    expect(await orders.statusOf(reference)).toBe('cancelled')
  })

  it('as DC of an order that never left ends it at once', async () => {
    const reference = await orders.order('RX-Q2', false)
    const answer = await orders.post(
      scene.platform,
      orders.told('order-request/us-discontinue-legacy', 'REQ-Q2', 'RX-Q2'),
    )
    expect(answer).toContain('MSA|AA|REQ-Q2')
    expect(await orders.statusOf(reference)).toBe('cancelled')
    expect((await orders.tasksOf(reference, 'abort')).map(({ status }) => status)).toEqual(['completed'])
  })

  it('as HD and RL is a Task each, on the order that each names', async () => {
    const [held, released] = [await orders.order('RX-Q3'), await orders.order('RX-Q4')]
    const text = orders
      .told('order-request/us-hold-and-release', 'REQ-Q3', 'RX-Q3')
      .replace('RX-88002', 'RX-Q4')
    expect(await orders.post(scene.platform, text)).toContain('MSA|AA|REQ-Q3')
    const [suspend] = await orders.tasksOf(held, 'suspend')
    expect(suspend).toMatchObject({
      status: 'requested',
      owner: { reference: scene.organizations.mainStreet },
    })
    expect(await orders.tasksOf(released, 'resume')).toHaveLength(1)
    expect([await orders.statusOf(held), await orders.statusOf(released)]).toEqual(['active', 'active'])
  })

  it('that comes again makes nothing new, and a second request of the kind is refused', async () => {
    const reference = await orders.order('RX-Q5')
    const text = orders.told('order-request/us-cancel', 'REQ-Q5', 'RX-Q5')
    const first = await orders.post(scene.platform, text)
    expect(await orders.post(scene.platform, text)).toBe(first)
    expect(await orders.post(scene.platform, text.replace('REQ-Q5', 'REQ-Q5b'))).toContain('MSA|AR|REQ-Q5b')
    expect(await orders.tasksOf(reference, 'abort')).toHaveLength(1)
  })

  it.each([
    ['bad-change', 'AR', 'ORC^2^1'],
    ['bad-mixed-with-an-order', 'AR', 'ORC^2^1'],
    ['bad-no-reason', 'AE', 'ORC^1^16'],
  ])('%s is answered %s with the place', async (name, code, place) => {
    const text = await orders.post(scene.platform, fixture(`order-request/${name}.in.hl7`))
    expect(text).toContain(`MSA|${code}|`)
    expect(text).toContain(place)
  })

  it('about no order that is here is answered AE, and of who may not ask AR', async () => {
    const reference = await orders.order('RX-Q6')
    const unknown = await orders.post(
      scene.platform,
      orders.told('order-request/us-cancel', 'REQ-Q6', 'RX-NEVER'),
    )
    expect(unknown).toContain('MSA|AE|REQ-Q6')
    expect(unknown).toContain('ORC^1^2')
    const pharmacy = await orders.post(
      scene.pharmacy,
      orders.told('order-request/us-cancel', 'REQ-Q7', 'RX-Q6'),
    )
    expect(pharmacy).toMatch(/MSA\|AR\|REQ-Q7/)
    const untrusted = await orders.post(
      scene.drafter,
      orders.told('order-request/us-cancel', 'REQ-Q8', 'RX-Q6'),
    )
    expect(untrusted).toMatch(/MSA\|A[ER]\|REQ-Q8/)
    expect(await orders.tasksOf(reference, 'abort')).toEqual([])
  })
})
