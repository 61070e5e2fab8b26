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
  scene.clinic.store.onCommit(({ receipt }: CommitUnit) => {
    if (receipt) committed.push(receipt.messageId.replace(/@.*/, ''))
  })
})
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.end()
  committed.length = 0
})
afterAll(() => scene.clinic.close())

async function dial(): Promise<MllpSocket> {
  const socket = await openMllp(scene.clinic.mllpPort ?? 0)
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
  const connections = await Promise.all(Array.from({ length: 8 }, dial))
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
