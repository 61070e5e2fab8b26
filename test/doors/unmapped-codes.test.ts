import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { registerClient } from '#auth/clients.ts'
import { systemPorts } from '../../src/node.ts'
import type { TestClient } from '../open-clinic.ts'
import { type Ehr, startEhr } from '../peers/ehr.ts'
import { begin, postern, startGateway } from './command-line.ts'
import { fieldsOf, openMllp } from './mllp-socket.ts'
import {
  fixture,
  made,
  openScene,
  patientIdentifier,
  placesIn,
  prepareFolder,
  resourcesOf,
  type Scene,
} from './scene.ts'

let scene: Scene
let ehr: Ehr
let operator: TestClient
let prescriber: TestClient

beforeAll(async () => {
  scene = await openScene()
  ehr = await startEhr()
  await scene.destination({
    id: 'northside-ehr',
    name: 'Northside EHR',
    role: 'ehr',
    organization: scene.organizations.northside,
    purpose: 'TREAT',
    channel: { kind: 'fhir', address: ehr.base, timeoutMs: 5_000 },
  })
  operator = await scene.clinic.client({
    id: 'operator',
    role: 'operator',
    scopes: ['system/*.cruds'],
    purposes: ['HOPERAT'],
    grants: [],
  })
  prescriber = await scene.clinic.client({
    id: 'prescriber',
    role: 'prescriber',
    organization: scene.organizations.northside,
    scopes: ['system/*.cruds'],
    purposes: ['TREAT'],
    grants: [],
  })
  await made(scene.platform, {
    resourceType: 'Patient',
    identifier: [{ ...patientIdentifier, value: 'MRN-9925' }],
    managingOrganization: { reference: scene.organizations.northside },
  })
  await registerClient(
    scene.clinic.store,
    scene.clinic.gateway.audit,
    {
      id: 'rxwriter',
      name: 'RxWriter',
      role: 'ehr',
      organization: scene.organizations.northside,
      scopes: ['system/*.cruds'],
      purposes: ['TREAT'],
      grants: ['order-source'],
      jwks: { keys: [] },
      active: true,
      hl7v2: { addresses: ['127.0.0.1'], timeZone: 'America/Chicago' },
    },
    { requestId: 'test-setup', at: systemPorts.clock.now() },
  )
})
afterAll(async () => {
  await scene.clinic.close()
  await ehr.close()
})

/** A message of its own: its ids, whose it is, and what stands in it. */
function order(id: string, changes: [string | RegExp, string][] = []): string {
  const text = fixture('prescription-order/us-simple.in.hl7')
    .replace(/\r?\n/g, '\r')
    .replace(/RDE-20260105-\d+/, id)
    .replace(/RX-8800\d/g, `RX-${id}`)
  const changed = changes.reduce((message, [from, to]) => message.replace(from, to), text)
  expect(changes.length === 0 || changed !== text).toBe(true)
  return changed
}

const drugOf = (name: string): [string, string] => ['^RXNORM^', `^${name}^`]
const typeOf = (code: string): [RegExp, string] => [/\|O(?=\rRXE)/, `|${code}`]
const ofAnother: [RegExp, string] = [/MRN-4711/g, 'MRN-9925']

/** Hands a message in and finds what it became. */
async function sent(id: string, changes: [string | RegExp, string][], sender = scene.platform) {
  const headers = { 'content-type': 'application/hl7-v2' }
  const answer = await sender.request('POST', '/ingest/hl7v2', order(id, changes), headers)
  expect(answer.text).toContain(`MSA|AA|${id}`)
  const receipt = await sender.request('GET', `/ingest/receipts/${encodeURIComponent(keyOf(id))}`)
  return { ...receipt.body, text: answer.text, place: placesIn(receipt.body, 'MedicationRequest')[0] ?? '' }
}

const keyOf = (id: string) => `${id}@RXWRITER/NORTHSIDE^2.16.840.1.113883.19.6^ISO`

// biome-ignore lint/suspicious/noExplicitAny: a resource of any type
async function stands(place: string): Promise<any> {
  const [type = '', id = ''] = place.split('/')
  return JSON.parse((await scene.clinic.store.read(type, id))?.json || '{}')
}

// biome-ignore lint/suspicious/noExplicitAny: a Task as it stands
async function tasksAbout(place: string): Promise<any[]> {
  const { body } = await scene.ehr.request('GET', `/fhir/Task?focus=${place}`)
  return resourcesOf(body).filter(({ code }) => code.text === 'Unmapped code')
}

async function stateOf(deliveryIds: string[]): Promise<string[]> {
  const all = await scene.clinic.store.deliveries(1000)
  return all.filter(({ id }) => deliveryIds.includes(id)).map(({ state, reason }) => reason ?? state)
}

const systemsIn = (resource: object) => [
  ...new Set([...JSON.stringify(resource).matchAll(/https:\/\/acme[^"]*/g)].map(([system]) => system)),
]

const waitingCodes = async () => (await operator.request('GET', '/mappings/unmapped-codes')).body
const answerWith = (answer: object) => operator.request('POST', '/mappings/unmapped-codes', answer)
/** The orders that the EHR was sent, in order, by their numbers. */
const received = () =>
  ehr.requests.flatMap(({ body }) => [...body.matchAll(/"value":"RX-([A-Z]+-\d)"/g)].map(([, id]) => id))
const soon = { timeout: 20_000, interval: 25 }

describe('a code that no table knows', () => {
  it('is answered AA with a warning that names the table and not the code; the order is kept and nothing goes out', async () => {
    const socket = await openMllp(scene.clinic.mllpPort ?? 0)
    socket.send(order('MLLP-1', [drugOf('ACMERX')]).replace('|||AL|AL|', '|||||'))
    const original = await socket.next()
    expect(fieldsOf(original, 'MSA').slice(1, 3)).toEqual(['AA', 'MLLP-1'])
    expect(fieldsOf(original, 'ERR')[4]).toBe('W')
    expect(original).toContain('coding-system')
    expect(original).not.toContain('ACMERX')
    socket.send(order('MLLP-2', [drugOf('ACMERX')]))
    expect(fieldsOf(await socket.next(), 'MSA').slice(1, 3)).toEqual(['CA', 'MLLP-2'])
    expect(fieldsOf(await socket.next(), 'MSA').slice(1, 3)).toEqual(['AA', 'MLLP-2'])
    socket.end()
    const kept = await sent('HELD-1', [drugOf('ACMERX')])
    expect(await stateOf(kept.deliveries)).toEqual(['unmapped-code'])
    const [task] = await tasksAbout(kept.place)
    expect(task).toMatchObject({ status: 'requested', for: { reference: scene.patient } })
    expect(task.description).toContain('coding-system')
    expect(JSON.stringify(task)).not.toContain('ACMERX')
    expect(received()).toEqual([])
  })

  it('stands in the queue of whoever may change tables, with its sender and without a patient', async () => {
    const codes = await waitingCodes()
    const v2 = 'http://terminology.hl7.org/CodeSystem/v2-0396'
    const row = { table: 'coding-system', code: 'ACMERX', since: expect.any(Number) }
    const rows = [
      { ...row, client: 'rxwriter', messages: 2 },
      { ...row, client: 'platform', messages: 1 },
    ]
    expect(codes.map(({ system, ...rest }: { system?: string }) => rest)).toEqual(rows)
    expect([undefined, v2]).toContain(codes[0].system)
    for (const client of [scene.platform, scene.ehr, scene.auditor])
      expect((await client.request('GET', '/mappings/unmapped-codes')).status).toBe(403)
    const listed = await postern(scene.clinic.folder, 'codes', 'list')
    expect(listed.stdout).toMatch(/^coding-system\tACMERX\t.*\trxwriter\t2 waiting\t20/m)
    // The message itself stands beside its Task, and no door serves it.
    const tasks = resourcesOf((await scene.ehr.request('GET', '/fhir/Task?status=requested')).body)
    const [held] = tasks.filter(({ code }) => code.text === 'Unmapped code')
    expect(await scene.clinic.store.read('Binary', held.id)).toMatchObject({ deleted: false })
    expect((await scene.ehr.request('GET', `/fhir/Binary/${held.id}`)).status).toBe(404)
  }, 30_000)

  it('is mapped for its sender alone, by an answer with which its messages are valid', async () => {
    const target = { code: 'https://acme.example/drugs' }
    const ask = { table: 'coding-system', code: 'ACMERX' }
    expect((await answerWith({ ...ask, target })).status, 'two senders have it').toBe(409)
    expect((await answerWith({ ...ask, code: 'ACMERY', target })).status).toBe(404)
    const bad = await answerWith({ ...ask, client: 'rxwriter', target: { code: 'no uri at all' } })
    expect([bad.status, (await waitingCodes()).length]).toEqual([422, 2])
    const good = await answerWith({ ...ask, client: 'rxwriter', target })
    expect(good.body, good.text).toMatchObject({
      resumed: 2,
      waiting: 0,
      versions: [{ name: 'coding-system@rxwriter.json' }],
    })
    await vi.waitFor(() => expect(received()).toEqual(['MLLP-1', 'MLLP-2']), soon)
    expect((await waitingCodes()).map(({ client }: { client: string }) => client)).toEqual(['platform'])
    const more = await answerWith({ ...ask, target })
    expect(more.body).toMatchObject({ resumed: 1, versions: [{ name: 'coding-system@platform.json' }] })
    await vi.waitFor(() => expect(received()).toEqual(['MLLP-1', 'MLLP-2', 'HELD-1']), soon)
  })

  it('answered, becomes the next version of what was kept, with a Provenance of its own, and its Task is done', async () => {
    const place = `MedicationRequest/${(await ordersOf('HELD-1'))[0]?.id}`
    const [task] = await tasksAbout(place)
    expect(task.status).toBe('completed')
    const now = await stands(place)
    expect([now.meta.versionId, systemsIn(now)]).toEqual(['2', ['https://acme.example/drugs']])
    const before = await scene.clinic.store.readVersion('MedicationRequest', now.id, 1)
    expect(systemsIn(JSON.parse(before?.json ?? '{}'))).toEqual([])
    const { body } = await scene.ehr.request('GET', `/fhir/Provenance?target=${place}`)
    const told = resourcesOf(body).find((each) => JSON.stringify(each).includes(`${place}/_history/2`))
    expect(told.activity.coding[0].code).toBe('UPDATE')
    expect(told.policy.some((policy: string) => policy.includes('coding-system-of-platform|'))).toBe(true)
    expect(await scene.clinic.store.read('Binary', task.id)).toMatchObject({ deleted: true })
    const events = await scene.clinic.store.search({ type: 'AuditEvent', criteria: [], limit: 5000 })
    const act = events.find(({ stored }) => stored.json.includes('code answered: message taken up again'))
    expect(act?.stored.json).toContain(scene.patient)
  })
})

async function ordersOf(id: string) {
  const value = encodeURIComponent(`urn:oid:2.16.840.1.113883.19.6.1|RX-${id}`)
  return resourcesOf((await scene.ehr.request('GET', `/fhir/MedicationRequest?identifier=${value}`)).body)
}

describe('messages that wait', () => {
  it('go on in the order in which they came, each patient’s for itself', async () => {
    ehr.requests.length = 0
    const first = await sent('WAIT-1', [drugOf('BRAND')])
    const second = await sent('WAIT-2', [typeOf('WALKIN')])
    const third = await sent('WAIT-3', [drugOf('BRAND')])
    const another = await sent('WAIT-4', [typeOf('WALKIN'), ofAnother])
    const behind = await answerWith({ table: 'order-type', code: 'WALKIN', target: { code: 'outpatient' } })
    expect(behind.body, behind.text).toMatchObject({ resumed: 1, waiting: 1 })
    await vi.waitFor(() => expect(received()).toEqual(['WAIT-4']), soon)
    expect((await stands(another.place)).category[0].coding[0].code).toBe('outpatient')
    expect((await stands(second.place)).meta.versionId).toBe('1')
    const answer = { table: 'coding-system', code: 'BRAND', target: { code: 'https://acme.example/brands' } }
    expect((await answerWith(answer)).body).toMatchObject({ resumed: 2, waiting: 0 })
    await vi.waitFor(() => expect(received()).toEqual(['WAIT-4', 'WAIT-1', 'WAIT-2', 'WAIT-3']), soon)
    const versions = await Promise.all([first, second, third].map(({ place }) => stands(place)))
    expect(versions.map(({ meta }) => meta.versionId)).toEqual(['2', '2', '2'])
    expect(
      ehr.requests.filter(({ body }) => body.includes('RX-WAIT')),
      'each once',
    ).toHaveLength(4)
    expect((await sent('WAIT-1', [drugOf('BRAND')])).place).toBe(first.place)
    expect((await stands(first.place)).meta.versionId).toBe('2')
  })

  it('wait on for a second code when the first is answered', async () => {
    const kept = await sent('TWO-1', [drugOf('TWOFOLD'), typeOf('HOUSE')])
    expect((await waitingCodes()).map(({ code }: { code: string }) => code).sort()).toEqual([
      'HOUSE',
      'TWOFOLD',
    ])
    const one = await answerWith({ table: 'order-type', code: 'HOUSE', target: { code: 'outpatient' } })
    expect(one.body).toMatchObject({ resumed: 0, waiting: 1 })
    expect((await waitingCodes()).map(({ code }: { code: string }) => code)).toEqual(['TWOFOLD'])
    expect((await stands(kept.place)).meta.versionId).toBe('1')
    const none = await answerWith({ table: 'coding-system', code: 'TWOFOLD', target: null })
    expect(none.body, none.text).toMatchObject({ resumed: 1 })
    expect((await stands(kept.place)).category[0].coding[0].code).toBe('outpatient')
    await vi.waitFor(() => expect(received()).toContain('TWO-1'), soon)
  })

  it('are taken up too by an answer of another process', async () => {
    const kept = await sent('PUSH-1', [drugOf('PUSHED')])
    const mapped = await postern(
      scene.clinic.folder,
      ...['--json', 'codes', 'map', 'coding-system', 'PUSHED', 'https://acme.example/pushed'],
    )
    expect(JSON.parse(mapped.stdout), mapped.stderr).toMatchObject({ resumed: 1, waiting: 0 })
    await vi.waitFor(() => expect(received()).toContain('PUSH-1'), soon)
    expect(systemsIn(await stands(kept.place))).toEqual(['https://acme.example/pushed'])
  }, 30_000)
})

describe('a table that is pushed', () => {
  it('is an answer too, for everybody who sent the code', async () => {
    const kept = await sent('TABLE-1', [typeOf('COUNTER')])
    const [shipped] = (await operator.request('GET', '/mappings/order-type.json')).body
    const table = JSON.parse(shipped.text)
    table.group[0].element.push({
      code: 'COUNTER',
      target: [{ code: 'outpatient', equivalence: 'equivalent' }],
    })
    const files = [{ name: 'order-type.json', text: JSON.stringify(table) }]
    const pushed = await operator.request('POST', '/mappings', { files, accept: true })
    expect(pushed.status, pushed.text).toBe(200)
    await vi.waitFor(async () => expect((await stands(kept.place)).meta.versionId).toBe('2'), soon)
    await vi.waitFor(() => expect(received()).toContain('TABLE-1'), soon)
  })
})

describe('a dispense that waits', () => {
  it('goes on by the rules of care: what followed from it does not follow twice', async () => {
    const { place } = await sent('DISP-1', [['|TAB^tablet|3|', '|TAB^tablet|0|']])
    const text = fixture('dispense/us-dispensed.in.hl7')
      .replace(/RDS-20260107-\d+/, 'RDS-HELD')
      .replaceAll('RX-88001', 'RX-DISP-1')
      .replace('N^New/Renewal - Full Fill^HL70484', 'HOME^Brought home^HL70484')
    const headers = { 'content-type': 'application/hl7-v2' }
    const answer = await scene.pharmacy.request('POST', '/ingest/hl7v2', text, headers)
    expect(answer.text).toContain('MSA|AA|RDS-HELD')
    expect(await stands(place)).toMatchObject({ status: 'completed', meta: { versionId: '2' } })
    const target = { code: 'FFC', system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode' }
    const done = await answerWith({ table: 'dispense-type', code: 'HOME', target })
    expect(done.body, done.text).toMatchObject({ resumed: 1, withPeople: 0 })
    const found = await scene.ehr.request('GET', `/fhir/MedicationDispense?prescription=${place}`)
    const [dispense, ...others] = resourcesOf(found.body)
    expect([dispense.meta.versionId, dispense.type.coding[0].code, others]).toEqual(['2', 'FFC', []])
    expect((await stands(place)).meta.versionId).toBe('2')
    const issues = await scene.clinic.store.search({ type: 'DetectedIssue', criteria: [], limit: 10 })
    expect(issues).toEqual([])
  })
})

describe('what somebody changed meanwhile', () => {
  it('stays: the answer changes its own elements only', async () => {
    const kept = await sent('EDIT-1', [typeOf('TAKEAWAY')], scene.drafter)
    const order = await stands(kept.place)
    const edited = await prescriber.request(
      'PUT',
      `/fhir/${kept.place}`,
      {
        ...order,
        note: [{ text: 'Called the patient.' }],
      },
      { 'if-match': 'W/"1"' },
    )
    expect(edited.status, edited.text).toBe(200)
    const done = await answerWith({ table: 'order-type', code: 'TAKEAWAY', target: { code: 'outpatient' } })
    expect(done.body).toMatchObject({ resumed: 1 })
    const now = await stands(kept.place)
    expect(now.meta.versionId).toBe('3')
    expect(now.note).toEqual([{ text: 'Called the patient.' }])
    expect(now.category[0].coding[0].code).toBe('outpatient')
  })

  it('where it is what the answer would change, is left to a person, and nothing goes out', async () => {
    const kept = await sent('EDIT-2', [typeOf('DELIVERY')], scene.drafter)
    const order = await stands(kept.place)
    const category = [
      {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/medicationrequest-category', code: 'community' },
        ],
      },
    ]
    const edited = await prescriber.request(
      'PUT',
      `/fhir/${kept.place}`,
      { ...order, category },
      { 'if-match': 'W/"1"' },
    )
    expect(edited.status, edited.text).toBe(200)
    const done = await answerWith({ table: 'order-type', code: 'DELIVERY', target: { code: 'outpatient' } })
    expect(done.body, done.text).toMatchObject({ resumed: 0, waiting: 0, withPeople: 1 })
    const now = await stands(kept.place)
    expect([now.meta.versionId, now.category]).toEqual(['2', category])
    const [task] = await tasksAbout(kept.place)
    expect(task).toMatchObject({ status: 'on-hold' })
    expect(task.statusReason.text).toContain('MedicationRequest.category')
    expect(await stateOf(kept.deliveries)).toEqual(['unmapped-code'])

    // Put back to work once the order is as it was, it goes on.
    const { category: _category, ...without } = now
    const restored = { ...without, category: order.category }
    const back = await prescriber.request('PUT', `/fhir/${kept.place}`, restored, { 'if-match': 'W/"2"' })
    expect(back.status, back.text).toBe(200)
    const work = { ...task, status: 'in-progress', statusReason: undefined }
    const taken = await prescriber.request('PUT', `/fhir/Task/${task.id}`, work, {
      'if-match': `W/"${task.meta.versionId}"`,
    })
    expect(taken.status, taken.text).toBe(200)
    expect(await scene.clinic.gateway.resumption.run()).toBe(1)
    expect((await stands(kept.place)).category[0].coding[0].code).toBe('outpatient')
    expect((await tasksAbout(kept.place))[0].status).toBe('completed')
  })
})

describe('kill -9 while messages are taken up', () => {
  it('leaves each as it was or wholly taken up, and the next start goes on: in order, each once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-held-'))
    const receiver = await startEhr()
    const { settings, clients } = await prepareFolder(folder, { ehr: receiver.base })
    const gateway = await startGateway(folder, settings)
    const numbers = Array.from({ length: 12 }, (_, i) => `KILL-${i}`)
    const headers = { 'content-type': 'application/hl7-v2' }
    const { platform, ehr: reader } = clients(gateway.baseUrl)
    for (const number of numbers) {
      const answer = await platform.request(
        'POST',
        '/ingest/hl7v2',
        order(number, [drugOf('ACMERX')]),
        headers,
      )
      expect(answer.text).toContain(`MSA|AA|${number}`)
    }
    await gateway.kill()
    const target = 'https://acme.example/drugs'
    const victim = begin(folder, 'codes', 'map', 'coding-system', 'ACMERX', target)
    await vi.waitFor(() => expect(takenUpIn(folder)).toBeGreaterThan(0), { ...soon, interval: 1 })
    await victim.kill()
    const before = takenUpIn(folder)
    const last = await startGateway(folder, settings)
    await vi.waitFor(() => expect(receiver.requests).toHaveLength(numbers.length), soon)
    const bodies = receiver.requests.map(({ body }) => body)
    expect(bodies.map((body) => /"value":"RX-(KILL-\d+)"/.exec(body)?.[1])).toEqual(numbers)
    expect(bodies.every((body) => body.includes(target))).toBe(true)
    expect(takenUpIn(folder)).toBe(numbers.length)
    expect(before).toBeLessThanOrEqual(numbers.length)
    const { body } = await reader.request('GET', '/fhir/MedicationRequest?_count=50')
    const versions = resourcesOf(body).map(({ meta }) => meta.versionId)
    expect(versions).toEqual(numbers.map(() => '2'))
    expect((await postern(folder, 'codes', 'list')).stdout.trim()).toBe('')
    expect(await last.stop()).toBe(0)
    const verdict = await postern(folder, '--json', 'audit', 'verify')
    expect(JSON.parse(verdict.stdout)).toMatchObject({ ok: true, findings: [] })
    await receiver.close()
    rmSync(folder, { recursive: true, force: true })
  }, 90_000)
})

/** How many held messages are held no more. */
function takenUpIn(folder: string): number {
  const db = new Database(join(folder, 'data.db'), { readonly: true })
  const count = db
    .prepare("SELECT count(*) FROM version WHERE type = 'Binary' AND body IS NULL")
    .pluck()
    .get()
  db.close()
  return Number(count)
}
