import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Answer, TestClient } from '../open-clinic.ts'
import { startEhr } from '../peers/ehr.ts'
import { startFaultyServer } from '../peers/faulty-server.ts'
import { startPharmacy } from '../peers/pharmacy.ts'
import { type ChildGateway, postern, startGateway } from './command-line.ts'
import { fieldsOf, openMllp } from './mllp-socket.ts'
import { fixture, message, placesIn, prepareFolder, resourcesOf } from './scene.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const each of cleanups.splice(0).reverse()) await each()
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-crash-'))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function start(folder: string, settings: Record<string, string>): Promise<ChildGateway> {
  const gateway = await startGateway(folder, settings)
  cleanups.push(() => gateway.kill())
  return gateway
}

/** Lets a minute pass for the leases that the dead process held. */
function passLeases(folder: string): void {
  const db = new Database(join(folder, 'data.db'))
  db.exec('UPDATE delivery SET lease = lease - 60000')
  db.close()
}

const deliveriesIn = (folder: string) => {
  const db = new Database(join(folder, 'data.db'), { readonly: true })
  const rows = db.prepare('SELECT id, state, attempt FROM delivery ORDER BY seq').all()
  db.close()
  return rows as { id: string; state: string; attempt: number }[]
}

const soon = { timeout: 30_000, interval: 25 }

describe('kill -9 while a delivery is under way', () => {
  it('sends a pharmacy the same bytes under the same MSH-10, and once it answered never again', async () => {
    const folder = newFolder()
    const pharmacy = await startPharmacy()
    cleanups.push(() => pharmacy.close())
    pharmacy.answer('silence')
    const { settings, clients } = await prepareFolder(folder, { pharmacy, timeoutMs: 20_000 })
    const victim = await start(folder, settings)
    const { platform } = clients(victim.baseUrl)
    const order = fixture('prescription/active-attested.in.json')
    const { body: receipt } = await platform.request('POST', '/ingest/prescriptions', order)
    expect(receipt.deliveries).toHaveLength(1)
    await vi.waitFor(() => expect(pharmacy.messages).toHaveLength(1), soon)
    await victim.kill()
    expect(deliveriesIn(folder)).toMatchObject([{ id: receipt.deliveries[0], state: 'claimed', attempt: 1 }])

    pharmacy.answer('AA')
    passLeases(folder)
    const second = await start(folder, settings)
    await vi.waitFor(
      () => expect(deliveriesIn(folder)).toMatchObject([{ state: 'delivered', attempt: 2 }]),
      soon,
    )
    expect(pharmacy.messages).toHaveLength(2)
    expect(pharmacy.messages[1]).toBe(pharmacy.messages[0])
    const again = await platform.request('POST', '/ingest/prescriptions', order)
    expect([again.status, again.body]).toEqual([200, receipt])
    await second.kill()

    passLeases(folder)
    await start(folder, settings)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(pharmacy.messages).toHaveLength(2)
    expect(deliveriesIn(folder)).toMatchObject([{ state: 'delivered', attempt: 2 }])
  }, 120_000)

  it('sends an EHR the same transaction, which makes each resource once', async () => {
    const folder = newFolder()
    const hanging = await startFaultyServer('hang')
    const { settings, clients } = await prepareFolder(folder, {
      ehr: `http://127.0.0.1:${hanging.port}/fhir`,
      timeoutMs: 20_000,
    })
    const victim = await start(folder, settings)
    const { platform } = clients(victim.baseUrl)
    const sent = fixture('secure-message/patient-to-clinician.in.json')
    expect((await platform.request('POST', '/ingest/messages', sent)).status).toBe(201)
    await vi.waitFor(() => expect(String(hanging.received[0])).toContain('headache every morning'), soon)
    await victim.kill()
    await hanging.close()
    const ehr = await startEhr({ port: hanging.port })
    cleanups.push(() => ehr.close())
    passLeases(folder)
    await start(folder, settings)
    await vi.waitFor(
      () => expect(deliveriesIn(folder)).toMatchObject([{ state: 'delivered', attempt: 2 }]),
      soon,
    )
    const before = String(hanging.received[0])
    expect(ehr.requests).toHaveLength(1)
    expect(ehr.requests[0]?.body).toBe(before.slice(before.indexOf('\r\n\r\n') + 4))
    expect(await ehr.all('Communication')).toHaveLength(1)
    expect(await ehr.all('Patient')).toHaveLength(1)
  }, 120_000)
})

describe('kill -9 while messages come in', () => {
  const rounds = 10

  it('loses nothing that was acknowledged, halves nothing that was not, ten times', async () => {
    const folder = newFolder()
    const pharmacy = await startPharmacy()
    cleanups.push(() => pharmacy.close())
    const { settings, clients, patient } = await prepareFolder(folder, { pharmacy })
    const acknowledged = new Map<string, Answer['body']>()
    const accepted = new Map<string, string>()
    const tried = new Set<string>()
    const { platform, ehr, auditor } = clients(`http://127.0.0.1:${settings.POSTERN_PORT}`)
    for (let round = 0; round < rounds; round++) {
      const gateway = await start(folder, settings)
      const before = acknowledged.size
      const sending = [0, 1, 2, 3].map((sender) => post(platform, `r${round}s${sender}`, acknowledged, tried))
      sending.push(prescribe(gateway.mllpPort, `R${round}`, accepted, tried))
      await vi.waitFor(() => expect(acknowledged.size).toBeGreaterThan(before), { ...soon, interval: 1 })
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 300))
      await gateway.kill()
      await Promise.all(sending)
      passLeases(folder)
    }
    expect(accepted.size).toBeGreaterThan(0)

    const last = await start(folder, settings)
    for (const [id, receipt] of acknowledged) {
      expect(await platform.request('GET', `/ingest/receipts/${id}`), id).toMatchObject({
        status: 200,
        body: receipt,
      })
      const [place] = placesIn(receipt, 'Communication')
      expect((await ehr.request('GET', `/fhir/${place}`)).status).toBe(200)
      const told = await auditor.request('GET', `/fhir/AuditEvent/${receipt.auditEvent}`)
      expect(told.status).toBe(200)
      expect(told.text).toContain(`${place}/_history/1`)
    }
    await everythingOnce({ platform, ehr, patient, port: last.mllpPort, tried, accepted })
    await vi.waitFor(
      () => expect(deliveriesIn(folder).filter(({ state }) => state !== 'delivered')).toEqual([]),
      soon,
    )
    const sent = Map.groupBy(pharmacy.messages, (each) => fieldsOf(each, 'MSH')[10])
    for (const copies of sent.values()) expect(new Set(copies).size).toBe(1)
    expect(sent.size).toBe(deliveriesIn(folder).length)
    expect(await last.stop()).toBe(0)
    const verdict = await postern(folder, '--json', 'audit', 'verify')
    expect(JSON.parse(verdict.stdout)).toMatchObject({ ok: true, erased: 0, findings: [] })
    expect(verdict.code).toBe(0)
  }, 180_000)
})

/** Posts messages one after the other until the gateway is gone. */
async function post(
  platform: TestClient,
  sender: string,
  acknowledged: Map<string, Answer['body']>,
  tried: Set<string>,
): Promise<void> {
  for (let number = 0; ; number++) {
    const id = `${sender}n${number}`
    tried.add(id)
    const answer = await platform.request('POST', '/ingest/messages', textOf(id)).catch(() => undefined)
    if (!answer) return
    expect(answer.status, answer.text).toBe(201)
    acknowledged.set(id, answer.body)
  }
}

const textOf = (id: string) => message('secure-message/patient-to-clinician.in.json', { id })

/** The same with orders over MLLP. */
async function prescribe(
  port: number,
  sender: string,
  accepted: Map<string, string>,
  tried: Set<string>,
): Promise<void> {
  const socket = await openMllp(port).catch(() => undefined)
  for (let number = 0; socket; number++) {
    const id = `${sender}-${number}`
    tried.add(id)
    socket.send(orderOf(id))
    const answer = await socket.next().catch(() => undefined)
    if (answer === undefined) return
    expect(fieldsOf(answer, 'MSA').slice(1, 3)).toEqual(['AA', id])
    accepted.set(id, answer)
  }
}

const orderOf = (id: string) =>
  fixture('prescription-order/us-placed-and-encoded.in.hl7')
    .replace(/\r?\n/g, '\r')
    .replace(/RDE-20260105-\d+/, id)
    .replace(/RX-88002/, `RX-${id}`)

interface Survivors {
  platform: TestClient
  ehr: TestClient
  patient: string
  port: number
  tried: ReadonlySet<string>
  accepted: ReadonlyMap<string, string>
}

/** Everything that was ever sent is sent again: what was acknowledged is answered the same, and each is there once. */
async function everythingOnce({ platform, ehr, patient, port, tried, accepted }: Survivors): Promise<void> {
  const socket = await openMllp(port)
  let orders = 0
  for (const id of tried) {
    if (!id.startsWith('R')) {
      expect([200, 201]).toContain((await platform.request('POST', '/ingest/messages', textOf(id))).status)
      continue
    }
    socket.send(orderOf(id))
    const answer = await socket.next()
    expect(fieldsOf(answer, 'MSA')[1]).toBe('AA')
    if (accepted.has(id)) expect(answer).toBe(accepted.get(id))
    orders += 1
  }
  socket.end()
  expect(await countOf(ehr, `/fhir/Communication?patient=${patient}&_count=200`)).toBe(tried.size - orders)
  expect(await countOf(ehr, `/fhir/MedicationRequest?patient=${patient}&_count=200`)).toBe(orders * 2)
}

async function countOf(ehr: TestClient, first: string): Promise<number> {
  let count = 0
  for (let next = first; next !== ''; ) {
    const { body } = await ehr.request('GET', next)
    count += resourcesOf(body).length
    next = body.link.find((each: { relation: string }) => each.relation === 'next')?.url ?? ''
  }
  return count
}
