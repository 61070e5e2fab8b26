import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Hl7Message } from '@medplum/core'
import { Hl7Client } from '@medplum/hl7'
import { afterEach, expect, it } from 'vitest'
import { acknowledgements } from '#formats/hl7v2/ack.ts'
import { frameOf } from '#formats/hl7v2/frames.ts'
import { readMessage } from '#formats/hl7v2/message.ts'
import { type MllpServer, startMllp } from '#inbound/mllp.ts'
import type { MllpDiscard, MllpOptions } from '#inbound/mllp-connection.ts'
import { createMllpClient, sendMllp } from '#outbound/mllp-client.ts'
import { makeCertificates } from './certificates.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

let ids = 0
const own = { controlId: () => `ACK${++ids}`, now: () => 0 }
const utf8 = (text: string) => new TextEncoder().encode(text)
const message = (id: string, note = 'é') =>
  `MSH|^~\\&|CLINIC|NORTH|POSTERN|HUB|20250101||RDE^O11^RDE_O11|${id}|P|2.5.1||||||UNICODE UTF-8\rNTE|1||${note}\r`
const framed = (text: string) => frameOf(utf8(text))

interface Running {
  server: MllpServer
  received: string[]
  discarded: MllpDiscard[]
}

async function serve(options: Partial<MllpOptions<string>> = {}): Promise<Running> {
  const received: string[] = []
  const discarded: MllpDiscard[] = []
  const server = await startMllp<string>({
    port: 0,
    host: '127.0.0.1',
    identify: () => 'partner',
    discarded: (event) => discarded.push(event),
    own,
    async handle(bytes) {
      const text = new TextDecoder().decode(bytes)
      received.push(text)
      return acknowledgements(readMessage(text), {}, own).map(utf8)
    },
    ...options,
  })
  closing.push(() => server.close(500))
  return { server, received, discarded }
}

interface Peer {
  socket: Socket
  text(): string
  acks(): string[]
  until(condition: () => boolean): Promise<void>
  closed: Promise<void>
}

function dial(port: number): Peer {
  const socket = connect({ port, host: '127.0.0.1' })
  closing.push(() => socket.destroy())
  return watched(socket)
}

function watched(socket: Socket): Peer {
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return {
    socket,
    text: () => text,
    acks: () => [...text.matchAll(/MSA\|(\w\w)\|?([^|\r]*)/g)].map((found) => `${found[1]} ${found[2]}`),
    closed,
    until: (condition) => until(condition),
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('waited too long')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

it('a message is acknowledged with the sides exchanged (N1)', async () => {
  const { server } = await serve()
  const peer = dial(server.port)
  peer.socket.write(framed(message('M1')))
  await peer.until(() => peer.acks().length === 1)
  expect(peer.text().replace(/ACK\d+/, 'NEW')).toBe(
    '\u000bMSH|^~\\&|POSTERN|HUB|CLINIC|NORTH|19700101000000+0000||ACK^O11^ACK|NEW|P|2.5.1||||||UNICODE UTF-8\r' +
      'MSA|AA|M1\r\u001c\r',
  )
})

it('messages in one write are each answered, in order, however long each takes (N2, N10)', async () => {
  const { server, received } = await serve({
    async handle(bytes) {
      const each = readMessage(new TextDecoder().decode(bytes))
      received.push(each.segments[1]?.text ?? '')
      await new Promise((resolve) => setTimeout(resolve, received.length === 1 ? 50 : 1))
      return acknowledgements(each, {}, own).map(utf8)
    },
  })
  const peer = dial(server.port)
  peer.socket.write(Buffer.concat(['1', '2', '3', '4', '5'].map((id) => framed(message(id)))))
  await peer.until(() => peer.acks().length === 5)
  expect(peer.acks()).toEqual(['AA 1', 'AA 2', 'AA 3', 'AA 4', 'AA 5'])
})

it('a frame split anywhere, even within a character, arrives whole (N3)', async () => {
  const { server, received } = await serve()
  const peer = dial(server.port)
  for (const byte of framed(message('S'))) {
    peer.socket.write(Uint8Array.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await peer.until(() => peer.acks().length === 1)
  expect(received).toEqual([message('S')])
})

it('junk between frames is refused once and the frames beside it are taken (N4)', async () => {
  const { server, received, discarded } = await serve()
  const peer = dial(server.port)
  peer.socket.write(
    Buffer.concat([framed(message('1')), utf8('\r\nrubbish'), utf8('more'), framed(message('2'))]),
  )
  await peer.until(() => peer.acks().length === 3)
  expect(peer.acks()).toEqual(['AA 1', 'AR ', 'AA 2'])
  expect(received).toHaveLength(2)
  expect(discarded).toMatchObject([{ reason: 'junk' }])
})

it('FS without CR is refused in time and never delivered (N5)', async () => {
  const { server, received, discarded } = await serve({ limits: { stallMs: 50 } })
  const peer = dial(server.port)
  peer.socket.write(framed(message('1')).subarray(0, -1))
  await peer.closed.catch(() => {})
  expect(peer.acks()).toEqual(['AR '])
  expect(received).toEqual([])
  expect(discarded).toMatchObject([{ reason: 'stalled' }])
})

it('an FS inside of a message does not cut it short', async () => {
  const { server, received } = await serve()
  const peer = dial(server.port)
  peer.socket.write(framed(message('1', 'a\u001cb')))
  await peer.until(() => peer.acks().length === 1)
  expect(received).toEqual([message('1', 'a\u001cb')])
})

it.each(['end', 'reset'])(
  'a truncated frame is never delivered, and the audit learns of it: %s (N6)',
  async (how) => {
    const { server, received, discarded } = await serve()
    const peer = dial(server.port)
    peer.socket.write(Buffer.concat([framed(message('1')), framed(message('2')).subarray(0, 100)]))
    await peer.until(() => peer.acks().length === 1)
    if (how === 'end') peer.socket.end()
    else peer.socket.resetAndDestroy()
    await until(() => discarded.length === 1)
    expect(discarded).toMatchObject([{ reason: 'partial', size: 99 }])
    expect(received).toEqual([message('1')])
  },
)

it('a sender that closes its side still gets the answers it waits for', async () => {
  const { server } = await serve()
  const peer = dial(server.port)
  peer.socket.end(Buffer.concat([framed(message('1')), framed(message('2'))]))
  await peer.closed
  expect(peer.acks()).toEqual(['AA 1', 'AA 2'])
})

it('frames without MSH, empty ones and ones broken off are refused, and the next is taken (N7)', async () => {
  const { server, received, discarded } = await serve()
  const peer = dial(server.port)
  const broken = framed(message('0')).subarray(0, 40)
  peer.socket.write(Buffer.concat([framed('PID|1\r'), framed(''), broken, framed(message('1'))]))
  await peer.until(() => peer.acks().length === 4)
  expect(peer.acks()).toEqual(['AR ', 'AR ', 'AR ', 'AA 1'])
  expect(discarded.map((event) => event.reason)).toEqual(['no-header', 'no-header', 'restarted'])
  expect(received).toEqual([message('1')])
})

it('a batch frame reaches the handler, which may answer several times (N7, N19)', async () => {
  const { server } = await serve({ handle: async () => [utf8('one\r'), utf8('two\r')] })
  const peer = dial(server.port)
  peer.socket.write(framed(`FHS|^~\\&\r${message('1')}${message('2')}FTS|1\r`))
  await peer.until(() => peer.text().includes('two'))
  expect(peer.text()).toBe('\u000bone\r\u001c\r\u000btwo\r\u001c\r')
})

it('a handler that rejects is answered AE under the control id of the sender (N8, N11, N12)', async () => {
  const { server } = await serve({
    handle: async () => {
      throw new Error('DOE^JANE')
    },
  })
  const peer = dial(server.port)
  peer.socket.write(Buffer.concat([framed(message('77')), framed('MSH|^~\\&|\r')]))
  await peer.until(() => peer.acks().length === 2)
  expect(peer.acks()).toEqual(['AE 77', 'AE '])
  expect(peer.text()).not.toContain('JANE')
})

it.each([
  ['a frame over the limit', Buffer.concat([Uint8Array.of(0x0b), Buffer.alloc(40_000, 65)])],
  ['data without end and without frame', Buffer.alloc(5_000_000, 65)],
])('%s is refused, its connection closed, and the server stays (N9)', async (_name, bytes) => {
  const { server } = await serve({ limits: { maxBytes: 20_000 } })
  const peer = dial(server.port)
  peer.socket.write(bytes)
  await peer.closed
  expect(peer.acks()).toEqual(['AR '])
  const next = dial(server.port)
  next.socket.write(framed(message('after')))
  await next.until(() => next.acks().length === 1)
})

it('an idle half frame is refused and closed, however slowly bytes trickle (N20)', async () => {
  const { server, discarded } = await serve({ limits: { stallMs: 1000, frameMs: 100 } })
  const peer = dial(server.port)
  peer.socket.write(framed(message('1')).subarray(0, 20))
  const trickle = setInterval(() => peer.socket.write('x'), 20)
  await until(() => discarded.length > 0)
  clearInterval(trickle)
  await peer.closed
  expect(discarded).toMatchObject([{ reason: 'stalled' }])
})

it('an acknowledgement is never answered (N16)', async () => {
  const { server, received } = await serve()
  const peer = dial(server.port)
  peer.socket.write(framed('MSH|^~\\&|A|B|C|D|||ACK^O11^ACK|9|P|2.5.1\rMSA|AA|1\r'))
  peer.socket.write(framed(message('1')))
  await peer.until(() => peer.acks().length === 1)
  expect(peer.acks()).toEqual(['AA 1'])
  expect(received).toHaveLength(2)
})

it.each([
  ['AL', 'AL', ['CA 1', 'AA 1', 'AA 2']],
  ['AL', 'NE', ['CA 1', 'AA 2']],
  ['NE', 'AL', ['AA 1', 'AA 2']],
  ['NE', 'NE', ['AA 2']],
  ['ER', 'ER', ['AA 2']],
  ['SU', 'ER', ['CA 1', 'AA 2']],
  ['NE', 'SU', ['AA 1', 'AA 2']],
])(
  'MSH-15 %s and MSH-16 %s decide what is answered, and the next message waits for none of it (N13)',
  async (accept, application, expected) => {
    const { server } = await serve()
    const peer = dial(server.port)
    const enhanced = message('1')
      .replace('|2.5.1|||', `|2.5.1|||${accept}|${application}`)
      .replace('|||UNICODE', '||UNICODE')
    peer.socket.write(Buffer.concat([framed(enhanced), framed(message('2'))]))
    await peer.until(() => peer.acks().includes('AA 2'))
    expect(peer.acks()).toEqual(expected)
  },
)

it('our client and our server together exchange one message and one answer, and are silent then (N16)', async () => {
  const { server, received, discarded } = await serve()
  const client = createMllpClient()
  closing.push(client.close)
  const answer = await client.send({ host: '127.0.0.1', port: server.port, timeoutMs: 1000 }, message('1'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect([answer.code, received.length, discarded.length]).toEqual(['AA', 1, 0])
})

it('fifty messages of one client leave no listeners behind (N18)', async () => {
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  closing.push(() => process.off('warning', listen))
  const { server, received } = await serve()
  const client = createMllpClient()
  closing.push(client.close)
  for (let n = 0; n < 50; n++)
    await client.send({ host: '127.0.0.1', port: server.port, timeoutMs: 1000 }, message(`L${n}`))
  await new Promise((resolve) => setImmediate(resolve))
  expect(received).toHaveLength(50)
  expect(warnings).toEqual([])
})

it('eight connections that each wait for their answer are all served to the end (N22)', async () => {
  const { server, received } = await serve()
  const all = Array.from({ length: 8 }, async (_none, c) => {
    const peer = dial(server.port)
    for (let n = 1; n <= 25; n++) {
      peer.socket.write(framed(message(`${c}-${n}`)))
      await peer.until(() => peer.acks().length === n)
    }
    return peer.acks()
  })
  for (const [c, acks] of (await Promise.all(all)).entries())
    expect(acks).toEqual(Array.from({ length: 25 }, (_none, n) => `AA ${c}-${n + 1}`))
  expect(received).toHaveLength(200)
})

it('closing answers what was received whole and tells of the rest', async () => {
  const { server, discarded } = await serve({
    async handle(bytes) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      return acknowledgements(readMessage(new TextDecoder().decode(bytes)), {}, own).map(utf8)
    },
  })
  const peer = dial(server.port)
  peer.socket.write(
    Buffer.concat([framed(message('1')), framed(message('2')), framed(message('3')).subarray(0, 9)]),
  )
  await until(() => peer.socket.bytesWritten > 200)
  await new Promise((resolve) => setTimeout(resolve, 20))
  await server.close(5000)
  expect(peer.acks()).toEqual(['AA 1', 'AA 2'])
  expect(discarded).toMatchObject([{ reason: 'partial', size: 8 }])
})

it('a sender that does not read is not read from either', async () => {
  const { server, received } = await serve({ limits: { maxWaiting: 2 }, handle: () => new Promise(() => {}) })
  const peer = dial(server.port)
  const big = framed(message('1', 'x'.repeat(1_000_000)))
  for (let i = 0; i < 40; i++) peer.socket.write(big)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(peer.socket.bytesWritten).toBeGreaterThan(0)
  expect(peer.socket.writableLength).toBeGreaterThan(10_000_000)
  expect(received).toEqual([])
})

it('a peer that nobody knows is closed before anything is read', async () => {
  const { server, received, discarded } = await serve({ identify: () => undefined })
  const peer = dial(server.port)
  peer.socket.write(framed(message('1')))
  await peer.closed
  expect(received).toEqual([])
  expect(discarded).toMatchObject([{ reason: 'unknown-peer' }])
})

it('a 10 MB observation in small chunks is taken in time linear to its size (N21)', async () => {
  const { server, received } = await serve()
  const peer = dial(server.port)
  const bytes = framed(message('big', 'y'.repeat(10_000_000)))
  for (let at = 0; at < bytes.length; at += 1460) peer.socket.write(bytes.subarray(at, at + 1460))
  await peer.until(() => peer.acks().length === 1)
  expect(received[0]?.length).toBe(message('big', 'y'.repeat(10_000_000)).length)
})

it('a taken port rejects', async () => {
  const { server } = await serve()
  await expect(serve({ port: server.port })).rejects.toThrow('EADDRINUSE')
})

it('a foreign client gets its acknowledgement', async () => {
  const { server, received } = await serve()
  const client = new Hl7Client({ host: '127.0.0.1', port: server.port })
  const ack = await client.sendAndWait(
    Hl7Message.parse(message('MED1')) as unknown as Parameters<typeof client.sendAndWait>[0],
  )
  await client.close()
  expect(ack.getSegment('MSA')?.toString()).toBe('MSA|AA|MED1')
  expect(received[0]?.replace(/\r$/, '')).toBe(message('MED1').replace(/\r$/, ''))
})

it('over mutual TLS the peer is known by its certificate, and none without one is served (N17)', async () => {
  const made = makeCertificates()
  const names: (string | undefined)[] = []
  const { server, discarded } = await serve({
    tls: { key: made.serverKey, cert: made.server, ca: made.ca },
    identify(remote) {
      names.push(remote.certificate?.name)
      return remote.certificate ? 'partner' : undefined
    },
  })
  const target = { host: 'localhost', port: server.port, timeoutMs: 3000 }
  const tls = { ca: made.ca, key: made.clientKey, cert: made.client }
  expect((await sendMllp({ ...target, host: '127.0.0.1', tls }, message('T1'))).code).toBe('AA')
  expect(names).toEqual(['client.example'])

  await expect(
    sendMllp({ ...target, host: '127.0.0.1', tls: { ca: made.ca } }, message('T2')),
  ).rejects.toThrow('mllp-')
  const old = connectTls({
    ...tls,
    port: server.port,
    host: '127.0.0.1',
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
  })
  await watched(old).closed
  expect(discarded[0]).toMatchObject({ reason: 'tls' })
  expect(names).toHaveLength(1)
})
