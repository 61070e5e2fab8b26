import { afterAll, beforeAll, expect, it } from 'vitest'
import { clientWithKey, type TestClient } from '../open-clinic.ts'
import { type ChildGateway, startGateway } from './command-line.ts'
import { fixture, freePort, openScene, type Scene } from './scene.ts'

/** One database, and a gateway in each of two processes. */

let scene: Scene
let other: ChildGateway
let elsewhere: TestClient
beforeAll(async () => {
  scene = await openScene()
  other = await startGateway(scene.clinic.folder, {
    POSTERN_PORT: String(await freePort()),
    POSTERN_MLLP_PORT: '0',
    POSTERN_CLINIC: 'test',
  })
  const { id, key } = scene.platform
  elsewhere = clientWithKey(other.baseUrl, { id, scopes: ['system/*.cruds'] }, key, `${id}-1`)
})
afterAll(async () => {
  await other?.stop()
  await scene.clinic.close()
})

const order = (controlId: string) =>
  fixture('prescription-order/us-simple.in.hl7')
    .replace(/\r?\n/g, '\r')
    .replace('|||AL|AL|', '|||||')
    .replace(/RDE-20260105-\d+/, controlId)

const send = async (client: TestClient, text: string) =>
  (await client.request('POST', '/ingest/hl7v2', text, { 'content-type': 'application/hl7-v2' })).text

const ordersHere = async () => {
  const rows = await scene.clinic.store.search({
    type: 'MedicationRequest',
    criteria: [{ kind: 'token', param: 'patient', values: [scene.patient] }],
    limit: 20,
  })
  return rows.map(({ stored }) => JSON.parse(stored.json)).filter(carriesNumber)
}

function carriesNumber(resource: object): boolean {
  return JSON.stringify(resource).includes('RX-8800')
}

it('an order number that two processes place at once under two control ids is placed once', async () => {
  // Everybody the orders name is here: nothing but the number is fought for.
  const before = order('BEFORE-1').replace(/RX-8800/g, 'RX-7700')
  expect(await send(scene.platform, before)).toContain('MSA|AA|BEFORE-1')
  const { store } = scene.clinic
  const commit = store.commit
  let first = ''
  // What the other process takes in comes between this one's look for the number and its commit.
  store.commit = async (unit) => {
    const isOrder = unit.writes?.some(({ resource }) => resource.resourceType === 'MedicationRequest')
    if (isOrder && first === '') first = await send(elsewhere, order('THERE-1'))
    return commit(unit)
  }
  const second = await send(scene.platform, order('HERE-1')).finally(() => {
    store.commit = commit
  })
  expect(first).toContain('MSA|AA|THERE-1')
  expect(second).toContain('MSA|AR|HERE-1')
  expect(second).toMatch(/ERR\|\|ORC\^1\^2\|205\^/)
  const placed = await ordersHere()
  expect(new Set(placed.map(({ intent }) => intent)).size).toBe(placed.length)
  // Orders that were a mistake give their number back.
  const updated = Date.now()
  const writes = placed.map((previous) => {
    const version = Number(previous.meta.versionId) + 1
    const meta = { ...previous.meta, versionId: String(version) }
    return { resource: { ...previous, meta, status: 'entered-in-error' }, version, updated, previous }
  })
  await store.commit({ audit: [], writes })
  expect(await send(scene.platform, order('HERE-2'))).toContain('MSA|AA|HERE-2')
})
