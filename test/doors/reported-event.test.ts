import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AuditEvent } from 'fhir/r4'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Accounting, checkAccounting } from '#audit/accounting.ts'
import type { Reference } from '#core/resource.ts'
import type { TestClient } from '../open-clinic.ts'
import { fixture, made, openScene, placesIn, resourcesOf, type Scene } from './scene.ts'

const examples = join(import.meta.dirname, '../../fixtures/third-party/balp/examples')
const example = JSON.parse(
  readFileSync(join(examples, 'AuditEvent-ex-auditBasicReadServer.json'), 'utf8'),
) as AuditEvent
const origin = 'https://postern.health/fhir/CodeSystem/audit-origin'
const extension = 'https://postern.health/fhir/StructureDefinition/reported-event'

let scene: Scene
let source: TestClient
let platform: TestClient
let stranger: TestClient
let message: string
let other: string
/** IHE's own example, with who, whom and what of this clinic. */
let opened: AuditEvent

beforeAll(async () => {
  scene = await openScene()
  const { northside, elsewhere } = scene.organizations
  const register = (id: string, role: 'ehr' | 'platform', organization: Reference) =>
    scene.clinic.client({
      id,
      role,
      organization,
      scopes: ['system/AuditEvent.c'],
      purposes: ['TREAT'],
      grants: ['audit-source'],
    })
  source = await register('ehr-log', 'ehr', northside)
  platform = await register('platform-log', 'platform', northside)
  stranger = await register('stranger-log', 'ehr', elsewhere)
  const sent = fixture('secure-message/patient-to-clinician.in.json')
  message =
    placesIn((await scene.platform.request('POST', '/ingest/messages', sent)).body, 'Communication')[0] ?? ''
  const patient = await made(scene.platform, { resourceType: 'Patient', name: [{ family: 'Other' }] })
  other = await made(scene.platform, {
    resourceType: 'Flag',
    status: 'active',
    code: { text: 'x' },
    subject: { reference: patient },
  })
  opened = eventAbout(message, new Date(Date.now() - 3_600_000).toISOString())
})
afterAll(() => scene.clinic.close())

function eventAbout(what: string, recorded: string): AuditEvent {
  const event = structuredClone(example)
  const [data, person] = event.entity ?? []
  if (data) data.what = { reference: what }
  if (person) person.what = { reference: scene.patient }
  const server = event.agent[1]
  if (server) server.who = { reference: scene.organizations.northside }
  event.source.observer = { reference: scene.organizations.northside }
  return { ...event, id: 'opened-1', recorded }
}

const report = (client: TestClient, event: object | string, path = '/fhir/AuditEvent') =>
  client.request('POST', path, event, { 'content-type': 'application/fhir+json' })
const logged = async (query: string): Promise<AuditEvent[]> => {
  const found = await scene.auditor.request('GET', `/fhir/AuditEvent?${query}`)
  expect(found.status, found.text).toBe(200)
  return resourcesOf(found.body)
}
const reported = () => logged(`patient=${scene.patient}&_tag=${origin}|reported&_count=100`)

describe('a registered source', () => {
  let id = ''

  it('tells of a clinician opening a message, and the log keeps its words, its bytes and who told', async () => {
    const tagged = { ...opened, meta: { ...opened.meta, tag: [{ system: 'urn:their', code: 'own' }] } }
    const text = `${JSON.stringify(tagged, null, 1)}\n`
    const answer = await report(source, text)
    expect(answer.status, answer.text).toBe(201)
    id = /AuditEvent\/([^/]+)\/_history\/1$/.exec(answer.headers.get('location') ?? '')?.[1] ?? ''
    const [kept, ...more] = await reported()
    expect(more).toEqual([])
    const { meta, extension: marks, id: keptId, ...told } = kept as AuditEvent
    const { meta: _, id: __, ...expected } = tagged
    expect(told).toEqual(expected)
    expect(keptId).toBe(id)
    expect(meta?.tag).toEqual([
      { system: 'urn:their', code: 'own' },
      { system: origin, code: 'reported' },
    ])
    const parts = Object.fromEntries((marks?.[0]?.extension ?? []).map(({ url, ...value }) => [url, value]))
    expect(marks?.map(({ url }) => url)).toEqual([extension])
    expect(atob(parts.original?.valueBase64Binary ?? '')).toBe(text)
    expect(parts.client?.valueReference?.identifier?.value).toBe('ehr-log')
    expect(parts.organization?.valueReference?.reference).toBe(scene.organizations.northside)
    expect(parts.token?.valueUri).toMatch(/^urn:ietf:params:oauth:jti:./)
    const acts = await logged(`entity=AuditEvent/${id}`)
    expect(acts.map(({ subtype, outcome, action }) => [subtype?.[0]?.code, outcome, action])).toEqual([
      ['create', '0', 'C'],
    ])
    // What is told is found like what was seen: by what was opened, and by its own time.
    const since = new Date(Date.now() - 1_800_000).toISOString()
    expect((await logged(`entity=${message}&date=lt${since}`)).map((each) => each.id)).toEqual([id])
    expect(await logged(`entity=${message}&date=ge${since}&_tag=reported`)).toEqual([])
  })

  it('may say it again, at once or later: one event stands, and another one under its id is refused', async () => {
    const at = new Date(Date.now() - 60_000).toISOString()
    const { id: _, ...unnamed } = eventAbout(message, at)
    const answers = await Promise.all([1, 2, 3].map(() => report(source, unnamed)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 201])
    expect(new Set(answers.map(({ headers }) => headers.get('location'))).size).toBe(1)
    const named = { ...opened, id: 'opened-2' }
    const [first, again] = [await report(source, named), await report(source, named)]
    expect([first.status, again.status]).toEqual([201, 200])
    expect(again.headers.get('location')).toBe(first.headers.get('location'))
    expect((await report(source, { ...named, recorded: at })).status).toBe(409)
    // Another source's ids are its own.
    expect((await report(platform, named)).status).toBe(201)
    expect(await reported()).toHaveLength(4)
  })

  it('cannot pass for the gateway, nor for another system', async () => {
    const forged = {
      ...opened,
      id: 'forged',
      meta: { ...opened.meta, tag: [{ system: origin, code: 'own' }] },
      extension: [
        { url: extension, extension: [{ url: 'client', valueReference: { display: 'Somebody' } }] },
      ],
    }
    const answer = await report(source, forged)
    // An extension that is not whole is no valid event; a whole one is taken off.
    expect(answer.status).toBe(422)
    const ours = (await reported())[0]?.extension
    expect((await report(source, { ...forged, extension: ours })).status).toBe(201)
    for (const { meta, extension: marks } of await reported()) {
      expect(meta?.tag?.filter(({ system }) => system === origin)).toEqual([
        { system: origin, code: 'reported' },
      ])
      expect(marks).toHaveLength(1)
    }
    const asUs = {
      ...opened,
      id: 'us',
      source: { ...opened.source, observer: { reference: 'Device/postern' } },
    }
    expect((await report(source, asUs)).status).toBe(422)
    expect((await source.request('PUT', `/fhir/AuditEvent/${id}`, { ...opened, id })).status).toBe(405)
  })

  it('is refused what is not valid, not its patient’s, or not its to tell', async () => {
    const before = (await reported()).length
    const [data, person, ...rest] = opened.entity ?? []
    const naming = (reference: string) => ({
      ...opened,
      entity: [{ ...data, what: { reference } }, person, ...rest],
    })
    const refused: [string, TestClient, object, number][] = [
      ['without what BALP asks for', source, { ...opened, agent: opened.agent.slice(2) }, 422],
      ['without the claim', source, { ...opened, meta: {} }, 422],
      [
        'with an unknown claim',
        source,
        { ...opened, meta: { profile: [...(opened.meta?.profile ?? []), 'urn:x'] } },
        422,
      ],
      ['in the future', source, { ...opened, recorded: new Date(Date.now() + 600_000).toISOString() }, 422],
      ['naming another patient’s flag', source, naming(other), 422],
      ['naming nothing here', source, naming('Communication/none'), 422],
      ['without a patient', source, { ...opened, entity: [data] }, 422],
      [
        'of whom it does not treat',
        stranger,
        { ...opened, source: { ...opened.source, observer: { reference: scene.organizations.elsewhere } } },
        403,
      ],
      ['without the grant', scene.ehr, opened, 403],
      ['by an auditor', scene.auditor, opened, 403],
      ['too long', source, { ...opened, outcomeDesc: 'x'.repeat(40_000) }, 413],
    ]
    for (const [name, client, event, status] of refused) {
      const answer = await report(client, { ...event, id: `refused ${name}`.replaceAll(/[^a-z]/g, '-') })
      expect(answer.status, `${name}: ${answer.text}`).toBe(status)
    }
    const conditional = await source.request('POST', '/fhir/AuditEvent', opened, { 'if-none-exist': '_id=x' })
    expect([conditional.status, conditional.body.issue[0].code]).toEqual([400, 'not-supported'])
    const bundle = (type: string) => ({
      resourceType: 'Bundle',
      type,
      entry: [{ resource: { ...opened, id: 'bundled' }, request: { method: 'POST', url: 'AuditEvent' } }],
    })
    expect((await report(source, bundle('transaction'), '/fhir')).status).toBe(400)
    const batch = await report(source, bundle('batch'), '/fhir')
    expect(batch.body.entry[0].response.status).toMatch(/^201/)
    expect(await reported()).toHaveLength(before + 1)
  })

  it('stands in the accounting as the one who told, and the log proves itself', async () => {
    await scene.clinic.gateway.log.checkpoint()
    const path = `/audit/accounting?patient=${scene.patient}&_count=100`
    const answer = await scene.auditor.request('GET', path)
    const accounting: Accounting = answer.body
    checkAccounting(accounting, scene.clinic.vkey)
    const told = accounting.entries.find((each) => each.id === id)
    expect(told).toMatchObject({
      who: 'John Smith',
      action: 'read',
      what: [message],
      recorded: opened.recorded,
    })
    expect(told?.reportedBy).toBeTruthy()
    expect(
      accounting.entries.filter(({ action }) => action === 'create').some((each) => each.reportedBy),
    ).toBe(false)
    const page = await scene.auditor.request('GET', path, undefined, { accept: 'text/html' })
    expect(page.text).toContain(`done, reported by ${told?.reportedBy}`)
    const verdict = await scene.clinic.gateway.log.verify()
    expect([verdict.ok, verdict.findings.filter(({ kind }) => kind === 'clock')]).toEqual([true, []])
  })
})
