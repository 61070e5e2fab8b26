import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openMainStreet } from '../doors/main-street.ts'
import { fieldsOf } from '../doors/mllp-socket.ts'
import { type OrderScene, orderScene } from '../doors/order-scene.ts'
import { openScene, resourcesOf, type Scene } from '../doors/scene.ts'
import type { Pharmacy } from '../peers/pharmacy.ts'

let scene: Scene
let orders: OrderScene
let peer: Pharmacy
beforeAll(async () => {
  scene = await openScene()
  orders = orderScene(scene)
  peer = await openMainStreet(scene)
})
afterAll(async () => {
  await scene.clinic.close()
  await peer.close()
})

/** An RRE^O12 to what came, as a pharmacy writes it on the same connection. */
const rre =
  (control: string, code = 'AA', more = '') =>
  (sent: string) => {
    const id = fieldsOf(sent, 'MSH')[10]
    const number = fieldsOf(sent, 'ORC')[2]
    return [
      `MSH|^~\\&|DISPENSE|MAIN|POSTERN|TEST|20260107163000||RRE^O12^RRE_O12|A${id}|P|2.5.1`,
      `MSA|${code}|${id}`,
      `ORC|${control}|${number}|F-1^MAIN${more}`,
      '',
    ].join('\r')
  }

async function settled(count: number, state = 'delivered') {
  await vi.waitFor(async () => {
    const deliveries = await scene.clinic.store.deliveries(50)
    expect(deliveries.filter((each) => each.state === state)).toHaveLength(count)
  }, 10_000)
}

const deliveriesNow = async () =>
  (await scene.clinic.store.deliveries(50)).filter(({ state }) => state === 'delivered').length

describe('what a pharmacy answers on the connection that we opened', () => {
  it('accepts the order that was sent: its Task is accepted before the delivery ends', async () => {
    peer.answerNext(rre('OK'))
    const reference = await orders.order('RX-T1')
    await settled(1)
    const [task] = await orders.tasksOf(reference, 'fulfill')
    expect(task).toMatchObject({ status: 'accepted', identifier: [{ value: 'F-1' }] })
    const provenance = await scene.ehr.request('GET', `/fhir/Provenance?target=Task/${task.id}`)
    expect(resourcesOf(provenance.body).map(({ target }) => target[0].reference)).toContain(
      `Task/${task.id}/_history/2`,
    )
  })

  it('confirms a cancellation: the order is cancelled', async () => {
    const before = await deliveriesNow()
    const reference = await orders.order('RX-T2')
    await settled(before + 1)
    peer.answerNext(rre('CR', 'AA', '||CA'))
    const text = orders.told('order-request/us-cancel', 'REQ-T2', 'RX-T2')
    expect(await orders.post(scene.platform, text)).toContain('MSA|AA|REQ-T2')
    await settled(before + 2)
    expect(fieldsOf(peer.messages.at(-1) ?? '', 'ORC')[1]).toBe('CA')
    expect(await orders.statusOf(reference)).toBe('cancelled')
    expect((await orders.tasksOf(reference, 'abort')).map(({ status }) => status)).toEqual(['completed'])
  })

  it('refuses an order by its body: the delivery has arrived, whatever the acknowledgement says', async () => {
    const before = await deliveriesNow()
    peer.answerNext(rre('UA', 'AR'))
    const reference = await orders.order('RX-T3')
    await settled(before + 1)
    expect((await orders.tasksOf(reference, 'fulfill')).map(({ status }) => status)).toEqual(['rejected'])
    expect(await orders.alertsOf(reference)).toEqual([])
  })

  it.each([
    ['a code that nobody knows', 'QQ', 'AA'],
    ['a change that is never applied', 'RU', 'AA'],
    ['a request instead of an answer', 'CA', 'AA'],
  ])('with %s changes nothing, and a person is told', async (_name, control, code) => {
    const before = await deliveriesNow()
    peer.answerNext(rre(control, code))
    const reference = await orders.order(`RX-T4${control}`)
    await settled(before + 1)
    expect(await orders.statusOf(reference)).toBe('active')
    expect((await orders.tasksOf(reference, 'fulfill')).map(({ status }) => status)).toEqual(['requested'])
    const [alert, ...others] = await orders.alertsOf(reference)
    expect(others).toEqual([])
    expect(alert.code.text).toBe('Answer not understood: unsupported')
  })

  it('about an order of another pharmacy changes nothing of that', async () => {
    const before = await deliveriesNow()
    const foreign = await orders.order('RX-T5', false)
    peer.answerNext((sent) => rre('OC')(sent).replace('RX-T6', 'RX-T5'))
    const reference = await orders.order('RX-T6')
    await settled(before + 1)
    expect(await orders.statusOf(foreign)).toBe('active')
    expect((await orders.alertsOf(reference))[0].code.text).toBe('Answer not understood: not-found')
  })
})
