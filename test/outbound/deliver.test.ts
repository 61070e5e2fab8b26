import type { AuditEvent, Consent, Task } from 'fhir/r4'
import { afterEach, expect, test, vi } from 'vitest'
import { versioned } from '#core/resource.ts'
import { startEhr } from '../peers/ehr.ts'
import { startFaultyServer } from '../peers/faulty-server.ts'
import { corner, doctor, hospital, messageOf, type Outbox, openOutbox, patient } from './open-outbox.ts'

const started: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()))
})

function kept<P extends { close(): Promise<void> }>(peer: P): P {
  started.push(peer)
  return peer
}

const backoff = { baseMs: 1_000, capMs: 60_000, attempts: 3 }
const people = [patient, doctor, corner, hospital]

function ehrDestination(address: string, timeoutMs = 5_000) {
  const organization = 'Organization/hospital'
  const channel = { kind: 'fhir', address, timeoutMs }
  return { id: 'ehr', name: 'Hospital EHR', role: 'ehr', organization, purpose: 'TREAT', channel }
}

async function stateOf({ store }: Outbox, id: string) {
  const found = (await store.deliveries(100)).find((delivery) => delivery.id === id)
  return { state: found?.state, attempt: found?.attempt, ...(found?.reason ? { reason: found.reason } : {}) }
}

async function tasks({ store }: Outbox): Promise<Task[]> {
  const criteria = [{ kind: 'token' as const, param: 'status', values: ['requested'] }]
  const found = await store.search({ type: 'Task', criteria, limit: 10 })
  return found.map(({ stored }) => JSON.parse(stored.json) as Task)
}

/** Disclosures in the log, oldest first. */
async function disclosures({ store }: Outbox): Promise<AuditEvent[]> {
  const rows = await store.logRows(0, 1_000)
  const events = await Promise.all(rows.map(({ eventId }) => store.read('AuditEvent', eventId)))
  const read = events.map((event) => JSON.parse(event?.json ?? '{}') as AuditEvent)
  return read.filter((event) => JSON.stringify(event.subtype).includes('"disclose"'))
}

test('a message reaches the EHR once, with an audit event that says what went to whom', async () => {
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  await outbox.register(ehrDestination(ehr.base))
  const id = await outbox.queue([...people, messageOf('m1')], 'ehr', ['Communication/m1'])

  expect(await outbox.deliverer().run()).toBe(1)
  expect(await outbox.deliverer().run()).toBe(0)
  expect(await stateOf(outbox, id)).toEqual({ state: 'delivered', attempt: 1 })
  expect(await ehr.all('Communication')).toMatchObject([
    { payload: [{ contentString: 'It hurts less today' }] },
  ])
  const [event, ...more] = await disclosures(outbox)
  expect(more).toEqual([])
  expect(event?.outcome).toBe('0')
  const text = JSON.stringify(event)
  expect(text).toContain('Hospital EHR')
  expect(text).toContain(ehr.base)
  expect(text).toContain('Communication/m1/_history/1')
  expect(text).toContain('Patient/p1')
  expect(text).not.toContain('hurts')
})

test('an EHR that is not there for a while gets the same bytes later', async () => {
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  await outbox.register(ehrDestination(ehr.base))
  const id = await outbox.queue([...people, messageOf('m1')], 'ehr', ['Communication/m1'])
  ehr.failNext(503)

  const deliverer = outbox.deliverer({ backoff })
  await deliverer.run()
  expect(await stateOf(outbox, id)).toEqual({ state: 'queued', attempt: 1, reason: 'http-503' })
  expect(await deliverer.run()).toBe(0)
  // The patient has moved on in the meantime; what was to be sent has not.
  outbox.pass(500)
  const renamed = versioned(
    { ...patient, name: [{ family: 'Anders' }] } as typeof patient,
    'p1',
    2,
    outbox.clock.now(),
  )
  await outbox.store.commit({
    audit: [],
    writes: [{ resource: renamed, version: 2, updated: outbox.clock.now() }],
  })
  outbox.pass(1_000)
  await deliverer.run()
  expect(await stateOf(outbox, id)).toEqual({ state: 'delivered', attempt: 2 })
  expect(ehr.requests[0]?.body).toBe(ehr.requests[1]?.body)
  expect((await disclosures(outbox)).map((event) => event.outcome)).toEqual(['4', '0'])
})

test('an EHR that says when to come back is asked then', async () => {
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  await outbox.register(ehrDestination(ehr.base))
  await outbox.queue([...people, messageOf('m1')], 'ehr', ['Communication/m1'])
  ehr.failNext(429, { 'retry-after': '3600' })
  await outbox.deliverer({ backoff }).run()
  expect((await outbox.store.nextDelivery()) ?? 0).toBe(outbox.clock.now() + 3_600_000)
})

test('what an EHR refuses is dead at once, and somebody is asked to see to it', async () => {
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  await outbox.register(ehrDestination(ehr.base))
  const id = await outbox.queue([...people, messageOf('m1')], 'ehr', ['Communication/m1'])
  ehr.failNext(422)
  await outbox.deliverer().run()
  expect(await stateOf(outbox, id)).toEqual({ state: 'dead', attempt: 1, reason: 'http-422' })
  const [task, ...more] = await tasks(outbox)
  expect(more).toEqual([])
  expect(task).toMatchObject({
    status: 'requested',
    intent: 'order',
    code: { text: 'Delivery failed: http-422' },
    focus: { reference: 'Communication/m1' },
    for: { reference: 'Patient/p1' },
  })
  expect(JSON.stringify(task)).not.toMatch(/hurts|Muster/)
})

test('after the last attempt a delivery is dead; taken up again it has as many more', async () => {
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  await outbox.register(ehrDestination(ehr.base))
  const id = await outbox.queue([...people, messageOf('m1')], 'ehr', ['Communication/m1'])
  const deliverer = outbox.deliverer({ backoff })
  for (const _ of [1, 2, 3]) {
    ehr.failNext(503)
    await deliverer.run()
    outbox.pass(60_000)
  }
  expect(await stateOf(outbox, id)).toEqual({ state: 'dead', attempt: 3, reason: 'http-503' })
  expect(await tasks(outbox)).toHaveLength(1)

  await outbox.store.requeueDelivery(id, outbox.clock.now(), [])
  ehr.failNext(503)
  await deliverer.run()
  expect(await stateOf(outbox, id)).toMatchObject({ state: 'queued', attempt: 4 })
  outbox.pass(60_000)
  await deliverer.run()
  expect(await stateOf(outbox, id)).toMatchObject({ state: 'delivered', attempt: 5 })
})

test('a receiver that hangs is given up in time and sent identical bytes', async () => {
  const outbox = kept(await openOutbox())
  const server = kept(await startFaultyServer('hang'))
  await outbox.register(ehrDestination(`http://127.0.0.1:${server.port}/fhir`, 300))
  const id = await outbox.queue([...people, messageOf('m1')], 'ehr', ['Communication/m1'])
  const deliverer = outbox.deliverer({ backoff })
  await deliverer.run()
  expect(await stateOf(outbox, id)).toEqual({ state: 'queued', attempt: 1, reason: 'timeout' })
  outbox.pass(60_000)
  await deliverer.run()
  const [first, second] = server.received
    .filter((bytes) => bytes.length > 0)
    .map((bytes) => bytes.toString('utf8'))
  expect(first).toContain('It hurts less today')
  expect(second).toBe(first)
})

test('a consent that was taken back stops what is still queued', async () => {
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  await outbox.register(ehrDestination(ehr.base))
  const id = await outbox.queue([...people, messageOf('m1')], 'ehr', ['Communication/m1'])
  const refusal: Consent = {
    resourceType: 'Consent',
    status: 'active',
    scope: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }],
    },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: 'Patient/p1' },
    dateTime: '2026-01-05T08:00:00Z',
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
    provision: { type: 'deny' },
  }
  const at = outbox.clock.now()
  await outbox.store.commit({
    audit: [],
    writes: [{ resource: versioned(refusal, 'no', 1, at), version: 1, updated: at }],
  })
  await outbox.deliverer().run()
  expect(await stateOf(outbox, id)).toEqual({ state: 'stopped', attempt: 1, reason: 'consent' })
  expect(ehr.requests).toEqual([])
  const [event] = await disclosures(outbox)
  expect(event?.outcome).toBe('8')
})

test('what was deleted before it was sent is not sent', async () => {
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  await outbox.register(ehrDestination(ehr.base))
  const message = messageOf('m1')
  const id = await outbox.queue([...people, message], 'ehr', ['Communication/m1'])
  const at = outbox.clock.now()
  const gone = { resource: versioned(message, 'm1', 2, at), version: 2, updated: at, deleted: true }
  await outbox.store.commit({ audit: [], writes: [{ ...gone, previous: versioned(message, 'm1', 1, at) }] })
  await outbox.deliverer().run()
  expect(await stateOf(outbox, id)).toEqual({ state: 'stopped', attempt: 1, reason: 'gone' })
  expect(ehr.requests).toEqual([])
})

test('deliveries to nobody, and to a destination that is switched off, stop and can be taken up again', async () => {
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  const id = await outbox.queue([...people, messageOf('m1')], 'ehr', ['Communication/m1'])
  const deliverer = outbox.deliverer()
  await deliverer.run()
  expect(await stateOf(outbox, id)).toMatchObject({ state: 'stopped', reason: 'destination-unknown' })
  await outbox.register({ ...ehrDestination(ehr.base), active: false })
  await outbox.store.requeueDelivery(id, outbox.clock.now(), [])
  await deliverer.run()
  expect(await stateOf(outbox, id)).toMatchObject({ state: 'stopped', reason: 'destination-inactive' })
  await outbox.register(ehrDestination(ehr.base))
  await outbox.store.requeueDelivery(id, outbox.clock.now(), [])
  await deliverer.run()
  expect(await stateOf(outbox, id)).toMatchObject({ state: 'delivered' })
})

test('messages of one patient arrive in order; another patient does not wait for them', async () => {
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  await outbox.register(ehrDestination(ehr.base))
  const other = {
    ...patient,
    id: 'p2',
    identifier: [{ system: 'urn:oid:1.2.3', value: 'A2' }],
  } as typeof patient
  await outbox.queue([...people, other, messageOf('m1', 'first')], 'ehr', ['Communication/m1'])
  await outbox.queue([messageOf('m2', 'second')], 'ehr', ['Communication/m2'])
  await outbox.queue([messageOf('m3', 'third', 'Patient/p2')], 'ehr', ['Communication/m3'])
  ehr.failNext(503)
  const deliverer = outbox.deliverer({ backoff, batch: 1 })
  await deliverer.run()
  await deliverer.run()
  await deliverer.run()
  outbox.pass(60_000)
  await deliverer.run()
  await deliverer.run()
  const stored = (await ehr.all('Communication')) as { payload?: { contentString?: string }[] }[]
  expect(stored.map((each) => each.payload?.[0]?.contentString)).toEqual(['third', 'first', 'second'])
})

test('a deliverer that was started sends what is queued, and finishes what is under way when stopped', async () => {
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  const slow = kept(await startFaultyServer('hang'))
  await outbox.register(ehrDestination(ehr.base))
  await outbox.register({ ...ehrDestination(`http://127.0.0.1:${slow.port}`, 500), id: 'slow' })
  const deliverer = outbox.deliverer({ backoff })
  deliverer.start()
  const hanging = await outbox.queue([...people, messageOf('m0')], 'slow', ['Communication/m0'])
  await vi.waitFor(() => expect(slow.received).toHaveLength(1))
  const ids = []
  for (const name of ['m1', 'm2', 'm3'])
    ids.push(await outbox.queue([messageOf(name)], 'ehr', [`Communication/${name}`]))
  await vi.waitFor(async () => expect(await ehr.all('Communication')).toHaveLength(3))
  await deliverer.stop()
  expect(await stateOf(outbox, hanging)).toMatchObject({ state: 'queued', reason: 'timeout' })
  for (const id of ids) expect(await stateOf(outbox, id)).toEqual({ state: 'delivered', attempt: 1 })
  await outbox.queue([messageOf('m4')], 'ehr', ['Communication/m4'])
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(await ehr.all('Communication')).toHaveLength(3)
})

test('a destination that hangs for many patients leaves the places of the others free', async () => {
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  const slow = kept(await startFaultyServer('hang'))
  await outbox.register(ehrDestination(ehr.base))
  await outbox.register({ ...ehrDestination(`http://127.0.0.1:${slow.port}`, 1_500), id: 'slow' })
  const others = Array.from({ length: 8 }, (_, i) => ({ ...patient, id: `q${i}` }))
  const about = (i: number) => messageOf(`h${i}`, 'It hurts less today', `Patient/q${i}`)
  await outbox.queue([...people, ...others, about(0)], 'slow', ['Communication/h0'])
  for (let i = 1; i < others.length; i++) await outbox.queue([about(i)], 'slow', [`Communication/h${i}`])
  const one = await outbox.queue([messageOf('m1')], 'ehr', ['Communication/m1'])

  const deliverer = outbox.deliverer({ backoff, batch: 4, share: 3 })
  deliverer.start()
  try {
    await vi.waitFor(async () => expect(await stateOf(outbox, one)).toMatchObject({ state: 'delivered' }), {
      timeout: 1_200,
    })
    const states = (await outbox.store.deliveries(100)).map(({ state }) => state)
    expect(states.filter((state) => state === 'claimed')).toHaveLength(3)
  } finally {
    await deliverer.stop()
  }
})
