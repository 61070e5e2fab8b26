import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestClient } from '../open-clinic.ts'
import { type OrderScene, orderScene } from './order-scene.ts'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
let orders: OrderScene
beforeAll(async () => {
  scene = await openScene()
  orders = orderScene(scene)
})
afterAll(() => scene.clinic.close())

const toGive = '18629005'
const told = (name: string, controlId: string, number: string) =>
  fixture(`give/${name}.in.hl7`)
    .replace(/RGV-20260108-\d+/, controlId)
    .replaceAll('RX-88001', number)
    .replaceAll('F-2201', `F-${number}`)
const given = (name: string, controlId: string, number: string, give: number) =>
  fixture(`administration/${name}.in.hl7`)
    .replace(/RAS-20260108-\d+/, controlId)
    .replaceAll('RX-88001', number)
    .replace('RXA|0|', `RXA|${give}|`)
const isTaken = async (client: TestClient, text: string, controlId: string) =>
  expect(await orders.post(client, text)).toContain(`MSA|AA|${controlId}`)

/** The gives of an order in the order of their numbers. */
async function givesOf(reference: string) {
  const tasks = await orders.tasksOf(reference, toGive)
  const numberOf = (task: { identifier: { value: string }[] }) => task.identifier[0]?.value ?? ''
  return tasks.toSorted((a, b) => numberOf(a).localeCompare(numberOf(b)))
}

// biome-ignore lint/suspicious/noExplicitAny: a Task as the API gives it
function inputOf(task: any, kind: string) {
  return task.input.find(({ type }: { type: { text: string } }) => type.text === kind)
}

describe('an RGV^O15', () => {
  it('of the pharmacy is a Task on the order for each give, which says what, how much, when and how', async () => {
    const reference = await orders.order('RX-G1')
    await isTaken(scene.pharmacy, told('us-two-gives', 'RGV-G1', 'RX-G1'), 'RGV-G1')
    const [first, second, ...others] = await givesOf(reference)
    expect(others).toEqual([])
    expect(first).toMatchObject({
      status: 'requested',
      for: { reference: scene.patient },
      requester: { reference: scene.organizations.mainStreet },
    })
    expect(inputOf(first, 'dosage').valueDosage).toMatchObject({
      timing: { event: ['2026-01-08T08:30:00-06:00'] },
      route: { text: 'Oral' },
      doseAndRate: [{ doseQuantity: { value: 2.5, code: 'mg' } }],
    })
    expect(inputOf(second, 'dosage').valueDosage.timing.event).toEqual(['2026-01-09T08:30:00-06:00'])
    expect(await orders.statusOf(reference)).toBe('active')
    const seen = await scene.stranger.request('GET', `/fhir/Task?focus=${reference}`)
    expect(resourcesOf(seen.body)).toEqual([])
  })

  it('told again replaces the give of that number, and an older one that comes late does not', async () => {
    const reference = await orders.order('RX-G2')
    const text = told('us-two-gives', 'RGV-G2', 'RX-G2')
    await isTaken(scene.pharmacy, text, 'RGV-G2')
    const [before] = await givesOf(reference)
    // What the ward does with it in between is neither lost nor taken for newer than what the pharmacy says.
    const accepted = { ...before, status: 'accepted', note: [{ text: 'At noon' }] }
    const put = await scene.ehr.request('PUT', `/fhir/Task/${before.id}`, accepted, {
      'if-match': `W/"${before.meta.versionId}"`,
    })
    expect(put.status, put.text).toBe(200)
    const changed = text
      .replace('|RGV-G2|', '|RGV-G2b|')
      .replace('20260105050000', '20260105060000')
      .replace('|2.50|', '|5|')
      .replace('NTE|1||Patient prefers water', 'NTE|1||With juice')
    await isTaken(scene.pharmacy, changed, 'RGV-G2b')
    const [after, , ...others] = await givesOf(reference)
    expect(others).toEqual([])
    expect(after).toMatchObject({ id: before.id, status: 'accepted', note: [{ text: 'At noon' }] })
    expect(inputOf(after, 'dosage').valueDosage.doseAndRate[0].doseQuantity.value).toBe(5)
    expect(inputOf(after, 'comment').valueString).toBe('With juice')

    const late = await orders.post(scene.pharmacy, text.replace('|RGV-G2|', '|RGV-G2c|'))
    expect(late).toContain('MSA|AA|RGV-G2c')
    expect(late).toContain('it was not changed')
    const [still] = await givesOf(reference)
    expect(still.meta.versionId).toBe(after.meta.versionId)
  })

  it('ends with the RAS^O17 that carries its number, and stays so', async () => {
    const reference = await orders.order('RX-G3')
    const text = told('us-two-gives', 'RGV-G3', 'RX-G3')
    await isTaken(scene.pharmacy, text, 'RGV-G3')
    await isTaken(scene.ehr, given('us-given', 'RAS-G3', 'RX-G3', 1), 'RAS-G3')
    const found = await scene.ehr.request('GET', `/fhir/MedicationAdministration?request=${reference}`)
    const [administration] = resourcesOf(found.body)
    const [first, second] = await givesOf(reference)
    expect(first).toMatchObject({
      status: 'completed',
      businessStatus: { coding: [{ code: 'completed' }] },
      output: [{ valueReference: { reference: `MedicationAdministration/${administration.id}` } }],
    })
    expect(second.status).toBe('requested')
    await isTaken(
      scene.pharmacy,
      text.replace('|RGV-G3|', '|RGV-G3b|').replace('050000', '070000'),
      'RGV-G3b',
    )
    expect((await givesOf(reference)).map(({ status }) => status)).toEqual(['completed', 'requested'])
  })

  it('of what was refused is rejected with the reason, and where the ward had begun, failed', async () => {
    const reference = await orders.order('RX-G4')
    await isTaken(scene.pharmacy, told('us-two-gives', 'RGV-G4', 'RX-G4'), 'RGV-G4')
    const [, second] = await givesOf(reference)
    const put = await scene.ehr.request(
      'PUT',
      `/fhir/Task/${second.id}`,
      { ...second, status: 'accepted' },
      {
        'if-match': `W/"${second.meta.versionId}"`,
      },
    )
    expect(put.status, put.text).toBe(200)
    await isTaken(scene.ehr, given('us-refused', 'RAS-G4a', 'RX-G4', 1), 'RAS-G4a')
    await isTaken(scene.ehr, given('us-refused', 'RAS-G4b', 'RX-G4', 2), 'RAS-G4b')
    expect(await givesOf(reference)).toMatchObject([
      { status: 'rejected', statusReason: { coding: [{ code: 'PATREF' }] } },
      { status: 'failed', statusReason: { coding: [{ code: 'PATREF' }] } },
    ])
  })

  it('that comes after its RAS^O17 is done already', async () => {
    const reference = await orders.order('RX-G5')
    await isTaken(scene.ehr, given('us-given', 'RAS-G5', 'RX-G5', 2), 'RAS-G5')
    await isTaken(scene.pharmacy, told('us-two-gives', 'RGV-G5', 'RX-G5'), 'RGV-G5')
    expect((await givesOf(reference)).map(({ status }) => status)).toEqual(['requested', 'completed'])
  })

  it('is ended by no administration of another order, nor by one over FHIR of a stranger', async () => {
    const reference = await orders.order('RX-G6')
    await orders.order('RX-G7')
    await isTaken(scene.pharmacy, told('us-two-gives', 'RGV-G6', 'RX-G6'), 'RGV-G6')
    await isTaken(scene.ehr, given('us-given', 'RAS-G7', 'RX-G7', 1), 'RAS-G7')
    const forged = await scene.stranger.request('POST', '/fhir/MedicationAdministration', {
      resourceType: 'MedicationAdministration',
      identifier: [{ system: 'https://postern.health/fhir/sid/give', value: `${reference.split('/')[1]}/1` }],
      status: 'completed',
      medicationCodeableConcept: { text: 'amLODIPine' },
      subject: { reference: scene.patient },
      request: { reference },
      effectiveDateTime: '2026-01-08T08:30:00-06:00',
    })
    expect(forged.status, forged.text).toBe(403)
    expect((await givesOf(reference)).map(({ status }) => status)).toEqual(['requested', 'requested'])
  })

  it.each(['us-two-gives', 'us-infusion-by-tq', 'us-not-numbered'])(
    '(%s) has no field that is neither mapped nor ignored by rule',
    async (name) => {
      const text = told(name, `RGV-G9-${name}`, `RX-G9-${name}`)
      await orders.order(`RX-G9-${name}`)
      const headers = { 'content-type': 'application/hl7-v2' }
      const tried = await scene.pharmacy.request('POST', '/ingest/hl7v2/$preview', text, headers)
      const [{ outcome, coverage }] = tried.body.messages
      expect(outcome).toBe('accepted')
      expect(coverage.mapped).toBeGreaterThan(10)
      expect(coverage.places).toEqual([])
    },
  )

  it.each([
    ['of a stranger is answered as about none', 'us-two-gives', 'AE', 'ORC^1^2'],
    ['of an order that ended is refused with the place', 'bad-ended-order', 'AR', 'ORC^1^5'],
  ])('%s', async (_case, name, code, place) => {
    const number = `RX-G8-${code}`
    const reference = await orders.order(number)
    for (const by of code === 'AE' ? [scene.otherPharmacy, scene.stranger] : [scene.pharmacy]) {
      const answer = await orders.post(by, told(name, `RGV-${code}`, number))
      expect(answer).toContain(`MSA|${code}|RGV-${code}`)
      expect(answer).toContain(place)
    }
    expect(await givesOf(reference)).toEqual([])
  })
})
