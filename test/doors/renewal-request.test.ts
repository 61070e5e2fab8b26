import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestClient } from '../open-clinic.ts'
import { type OrderScene, orderScene } from './order-scene.ts'
import { openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
let orders: OrderScene
let officer: TestClient
beforeAll(async () => {
  scene = await openScene()
  officer = await scene.clinic.client({
    id: 'privacy-office',
    role: 'privacy-officer',
    scopes: ['system/*.cruds'],
    purposes: ['HOPERAT'],
    grants: [],
  })
  orders = orderScene(scene)
})
afterAll(() => scene.clinic.close())

const patientsOf = async () => resourcesOf((await scene.platform.request('GET', '/fhir/Patient')).body)
const unseen = { 'if-match': 'W/"1"' }
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

  it.each([
    [
      'another medication',
      (text: string) => text.replace('308136^amLODIPine 2.5', '308135^amLODIPine 10'),
      ['other-medication'],
    ],
    ['another amount', (text: string) => text.replace('|90.0|', '|30|'), ['other-amount']],
    ['the same in other digits', (text: string) => text.replace('|90.0|', '|90|'), []],
    [
      'a drug whose code nobody can compare',
      (text: string) => text.replace('308136^amLODIPine 2.5 MG Oral Tablet^RXNORM', 'AML^amLODIPine^99MAIN'),
      [],
    ],
  ])(
    'of the order’s number, but for %s, is told to who decides as far as it can be compared',
    async (name, change, codes) => {
      const number = `RX-R7-${codes.length}-${name.length}`
      const reference = await orders.order(number)
      const text = change(orders.told('renewal-request/us-renewal', `RNW-${name.length}`, number))
      expect(await orders.post(scene.pharmacy, text)).toContain(`MSA|AA|RNW-${name.length}`)
      const [task] = await orders.tasksOf(reference, renewal)
      const found = await scene.ehr.request('GET', `/fhir/DetectedIssue?implicated=${reference}`)
      const issues = resourcesOf(found.body)
      expect(issues.map(({ code }) => code.coding[0].code)).toEqual(codes)
      for (const { implicated, patient } of issues) {
        expect(implicated).toContainEqual({ reference: `Task/${task.id}` })
        expect(patient.reference).toBe(scene.patient)
      }
    },
  )

  it('that joins one for the same order loses nothing of what it asks, and its difference is told', async () => {
    const reference = await orders.order('RX-JOINED')
    const first = orders.told('renewal-request/us-renewal', 'RNW-JOINED-a', 'RX-JOINED')
    const other = orders
      .told('renewal-request/us-renewal', 'RNW-JOINED-b', 'RX-JOINED')
      .replace('308136^amLODIPine 2.5', '308135^amLODIPine 10')
      .replace('|90.0|', '|360|')
    expect(await orders.post(scene.pharmacy, first)).toContain('MSA|AA|RNW-JOINED-a')
    expect(await orders.post(scene.pharmacy, other)).toContain('MSA|AA|RNW-JOINED-b')
    const tasks = await orders.tasksOf(reference, renewal)
    expect(tasks).toHaveLength(1)
    expect(JSON.stringify(tasks[0].input)).toMatch(/308136.*308135/)
    expect(JSON.stringify(tasks[0].input)).toContain('360')
    const found = await scene.ehr.request('GET', `/fhir/DetectedIssue?implicated=${reference}`)
    const issues = resourcesOf(found.body)
    const codes = issues.map(({ code }) => code.coding[0].code).sort()
    expect(codes).toEqual(['other-amount', 'other-medication'])
    expect(JSON.stringify(issues)).toContain(`Task/${tasks[0].id}`)
  })

  it.each([
    ['is not here', 'RX-NEVER', 'pharmacy'],
    ['is another pharmacy’s', 'RX-R6-otherPharmacy', 'otherPharmacy'],
  ] as const)(
    'of an order that %s waits with its message for the patient’s clinic, and nothing else is made',
    async (_case, number, by) => {
      const reference = await orders.order(`RX-R6-${by}`)
      const [before, patients] = [await ordersOf(), await patientsOf()]
      const text = orders.told('renewal-request/us-renewal', `RNW-${number}`, number)
      const answer = await orders.post(scene[by], text)
      expect(answer).toContain(`MSA|AA|RNW-${number}`)
      expect(answer).toContain('ERR||ORC^1^2|204^Unknown key identifier^HL70357|W')
      const found = await scene.ehr.request('GET', `/fhir/Task?patient=${scene.patient}&_sort=-_lastUpdated`)
      const [task] = resourcesOf(found.body)
      expect(task).toMatchObject({
        status: 'requested',
        code: { text: 'Unmatched request' },
        for: { reference: scene.patient },
        requester: { reference: scene.organizations[by === 'pharmacy' ? 'mainStreet' : 'otherPharmacy'] },
      })
      expect(task.focus).toBeUndefined()
      expect(atob(task.input[0].valueAttachment.data)).toBe(text)
      expect(await orders.tasksOf(reference, renewal)).toEqual([])
      expect([await ordersOf(), await patientsOf()]).toEqual([before, patients])

      // Its sender sees that somebody looks for it; the same message again makes no second one.
      const seen = await scene[by].request('GET', `/fhir/Task/${task.id}`)
      expect(seen.body).toMatchObject({ status: 'requested' })
      expect(seen.body.input).toBeUndefined()
      await orders.post(scene[by], text)
      const again = await scene.ehr.request('GET', `/fhir/Task?patient=${scene.patient}&_sort=-_lastUpdated`)
      expect(resourcesOf(again.body)).toEqual(resourcesOf(found.body))
      const done = { ...task, status: 'completed', note: [{ text: 'Asked for by telephone' }] }
      expect((await scene.ehr.request('PUT', `/fhir/Task/${task.id}`, done, unseen)).status).toBe(200)
    },
  )

  it('who is another clinic’s system finds no order, be it here or not, and has nothing renewed or cancelled', async () => {
    const reference = await orders.order('RX-R8')
    const answers: string[] = []
    for (const [number, controlId] of [
      ['RX-R8', 'RNW-R8a'],
      ['RX-NEVER', 'RNW-R8b'],
    ] as const) {
      const asked = orders.told('renewal-request/us-renewal', controlId, number)
      const ended = orders.told('order-request/us-cancel', `C${controlId}`, number)
      for (const text of [asked, ended]) {
        const [, ...rest] = (await orders.post(scene.stranger, text)).split('\rMSA|')
        answers.push(rest.join().replaceAll(controlId, ''))
      }
    }
    expect(answers.slice(0, 2)).toEqual(answers.slice(2))
    expect(await orders.tasksOf(reference, renewal)).toEqual([])
    expect(await orders.tasksOf(reference, 'abort')).toEqual([])
  })

  it('for a patient whom nobody knows waits for a privacy officer, and nobody is made of it', async () => {
    const patients = await patientsOf()
    const text = orders
      .told('renewal-request/us-renewal', 'RNW-NOBODY', 'RX-R1')
      .replace('MRN-4711', 'MRN-NOBODY')
    expect(await orders.post(scene.pharmacy, text)).toContain('MSA|AA|RNW-NOBODY')
    const queue = async (client: TestClient) =>
      resourcesOf((await client.request('GET', '/fhir/Task?code=unmatched-request')).body)
    const [task, ...others] = await queue(officer)
    expect(others).toEqual([])
    expect(task.for).toBeUndefined()
    expect(atob(task.input[0].valueAttachment.data)).toBe(text)
    expect(await queue(scene.ehr)).toEqual([])
    expect(await queue(scene.stranger)).toEqual([])
    expect(await queue(scene.otherPharmacy)).toEqual([])
    expect(await patientsOf()).toEqual(patients)
    const done = { ...task, status: 'completed', statusReason: { text: 'No patient of ours' } }
    expect((await officer.request('PUT', `/fhir/Task/${task.id}`, done, unseen)).status).toBe(200)
  })
})
