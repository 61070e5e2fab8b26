import { setImmediate as immediate, setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { registerClient } from '#auth/clients.ts'
import type { CommitUnit } from '#core/commit.ts'
import { systemPorts } from '../../src/node.ts'
import { fieldsOf, type MllpSocket, openMllp } from './mllp-socket.ts'
import { fixture, openScene, type Scene } from './scene.ts'

/*
 * What is sent first about a patient is taken in first, whatever the connections and however long each message takes;
 * different patients do not wait for each other (I17). The store is slowed down at random, since a fast one hides
 * races.
 */

let scene: Scene
const sockets: MllpSocket[] = []
/** Control ids in the order of their commits. */
const committed: string[] = []

beforeAll(async () => {
  scene = await openScene()
  const { northside, mainStreet } = scene.organizations
  const partners = [
    { id: 'rxwriter', role: 'ehr', organization: northside, grants: ['order-source'], address: '127.0.0.1' },
    { id: 'dispense', role: 'pharmacy', organization: mainStreet, grants: [], address: '127.0.0.2' },
    { id: 'adt', role: 'platform', grants: [], address: '127.0.0.3' },
  ]
  for (const { address, ...partner } of partners)
    await registerClient(
      scene.clinic.store,
      scene.clinic.gateway.audit,
      {
        name: partner.id,
        ...partner,
        scopes: ['system/*.cruds'],
        purposes: ['TREAT'],
        jwks: { keys: [] },
        active: true,
        hl7v2: { addresses: [address], timeZone: 'America/Chicago' },
      },
      { requestId: 'test-setup', at: systemPorts.clock.now() },
    )
  scene.clinic.store.onCommit(({ receipt }: CommitUnit) => {
    if (receipt) committed.push(receipt.messageId.replace(/[.@].*/, ''))
  })
})
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.end()
  committed.length = 0
})
afterAll(() => scene.clinic.close())

async function dial(address?: string): Promise<MllpSocket> {
  const socket = await openMllp(scene.clinic.mllpPort ?? 0, address)
  sockets.push(socket)
  return socket
}

function orderFor(patient: string, controlId: string): string {
  return fixture('prescription-order/us-placed-and-encoded.in.hl7')
    .replace(/\r?\n/g, '\r')
    .replace(/RDE-20260105-\d+/, controlId)
    .replace(/RX-8800\d/g, `RX-${controlId}`)
    .replaceAll('MRN-4711', patient)
}

async function acknowledged(socket: MllpSocket): Promise<[string, string]> {
  const [, code = '', id = ''] = fieldsOf(await socket.next(), 'MSA')
  return [code, id]
}

/** Makes the store slow to answer whether a message came before, by a time of its own for each. */
async function slowedDown<T>(
  delay: (controlId: string) => Promise<unknown>,
  act: () => Promise<T>,
): Promise<T> {
  const { store } = scene.clinic
  const { findReceipt } = store
  store.findReceipt = async (sender, messageId, body) => {
    await delay(messageId.replace(/@.*/, ''))
    return findReceipt(sender, messageId, body)
  }
  try {
    return await act()
  } finally {
    store.findReceipt = findReceipt
  }
}

it('of one patient is committed in the order it came, over eight connections at once', async () => {
  const connections = await Promise.all(Array.from({ length: 8 }, () => dial()))
  // Until its sender is known nothing of a connection is read.
  for (const [index, socket] of connections.entries()) {
    socket.send(orderFor('MRN-0', `FIRST-${index}`))
    await acknowledged(socket)
  }
  const patients = ['MRN-A', 'MRN-B', 'MRN-C', 'MRN-D']
  // The patients' messages mixed, each on any of the connections.
  const sent = shuffled(patients.flatMap((patient) => Array.from({ length: 12 }, () => patient))).map(
    (patient, index) => ({
      patient,
      id: `${patient}-${index}`,
      socket: connections[random(8)] as MllpSocket,
    }),
  )
  await slowedDown(
    () => wait(random(60)),
    async () => {
      const answers: Promise<[string, string]>[] = []
      for (const { patient, id, socket } of sent) {
        socket.send(orderFor(patient, id))
        answers.push(acknowledged(socket))
        // The loop has seen what arrived before it comes to the next.
        await immediate()
        await wait(random(6))
      }
      const codes = await Promise.all(answers)
      expect(codes.map(([code]) => code)).toEqual(sent.map(() => 'AA'))
    },
  )
  for (const patient of patients) {
    const ofPatient = (ids: string[]) => ids.filter((id) => id.startsWith(patient))
    expect(ofPatient(committed)).toEqual(ofPatient(sent.map(({ id }) => id)))
  }
  // Had they all waited for each other, these would be the same.
  expect(committed).not.toEqual(sent.map(({ id }) => id))
})

interface Sent {
  who: string
  id: string
  text: string
  socket: MllpSocket
}

/** Sends one after the other as fast as the doors read, while the store is slow; each is taken in. */
async function sendAll(stream: readonly Sent[]): Promise<void> {
  await slowedDown(
    () => wait(20 + random(40)),
    async () => {
      const answers: Promise<[string, string]>[] = []
      for (const { text, socket } of stream) {
        socket.send(text)
        answers.push(acknowledged(socket))
        await immediate()
        await wait(random(4))
      }
      const codes = await Promise.all(answers)
      expect(codes.filter(([code]) => code !== 'AA')).toEqual([])
    },
  )
}

it('of one patient keeps its order under all numbers, through a merge, and answered without naming the patient', async () => {
  const writers = await Promise.all(Array.from({ length: 5 }, () => dial()))
  const pharmacies = [await dial('127.0.0.2'), await dial('127.0.0.2')]
  const adt = await dial('127.0.0.3')
  const write = async (id: string, text: string) => {
    writers[0]?.send(text)
    expect(await acknowledged(writers[0] as MllpSocket)).toEqual(['AA', id])
  }
  const number = (value: string) => `${value}^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^MR`
  const both = `${number('L')}~${number('ALT')}`
  const merge = (id: string, survivor: string, replaced: string) =>
    [
      `MSH|^~\\&|ADT|NORTHSIDE|POSTERN|HUB|20260105090000-0600||ADT^A40^ADT_A39|${id}|P|2.5.1`,
      'EVN|A40|20260105090000-0600',
      `PID|1||${survivor}`,
      `MRG|${replaced}`,
    ].join('\r')
  const answer = (id: string, order: string) =>
    fixture('order-answer/us-number-assigned-no-patient.in.hl7')
      .replace(/\r?\n/g, '\r')
      .replace(/RRE-2026\d+-\d+/, id)
      .replaceAll('RX-88001', `RX-${order}`)
  // One patient under three numbers: two of one record, one of a record that it took the place of.
  await write('OWN-0', orderFor('L', 'OWN-0').replace(number('L'), both))
  for (let index = 1; index < 6; index++) await write(`OWN-${index}`, orderFor('L', `OWN-${index}`))
  for (let index = 6; index < 12; index++) await write(`OWN-${index}`, orderFor('M', `OWN-${index}`))
  await write('OTHER-N', orderFor('N', 'OTHER-N'))
  await write('OTHER-P', orderFor('P', 'OTHER-P'))
  adt.send(merge('MERGE-0', both, number('M')))
  expect(await acknowledged(adt)).toEqual(['AA', 'MERGE-0'])
  for (const socket of [...writers, ...pharmacies]) {
    socket.send('MSH|^~\\&|A|B|C|D|20260105||ZZZ^Z01|HELLO|P|2.5.1')
    await acknowledged(socket)
  }
  committed.length = 0

  let count = 0
  const anyOf = <T>(items: readonly T[]) => items[random(items.length)] as T
  const placed = (who: string, patient: string): Sent => {
    count += 1
    const id = `${who}-${count}`
    return { who, id, text: orderFor(patient, id), socket: anyOf(writers) }
  }
  const half = (first: number) => {
    const own = Array.from({ length: 14 }, () => placed('ONE', anyOf(['L', 'M', 'ALT'])))
    const answers = Array.from({ length: 6 }, (_, index): Sent => {
      const id = `ONE-A${first + index}`
      return { who: 'ONE', id, text: answer(id, `OWN-${first + index}`), socket: anyOf(pharmacies) }
    })
    const merging = [...'NNNPPP'].map((patient) => placed('TWO', patient))
    const others = Array.from({ length: 20 }, (_, index) => placed('X', `X${first + index}`))
    return shuffled([...own, ...answers, ...merging, ...others])
  }
  const [before, after] = [half(0), half(6)]
  const merged: Sent = {
    who: 'TWO',
    id: 'TWO-MERGE',
    text: merge('TWO-MERGE', number('N'), number('P')),
    socket: adt,
  }
  const stream = [...before, merged, ...after]
  await sendAll(stream)

  const idsOf = (messages: readonly Sent[], who: string) =>
    messages.filter((each) => each.who === who).map(({ id }) => id)
  const told = (who: string) => committed.filter((id) => id.startsWith(`${who}-`))
  expect(told('ONE')).toEqual(idsOf(stream, 'ONE'))
  // Two patients until the merge came, one from then on.
  expect(told('TWO').slice(0, 6).sort()).toEqual(idsOf(before, 'TWO').sort())
  expect(told('TWO').slice(6)).toEqual(['TWO-MERGE', ...idsOf(after, 'TWO')])
  expect(told('X')).toHaveLength(40)
  const lastOf = (who: string) => committed.findLastIndex((id) => id.startsWith(`${who}-`))
  expect(lastOf('X')).toBeLessThan(lastOf('ONE'))
}, 60_000)

it('of different patients does not wait, not even on one connection, where answers keep their order', async () => {
  const socket = await dial()
  const last = Promise.withResolvers<void>()
  scene.clinic.store.onCommit(({ receipt }) => {
    if (receipt?.messageId.startsWith('FREE-2@')) last.resolve()
  })
  const codes = await slowedDown(
    (id) => (id === 'STUCK-1' ? last.promise : Promise.resolve()),
    async () => {
      socket.write(
        [
          orderFor('MRN-E', 'STUCK-1'),
          orderFor('MRN-F', 'FREE-1'),
          orderFor('MRN-E', 'STUCK-2'),
          orderFor('MRN-G', 'FREE-2'),
        ]
          .map((message) => `\u000b${message}\u001c\r`)
          .join(''),
      )
      return [
        await acknowledged(socket),
        await acknowledged(socket),
        await acknowledged(socket),
        await acknowledged(socket),
      ]
    },
  )
  expect(committed.slice(-2)).toEqual(['STUCK-1', 'STUCK-2'])
  expect(committed.slice(0, 2).sort()).toEqual(['FREE-1', 'FREE-2'])
  expect(codes.map(([, id]) => id)).toEqual(['STUCK-1', 'FREE-1', 'STUCK-2', 'FREE-2'])
})

it('in one batch is answered in order, and a message that fails holds nobody up', async () => {
  const socket = await dial()
  const broken = orderFor('MRN-H', 'BATCH-1').replace('|P|2.5.1', '|T|2.5.1')
  const batch = [
    broken,
    orderFor('MRN-H', 'BATCH-2'),
    orderFor('MRN-I', 'BATCH-3'),
    orderFor('MRN-H', 'BATCH-4'),
  ]
  await slowedDown(
    () => wait(random(30)),
    async () => {
      socket.send(
        `FHS|^~\\&\rBHS|^~\\&\r${batch.map((each) => each.replace(/\r?$/, '\r')).join('')}BTS|4\rFTS|1\r`,
      )
      const answers = [
        await acknowledged(socket),
        await acknowledged(socket),
        await acknowledged(socket),
        await acknowledged(socket),
      ]
      expect(answers).toEqual([
        ['AR', 'BATCH-1'],
        ['AA', 'BATCH-2'],
        ['AA', 'BATCH-3'],
        ['AA', 'BATCH-4'],
      ])
    },
  )
  expect(committed.filter((id) => id !== 'BATCH-3')).toEqual(['BATCH-2', 'BATCH-4'])
})

it('under the same control id from another system behind the same partner is another message', async () => {
  const socket = await dial()
  socket.send(orderFor('MRN-J', 'SAME-1'))
  expect(await acknowledged(socket)).toEqual(['AA', 'SAME-1'])
  const other = orderFor('MRN-J', 'SAME-1')
    .replace('|RXWRITER|', '|WARDS|')
    .replaceAll('RX-SAME-1', 'RX-WARD-1')
  socket.send(other)
  const first = await socket.next()
  expect(fieldsOf(first, 'MSA').slice(1, 3)).toEqual(['AA', 'SAME-1'])
  // Each is known by its own: the same again is answered byte for byte, another body under it is refused.
  socket.send(other)
  expect(await socket.next()).toBe(first)
  socket.send(other.replace('at most 8', 'at most 6'))
  expect(await acknowledged(socket)).toEqual(['AR', 'SAME-1'])
  expect(committed).toEqual(['SAME-1', 'SAME-1'])
})

it('is the same message in a batch and out of it, whatever ends its segments', async () => {
  const socket = await dial()
  const text = orderFor('MRN-K', 'TWICE-1').replace(/\r*$/, '')
  const forms = [
    text,
    `${text}\r`,
    text.replaceAll('\r', '\r\n'),
    `FHS|^~\\&\rBHS|^~\\&\r${text}\r${orderFor('MRN-K', 'TWICE-2').replace(/\r*$/, '\r')}BTS|2\rFTS|1\r`,
  ]
  for (const form of forms) {
    socket.send(form)
    expect(await acknowledged(socket)).toEqual(['AA', 'TWICE-1'])
  }
  expect(await acknowledged(socket)).toEqual(['AA', 'TWICE-2'])
  expect(committed).toEqual(['TWICE-1', 'TWICE-2'])
  socket.send(text.replace('at most 8', 'at most 6'))
  expect(await acknowledged(socket)).toEqual(['AR', 'TWICE-1'])
})

function random(below: number): number {
  return Math.floor(Math.random() * below)
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item)
}
