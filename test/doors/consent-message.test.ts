import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Reference } from '#core/resource.ts'
import type { TestClient } from '../open-clinic.ts'
import { made, openScene, patientIdentifier, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
/** An interface of another organization: it keeps lists of people, and its EHR treats nobody here. */
let sender: TestClient
/** The same, trusted with consents. */
let registrar: TestClient
let place: Reference
beforeAll(async () => {
  scene = await openScene()
  const client = (id: string, grants: string[]) =>
    scene.clinic.client({
      id,
      role: 'platform',
      organization: scene.organizations.elsewhere,
      scopes: ['system/*.cruds'],
      purposes: ['TREAT'],
      grants,
    })
  sender = await client('sender', [])
  registrar = await client('registrar', ['consent-source'])
  place = await made(scene.platform, {
    resourceType: 'Communication',
    status: 'completed',
    subject: { reference: scene.patient },
    sender: { reference: scene.patient },
    recipient: [{ reference: scene.organizations.northside }],
    payload: [{ contentString: 'for Northside' }],
  })
})
afterAll(() => scene.clinic.close())

let count = 0
let form = 0

/** A CON of a kind of its own: status, time of the decision, version of HL7. */
function con(
  status: string,
  decided: string,
  { number = `F-${form}`, version = '2.5.1', kind = '001' } = {},
) {
  count++
  return [
    `MSH|^~\\&|ADT|ELSEWHERE|POSTERN|HUB|20260104${1000 + count}00-0600||ADT^A08|CON-${count}|P|${version}`,
    `PID|1||${patientIdentifier.value}^^^X&2.16.840.1.113883.19.5&ISO^MR`,
    `CON|1|${kind}|HIPAA-1|${number}|Release||||||${status}||${decided}`,
  ].join('\r')
}

const send = (text: string, client = sender) =>
  client.request('POST', '/ingest/hl7v2', text, { 'content-type': 'application/hl7-v2' })

async function consentOf(number: string) {
  const found = await scene.platform.request('GET', `/fhir/Consent?identifier=${number}`)
  const [consent, ...more] = resourcesOf(found.body)
  expect(more).toEqual([])
  return consent
}

/** Review Tasks about a consent, by code. */
async function reviews(id: string): Promise<string[]> {
  const found = await scene.clinic.store.search({ type: 'Task', criteria: [], limit: 200 })
  return found
    .map(({ stored }) => JSON.parse(stored.json))
    .filter((task) => task.focus?.reference === `Consent/${id}`)
    .map((task) => task.code.coding[0].code)
}

const status = async (client: TestClient) => (await client.request('GET', `/fhir/${place}`)).status

describe('a CON', () => {
  beforeAll(() => {
    form++
  })

  it('that permits is proposed, opens nothing, and a privacy officer is asked', async () => {
    expect((await send(con('A', '20260102090000-0600'))).text).toContain('MSA|AA|')
    const consent = await consentOf('F-1')
    expect(consent).toMatchObject({ status: 'proposed', dateTime: '2026-01-02T09:00:00-06:00' })
    expect(await reviews(consent.id)).toEqual(['consent-to-confirm'])
    expect(await status(scene.stranger)).toBe(404)
  })

  it('told again with the next message changes nothing, also of what an officer decided', async () => {
    const before = await consentOf('F-1')
    await send(con('A', '20260102090000-0600'))
    expect((await consentOf('F-1')).meta.versionId).toBe('1')
    const active = await scene.platform.request(
      'PUT',
      `/fhir/Consent/${before.id}`,
      { ...before, status: 'active' },
      { 'if-match': 'W/"1"' },
    )
    expect(active.status, active.text).toBe(200)
    expect(await status(scene.stranger)).toBe(200)
    await send(con('A', '20260102090000-0600'))
    expect(await status(scene.stranger)).toBe(200)
  })

  it('that withdraws it closes at once, and the older decision does not open it again', async () => {
    await send(con('X', '20260102090000-0600'))
    expect(await consentOf('F-1')).toMatchObject({ status: 'inactive' })
    expect(await status(scene.stranger)).toBe(404)
    await send(con('A', '20260102090000-0600'))
    expect(await consentOf('F-1')).toMatchObject({ status: 'inactive' })
  })
})

it('of a sender that is trusted with consents is in force, for its own organization', async () => {
  await send(con('A', '20260102', { number: 'R-1' }), registrar)
  const consent = await consentOf('R-1')
  expect(consent.status).toBe('active')
  expect(consent.meta.profile).toEqual(['https://postern.health/fhir/StructureDefinition/ConsentDirective'])
  expect(await status(scene.stranger)).toBe(200)
  expect(await status(scene.otherPharmacy)).not.toBe(200)
  await send(con('X', '20260103', { number: 'R-1' }), registrar)
  expect(await status(scene.stranger)).toBe(404)
})

it('with limits in words refuses everything from the next request on, and nothing that follows lifts that', async () => {
  expect(await status(scene.ehr)).toBe(200)
  await send(con('L', '20260102', { number: 'L-1' }))
  const limited = await consentOf('L-1')
  expect(await reviews(limited.id)).toEqual(['consent-not-computable'])
  expect(await status(scene.ehr)).toBe(404)
  for (const [code, client] of [
    ['X', sender],
    ['A', sender],
    ['P', sender],
  ] as const) {
    await send(con(code, '20260103', { number: 'L-1' }), client)
    expect(await status(scene.ehr), code).toBe(404)
  }
  expect(await reviews(limited.id)).toContain('consent-to-confirm')
  await scene.platform.request('DELETE', `/fhir/Consent/${limited.id}`)
  expect(await status(scene.ehr)).toBe(200)
})

it.each([
  ['R', 'rejected', ['consent-to-confirm']],
  ['P', 'proposed', []],
  ['B', 'proposed', ['consent-to-confirm']],
  ['X', 'inactive', ['consent-to-confirm']],
])('of status %s is %s', async (code, kept, asked) => {
  await send(con(code, '20260102', { number: `S-${code}` }))
  const consent = await consentOf(`S-${code}`)
  expect(consent.status).toBe(kept)
  expect(await reviews(consent.id)).toEqual(asked)
  expect(await status(scene.ehr)).toBe(200)
  expect(await status(scene.stranger)).toBe(404)
})

it('of a version that had no CON yet is understood, and one about a notice decides nothing', async () => {
  await send(con('A', '20260102', { number: 'N-1', version: '2.3', kind: '003' }))
  const consent = await consentOf('N-1')
  expect(consent).toMatchObject({ status: 'active', scope: { coding: [{ code: 'treatment' }] } })
  expect(await status(scene.ehr)).toBe(200)
  expect(await status(scene.stranger)).toBe(404)
})
