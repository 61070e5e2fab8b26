import { afterEach, expect, test, vi } from 'vitest'
import type { Resource } from '#core/resource.ts'
import { findSegment, readMessage, value } from '#formats/hl7v2/message.ts'
import { startPharmacy } from '../peers/pharmacy.ts'
import { corner, doctor, openOutbox, orderOf, patient } from './open-outbox.ts'

const started: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()))
})

function kept<P extends { close(): Promise<void> }>(peer: P): P {
  started.push(peer)
  return peer
}

const patients = 6
const ordersEach = 3
/** How long the receiver takes for each message. */
const lateMs = 250

function placed(text: string): string {
  const orc = findSegment(readMessage(text), 'ORC')
  return orc ? value(orc, 2) : ''
}

test('a slow receiver gets each patient’s orders in order and those of other patients beside them (I17)', async () => {
  const pharmacy = kept(await startPharmacy({ lateMs }))
  const outbox = kept(await openOutbox())
  const channel = {
    kind: 'mllp',
    host: pharmacy.host,
    port: pharmacy.port,
    sending: { application: 'POSTERN', facility: 'CLINIC' },
    receiving: { application: 'RX', facility: 'CORNER' },
  }
  const organization = 'Organization/corner'
  await outbox.register({ id: 'rx', name: 'Rx', role: 'pharmacy', organization, purpose: 'TREAT', channel })
  const names = Array.from({ length: patients }, (_, i) => `q${i}`)
  const people = names.map((id) => ({ ...patient, id }) as Resource)
  for (let round = 0; round < ordersEach; round++)
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const order = { ...orderOf(`${name}-${round}`), subject: { reference: `Patient/${name}` } } as Resource
      const before = round === 0 && name === 'q0' ? [doctor, corner, ...people] : []
      await outbox.queue([...before, order], 'rx', [`MedicationRequest/${order.id}`])
    }
  // The first of all is turned away for now: its patient's others wait for it, and nobody else's do.
  pharmacy.answerNext('AE')
  pharmacy.answer('late')
  const deliverer = outbox.deliverer({ backoff: { baseMs: 500, capMs: 500, attempts: 9 } })
  const time = setInterval(() => outbox.pass(20), 20)
  deliverer.start()
  try {
    // As many connections as there are by default hold one message each before any of them is answered.
    await vi.waitFor(() => expect(pharmacy.messages.length).toBeGreaterThanOrEqual(5), {
      timeout: 5_000,
      interval: 5,
    })
    const early = await outbox.store.deliveries(100)
    expect(early.filter(({ state }) => state === 'delivered')).toEqual([])
    await vi.waitFor(
      async () => {
        const states = (await outbox.store.deliveries(100)).map(({ state }) => state)
        expect(states).toEqual(Array(patients * ordersEach).fill('delivered'))
      },
      { timeout: 20_000, interval: 100 },
    )
  } finally {
    clearInterval(time)
    await deliverer.stop()
  }
  const numbers = pharmacy.messages.map(placed)
  const [refused = ''] = numbers
  expect(numbers.filter((each) => each === refused)).toHaveLength(2)
  for (const name of names) {
    const own = numbers.slice(1).filter((each) => each.startsWith(`${name}-`))
    expect(own).toEqual(Array.from({ length: ordersEach }, (_, round) => `${name}-${round}`))
  }
  // Others went on while it waited.
  expect(numbers.lastIndexOf(refused)).toBeGreaterThan(5)
}, 40_000)
