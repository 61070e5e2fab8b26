import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { careUpkeep } from '#care/upkeep.ts'
import { parseJson } from '#formats/json.ts'
import { startEhr } from '../peers/ehr.ts'
import { type Pharmacy, startPharmacy } from '../peers/pharmacy.ts'
import type { TestPerson } from '../people.ts'
import { fieldsOf } from './mllp-socket.ts'
import { type OrderScene, orderScene } from './order-scene.ts'
import { made, resourcesOf, type Scene } from './scene.ts'
import { codesOf, openSigningScene, type SigningScene } from './signing-scene.ts'

/** Who asked for a renewal hears what came of it (R32, R33, R36, R37). */
let signing: SigningScene
let scene: Scene
let orders: OrderScene
let doctor: TestPerson
let peer: Pharmacy

const renewal = '103742009'
const answerSystem = 'https://postern.health/fhir/CodeSystem/renewal-answer'
const actReason = 'http://terminology.hl7.org/CodeSystem/v3-ActReason'
const hour = 3_600_000

beforeAll(async () => {
  signing = await openSigningScene()
  ;({ scene, doctor } = signing)
  orders = orderScene(scene)
  peer = await startPharmacy()
  await scene.destination({
    id: 'main-street',
    name: 'Main Street Pharmacy',
    role: 'pharmacy',
    organization: scene.organizations.mainStreet,
    purpose: 'TREAT',
    renewals: { answerWithinHours: 48, refusals: { STOPMED: 'STOP^Stopped^99MAIN' } },
    channel: {
      kind: 'mllp',
      host: peer.host,
      port: peer.port,
      sending: { application: 'POSTERN', facility: 'TEST' },
      receiving: { application: 'DISPENSE', facility: 'MAIN' },
    },
  })
})
afterAll(async () => {
  await scene.clinic.close()
  await peer.close()
})

// biome-ignore lint/suspicious/noExplicitAny: a Task as the API gives it
type Told = any

const drug = (text: string) => ({ drug: { text, codings: [] } })

/** An order in force, signed here: a drug of its own, so that nothing but its renewal repeats it. */
async function inForce(id: string, changes: object = {}): Promise<string> {
  const { order } = await signing.draft(id, { ...drug(`Drug ${id}`), ...changes })
  const signed = await signing.sign(order)
  expect(signed.status, signed.text).toBe(200)
  return order
}

const requestOf = (focus: string) => ({
  resourceType: 'Task',
  status: 'requested',
  intent: 'proposal',
  code: { coding: [{ system: 'http://snomed.info/sct', code: renewal }] },
  identifier: [
    {
      type: { coding: [{ code: 'FILL', system: 'http://terminology.hl7.org/CodeSystem/v2-0203' }] },
      value: `F-${focus.slice(-8)}`,
    },
  ],
  focus: { reference: focus },
  for: { reference: scene.patient },
  requester: { reference: scene.organizations.mainStreet },
})

const asked = async (focus: string): Promise<Told> => taskAt(await made(scene.pharmacy, requestOf(focus)))

const taskAt = async (reference: string): Promise<Told> =>
  (await scene.ehr.request('GET', `/fhir/${reference}`)).body
const renewalOf = async (order: string): Promise<Told> => (await orders.tasksOf(order, renewal))[0]
const answerIn = (task: Told) =>
  task.businessStatus?.coding?.find(({ system }: { system: string }) => system === answerSystem)?.code

const put = (task: Told, changes: object) =>
  scene.ehr.request(
    'PUT',
    `/fhir/Task/${task.id}`,
    { ...task, lastModified: undefined, ...changes },
    {
      'if-match': `W/"${task.meta.versionId}"`,
      prefer: 'return=representation',
    },
  )

/** Draft of the order that renews another: the same drug, an id of its own. */
const renewing = (id: string, prior: string, changes: object = {}) =>
  signing.draft(id, { ...drug(`Drug ${prior}`), priorPrescription: { id: prior }, ...changes })

/** What the pharmacy got about an order, by its number: ORC-1 and ORC-16. */
const told = (number: string) =>
  peer.messages.map((text) => fieldsOf(text, 'ORC')).filter((orc) => orc[2]?.startsWith(`${number}^`))

function upkeepAt(at: number) {
  const { store, gateway } = scene.clinic
  const ids = { random: () => crypto.randomUUID() as string }
  return careUpkeep({
    store,
    audit: gateway.audit,
    clock: { now: () => at },
    ids,
    parse: parseJson,
    timeZone: 'UTC',
  })
}

const waived = { statusReason: { text: 'Seen in the practice yesterday' } }

async function accepted(task: Told): Promise<Told> {
  const answer = await put(task, { status: 'accepted', ...waived })
  expect(answer.status, answer.text).toBe(200)
  return answer.body
}

describe('a renewal that is signed', () => {
  it('is refused before the patient has answered, and approved in one commit once it was waived with a reason', async () => {
    const prior = await inForce('old-1')
    const task = await asked(prior)
    const { order } = await renewing('new-1', 'old-1')
    expect(codesOf(await signing.sign(order))).toEqual(['not-answered'])
    expect((await put(task, { status: 'accepted' })).status).toBe(200)
    const taken = await taskAt(`Task/${task.id}`)
    expect((await put(taken, { status: 'in-progress' })).status).toBe(422)
    expect((await put(taken, waived)).status).toBe(200)
    const signed = await signing.sign(order)
    expect(signed.status, signed.text).toBe(200)

    const done = await renewalOf(prior)
    expect([done.status, answerIn(done), done.statusReason]).toEqual(['completed', 'approved', undefined])
    expect(done.output.at(-1)).toMatchObject({ valueReference: { reference: order } })
    expect(signed.body.priorPrescription.reference).toBe(prior)
    const [ending] = await orders.tasksOf(prior, 'abort')
    expect(ending.reasonCode.coding[0].code).toBe('replaced')
    const events = await scene.auditor.request('GET', `/fhir/AuditEvent?entity=${order}`)
    expect(events.text).toContain(`Task/${task.id}/_history/${done.meta.versionId}`)

    // One message says both: that it is approved, and the order; by the number that the pharmacy gave its request.
    await vi.waitFor(() => expect(told('new-1')).toHaveLength(1), 10_000)
    const [orc] = told('new-1')
    expect([orc?.[1], orc?.[3]?.split('^')[0], orc?.[8]?.split('&')[0]]).toEqual([
      'AF',
      `F-${prior.slice(-8)}`,
      'old-1',
    ])
    const seen = await scene.pharmacy.request('GET', `/fhir/Task/${task.id}`)
    expect([seen.body.status, answerIn(seen.body), seen.body.output]).toEqual([
      'completed',
      'approved',
      undefined,
    ])
  })

  it('is approved as soon as the patient has answered, which no answer before the request does', async () => {
    const prior = await inForce('old-2')
    const answers = (authored: string) =>
      made(scene.platform, {
        resourceType: 'QuestionnaireResponse',
        status: 'completed',
        questionnaire: 'https://postern.health/fhir/Questionnaire/medication-follow-up',
        subject: { reference: scene.patient },
        source: { reference: scene.patient },
        authored,
      })
    const before = await answers(new Date(Date.now() - hour).toISOString())
    const task = await asked(prior)
    const later = Date.now() + 60_000
    await upkeepAt(later)
    expect((await renewalOf(prior)).status).toBe('requested')
    const after = await answers(new Date(Date.now() + 1000).toISOString())
    await upkeepAt(later)
    expect((await renewalOf(prior)).status).toBe('ready')
    const { order } = await renewing('new-2', 'old-2')
    // Every gate of a signature holds for a renewal too.
    expect(codesOf(await signing.sign(order))).toContain('unseen')
    const seen: object[] = []
    for (const place of (await signing.signable(order)).unseen) {
      const [reference] = place.split('/_history')
      expect((await doctor.request('GET', `/fhir/${reference}`)).status).toBe(200)
      seen.push({ name: 'seen', valueReference: { reference: place } })
    }
    expect([before, after].every(Boolean)).toBe(true)
    const shown = { name: 'shown', valueInstant: new Date().toISOString() }
    const viewed = await doctor.request('POST', '/fhir/Communication/$viewed', {
      resourceType: 'Parameters',
      parameter: [...seen, shown],
    })
    expect(viewed.status, viewed.text).toBe(200)
    const signed = await signing.sign(order)
    expect(signed.status, signed.text).toBe(200)
    expect((await taskAt(`Task/${task.id}`)).status).toBe('completed')
  })

  it.each([
    ['as asked, but for its repeats', 'approved-with-changes', { repeats: 2 }, 'AF', undefined],
    [
      'something else',
      'replaced',
      { quantity: { value: 50, unit: 'mL', code: 'mL' } },
      'NW',
      'AG^^NCPDP1131',
    ],
  ])('for %s is answered %s', async (_case, code, changes, control, reason) => {
    const prior = await inForce(`old-${code}`)
    await accepted(await asked(prior))
    const { order } = await renewing(`new-${code}`, `old-${code}`, changes)
    const signed = await signing.sign(order)
    expect(signed.status, signed.text).toBe(200)
    expect(answerIn(await renewalOf(prior))).toBe(code)
    await vi.waitFor(() => expect(told(`new-${code}`).map((orc) => orc[1])).toEqual([control]), 10_000)
    if (!reason) return
    await vi.waitFor(
      () => expect(told(`old-${code}`).map((orc) => [orc[1], orc[16]])).toContainEqual(['DF', reason]),
      10_000,
    )
  })
})

describe('a renewal that is refused', () => {
  it.each([
    ['ALREADYRX', 'AG^^NCPDP1131'],
    ['TOOEARLY', 'AD^^NCPDP1131'],
    ['STOPMED', 'STOP^Stopped^99MAIN'],
  ])('with %s is told to the pharmacy as %s, and the order stands', async (code, reason) => {
    const prior = await inForce(`refused-${code}`)
    const task = await asked(prior)
    const statusReason = { coding: [{ system: actReason, code }] }
    expect((await put(task, { status: 'rejected', statusReason: { text: 'no' } })).status).toBe(422)
    const answer = await put(task, { status: 'rejected', statusReason })
    expect(answer.status, answer.text).toBe(200)
    expect(answerIn(answer.body)).toBe('denied')
    expect(answer.body.output[0].valueCodeableConcept.coding[0].code).toBe(code)
    await vi.waitFor(
      () => expect(told(`refused-${code}`).map((orc) => [orc[1], orc[16]])).toContainEqual(['DF', reason]),
      10_000,
    )
    expect(await orders.statusOf(prior)).toBe('active')
  })

  it('is not waived by who asks for it', async () => {
    const prior = await inForce('self-waived')
    const answer = await scene.pharmacy.request('POST', '/fhir/Task', { ...requestOf(prior), ...waived })
    expect([answer.status, answer.body.issue?.[0]?.expression]).toEqual([422, ['Task.statusReason']])
    expect(await renewalOf(prior)).toBeUndefined()
  })

  it('is answered by what is done and not by what is written', async () => {
    const prior = await inForce('written')
    const task = await asked(prior)
    const businessStatus = { coding: [{ system: answerSystem, code: 'approved' }] }
    expect((await put(task, { businessStatus })).status).toBe(422)
    const taken = await accepted(task)
    const begun = await put(taken, { status: 'in-progress' })
    expect(begun.status, begun.text).toBe(200)
    const output = [{ type: { text: 'prescription' }, valueReference: { reference: prior } }]
    expect((await put(begun.body, { status: 'completed', output })).status).toBe(422)
  })
})

describe('a renewal that waits', () => {
  it('said to be pending at a partner that takes that for the last word is not approved later', async () => {
    const other = await startEhr()
    onTestFinished(() => other.close())
    await scene.destination({
      id: 'other',
      name: 'Other Pharmacy',
      role: 'pharmacy',
      organization: scene.organizations.otherPharmacy,
      purpose: 'TREAT',
      renewals: { pendingIsFinal: true },
      channel: { kind: 'fhir', address: other.base },
    })
    const byOther = {
      pharmacy: { identifier: { system: 'http://hl7.org/fhir/sid/us-npi', value: '1912000007' } },
    }
    const prior = await inForce('old-pending', byOther)
    const reference = await made(scene.otherPharmacy, {
      ...requestOf(prior),
      requester: { reference: scene.organizations.otherPharmacy },
    })
    const taken = await accepted(await taskAt(reference))
    const businessStatus = { coding: [{ system: answerSystem, code: 'pending' }] }
    const pending = await put(taken, { businessStatus })
    expect(pending.status, pending.text).toBe(200)
    const { order } = await renewing('new-pending', 'old-pending', byOther)
    const signed = await signing.sign(order)
    expect(signed.status, signed.text).toBe(200)
    const done = await taskAt(reference)
    expect([done.status, answerIn(done), done.statusReason.coding[0].code]).toEqual([
      'completed',
      'denied',
      'ALREADYRX',
    ])
    const given = done.output.map(({ type }: Told) => type.coding[0].code)
    expect(given).toEqual(['pending', 'denied'])
    // Each answer goes to who asked, the last one along with the order that it is about.
    const sent = (await scene.clinic.store.deliveries(100)).filter(
      ({ destination }) => destination === 'other',
    )
    const renewals = sent.filter(({ resources }) => resources.some(({ id }) => id === done.id))
    expect(renewals.map(({ resources }) => resources.map(({ type }) => type)).sort()).toEqual([
      ['MedicationRequest', 'Task'],
      ['Task'],
    ])
    await vi.waitFor(async () => {
      const [received] = (await other.all('Task')) as Told[]
      expect([received?.status, answerIn(received)]).toEqual(['completed', 'denied'])
    }, 10_000)
  })

  it('is reminded of, and answered before the pharmacy’s deadline; a patient is never refused by a clock', async () => {
    const prior = await inForce('silent')
    const task = await asked(prior)
    const mine = await inForce('silent-of-patient')
    const own = await made(scene.platform, { ...requestOf(mine), requester: { reference: scene.patient } })
    const begun = Date.parse(task.authoredOn)
    await upkeepAt(begun + 23 * hour)
    expect((await renewalOf(prior)).meta.versionId).toBe('1')
    await upkeepAt(begun + 25 * hour)
    await upkeepAt(begun + 26 * hour)
    const reminded = await renewalOf(prior)
    expect([reminded.status, answerIn(reminded), reminded.meta.versionId]).toEqual([
      'requested',
      'reminded',
      '2',
    ])
    await upkeepAt(begun + 49 * hour)
    const ended = await renewalOf(prior)
    expect([ended.status, answerIn(ended)]).toEqual(['rejected', 'denied'])
    expect(ended.statusReason.coding[0].code).toBe('NEEDAPMT')
    const alerts = resourcesOf((await scene.ehr.request('GET', `/fhir/Task?focus=Task/${ended.id}`)).body)
    expect(alerts.map(({ code }) => code.text)).toEqual(['Renewal: denied'])
    const sent = (await scene.clinic.store.deliveries(200)).flatMap(({ resources }) => resources)
    expect(sent).toContainEqual({ type: 'Task', id: ended.id, version: Number(ended.meta.versionId) })
    await upkeepAt(begun + 1000 * hour)
    expect(await taskAt(own)).toMatchObject({
      status: 'requested',
      businessStatus: { coding: [{ code: 'reminded' }] },
    })
  })
})
