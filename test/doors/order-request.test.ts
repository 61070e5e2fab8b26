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

/** An order at the pharmacy of the fixtures, or at none. */
async function order(number: string, pharmacy = true): Promise<string> {
  const text = fixture('prescription-order/us-simple.in.hl7')
    .replace('RDE-20260105-0001', `RDE-${number}`)
    .replaceAll('RX-88001', number)
  const sent = pharmacy ? text : text.replace(/1234567893\^Main Street Pharmacy\^NPI.*/, '')
  expect((await post(scene.platform, sent)).text).toContain(`MSA|AA|RDE-${number}`)
  const value = encodeURIComponent(`urn:oid:2.16.840.1.113883.19.6.1|${number}`)
  const found = await scene.ehr.request('GET', `/fhir/MedicationRequest?identifier=${value}`)
  return `MedicationRequest/${resourcesOf(found.body)[0].id}`
}

function request(name: string, controlId: string, number: string): string {
  return fixture(`order-request/${name}.in.hl7`)
    .replace(/REQ-20260106-\d+/, controlId)
    .replaceAll('RX-88001', number)
}

async function tasksOf(reference: string, code: string) {
  const found = await scene.ehr.request('GET', `/fhir/Task?focus=${reference}`)
  expect(found.status, found.text).toBe(200)
  return resourcesOf(found.body).filter((task) =>
    task.code.coding?.some((coding: { code: string }) => coding.code === code),
  )
}
const statusOf = async (reference: string) =>
  (await scene.ehr.request('GET', `/fhir/${reference}`)).body.status

describe('ORC-1 that asks something about an order', () => {
  it('as CA is a Task for the pharmacy, and the order stays in force until it is answered', async () => {
    const reference = await order('RX-Q1')
    expect((await post(scene.platform, request('us-cancel', 'REQ-Q1', 'RX-Q1'))).text).toContain(
      'MSA|AA|REQ-Q1',
    )
    const [task, ...others] = await tasksOf(reference, 'abort')
    expect(others).toEqual([])
    expect(task).toMatchObject({
      status: 'requested',
      owner: { reference: scene.organizations.mainStreet },
      for: { reference: scene.patient },
      reasonCode: { coding: [{ code: 'DUP' }] },
    })
    expect(await statusOf(reference)).toBe('active')
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
    expect(await statusOf(reference)).toBe('cancelled')
  })

  it('as DC of an order that never left ends it at once', async () => {
    const reference = await order('RX-Q2', false)
    const answer = await post(scene.platform, request('us-discontinue-legacy', 'REQ-Q2', 'RX-Q2'))
    expect(answer.text).toContain('MSA|AA|REQ-Q2')
    expect(await statusOf(reference)).toBe('cancelled')
    expect((await tasksOf(reference, 'abort')).map(({ status }) => status)).toEqual(['completed'])
  })

  it('as HD and RL is a Task each, on the order that each names', async () => {
    const [held, released] = [await order('RX-Q3'), await order('RX-Q4')]
    const text = request('us-hold-and-release', 'REQ-Q3', 'RX-Q3').replace('RX-88002', 'RX-Q4')
    expect((await post(scene.platform, text)).text).toContain('MSA|AA|REQ-Q3')
    const [suspend] = await tasksOf(held, 'suspend')
    expect(suspend).toMatchObject({
      status: 'requested',
      owner: { reference: scene.organizations.mainStreet },
    })
    expect(await tasksOf(released, 'resume')).toHaveLength(1)
    expect([await statusOf(held), await statusOf(released)]).toEqual(['active', 'active'])
  })

  it('that comes again makes nothing new, and a second request of the kind is refused', async () => {
    const reference = await order('RX-Q5')
    const text = request('us-cancel', 'REQ-Q5', 'RX-Q5')
    const first = await post(scene.platform, text)
    expect((await post(scene.platform, text)).text).toBe(first.text)
    expect((await post(scene.platform, text.replace('REQ-Q5', 'REQ-Q5b'))).text).toContain('MSA|AR|REQ-Q5b')
    expect(await tasksOf(reference, 'abort')).toHaveLength(1)
  })

  it.each([
    ['bad-change', 'AR', 'ORC^2^1'],
    ['bad-mixed-with-an-order', 'AR', 'ORC^2^1'],
    ['bad-no-reason', 'AE', 'ORC^1^16'],
  ])('%s is answered %s with the place', async (name, code, place) => {
    const { text } = await post(scene.platform, fixture(`order-request/${name}.in.hl7`))
    expect(text).toContain(`MSA|${code}|`)
    expect(text).toContain(place)
  })

  it('about no order that is here is answered AE, and of who may not ask AR', async () => {
    const reference = await order('RX-Q6')
    const unknown = await post(scene.platform, request('us-cancel', 'REQ-Q6', 'RX-NEVER'))
    expect(unknown.text).toContain('MSA|AE|REQ-Q6')
    expect(unknown.text).toContain('ORC^1^2')
    const pharmacy = await post(scene.pharmacy, request('us-cancel', 'REQ-Q7', 'RX-Q6'))
    expect(pharmacy.text).toMatch(/MSA\|AR\|REQ-Q7/)
    const untrusted = await post(scene.drafter, request('us-cancel', 'REQ-Q8', 'RX-Q6'))
    expect(untrusted.text).toMatch(/MSA\|A[ER]\|REQ-Q8/)
    expect(await tasksOf(reference, 'abort')).toEqual([])
  })
})
