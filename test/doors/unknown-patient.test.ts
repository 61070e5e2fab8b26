import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { TestClient } from '../open-clinic.ts'
import { type Ehr, startEhr } from '../peers/ehr.ts'
import { postern } from './command-line.ts'
import { fixture, message, openScene, patientIdentifier, resourcesOf, type Scene } from './scene.ts'

/** A partner whose messages about nobody on record wait for a person, and what they become then (I4). */

let scene: Scene
let ehr: Ehr
let hospital: TestClient
let operator: TestClient
let officer: TestClient

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
  const common = { scopes: ['system/*.cruds'], purposes: ['TREAT'], grants: ['order-source'] }
  const organization = scene.organizations.northside
  hospital = await scene.clinic.client({
    ...{ id: 'hospital', role: 'platform', organization, unknownPatient: 'queue' },
    ...common,
  })
  operator = await scene.clinic.client({ id: 'operator', role: 'operator', ...common, grants: [] })
  officer = await scene.clinic.client({ id: 'officer', role: 'privacy-officer', ...common, grants: [] })
})
afterAll(async () => {
  await scene.clinic.close()
  await ehr.close()
})

const path = '/ingest/unknown-patients'
const { system } = patientIdentifier
const soon = { timeout: 20_000, interval: 25 }

function order(id: string, number: string): string {
  return fixture('prescription-order/us-simple.in.hl7')
    .replace(/\r?\n/g, '\r')
    .replace('|||AL|AL|', '|||||')
    .replace(/RDE-20260105-\d+/, id)
    .replace(/RX-8800\d/g, `RX-${id}`)
    .replaceAll('MRN-4711', number)
    .replace('~987-65-4329^^^USSSA^SS', '')
}

const send = async (client: TestClient, text: string) =>
  (await client.request('POST', '/ingest/hl7v2', text, { 'content-type': 'application/hl7-v2' })).text

async function ordersOf(id: string) {
  const value = encodeURIComponent(`urn:oid:2.16.840.1.113883.19.6.1|RX-${id}`)
  const rows = await scene.clinic.store.search({
    type: 'MedicationRequest',
    criteria: [{ kind: 'token', param: 'identifier', values: [decodeURIComponent(value)] }],
    limit: 5,
  })
  return rows.map(({ stored }) => JSON.parse(stored.json))
}

async function patientsWith(value: string) {
  return resourcesOf((await scene.platform.request('GET', `/fhir/Patient?identifier=${value}`)).body)
}

const received = () =>
  ehr.requests.flatMap(({ body }) => [...body.matchAll(/"value":"RX-([A-Z]+-\d)"/g)].map(([, id]) => id))

describe('a message about a patient whom nobody knows', () => {
  it('is acknowledged with a warning and waits whole: nobody and nothing is made, nothing goes out', async () => {
    const tried = await hospital.request('POST', '/ingest/hl7v2/$preview', order('WAIT-0', 'MRN-NEW'), {
      'content-type': 'application/hl7-v2',
    })
    expect(tried.body.messages[0]).toMatchObject({ outcome: 'held', deliveries: [] })
    const first = await send(hospital, order('WAIT-1', 'MRN-NEW'))
    expect(first).toContain('MSA|AA|WAIT-1')
    expect(first).toMatch(/ERR\|\|PID\^1\^3\|204\^[^|]*\|W\|/)
    expect(first).not.toContain('MRN-NEW')
    expect(await send(hospital, order('WAIT-1', 'MRN-NEW'))).toBe(first)
    const json = await hospital.request(
      'POST',
      '/ingest/messages',
      message('secure-message/patient-to-clinician.in.json', {
        id: 'WAIT-2',
        patient: { identifier: { system, value: 'MRN-NEW' } },
        sender: { type: 'Patient', identifier: { system, value: 'MRN-NEW' } },
      }),
    )
    expect(json.status, json.text).toBe(201)
    expect(json.body.parties).toEqual({})
    expect(json.body.warnings).toMatchObject([{ severity: 'warning', expression: 'patient.identifier' }])
    await send(hospital, order('WAIT-3', 'MRN-NEW'))
    expect([await patientsWith('MRN-NEW'), await ordersOf('WAIT-1'), received()]).toEqual([[], [], []])
  })

  it('stands in the integrator’s queue by its number, and in the officers’ without a word of whom', async () => {
    const listed = await operator.request('GET', path)
    expect(listed.body).toMatchObject([{ system, value: 'MRN-NEW', client: 'hospital', messages: 3 }])
    for (const client of [hospital, scene.ehr, scene.auditor, officer])
      expect((await client.request('GET', path)).status).toBe(403)
    const tasks = resourcesOf((await officer.request('GET', '/fhir/Task?code=unknown-patient')).body)
    expect(tasks).toHaveLength(3)
    expect(JSON.stringify(tasks)).not.toMatch(/MRN-NEW|OKAFOR/)
    expect(tasks.every((task) => task.for === undefined)).toBe(true)
  })

  it('is answered only for a number that waits, with a patient who is here', async () => {
    const answer = (body: object) => operator.request('POST', path, body)
    expect((await answer({ system, value: 'MRN-OTHER', patient: scene.patient })).status).toBe(404)
    expect((await answer({ system, value: 'MRN-NEW', patient: 'Patient/nobody' })).status).toBe(404)
    expect((await answer({ system, value: 'MRN-NEW' })).status).toBe(422)
    const asked = { system, value: 'MRN-NEW', patient: scene.patient }
    expect((await hospital.request('POST', path, asked)).status).toBe(403)
    expect((await operator.request('GET', path)).body).toHaveLength(1)
  })

  it('matched to a patient goes on by itself: in order, with what comes meanwhile behind it', async () => {
    const answer = operator.request('POST', path, { system, value: 'MRN-NEW', patient: scene.patient })
    const meanwhile = [4, 5, 6].map((index) => send(hospital, order(`WAIT-${index}`, 'MRN-NEW')))
    const done = await answer
    expect(done.body, done.text).toMatchObject({ waiting: 0, withPeople: 0 })
    for (const text of await Promise.all(meanwhile)) expect(text).toContain('MSA|AA|')
    // What came before the answer was read waits no longer either.
    await scene.clinic.gateway.unknownPatients.run()
    await vi.waitFor(() => expect(received()).toHaveLength(5), soon)
    expect(received().slice(0, 2)).toEqual(['WAIT-1', 'WAIT-3'])
    expect((await operator.request('GET', path)).body).toEqual([])
    const [one] = await ordersOf('WAIT-1')
    expect(one.subject.reference).toBe(scene.patient)
    const [patient, ...others] = await patientsWith('MRN-NEW')
    expect([`Patient/${patient.id}`, others]).toEqual([scene.patient, []])
    const tasks = resourcesOf((await officer.request('GET', '/fhir/Task?code=unknown-patient')).body)
    expect(new Set(tasks.map(({ status }) => status))).toEqual(new Set(['completed']))
    const copies = await Promise.all(tasks.map(({ id }) => scene.clinic.store.read('Binary', id)))
    expect(copies.every((copy) => copy?.deleted)).toBe(true)
    const sent = await postern(
      ...([scene.clinic.folder, 'hl7', 'sent', 'hospital'] as const),
      'WAIT-1@RXWRITER/NORTHSIDE^2.16.840.1.113883.19.6^ISO',
    )
    expect(sent.stdout).toContain('WAIT-1')
    const told = await scene.clinic.store.search({ type: 'AuditEvent', criteria: [], limit: 5000 })
    const acts = told.map(({ stored }) => stored.json)
    for (const words of ['unknown patient: matched', 'patient known: message taken up again'])
      expect(acts.find((json) => json.includes(words))).toContain(scene.patient)
  })

  it('is of a new patient where a person says so: made as the message tells, once', async () => {
    await send(hospital, order('NEW-1', 'MRN-BORN'))
    await send(hospital, order('NEW-2', 'MRN-BORN'))
    const done = await postern(
      scene.clinic.folder,
      '--json',
      'patients',
      'match',
      system,
      'MRN-BORN',
      '--new',
    )
    expect(JSON.parse(done.stdout), done.stderr).toMatchObject({ resumed: 2, waiting: 0 })
    const [patient, ...others] = await patientsWith('MRN-BORN')
    expect([patient.name[0].family, others]).toEqual(['OKAFOR', []])
    const [[one], [two]] = [await ordersOf('NEW-1'), await ordersOf('NEW-2')]
    expect([one.subject.reference, two.subject.reference]).toEqual(Array(2).fill(`Patient/${patient.id}`))
  }, 30_000)

  it('is dropped where an officer ends its Task; and who becomes known otherwise is not asked for', async () => {
    await send(hospital, order('DROP-1', 'MRN-DROP'))
    await send(hospital, order('LATE-1', 'MRN-LATE'))
    const open = '/fhir/Task?code=unknown-patient&status=requested&_sort=authored-on'
    const [task] = resourcesOf((await officer.request('GET', open)).body)
    const ended = { ...task, status: 'completed', statusReason: { text: 'Not of this clinic' } }
    const put = await officer.request('PUT', `/fhir/Task/${task.id}`, ended, { 'if-match': 'W/"1"' })
    expect(put.status, put.text).toBe(200)
    // Another partner, whose messages make records.
    expect(await send(scene.platform, order('LATE-2', 'MRN-LATE'))).toContain('MSA|AA|')
    expect(await scene.clinic.gateway.upkeep()).toBeGreaterThan(0)
    expect((await operator.request('GET', path)).body).toEqual([])
    expect([(await ordersOf('DROP-1')).length, (await ordersOf('LATE-1')).length]).toEqual([0, 1])
    expect(await patientsWith('MRN-DROP')).toEqual([])
  })
})

describe('a number that is another person’s here', () => {
  const family = 'OKAFOR^ADA'
  const about = (id: string, ...changes: [string, string][]) =>
    changes.reduce((text, [from, to]) => text.replace(from, to), order(id, 'MRN-4711'))
  const stranger: [string, string][] = [
    [family, 'NYSTRÖM^EVA'],
    ['19870314', '19520101'],
  ]

  it('by name and birth date is refused with both fields, and nothing of anybody’s in the answer', async () => {
    const answer = await send(scene.platform, about('WRONG-1', ...stranger))
    expect(answer).toContain('MSA|AE|WRONG-1')
    expect(answer).toMatch(/ERR\|\|PID\^1\^5\|204\^[^|]*\|E\|/)
    expect(answer).toMatch(/ERR\|\|PID\^1\^7\|204\^[^|]*\|E\|/)
    expect(answer).not.toMatch(/MRN|OKAFOR|NYSTR|1987|1952/i)
    expect(await ordersOf('WRONG-1')).toEqual([])
  })

  it.each([
    ['birth date alone', 'ALONE-1', [['19870314', '19870413']], 'PID^1^7'],
    ['name alone', 'ALONE-2', [[family, 'NYSTRÖM^EVA']], 'PID^1^5'],
  ] as [string, string, [string, string][], string][])(
    'is doubted by its %s: taken with a warning',
    async (...each) => {
      const [, id, changes, place] = each
      const answer = await send(scene.platform, about(id, ...changes))
      expect(answer).toContain(`MSA|AA|${id}`)
      expect(answer).toContain(`ERR||${place}|`)
      expect(answer).toMatch(/\|W\|/)
    },
  )

  it.each([
    ['a part of a double name', 'SAME-1', 'Okafor-Lee^ADA', '19870413'],
    ['an alias or maiden name beside another', 'SAME-2', 'LEE^ADA^^^^^L~ÓKAFOR^ADA', '19870413'],
    ['half a birth date', 'SAME-3', 'LEE^ADA', '1987'],
  ])('is not what %s says', async (_, id, name, birthDate) => {
    const answer = await send(scene.platform, about(id, [family, name], ['19870314', birthDate]))
    expect(answer).toContain(`MSA|AA|${id}`)
  })

  it('is not corrected by ADT in name and birth date at once, but in one of both', async () => {
    const adt = (id: string, name: string, birthDate: string) =>
      [
        `MSH|^~\\&|ADT|NORTHSIDE|POSTERN|HUB|20260110100000-0600||ADT^A08|${id}|P|2.5.1`,
        `PID|1||MRN-4711^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^MR||${name}^ADA||${birthDate}|F`,
      ].join('\r')
    expect(await send(scene.platform, adt('ADT-1', 'NYSTROM', '19520101'))).toContain('MSA|AE|ADT-1')
    const corrected = await send(scene.platform, adt('ADT-2', 'OKAFOR', '19870315'))
    expect(corrected).toContain('MSA|AA|ADT-2')
    expect(corrected).not.toContain('ERR|')
    const { body } = await scene.platform.request('GET', `/fhir/${scene.patient}`)
    expect(body).toMatchObject({ birthDate: '1987-03-15', name: [{ family: 'OKAFOR' }] })
  })

  it('beside the patient’s own is refused with its repetition', async () => {
    const both = ['MRN-4711^^^NORTHSIDE', 'MRN-4711^^^NORTHSIDE'] as const
    expect(await send(scene.platform, order('TWO-1', 'MRN-SECOND'))).toContain('MSA|AA|TWO-1')
    const second = 'MRN-SECOND^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^MR'
    const answer = await send(
      scene.platform,
      about('TWO-2', [both[0], `X-1^^^ELSEWHERE^PI~${second}~${both[1]}`]),
    )
    expect(answer).toContain('MSA|AE|TWO-2')
    expect(answer).toMatch(/ERR\|\|PID\^1\^3\^\d\|204\^/)
    expect(answer).not.toContain('MRN-')
  })

  it('waits for a person where the partner is set so, who may say that it is the same one', async () => {
    const answer = await send(hospital, about('WRONG-2', ...stranger))
    expect(answer).toContain('MSA|AA|WRONG-2')
    expect(answer).toMatch(/ERR\|\|PID\^1\^5\|204\^[^|]*\|W\|/)
    expect(await ordersOf('WRONG-2')).toEqual([])
    const asked = { system, value: 'MRN-4711' }
    expect((await operator.request('GET', path)).body).toMatchObject([{ ...asked, messages: 1 }])
    await scene.clinic.gateway.upkeep()
    expect(await ordersOf('WRONG-2')).toEqual([])
    expect((await operator.request('POST', path, { ...asked, patient: null })).status).toBe(409)
    const done = await operator.request('POST', path, { ...asked, patient: scene.patient })
    expect(done.body, done.text).toMatchObject({ resumed: 1, waiting: 0, withPeople: 0 })
    expect((await ordersOf('WRONG-2'))[0].subject.reference).toBe(scene.patient)
  })
})
