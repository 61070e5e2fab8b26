import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { message, openScene, placesIn, resourcesOf, type Scene } from '../doors/scene.ts'
import type { Answer, TestClient } from '../open-clinic.ts'

const taskCode = 'http://hl7.org/fhir/CodeSystem/task-code'
const reasonSystem = 'https://fhir.nhs.uk/CodeSystem/medicationrequest-status-reason'
const reason = { coding: [{ system: reasonSystem, code: '0005' }] }

let scene: Scene
let prescriber: TestClient
beforeAll(async () => {
  scene = await openScene()
  prescriber = await scene.clinic.client({
    id: 'prescriber',
    role: 'prescriber',
    organization: scene.organizations.northside,
    scopes: ['system/*.cruds'],
    purposes: ['TREAT'],
    grants: [],
  })
})
afterAll(() => scene.clinic.close())

let count = 0
/** An order in force at the pharmacy, with the Task that it came with. */
async function issued(changes: object = {}) {
  count += 1
  const body = message('prescription/active-attested.in.json', { id: `order-${count}`, ...changes })
  const answer = await scene.platform.request('POST', '/ingest/prescriptions', body)
  expect(answer.status, answer.text).toBe(201)
  const [order = ''] = placesIn(answer.body, 'MedicationRequest')
  const [task = ''] = placesIn(answer.body, 'Task')
  return { order, task }
}

async function drafted() {
  count += 1
  const body = message('prescription/active-attested.in.json', {
    id: `order-${count}`,
    attestation: undefined,
  })
  const answer = await scene.platform.request('POST', '/ingest/prescriptions', body)
  return placesIn(answer.body, 'MedicationRequest')[0] ?? ''
}

/** Reads, changes and writes back, as clients do. */
async function put(client: TestClient, place: string, changes: object): Promise<Answer> {
  const read = await client.request('GET', `/fhir/${place}`)
  expect(read.status, read.text).toBe(200)
  const headers = { 'if-match': read.headers.get('etag') ?? '', prefer: 'return=representation' }
  return client.request('PUT', `/fhir/${place}`, { ...read.body, ...changes }, headers)
}

const seen = async (place: string, client = scene.ehr) => (await client.request('GET', `/fhir/${place}`)).body
const cancelOf = (order: string, changes: object = {}) => ({
  resourceType: 'Task',
  status: 'requested',
  intent: 'order',
  code: { coding: [{ system: taskCode, code: 'abort' }] },
  focus: { reference: order },
  for: { reference: scene.patient },
  reasonCode: reason,
  ...changes,
})
async function cancel(order: string, by = scene.ehr, changes: object = {}): Promise<Answer> {
  return by.request('POST', '/fhir/Task', cancelOf(order, changes), { prefer: 'return=representation' })
}
const alerts = async (about: string) => {
  const found = await scene.ehr.request('GET', `/fhir/Task?focus=${about}&status=requested`)
  return resourcesOf(found.body).filter(({ owner }) => owner === undefined)
}

describe('the pharmacy’s Task', () => {
  it('goes from requested over accepted and in-progress to completed', async () => {
    const { task, order } = await issued()
    for (const status of ['accepted', 'in-progress', 'completed']) {
      const answer = await put(scene.pharmacy, task, { status })
      expect([answer.status, answer.body?.status], answer.text).toEqual([200, status])
    }
    expect((await seen(order)).status).toBe('active')
  })

  it('skips no state, and the refusal lists what is allowed', async () => {
    const { task } = await issued()
    const answer = await put(scene.pharmacy, task, { status: 'completed' })
    expect(answer.status).toBe(422)
    expect(answer.body.issue[0]).toMatchObject({ code: 'business-rule', expression: ['Task.status'] })
    expect(answer.body.issue[0].diagnostics).toContain('received, accepted, rejected')
    expect((await seen(task)).status).toBe('requested')
  })

  it('is refused with a reason or not at all, and then stays refused', async () => {
    const { task } = await issued()
    expect((await put(scene.pharmacy, task, { status: 'rejected' })).status).toBe(422)
    const statusReason = { text: 'not in stock' }
    expect((await put(scene.pharmacy, task, { status: 'rejected', statusReason })).status).toBe(200)
    expect((await put(scene.pharmacy, task, { status: 'accepted' })).status).toBe(422)
    expect((await put(scene.pharmacy, task, { businessStatus: { text: 'after all' } })).status).toBe(422)
  })

  it.each([
    ['intent', 'plan'],
    ['code', { coding: [{ system: taskCode, code: 'abort' }] }],
    ['focus', { reference: 'MedicationRequest/another' }],
    ['authoredOn', '2020-01-01T00:00:00Z'],
  ])('keeps its %s for its life', async (name, value) => {
    const { task } = await issued()
    const answer = await put(scene.pharmacy, task, { status: 'accepted', [name]: value })
    expect([answer.status, answer.body.issue[0].expression]).toEqual([422, [`Task.${name}`]])
  })

  it('is given to nobody else by the pharmacy, and to another pharmacy by the clinic only before it is begun', async () => {
    const { task } = await issued()
    const owner = { reference: scene.organizations.otherPharmacy }
    expect([403, 422]).toContain((await put(scene.pharmacy, task, { owner })).status)
    expect((await put(scene.pharmacy, task, { status: 'accepted' })).status).toBe(200)
    expect((await put(scene.ehr, task, { owner })).status).toBe(422)
  })

  it('is not seen by another pharmacy, so not moved either', async () => {
    const { task } = await issued()
    expect((await scene.otherPharmacy.request('GET', `/fhir/${task}`)).status).toBe(404)
    const answer = await scene.otherPharmacy.request(
      'PUT',
      `/fhir/${task}`,
      { ...(await seen(task)), status: 'accepted' },
      { 'if-match': 'W/"1"' },
    )
    expect(answer.status).toBe(404)
  })

  it('keeps an update that comes late in its history and the newer one in force', async () => {
    const { task } = await issued()
    const base = Date.parse((await seen(task)).authoredOn)
    const at = (ms: number) => new Date(base + ms).toISOString()
    await put(scene.pharmacy, task, { status: 'accepted', lastModified: at(1) })
    await put(scene.pharmacy, task, { status: 'in-progress', lastModified: at(5) })
    const late = await put(scene.pharmacy, task, { status: 'received', lastModified: at(2) })
    expect([late.status, late.body.status, late.body.lastModified]).toEqual([200, 'in-progress', at(5)])
    expect(late.headers.get('etag')).toBe('W/"5"')
    const versions = resourcesOf((await scene.ehr.request('GET', `/fhir/${task}/_history`)).body)
    expect(versions.map(({ status }) => status)).toEqual([
      'in-progress',
      'received',
      'in-progress',
      'accepted',
      'requested',
    ])
    const inProgress = await scene.ehr.request(
      'GET',
      `/fhir/Task?status=in-progress&_id=${task.split('/')[1]}`,
    )
    expect(resourcesOf(inProgress.body)).toHaveLength(1)
    const received = await scene.ehr.request('GET', `/fhir/Task?status=received&_id=${task.split('/')[1]}`)
    expect(resourcesOf(received.body)).toEqual([])
  })

  it('takes no time from the future', async () => {
    const { task } = await issued()
    const lastModified = new Date(Date.now() + 3_600_000).toISOString()
    expect((await put(scene.pharmacy, task, { status: 'accepted', lastModified })).status).toBe(422)
  })
})

describe('an order', () => {
  it('is never changed by its pharmacy, in status or content', async () => {
    const { order } = await issued()
    for (const changes of [{ status: 'completed' }, { status: 'cancelled' }, { priority: 'stat' }]) {
      expect((await put(scene.pharmacy, order, changes)).status).toBe(403)
    }
  })

  it('in force is not edited by its prescriber either, and each changed element is named', async () => {
    const { order } = await issued()
    const answer = await put(prescriber, order, { priority: 'stat', note: [{ text: 'x' }] })
    expect(answer.status).toBe(422)
    expect(answer.body.issue.map((each: { expression: string[] }) => each.expression[0]).sort()).toEqual([
      'MedicationRequest.note',
      'MedicationRequest.priority',
    ])
  })

  it('is put in force by no plain write, and the refusal says what a draft may become', async () => {
    const order = await drafted()
    const answer = await put(prescriber, order, { status: 'active' })
    expect(answer.status).toBe(422)
    expect(answer.body.issue[0].diagnostics).toContain('cancelled, entered-in-error only')
    expect((await put(prescriber, order, { status: 'cancelled' })).status).toBe(200)
    expect((await put(prescriber, order, { status: 'draft' })).status).toBe(422)
  })

  it('held and released by its prescriber sends a Task to who has it each time', async () => {
    const { order, task } = await issued()
    expect((await put(prescriber, order, { status: 'on-hold' })).status).toBe(200)
    expect((await put(prescriber, order, { status: 'active' })).status).toBe(200)
    const found = resourcesOf(
      (await scene.pharmacy.request('GET', `/fhir/Task?focus=${order}&_sort=authored-on`)).body,
    )
    const codes = found.filter(({ id }) => !task.endsWith(id)).map(({ code }) => code.coding[0].code)
    expect(codes.sort()).toEqual(['resume', 'suspend'])
  })

  it('is cancelled by no plain write: that asks the pharmacy', async () => {
    const { order } = await issued()
    const answer = await put(prescriber, order, { status: 'cancelled', statusReason: reason })
    expect(answer.status).toBe(422)
    const stop = await put(prescriber, order, { status: 'stopped', statusReason: reason })
    expect(stop.status).toBe(422)
    expect(stop.body.issue[0].diagnostics).toContain('abort')
  })
})

describe('a new Task to fulfil', () => {
  const fulfilOf = (order: string, changes: object = {}) => ({
    ...cancelOf(order, { code: { coding: [{ system: taskCode, code: 'fulfill' }] }, reasonCode: undefined }),
    owner: { reference: scene.organizations.mainStreet },
    ...changes,
  })

  it('is for an order in force of the same patient', async () => {
    const { order, task } = await issued()
    expect((await scene.ehr.request('POST', '/fhir/Task', fulfilOf(order))).status).toBe(409)
    expect((await put(scene.ehr, task, { status: 'cancelled' })).status).toBe(200)
    expect((await scene.ehr.request('POST', '/fhir/Task', fulfilOf(order))).status).toBe(201)
    for (const focus of [await drafted(), 'MedicationRequest/nothing']) {
      expect((await scene.ehr.request('POST', '/fhir/Task', fulfilOf(focus))).status).toBe(422)
    }
    expect((await scene.stranger.request('POST', '/fhir/Task', fulfilOf(order))).status).toBe(422)
    expect((await scene.pharmacy.request('POST', '/fhir/Task', fulfilOf(order))).status).toBe(422)
  })

  it('may be drafted with its order, and is held to the order when it is asked', async () => {
    const order = await drafted()
    const made = await scene.ehr.request('POST', '/fhir/Task', fulfilOf(order, { status: 'draft' }), {
      prefer: 'return=representation',
    })
    expect(made.status, made.text).toBe(201)
    expect((await put(scene.ehr, `Task/${made.body.id}`, { status: 'requested' })).status).toBe(422)
    const cancelled = await cancel('MedicationRequest/nothing', scene.ehr, { status: 'draft' })
    expect(cancelled.status).toBe(201)
    expect((await put(scene.ehr, `Task/${cancelled.body.id}`, { status: 'requested' })).status).toBe(422)
  })

  it('is refused for what was only reported (R9)', async () => {
    const { order } = await issued()
    const stored = await scene.clinic.store.read('MedicationRequest', order.split('/')[1] ?? '')
    const resource = { ...JSON.parse(stored?.json ?? ''), id: `reported-${count}`, reportedBoolean: true }
    await scene.clinic.store.commit({ audit: [], writes: [{ resource, version: 1, updated: Date.now() }] })
    const answer = await scene.ehr.request('POST', '/fhir/Task', fulfilOf(`MedicationRequest/${resource.id}`))
    expect(answer.status).toBe(422)
    expect(answer.text).toContain('reported')
  })
})

describe('a cancellation', () => {
  it('asked for by the clinic’s EHR goes to who has the order, and the order waits for the answer', async () => {
    const { order, task } = await issued()
    const asked = await cancel(order)
    expect([asked.status, asked.body.owner?.reference], asked.text).toEqual([
      201,
      scene.organizations.mainStreet,
    ])
    expect((await seen(order)).status).toBe('active')
    const place = `Task/${asked.body.id}`
    for (const status of ['accepted', 'in-progress']) {
      expect((await put(scene.pharmacy, place, { status })).status).toBe(200)
      expect((await seen(order)).status).toBe('active')
    }
    expect((await put(scene.pharmacy, place, { status: 'completed' })).status).toBe(200)
    expect(await seen(order)).toMatchObject({ status: 'cancelled', statusReason: reason })
    expect((await seen(task)).status).toBe('cancelled')
    const events = await scene.auditor.request('GET', `/fhir/AuditEvent?entity=${order}`)
    expect(events.text).toContain(`${order}/_history/2`)
  })

  it('keeps every digit and element of the order it ends', async () => {
    const { order } = await issued({ quantity: { value: '100.50', unit: 'mL', code: 'mL' } })
    const before = await scene.ehr.request('GET', `/fhir/${order}`)
    const asked = await cancel(order)
    for (const status of ['accepted', 'in-progress', 'completed'])
      await put(scene.pharmacy, `Task/${asked.body.id}`, { status })
    const after = await scene.ehr.request('GET', `/fhir/${order}`)
    expect(after.text).toContain('"value":100.50')
    const { status: _s, statusReason: _r, meta: _m, ...kept } = after.body
    const { status: _s2, meta: _m2, ...old } = before.body
    expect(kept).toEqual(old)
  })

  it('without a coded reason is refused, and so is a second one while the first is open', async () => {
    const { order } = await issued()
    for (const reasonCode of [undefined, { text: 'because' }])
      expect((await cancel(order, scene.ehr, { reasonCode })).status).toBe(422)
    expect((await cancel(order)).status).toBe(201)
    expect((await cancel(order)).status).toBe(409)
  })

  it('asked for many times at the same moment is asked once', async () => {
    const { order } = await issued()
    const asked = await Promise.all(Array.from({ length: 10 }, () => cancel(order)))
    expect(asked.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)])
  })

  it('is asked for by nobody but the clinic: no pharmacy, no stranger, no platform without trust', async () => {
    const { order } = await issued()
    for (const client of [scene.pharmacy, scene.otherPharmacy, scene.stranger, scene.drafter]) {
      expect([403, 422], client.id).toContain((await cancel(order, client)).status)
    }
    expect(resourcesOf((await scene.ehr.request('GET', `/fhir/Task?focus=${order}`)).body)).toHaveLength(1)
    expect((await cancel(order, prescriber)).status).toBe(201)
  })

  it('names an order of the same patient, or is refused as for none', async () => {
    const { order } = await issued()
    const other = await scene.platform.request(
      'POST',
      '/fhir/Patient',
      { resourceType: 'Patient', managingOrganization: { reference: scene.organizations.northside } },
      { prefer: 'return=representation' },
    )
    const crossed = await cancel(order, scene.ehr, { for: { reference: `Patient/${other.body.id}` } })
    const absent = await cancel('MedicationRequest/nothing')
    expect([crossed.status, absent.status]).toEqual([422, 422])
    expect(crossed.body).toEqual(absent.body)
  })

  it('that comes too late leaves the order to what was dispensed and tells the clinic', async () => {
    const { order } = await issued()
    const asked = await cancel(order)
    const statusReason = {
      coding: [{ system: 'https://fhir.nhs.uk/CodeSystem/medicationrequest-status-history', code: 'R-0004' }],
    }
    const answer = await put(scene.pharmacy, `Task/${asked.body.id}`, { status: 'rejected', statusReason })
    expect(answer.status, answer.text).toBe(200)
    expect((await seen(order)).status).toBe('completed')
    expect(await alerts(order)).toMatchObject([{ code: { text: 'Cancellation: too-late' } }])
    expect((await seen(`Task/${asked.body.id}`)).reasonCode).toEqual(reason)
  })

  /** Reference §1.5 and HL7 v2 table 0119, as a pharmacy or its hub writes them into the Task. */
  const eps = 'https://fhir.nhs.uk/CodeSystem/medicationrequest-status-history'
  const v2 = 'http://terminology.hl7.org/CodeSystem/v2-0119'
  it.each([
    [eps, 'R-0001', 'completed', 'cancelled', 0],
    [eps, 'R-0002', 'in-progress', 'active', 0],
    [eps, 'R-0003', 'in-progress', 'active', 0],
    [eps, 'R-0004', 'rejected', 'completed', 1],
    [eps, 'R-0005', 'completed', 'stopped', 0],
    [eps, 'R-0006', 'completed', 'cancelled', 0],
    [eps, 'R-0007', 'rejected', 'unknown', 1],
    [eps, 'R-0008', 'rejected', 'active', 1],
    [eps, 'R-0009', 'rejected', 'active', 1],
    [eps, 'R-0010', 'completed', 'stopped', 0],
    [eps, 'R-5000', 'rejected', 'active', 1],
    [eps, 'R-5888', 'rejected', 'active', 1],
    [v2, 'CR', 'completed', 'cancelled', 0],
    [v2, 'UC', 'rejected', 'active', 1],
    [v2, 'DR', 'completed', 'stopped', 0],
    [v2, 'UD', 'rejected', 'active', 1],
  ] as const)(
    'answered with %s|%s leaves its Task %s and the order %s',
    async (system, code, end, status, told) => {
      const { order } = await issued()
      const place = `Task/${(await cancel(order)).body.id}`
      const said = { coding: [{ system, code }] }
      const steps =
        end === 'rejected' ? [end] : ['accepted', 'in-progress', ...(end === 'completed' ? [end] : [])]
      for (const step of steps) {
        const words = step === 'rejected' ? { statusReason: said } : { businessStatus: said }
        const answer = await put(scene.pharmacy, place, { status: step, ...(step === end ? words : {}) })
        expect(answer.status, answer.text).toBe(200)
      }
      expect((await seen(order)).status).toBe(status)
      expect(await alerts(order)).toHaveLength(told)
    },
  )

  it('that is refused changes nothing but tells the clinic, and can be asked again', async () => {
    const { order } = await issued()
    const asked = await cancel(order)
    const statusReason = { text: 'ready to be collected' }
    await put(scene.pharmacy, `Task/${asked.body.id}`, { status: 'rejected', statusReason })
    expect((await seen(order)).status).toBe('active')
    expect(await alerts(order)).toMatchObject([{ code: { text: 'Cancellation: refused' } }])
    expect((await cancel(order)).status).toBe(201)
  })

  it('of one item leaves the other items of the prescription as they are', async () => {
    const one = await issued({ group: 'group-1' })
    const two = await issued({ group: 'group-1' })
    const asked = await cancel(one.order)
    for (const status of ['accepted', 'in-progress', 'completed'])
      await put(scene.pharmacy, `Task/${asked.body.id}`, { status })
    expect([(await seen(one.order)).status, (await seen(two.order)).status]).toEqual(['cancelled', 'active'])
    expect((await seen(two.task)).status).toBe('requested')
  })

  it('of an order that no pharmacy has is done at once', async () => {
    const { order } = await issued({ pharmacy: undefined })
    const asked = await cancel(order)
    expect([asked.status, asked.body.status], asked.text).toEqual([201, 'completed'])
    expect((await seen(order)).status).toBe('cancelled')
  })
})

describe('a dispense', () => {
  const quantity = { value: 100, unit: 'mL', system: 'http://unitsofmeasure.org', code: 'mL' }
  const supply = { quantity: { value: '100', unit: 'mL', code: 'mL' }, repeats: 1 }
  const dispense = (order: string, changes: object = {}) => ({
    resourceType: 'MedicationDispense',
    status: 'completed',
    medicationCodeableConcept: { text: 'x' },
    subject: { reference: scene.patient },
    performer: [{ actor: { reference: scene.organizations.mainStreet } }],
    authorizingPrescription: [{ reference: order }],
    whenHandedOver: '2026-11-21T10:00:00Z',
    quantity,
    ...changes,
  })
  const tell = (order: string, changes: object = {}, by = scene.pharmacy) =>
    by.request('POST', '/fhir/MedicationDispense', dispense(order, changes), {
      prefer: 'return=representation',
    })
  const issues = async (order: string) =>
    resourcesOf((await scene.ehr.request('GET', `/fhir/DetectedIssue?implicated=${order}`)).body)

  it('is told by the pharmacy that the order names, on an order of the same patient', async () => {
    const { order } = await issued(supply)
    const [other] = [await issued(supply)]
    expect((await tell(order, {}, scene.otherPharmacy)).status).toBe(403)
    expect((await tell(order, { authorizingPrescription: undefined })).status).toBe(422)
    const mixed = [{ reference: order }, { reference: 'MedicationRequest/nothing' }]
    expect([403, 422]).toContain((await tell(order, { authorizingPrescription: mixed })).status)
    expect((await tell(order, { whenHandedOver: undefined })).status).toBe(422)
    expect((await tell(order)).status).toBe(201)
    expect((await seen(other.order)).status).toBe('active')
  })

  it.each(['-60', '1e500'])(
    'of the amount %s is refused: it would hide what is dispensed beyond the order',
    async (amount) => {
      const { order } = await issued(supply)
      const told = JSON.stringify(dispense(order, { quantity: { ...quantity, value: 77.77 } }))
      const { status } = await scene.pharmacy.request(
        'POST',
        '/fhir/MedicationDispense',
        told.replace('77.77', amount),
      )
      expect(status).toBe(422)
    },
  )

  it('that names its order twice is one dispense of one order', async () => {
    const { order } = await issued(supply)
    const twice = [{ reference: order }, { reference: order }]
    expect((await tell(order, { authorizingPrescription: twice })).status).toBe(201)
  })

  it('of the last fill completes the order, however it is divided', async () => {
    const { order } = await issued(supply)
    for (const value of [33.3, 66.7, 99.9]) {
      expect((await tell(order, { quantity: { ...quantity, value } })).status).toBe(201)
      expect((await seen(order)).status).toBe('active')
    }
    expect((await tell(order, { quantity: { ...quantity, value: 0.1 } })).status).toBe(201)
    expect((await seen(order)).status).toBe('completed')
    expect(await issues(order)).toEqual([])
  })

  it('is counted with all others, also with those that come at the same moment', async () => {
    const { order } = await issued(supply)
    const told = await Promise.all(
      Array.from({ length: 20 }, () => tell(order, { quantity: { ...quantity, value: 10 } })),
    )
    expect(told.map(({ status }) => status)).toEqual(Array(20).fill(201))
    expect((await seen(order)).status).toBe('completed')
    expect(await issues(order)).toEqual([])
    expect((await tell(order, { quantity: { ...quantity, value: 0.001 } })).status).toBe(201)
    expect(await issues(order)).toHaveLength(1)
  })

  it('beyond what was authorised is kept, with a DetectedIssue that names both', async () => {
    const { order } = await issued(supply)
    const told = await tell(order, { quantity: { ...quantity, value: 200.001 } })
    expect(told.status).toBe(201)
    const [issue] = await issues(order)
    expect(issue.code.coding[0].code).toBe('over-dispensed')
    expect(issue.implicated.map(({ reference }: { reference: string }) => reference)).toEqual([
      order,
      `MedicationDispense/${told.body.id}`,
    ])
    expect((await seen(order)).status).toBe('active')
  })

  it('after the cancellation is kept, with a DetectedIssue and a Task for the clinic; the order stays cancelled', async () => {
    const { order } = await issued(supply)
    const asked = await cancel(order)
    for (const status of ['accepted', 'in-progress', 'completed'])
      await put(scene.pharmacy, `Task/${asked.body.id}`, { status })
    const told = await tell(order)
    expect(told.status).toBe(201)
    expect((await issues(order)).map(({ code }) => code.coding[0].code)).toEqual(['dispensed-after-stop'])
    expect(await alerts(`MedicationDispense/${told.body.id}`)).toMatchObject([
      { code: { text: 'Dispensed after stop' } },
    ])
    expect((await seen(order)).status).toBe('cancelled')
  })

  it('before the cancellation makes a confirmed one a stop, for something was handed over', async () => {
    const { order } = await issued(supply)
    await tell(order)
    const asked = await cancel(order)
    for (const status of ['accepted', 'in-progress', 'completed'])
      await put(scene.pharmacy, `Task/${asked.body.id}`, { status })
    expect((await seen(order)).status).toBe('stopped')
  })

  it('that did not happen reaches the clinic, by status or by the type of NHS EPS', async () => {
    const { order } = await issued(supply)
    const declined = { status: 'declined', whenHandedOver: undefined, quantity: undefined }
    const type = {
      coding: [{ system: 'https://fhir.nhs.uk/CodeSystem/medicationdispense-type', code: '0002' }],
    }
    for (const changes of [declined, { status: 'in-progress', type, whenHandedOver: undefined }]) {
      const told = await tell(order, changes)
      expect(told.status, told.text).toBe(201)
      expect(await alerts(`MedicationDispense/${told.body.id}`)).toMatchObject([
        { code: { text: 'Not dispensed' } },
      ])
    }
    expect(await issues(order)).toEqual([])
  })

  it('is not unsaid: what is completed is only marked as a mistake', async () => {
    const { order } = await issued(supply)
    const told = await tell(order)
    const place = `MedicationDispense/${told.body.id}`
    expect((await put(scene.pharmacy, place, { status: 'preparation' })).status).toBe(422)
    expect((await put(scene.pharmacy, place, { authorizingPrescription: [] })).status).not.toBe(200)
    expect((await put(scene.pharmacy, place, { status: 'entered-in-error' })).status).toBe(200)
  })
})
