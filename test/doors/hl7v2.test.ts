import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Hl7Message } from '@medplum/core'
import { Hl7Client } from '@medplum/hl7'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { registerClient } from '#auth/clients.ts'
import { systemPorts } from '../../src/node.ts'
import { rowCounts } from './at-rest.ts'
import { fieldsOf, openMllp } from './mllp-socket.ts'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

const mllpSend = spawnSync('mllp_send', ['--version']).status === 0

let scene: Scene
let port: number
beforeAll(async () => {
  scene = await openScene()
  port = scene.clinic.mllpPort ?? 0
  await partner({ active: true })
})
afterAll(() => scene.clinic.close())

/** The prescribing system on the other end of MLLP, known by its address. */
async function partner({ active }: { active: boolean }): Promise<void> {
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
      active,
      hl7v2: { addresses: ['127.0.0.1'], timeZone: 'America/Chicago' },
    },
    { requestId: 'test-setup', at: systemPorts.clock.now() },
  )
}

/** A fixture as a message of its own: another control id and another placer order number. */
function order(name: string, controlId: string, changes: [string, string][] = []): string {
  const text = fixture(`prescription-order/${name}.in.hl7`).replace(/\r?\n/g, '\r')
  const named = text
    .replace(/RDE-20260105-\d+/, controlId)
    .replace(/\|B\d\|/, `|${controlId}|`)
    .replace(/RX-8800\d/g, `RX-${controlId}`)
  return changes.reduce((message, [from, to]) => message.replace(from, to), named)
}

async function ordersOf(controlId: string) {
  const value = encodeURIComponent(`urn:oid:2.16.840.1.113883.19.6.1|RX-${controlId}`)
  const found = await scene.ehr.request('GET', `/fhir/MedicationRequest?identifier=${value}`)
  expect(found.status).toBe(200)
  return resourcesOf(found.body)
}

const post = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  scene.platform.request('POST', '/ingest/hl7v2', body, { 'content-type': 'application/hl7-v2', ...headers })

/** Sends on a connection of its own and takes one answer. */
async function exchange(message: string): Promise<string> {
  const socket = await openMllp(port)
  socket.send(message)
  const answer = await socket.next()
  socket.end()
  return answer
}

describe('an RDE^O11 over HTTP', () => {
  it('is answered CA and AA in enhanced mode, and the EHR reads the order', async () => {
    const answer = await post(order('us-simple', 'HTTP-1'))
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/hl7-v2')
    expect(answer.text).toMatch(/MSA\|CA\|HTTP-1\r[\s\S]*MSA\|AA\|HTTP-1/)
    const controlIds = answer.text.match(/^MSH.*$/gm)?.map((header) => header.split('|')[9])
    expect(new Set(controlIds).size).toBe(2)
    const orders = await ordersOf('HTTP-1')
    expect(orders).toHaveLength(1)
    expect(orders[0]).toMatchObject({ status: 'active', subject: { reference: scene.patient } })
  })

  it('with RXO and RXE makes two orders, the second based on the first', async () => {
    const answer = await post(order('us-placed-and-encoded', 'HTTP-2'))
    expect(answer.text).toContain('MSA|AA|HTTP-2')
    const orders = await ordersOf('HTTP-2')
    expect(orders.map((each) => each.intent).sort()).toEqual(['filler-order', 'original-order'])
    const original = orders.find((each) => each.intent === 'original-order')
    const filler = orders.find((each) => each.intent === 'filler-order')
    expect(filler.basedOn).toEqual([{ reference: `MedicationRequest/${original.id}` }])
    expect(original.dosageInstruction[0].doseAndRate[0].doseRange).toMatchObject({
      low: { value: 0.5, unit: 'g' },
    })
    expect(filler.dosageInstruction[0].doseAndRate[0].doseQuantity).toMatchObject({ value: 2 })
  })

  it('needs a token and the media type', async () => {
    const open = await fetch(`${scene.clinic.baseUrl}/ingest/hl7v2`, {
      method: 'POST',
      headers: { 'content-type': 'application/hl7-v2' },
      body: order('us-simple', 'HTTP-3'),
    })
    expect(open.status).toBe(401)
    expect((await post(order('us-simple', 'HTTP-3'), { 'content-type': 'text/plain' })).status).toBe(415)
    expect(await ordersOf('HTTP-3')).toEqual([])
  })

  it('of a role that hands in no orders is answered AR', async () => {
    const answer = await scene.pharmacy.request(
      'POST',
      '/ingest/hl7v2',
      order('us-placed-and-encoded', 'HTTP-4'),
      {
        'content-type': 'application/hl7-v2',
      },
    )
    expect(answer.text).toContain('MSA|AR|HTTP-4')
    expect(answer.text).not.toContain('MSA|AA|')
    expect(await ordersOf('HTTP-4')).toEqual([])
  })
})

describe('an RDE^O11 over MLLP', () => {
  it('is durable when it is acknowledged', async () => {
    const socket = await openMllp(port)
    socket.send(order('us-placed-and-encoded', 'MLLP-1'))
    const answer = await socket.next()
    // On the very moment of the answer: what is in the file, not in a cache.
    const counted = rowCounts(scene.clinic.folder)
    expect(fieldsOf(answer, 'MSA').slice(1, 3)).toEqual(['AA', 'MLLP-1'])
    expect(fieldsOf(answer, 'MSH').slice(3, 7)).toEqual([
      'POSTERN',
      'HUB',
      'RXWRITER',
      'NORTHSIDE^2.16.840.1.113883.19.6^ISO',
    ])
    expect(await ordersOf('MLLP-1')).toHaveLength(2)
    expect(rowCounts(scene.clinic.folder).version).toBe(counted.version)
    socket.end()
    await socket.closed
  })

  it('is taken from a foreign sender too', async () => {
    const client = new Hl7Client({ host: '127.0.0.1', port })
    try {
      // Two copies of its core package are installed; they differ in private members only.
      const sent = Hl7Message.parse(order('us-placed-and-encoded', 'MLLP-2')) as unknown
      const ack = await client.sendAndWait(sent as Parameters<typeof client.sendAndWait>[0])
      expect(ack.getSegment('MSA')?.getField(1)?.toString()).toBe('AA')
      expect(ack.getSegment('MSA')?.getField(2)?.toString()).toBe('MLLP-2')
    } finally {
      await client.close()
    }
    expect(await ordersOf('MLLP-2')).toHaveLength(2)
  })

  it.runIf(mllpSend)(
    `is taken from mllp_send (Debian python3-hl7)${mllpSend ? '' : ': it is not installed here'}`,
    async () => {
      const file = join(mkdtempSync(join(tmpdir(), 'mllp-send-')), 'order.hl7')
      writeFileSync(file, `\u000b${order('us-placed-and-encoded', 'MLLP-9')}\u001c\r`)
      const { stdout } = await promisify(execFile)('mllp_send', ['-p', String(port), '-f', file, '127.0.0.1'])
      expect(stdout).toContain('MSA|AA|MLLP-9')
      expect(await ordersOf('MLLP-9')).toHaveLength(2)
    },
  )

  it('that comes again gets its first acknowledgement, byte for byte, and makes nothing', async () => {
    const sent = order('us-simple', 'MLLP-3')
    const socket = await openMllp(port)
    socket.send(sent)
    const first = [await socket.next(), await socket.next()]
    const rows = rowCounts(scene.clinic.folder)
    socket.send(sent)
    expect([await socket.next(), await socket.next()]).toEqual(first)
    socket.end()
    const other = await openMllp(port)
    other.send(sent)
    expect([await other.next(), await other.next()]).toEqual(first)
    other.end()
    const after = rowCounts(scene.clinic.folder)
    expect({ version: after.version, receipt: after.receipt, delivery: after.delivery }).toEqual({
      version: rows.version,
      receipt: rows.receipt,
      delivery: rows.delivery,
    })
  })

  it('with another body under the same control id is refused with AR', async () => {
    await exchange(order('us-placed-and-encoded', 'MLLP-4'))
    const other = await exchange(order('us-placed-and-encoded', 'MLLP-4', [['at most 8', 'at most 6']]))
    expect(fieldsOf(other, 'MSA').slice(1, 3)).toEqual(['AR', 'MLLP-4'])
    expect(fieldsOf(other, 'ERR').length).toBeGreaterThan(1)
    expect(await ordersOf('MLLP-4')).toHaveLength(2)
  })

  it('pipelined with others is answered in order', async () => {
    const socket = await openMllp(port)
    const ids = Array.from({ length: 12 }, (_, index) => `PIPE-${index}`)
    for (const id of ids) socket.send(order('us-placed-and-encoded', id))
    const answers = []
    for (const _ of ids) answers.push(fieldsOf(await socket.next(), 'MSA').slice(1, 3))
    expect(answers).toEqual(ids.map((id) => ['AA', id]))
    socket.end()
  })
})

describe('what is not understood is never answered AA', () => {
  const refused: [string, string, RegExp][] = [
    [
      'an unknown message type',
      order('us-placed-and-encoded', 'BAD-1', [['RDE^O11^RDE_O11', 'ZZZ^Z01']]),
      /MSH\^1\^9/,
    ],
    [
      'a message in training',
      order('us-placed-and-encoded', 'BAD-2', [['|P|2.5.1', '|T|2.5.1']]),
      /MSH\^1\^11/,
    ],
    [
      'a message in debugging',
      order('us-placed-and-encoded', 'BAD-3', [['|P|2.5.1', '|D|2.5.1']]),
      /MSH\^1\^11/,
    ],
    ['an unknown version', order('us-placed-and-encoded', 'BAD-4', [['|P|2.5.1', '|P|9.9']]), /MSH\^1\^12/],
    ['a line that is no segment', `${order('us-placed-and-encoded', 'BAD-5')}\rnonsense here\r`, /./],
  ]
  it.each(refused)('%s gets AR with ERR, over MLLP and HTTP', async (_name, sent, where) => {
    const before = rowCounts(scene.clinic.folder)
    for (const answer of [await exchange(sent), (await post(sent)).text]) {
      expect(fieldsOf(answer, 'MSA')[1]).toBe('AR')
      expect(answer).not.toMatch(/MSA\|[AC]A/)
      expect(fieldsOf(answer, 'ERR').join('|')).toMatch(where)
    }
    const after = rowCounts(scene.clinic.folder)
    expect({ version: after.version, receipt: after.receipt }).toEqual({
      version: before.version,
      receipt: before.receipt,
    })
    expect((after.audit_event ?? 0) - (before.audit_event ?? 0)).toBe(2)
  })

  it.each([
    'bad-cancel-request',
    'bad-controlled',
    'bad-directions-contradict-timing',
    'bad-dose-with-unit',
    'bad-no-patient',
  ])('%s gets AE or AR with the reason, and no value of it', async (name) => {
    const sent = order(name, `E-${name.slice(4, 12)}`)
    const answer = await exchange(sent)
    expect(fieldsOf(answer, 'MSA')[1]).toMatch(/^A[ER]$/)
    expect(fieldsOf(answer, 'ERR').length).toBeGreaterThan(7)
    for (const value of ['OKAFOR', 'MRN-4711', 'amLODIPine', 'oxycodone', 'Take 5 mg'])
      expect(answer).not.toContain(value)
  })

  it('junk, an empty frame and a frame without header get AR, and the connection goes on', async () => {
    const socket = await openMllp(port)
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\u000b\u001c\r', '\u000bPID|1\r\u001c\r']) {
      socket.write(bytes)
      expect(fieldsOf(await socket.next(), 'MSA')[1]).toBe('AR')
    }
    socket.send(order('us-placed-and-encoded', 'AFTER-JUNK'))
    expect(fieldsOf(await socket.next(), 'MSA').slice(1, 3)).toEqual(['AA', 'AFTER-JUNK'])
    socket.end()
  })

  it('over HTTP, no v2 message at all gets 400 and an AuditEvent', async () => {
    const before = await scene.clinic.store.logSize()
    const answer = await post('hello')
    expect(answer.status).toBe(400)
    expect(await scene.clinic.store.logSize()).toBe(before + 1)
  })
})

describe('a disconnect', () => {
  it.each([
    ['within a frame', false],
    ['by reset within a frame', true],
  ])('%s stores nothing and is told to the log', async (_name, reset) => {
    const before = rowCounts(scene.clinic.folder)
    const socket = await openMllp(port)
    const whole = `\u000b${order('us-placed-and-encoded', reset ? 'CUT-2' : 'CUT-1')}`
    socket.write(whole)
    await new Promise((resolve) => setTimeout(resolve, 30))
    if (reset) socket.reset()
    else socket.end()
    await socket.closed
    await vi.waitFor(() => expect(rowCounts(scene.clinic.folder).leaf).toBe((before.leaf ?? 0) + 1))
    const after = rowCounts(scene.clinic.folder)
    expect(after.version).toBe(before.version)
    expect(after.receipt).toBe(before.receipt)
    expect(await ordersOf(reset ? 'CUT-2' : 'CUT-1')).toEqual([])
    const told = await scene.auditor.request('GET', '/fhir/AuditEvent?_sort=-date&_count=20')
    expect(told.text).toContain('"MLLP: partial"')
  })

  it('before the answer loses no message: it comes again and gets the answer of the first time', async () => {
    const sent = order('us-placed-and-encoded', 'GONE-1')
    const socket = await openMllp(port)
    socket.send(sent)
    socket.reset()
    const answer = await exchange(sent)
    expect(fieldsOf(answer, 'MSA').slice(1, 3)).toEqual(['AA', 'GONE-1'])
    expect(await ordersOf('GONE-1')).toHaveLength(2)
  })
})

describe('who may connect', () => {
  it('an unknown address gets no answer, and that is told to the log', async () => {
    const before = await scene.clinic.store.logSize()
    const socket = await openMllp(port, '127.0.0.2')
    socket.send(order('us-placed-and-encoded', 'UNKNOWN-1'))
    await expect(socket.next()).rejects.toThrow('closed')
    await vi.waitFor(async () => expect(await scene.clinic.store.logSize()).toBeGreaterThan(before))
    const told = await scene.auditor.request('GET', '/fhir/AuditEvent?_sort=-date&_count=5')
    expect(told.text).toContain('"MLLP: unknown-peer"')
    expect(told.text).toContain('127.0.0.2')
    expect(await ordersOf('UNKNOWN-1')).toEqual([])
  })

  it('a partner that is switched off is refused with its next message, on the connection it holds', async () => {
    const socket = await openMllp(port)
    socket.send(order('us-placed-and-encoded', 'OFF-1'))
    expect(fieldsOf(await socket.next(), 'MSA')[1]).toBe('AA')
    await partner({ active: false })
    const before = await scene.clinic.store.logSize()
    socket.send(order('us-placed-and-encoded', 'OFF-2'))
    expect(fieldsOf(await socket.next(), 'MSA').slice(1, 3)).toEqual(['AR', 'OFF-2'])
    expect(await ordersOf('OFF-2')).toEqual([])
    const told = await scene.auditor.request('GET', '/fhir/AuditEvent?_sort=-date&_count=10')
    expect(told.text).toContain('"MLLP: unauthenticated"')
    expect(await scene.clinic.store.logSize()).toBeGreaterThan(before)
    await partner({ active: true })
    socket.send(order('us-placed-and-encoded', 'OFF-2'))
    expect(fieldsOf(await socket.next(), 'MSA').slice(1, 3)).toEqual(['AA', 'OFF-2'])
    socket.end()
  })
})
