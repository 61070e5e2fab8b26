import { afterEach, expect, test, vi } from 'vitest'
import type { Resource } from '#core/resource.ts'
import { setPaused } from '#outbound/pause.ts'
import { startEhr } from '../peers/ehr.ts'
import { startFaultyServer } from '../peers/faulty-server.ts'
import { hospital, messageOf, type Outbox, openOutbox, operator, patient } from './open-outbox.ts'

const started: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()))
})

function kept<P extends { close(): Promise<void> }>(peer: P): P {
  started.push(peer)
  return peer
}

const settings = {
  backoff: { baseMs: 100, capMs: 1_000, attempts: 50 },
  circuit: { failures: 3, baseMs: 10_000, capMs: 40_000 },
}
/** So long a hanging receiver is waited for. */
const hangMs = 1_000

function destination(id: string, address: string) {
  const channel = { kind: 'fhir', address, timeoutMs: hangMs }
  return { id, name: id, role: 'ehr', organization: 'Organization/hospital', purpose: 'TREAT', channel }
}

let number = 0

/** Messages of so many patients, each to the destination. Resolves with the ids of the deliveries. */
async function queueFor(outbox: Outbox, to: string, patients: number): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < patients; i++) {
    number += 1
    const about = { ...patient, id: `q${number}` } as Resource
    const message = messageOf(`m${number}`, 'It hurts less today', `Patient/q${number}`)
    const people = number === 1 ? [hospital] : []
    ids.push(await outbox.queue([...people, about, message], to, [`Communication/m${number}`]))
  }
  return ids
}

async function statesOf({ store }: Outbox, ids: readonly string[]): Promise<(string | undefined)[]> {
  const rows = await store.deliveries(1_000)
  return ids.map((id) => rows.find((row) => row.id === id)?.state)
}

async function attemptsTo({ store }: Outbox, names: readonly string[]): Promise<number[]> {
  const rows = await store.deliveries(1_000)
  const of = (name: string) => rows.filter((row) => row.destination === name)
  return names.map((name) => of(name).reduce((sum, { attempt }) => sum + attempt, 0))
}

async function circuitOf({ store }: Outbox, id: string): Promise<unknown> {
  return JSON.parse((await store.findRegistration('circuit', id)) ?? '{}')
}

test('five destinations that hang do not keep a sixth waiting', async () => {
  number = 0
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  const names = ['h1', 'h2', 'h3', 'h4', 'h5']
  const hanging = await Promise.all(
    names.map(async (name) => ({ name, server: kept(await startFaultyServer('hang')) })),
  )
  await outbox.register(destination('sixth', ehr.base))
  for (const { name, server } of hanging) {
    await outbox.register(destination(name, `http://127.0.0.1:${server.port}`))
    await queueFor(outbox, name, 4)
  }
  // Any two of them could hold all places.
  const deliverer = outbox.deliverer({ ...settings, batch: 8, share: 4 })
  for (let round = 0; round < 3; round++) await deliverer.run()
  expect(await attemptsTo(outbox, names)).toEqual([4, 4, 4, 4, 4])
  for (const { name } of hanging) expect(await circuitOf(outbox, name)).toMatchObject({ trips: 1 })

  // All of them are due again, and older than what comes now.
  outbox.pass(60_000)
  const [id = ''] = await queueFor(outbox, 'sixth', 1)
  const all = deliverer.run()
  await vi.waitFor(async () => expect(await statesOf(outbox, [id])).toEqual(['delivered']), {
    timeout: hangMs,
  })
  await all
  // One of each went out to see.
  expect(await attemptsTo(outbox, names)).toEqual([5, 5, 5, 5, 5])
  for (const { name } of hanging) expect(await circuitOf(outbox, name)).toMatchObject({ trips: 2 })
  outbox.pass(15_000)
  expect(await deliverer.run(), 'the second time they are left alone for longer').toBe(0)
}, 30_000)

test('a destination that answers again gets one delivery, and then all of them', async () => {
  number = 0
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  await outbox.register(destination('ehr', ehr.base))
  const ids = await queueFor(outbox, 'ehr', 5)
  for (let i = 0; i < 5; i++) ehr.failNext(503)
  const deliverer = outbox.deliverer(settings)
  await deliverer.run()
  expect(await statesOf(outbox, ids)).toEqual(ids.map(() => 'queued'))
  outbox.pass(5_000)
  expect(await deliverer.run()).toBe(0)
  expect(await deliverer.next()).toBe(outbox.clock.now() + 5_000)
  // Who starts anew knows it too.
  const restarted = outbox.deliverer(settings)
  expect(await restarted.run()).toBe(0)
  outbox.pass(5_000)
  expect(await restarted.run()).toBe(1)
  expect(await circuitOf(outbox, 'ehr')).toMatchObject({ trips: 0 })
  expect(await restarted.run()).toBe(4)
  expect(await statesOf(outbox, ids)).toEqual(ids.map(() => 'delivered'))
})

test('one message that a receiver cannot bear, and errors of the receiver itself, open nothing', async () => {
  number = 0
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  await outbox.register(destination('ehr', ehr.base))
  await queueFor(outbox, 'ehr', 1)
  const deliverer = outbox.deliverer(settings)
  for (let i = 0; i < 5; i++) {
    ehr.failNext(503)
    await deliverer.run()
    outbox.pass(1_000)
  }
  await queueFor(outbox, 'ehr', 4)
  for (let i = 0; i < 5; i++) ehr.failNext(500)
  expect(await deliverer.run()).toBe(5)
  outbox.pass(1_000)
  expect(await deliverer.run()).toBe(5)
})

test('a destination that is paused gets nothing and loses nothing, also when a gateway starts anew', async () => {
  number = 0
  const outbox = kept(await openOutbox())
  const ehr = kept(await startEhr())
  await outbox.register(destination('ehr', ehr.base))
  const deliverer = outbox.deliverer(settings)
  const ids = await queueFor(outbox, 'ehr', 2)
  const { store, audit, clock } = outbox
  const ports = { store, audit, clock, ids: { random: () => crypto.randomUUID() } }
  await setPaused(ports, ['ehr'], true, operator)
  expect(await deliverer.run()).toBe(0)
  expect(await outbox.deliverer(settings).run()).toBe(0)
  expect(await deliverer.next()).toBeUndefined()
  // What is registered anew stays paused.
  await outbox.register(destination('ehr', `${ehr.base}/`))
  expect(await deliverer.run()).toBe(0)
  await setPaused(ports, ['ehr'], false, operator)
  expect(await deliverer.run()).toBe(2)
  expect(await statesOf(outbox, ids)).toEqual(['delivered', 'delivered'])
  await expect(setPaused(ports, ['ehr', 'nobody'], true, operator)).rejects.toThrow('no destination nobody')
})
