import { createServer, type Socket } from 'node:net'
import { Hl7Server } from '@medplum/hl7'
import { afterEach, expect, it, vi } from 'vitest'
import { frameOf } from '#formats/hl7v2/frames.ts'
import { createMllpClient, sendMllp } from '#outbound/mllp-client.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const order = 'MSH|^~\\&|POSTERN|HUB|PHARM|X|20250101||RDE^O11^RDE_O11|M1|P|2.5.1\rORC|NW|1\r'
const framed = (text: string) => frameOf(new TextEncoder().encode(text))
const answer = (code: string, id: string, type = 'ACK^O11^ACK') =>
  framed(`MSH|^~\\&|PHARM|X|POSTERN|HUB|20250101||${type}|A1|P|2.5.1\rMSA|${code}|${id}\r`)

/** A receiver that does what it is told with each connection. */
async function receiver(behave: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => behave(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

const send = (port: number, text = order) => sendMllp({ host: '127.0.0.1', port, timeoutMs: 300 }, text)

it.each(['ACK^O11^ACK', 'RRE^O12^RRE_O12', 'ORP^O10'])(
  'an answer of type %s is taken (N14)',
  async (type) => {
    const port = await receiver((socket) => socket.write(answer('AA', 'M1', type)))
    const { message, code } = await send(port)
    expect(code).toBe('AA')
    expect(message).toContain(type)
  },
)

it.each(['AE', 'AR', 'CE', 'CR', 'CA'])('%s is handed on as it came', async (code) => {
  const port = await receiver((socket) => socket.write(answer(code, 'M1')))
  expect((await send(port)).code).toBe(code)
})

it('a late or foreign answer is never taken for ours', async () => {
  const port = await receiver((socket) =>
    socket.write(Buffer.concat([answer('AA', 'M0'), answer('AR', 'M1')])),
  )
  expect((await send(port)).code).toBe('AR')
  const silent = await receiver((socket) => socket.write(answer('AA', 'OTHER')))
  await expect(send(silent)).rejects.toMatchObject({ kind: 'unavailable', message: 'mllp-timeout' })
})

it('where an application acknowledgement was asked for, CA is not yet the answer', async () => {
  const enhanced = order.replace('|2.5.1', '|2.5.1|||AL|AL')
  const port = await receiver((socket) => {
    socket.write(answer('CA', 'M1'))
    setTimeout(() => socket.write(answer('AE', 'M1')), 20)
  })
  expect((await send(port, enhanced)).code).toBe('AE')
})

it.each<[string, (socket: Socket) => void]>([
  ['mllp-timeout', () => {}],
  ['mllp-closed', (socket) => socket.end()],
  ['mllp-reset', (socket) => socket.resetAndDestroy()],
  ['mllp-junk', (socket) => socket.end('HTTP/1.1 400 Bad Request')],
  ['mllp-junk', (socket) => socket.end(answer('AA', 'M1').subarray(0, 60))],
  ['mllp-junk', (socket) => socket.write(Buffer.alloc(2_000_000, 65))],
])('%s is said of a receiver that answers no better (N15)', async (reason, behave) => {
  await expect(send(await receiver(behave))).rejects.toMatchObject({ kind: 'unavailable', message: reason })
})

it('a port where nobody listens is mllp-refused', async () => {
  const port = await receiver(() => {})
  await closing.splice(0).pop()?.()
  await expect(send(port)).rejects.toMatchObject({ kind: 'unavailable', message: 'mllp-refused' })
})

it('a foreign server takes the message and its acknowledgement is ours', async () => {
  const received: string[] = []
  const server = new Hl7Server((connection) => {
    connection.addEventListener('message', (event) => {
      received.push(event.message.toString())
      connection.send(event.message.buildAck())
    })
  })
  // Its type says void; it needs a port of its own choosing here.
  const port = 20_000 + (process.pid % 20_000)
  await server.start(port)
  closing.push(() => server.stop())
  expect((await send(port)).code).toBe('AA')
  expect(received[0]).toContain('ORC|NW|1')
})

/** A receiver that counts its connections and notes when it reads what; it answers after `answerMs`. */
async function counting(answerMs: number) {
  const seen = { connections: 0, underway: 0, most: 0, order: [] as string[], sockets: [] as Socket[] }
  const server = createServer((socket) => {
    seen.connections += 1
    seen.sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      for (const [, id = ''] of chunk.toString().matchAll(/\|RDE\^O11\^RDE_O11\|(\w+)\|/g)) {
        seen.underway += 1
        seen.most = Math.max(seen.most, seen.underway)
        seen.order.push(id)
        setTimeout(() => {
          seen.underway -= 1
          socket.write(answer('AA', id))
        }, answerMs)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  closing.push(() => {
    for (const socket of seen.sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  return { seen, port: typeof address === 'object' && address ? address.port : 0 }
}

function clientFor(port: number, more: object = {}, settings: object = {}) {
  const client = createMllpClient(settings)
  closing.push(client.close)
  return (id: string) =>
    client.send({ host: '127.0.0.1', port, timeoutMs: 1_000, ...more }, order.replace('|M1|', `|${id}|`))
}

const ids = ['A1', 'A2', 'A3', 'A4', 'A5', 'A6']

it('a connection is kept for the next message, and one message waits for the answer to the one before', async () => {
  const { seen, port } = await counting(10)
  const sending = clientFor(port)
  const answers = await Promise.all(ids.map(sending))
  expect(answers.map(({ code }) => code)).toEqual(ids.map(() => 'AA'))
  expect(seen).toMatchObject({ connections: 1, most: 1, order: ids })
})

it('a partner that takes several connections, or several messages on one, gets them beside each other', async () => {
  const several = await counting(30)
  await Promise.all(ids.map(clientFor(several.port, { connections: 3 })))
  expect(several.seen).toMatchObject({ connections: 3, most: 3 })
  const piped = await counting(30)
  await Promise.all(ids.map(clientFor(piped.port, { pipeline: 3 })))
  expect(piped.seen).toMatchObject({ connections: 1, most: 3, order: ids })
})

it('a connection that the receiver closed while it lay idle is no failure of the next message', async () => {
  const { seen, port } = await counting(1)
  const sending = clientFor(port)
  await sending('A1')
  for (const socket of seen.sockets) socket.resetAndDestroy()
  expect((await sending('A2')).code).toBe('AA')
  expect(seen).toMatchObject({ connections: 2, order: ['A1', 'A2'] })
})

it('a connection on which nothing is sent is closed after a while', async () => {
  const { seen, port } = await counting(1)
  const sending = clientFor(port, {}, { idleMs: 30 })
  await sending('A1')
  await vi.waitFor(() => expect(seen.sockets[0]?.destroyed).toBe(true), { timeout: 10_000 })
  expect((await sending('A2')).code).toBe('AA')
})

it('after an answer that did not come the connection is not used again: a late answer is nobody’s', async () => {
  const { seen, port } = await counting(200)
  const sending = clientFor(port, { timeoutMs: 100 })
  await expect(sending('A1')).rejects.toMatchObject({ message: 'mllp-timeout' })
  await expect(sending('A2')).rejects.toMatchObject({ message: 'mllp-timeout' })
  expect(seen.connections).toBe(2)
})

it('a receiver that is away is not asked again at once, by whomever', async () => {
  const { port } = await counting(1)
  await closing.splice(0).pop()?.()
  const sending = clientFor(port, {}, { backoff: { baseMs: 150, capMs: 1_000 } })
  await expect(sending('A1')).rejects.toMatchObject({ message: 'mllp-refused' })
  const before = performance.now()
  await expect(sending('A2')).rejects.toMatchObject({ message: 'mllp-refused' })
  expect(performance.now() - before).toBeGreaterThan(100)
})

it('a character that the receiver’s character set lacks is refused, not replaced', async () => {
  const { seen, port } = await counting(1)
  const client = createMllpClient()
  closing.push(client.close)
  const target = { host: '127.0.0.1', port, timeoutMs: 1_000, charset: 'iso-8859-2' }
  await expect(client.send(target, `${order}NTE|1||\u03b1-Tocopherol\r`)).rejects.toMatchObject({
    kind: 'unsupported',
  })
  expect((await client.send(target, `${order}NTE|1||Łódź\r`)).code).toBe('AA')
  expect(seen.order).toEqual(['M1'])
})
