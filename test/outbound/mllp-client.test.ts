import { createServer, type Socket } from 'node:net'
import { Hl7Server } from '@medplum/hl7'
import { afterEach, expect, it } from 'vitest'
import { frameOf } from '#formats/hl7v2/frames.ts'
import { sendMllp } from '#outbound/mllp-client.ts'

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
    const { ack, code } = await send(port)
    expect(code).toBe('AA')
    expect(ack).toContain(type)
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
