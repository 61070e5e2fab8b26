import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OrderScene, orderScene } from './order-scene.ts'
import { openScene, type Scene } from './scene.ts'

let scene: Scene
let orders: OrderScene
beforeAll(async () => {
  scene = await openScene()
  orders = orderScene(scene)
})
afterAll(() => scene.clinic.close())

/** An order that its placer has asked to cancel, discontinue, hold or release. */
async function asked(number: string, control = 'CA') {
  const reference = await orders.order(number)
  const request = orders.told('order-request/us-cancel', `REQ-${number}`, number)
  const text = request.replace('ORC|CA|', `ORC|${control}|`)
  expect(await orders.post(scene.platform, text)).toContain('MSA|AA|')
  return reference
}

const answer = (number: string, control: string, from = 'us-cancelled-as-requested') =>
  orders
    .told(`order-answer/${from}`, `RRE-${number}-${control}`, number)
    .replace(/ORC\|\w\w\|/, `ORC|${control}|`)

describe('an answer of a pharmacy that comes as a message of its own', () => {
  it('accepts the order: its Task is accepted, with the pharmacy’s own number', async () => {
    const reference = await orders.order('RX-A1')
    const text = await orders.post(scene.pharmacy, orders.told('order-answer/us-accepted', 'RRE-A1', 'RX-A1'))
    expect(text).toContain('MSA|AA|RRE-A1')
    const [task] = await orders.tasksOf(reference, 'fulfill')
    expect(task).toMatchObject({
      status: 'accepted',
      identifier: [{ system: 'urn:oid:2.16.840.1.113883.19.7.1', value: 'F-2201' }],
      note: [{ text: 'Ready on Thursday.' }],
    })
    expect(await orders.statusOf(reference)).toBe('active')
    expect(await orders.alertsOf(reference)).toEqual([])
  })

  it('finds the order by its whole number where it names no patient, and by no less', async () => {
    const reference = await orders.order('RX-A2')
    const whole = orders.told('order-answer/us-number-assigned-no-patient', 'RRE-A2', 'RX-A2')
    const bare = whole
      .replace('RRE-A2', 'RRE-A2b')
      .replace('^NORTHSIDE^2.16.840.1.113883.19.6.1^ISO', '')
      .replace('F-2201^MAINST^2.16.840.1.113883.19.7.1^ISO', '')
    expect(await orders.post(scene.pharmacy, bare)).toContain('MSA|AE|RRE-A2b')
    expect(await orders.post(scene.pharmacy, whole)).toContain('MSA|AA|RRE-A2')
    expect((await orders.tasksOf(reference, 'fulfill')).map(({ status }) => status)).toEqual(['accepted'])
  })

  it('refuses the order: its Task is rejected with the reason, the order stays the prescriber’s to end', async () => {
    const reference = await orders.order('RX-A3')
    const text = orders.told('order-answer/us-unable-to-accept', 'RRE-A3', 'RX-A3')
    expect(await orders.post(scene.pharmacy, text)).toContain('MSA|AA|RRE-A3')
    const [task] = await orders.tasksOf(reference, 'fulfill')
    expect(task).toMatchObject({ status: 'rejected', statusReason: { coding: [{ code: 'STOCK' }] } })
    expect(await orders.statusOf(reference)).toBe('active')
  })

  it.each([
    ['CR', 'cancelled', 'completed', 0],
    ['DR', 'stopped', 'completed', 0],
    ['OC', 'cancelled', 'completed', 0],
    ['UC', 'active', 'rejected', 1],
    ['UD', 'active', 'rejected', 1],
    // It says only that it came, or that it was not taken.
    ['OK', 'active', 'received', 0],
    ['UA', 'active', 'rejected', 1],
  ])('%s to a cancellation makes the order %s, its Task %s', async (control, order, task, alerts) => {
    const number = `RX-B${control}`
    const reference = await asked(number)
    const text = answer(number, control).replace('||CA', '')
    expect(await orders.post(scene.pharmacy, text)).toContain('MSA|AA|')
    expect(await orders.statusOf(reference)).toBe(order)
    expect((await orders.tasksOf(reference, 'abort')).map(({ status }) => status)).toEqual([task])
    expect(await orders.alertsOf(reference)).toHaveLength(alerts)
    const fulfil = order === 'active' ? 'requested' : 'cancelled'
    expect((await orders.tasksOf(reference, 'fulfill')).map(({ status }) => status)).toEqual([fulfil])
  })

  it('that it is too late makes the order completed, and a person is told', async () => {
    const reference = await asked('RX-C1')
    const text = orders.told('order-answer/us-too-late-to-cancel', 'RRE-C1', 'RX-C1')
    expect(await orders.post(scene.pharmacy, text)).toContain('MSA|AA|RRE-C1')
    expect(await orders.statusOf(reference)).toBe('completed')
    expect(await orders.alertsOf(reference)).toHaveLength(1)
  })

  it.each([
    ['HD', 'HR', 'suspend', 'on-hold', 'completed', 0],
    ['HD', 'UH', 'suspend', 'active', 'rejected', 1],
  ])('to %s, %s makes the Task to %s the order %s', async (request, control, code, order, task, alerts) => {
    const number = `RX-H${control}`
    const reference = await asked(number, request)
    expect(await orders.statusOf(reference)).toBe('active')
    expect(await orders.post(scene.pharmacy, answer(number, control))).toContain('MSA|AA|')
    expect(await orders.statusOf(reference)).toBe(order)
    expect((await orders.tasksOf(reference, code)).map(({ status }) => status)).toEqual([task])
    expect(await orders.alertsOf(reference)).toHaveLength(alerts)
  })

  it('that comes again in other words changes nothing more', async () => {
    const reference = await asked('RX-D1')
    const text = answer('RX-D1', 'CR')
    await orders.post(scene.pharmacy, text)
    const again = text.replace('RRE-RX-D1-CR', 'RRE-RX-D1-again')
    expect(await orders.post(scene.pharmacy, again)).toContain('MSA|AA|')
    const { body } = await scene.ehr.request('GET', `/fhir/${reference}`)
    expect(body).toMatchObject({ status: 'cancelled', meta: { versionId: '2' } })
    expect(await orders.alertsOf(reference)).toEqual([])
  })

  it.each([
    ['bad-request', 'AR', 'ORC^1^1'],
    ['bad-replaced', 'AR', 'ORC^1^1'],
    ['bad-unknown-code', 'AR', 'ORC^1^1'],
    ['bad-contradicts-acknowledgement', 'AE', 'MSA^1^1'],
  ])('%s is answered %s with the place and changes nothing', async (name, code, place) => {
    const reference = await asked(`RX-E${name}`)
    const text = orders.told(`order-answer/${name}`, `RRE-${name}`.slice(0, 20), `RX-E${name}`)
    const answered = await orders.post(scene.pharmacy, text)
    expect(answered).toContain(`MSA|${code}|`)
    expect(answered).toContain(place)
    expect(await orders.statusOf(reference)).toBe('active')
  })

  it('about another pharmacy’s order is answered as about none, and of who fills no orders AR', async () => {
    const reference = await asked('RX-F1')
    const text = answer('RX-F1', 'CR')
    expect(await orders.post(scene.otherPharmacy, text)).toContain('MSA|AE|')
    expect(await orders.post(scene.platform, text)).toContain('MSA|AR|')
    expect(await orders.statusOf(reference)).toBe('active')
  })

  it('is acknowledged as its sender wants, and never by an application acknowledgement in enhanced mode', async () => {
    await orders.order('RX-G1')
    const text = orders
      .told('order-answer/us-accepted', 'RRE-G1', 'RX-G1')
      .replace('|P|2.5.1', '|P|2.5.1|||AL|AL')
    const answered = await orders.post(scene.pharmacy, text)
    expect(answered.match(/MSA\|\w\w/g)).toEqual(['MSA|CA'])
  })
})

describe('a notice of a pharmacy that nobody asked for', () => {
  it('that it cancelled the order ends it, and a person is told', async () => {
    const reference = await orders.order('RX-N1')
    const text = orders.told('order-notice/us-cancelled-unasked', 'NOT-N1', 'RX-N1')
    expect(await orders.post(scene.pharmacy, text)).toContain('MSA|AA|NOT-N1')
    expect(await orders.statusOf(reference)).toBe('cancelled')
    expect(await orders.alertsOf(reference)).toHaveLength(1)
    expect((await orders.tasksOf(reference, 'fulfill')).map(({ status }) => status)).toEqual(['cancelled'])
  })

  it('of where the order stands moves its Task through the table', async () => {
    const reference = await orders.order('RX-N2')
    const text = orders.told('order-notice/us-status-completed', 'NOT-N2', 'RX-N2')
    expect(await orders.post(scene.pharmacy, text)).toContain('MSA|AA|NOT-N2')
    const [task] = await orders.tasksOf(reference, 'fulfill')
    expect(task).toMatchObject({ status: 'completed', meta: { versionId: '4' } })
    const history = await scene.pharmacy.request('GET', `/fhir/Task/${task.id}/_history`)
    const states = history.body.entry.map(({ resource }: { resource: { status: string } }) => resource.status)
    expect(states).toEqual(['completed', 'in-progress', 'accepted', 'requested'])
  })
})

describe('an answer to a dispense', () => {
  it('that it was taken changes nothing; that it was not is told to a person', async () => {
    const reference = await orders.order('RX-P1')
    const taken = orders.told('dispense-answer/us-taken', 'RRD-P1', 'RX-P1')
    expect(await orders.post(scene.pharmacy, taken)).toContain('MSA|AA|RRD-P1')
    expect(await orders.alertsOf(reference)).toEqual([])
    const not = orders.told('dispense-answer/us-not-taken', 'RRD-P2', 'RX-P1')
    expect(await orders.post(scene.ehr, not)).toContain('MSA|AA|RRD-P2')
    expect(await orders.alertsOf(reference)).toHaveLength(1)
    expect(await orders.statusOf(reference)).toBe('active')
    expect((await orders.tasksOf(reference, 'fulfill')).map(({ status }) => status)).toEqual(['requested'])
  })
})
