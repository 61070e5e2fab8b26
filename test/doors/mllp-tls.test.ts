import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { registerClient } from '#auth/clients.ts'
import { readConfig } from '#config.ts'
import { createMllpClient } from '#outbound/mllp-client.ts'
import { systemPorts } from '../../src/node.ts'
import { type Certificates, makeCertificates } from '../inbound/certificates.ts'
import { openClinic } from '../open-clinic.ts'
import { fieldsOf, openMllp } from './mllp-socket.ts'
import { fixture, openScene, type Scene } from './scene.ts'

let scene: Scene
let made: Certificates
const client = createMllpClient()

beforeAll(async () => {
  made = makeCertificates()
  const clinic = await openClinic({
    POSTERN_MLLP_CERT: join(made.folder, 'server.crt'),
    POSTERN_MLLP_KEY: join(made.folder, 'server.key'),
    POSTERN_MLLP_CA: join(made.folder, 'ca.crt'),
  })
  scene = await openScene(clinic)
})
afterAll(async () => {
  client.close()
  await scene.clinic.close()
})

const fingerprint = (pem: string) => new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()

function register(id: string, hl7v2: { addresses?: string[]; certificates?: string[] }, active = true) {
  return registerClient(
    scene.clinic.store,
    scene.clinic.gateway.audit,
    {
      id,
      name: id,
      role: 'ehr',
      organization: scene.organizations.northside,
      scopes: ['system/*.cruds'],
      purposes: ['TREAT'],
      grants: ['order-source'],
      jwks: { keys: [] },
      active,
      hl7v2: { ...hl7v2, timeZone: 'America/Chicago' },
    },
    { requestId: 'test-setup', at: systemPorts.clock.now() },
  )
}

function order(controlId: string): string {
  return fixture('prescription-order/us-placed-and-encoded.in.hl7')
    .replace(/\r?\n/g, '\r')
    .replace(/RDE-20260105-\d+/, controlId)
    .replace(/RX-8800\d/g, `RX-${controlId}`)
}

async function send(controlId: string, pair: { cert: string; key: string }): Promise<string> {
  const target = { host: '127.0.0.1', port: scene.clinic.mllpPort ?? 0, timeoutMs: 5000 }
  return (await client.send({ ...target, tls: { ca: made.ca, ...pair } }, order(controlId))).code
}

it('a partner is known by its certificate, and another certificate of the same authority and address is not it', async () => {
  await register('rxwriter', { certificates: [fingerprint(made.client)] })
  expect(await send('TLS-1', { cert: made.client, key: made.clientKey })).toBe('AA')
  await expect(send('TLS-2', { cert: made.other, key: made.otherKey })).rejects.toThrow('mllp-')
  const told = await scene.auditor.request('GET', '/fhir/AuditEvent?_sort=-date&_count=5')
  expect(told.text).toContain('"MLLP: unknown-peer"')
})

it('a partner of an address alone is served there, but not one that is pinned to another certificate', async () => {
  await register('ward', { addresses: ['127.0.0.1'] })
  expect(await send('TLS-3', { cert: made.other, key: made.otherKey })).toBe('AA')
  await register('ward', { addresses: ['127.0.0.1'], certificates: [fingerprint(made.server)] })
  await expect(send('TLS-4', { cert: made.other, key: made.otherKey })).resolves.toBe('AR')
  await register('ward', { addresses: ['127.0.0.1'] }, false)
})

it('where two partners fit the same address nobody is taken for either', async () => {
  await register('one', { addresses: ['127.0.0.1'] })
  await register('two', { addresses: ['127.0.0.1'] })
  const fresh = createMllpClient()
  const target = { host: '127.0.0.1', port: scene.clinic.mllpPort ?? 0, timeoutMs: 5000 }
  const tls = { ca: made.ca, cert: made.other, key: made.otherKey }
  await expect(fresh.send({ ...target, tls }, order('TLS-5'))).rejects.toThrow('mllp-')
  fresh.close()
})

it('without TLS nothing is answered at all', async () => {
  const socket = await openMllp(scene.clinic.mllpPort ?? 0)
  socket.send(order('TLS-6'))
  await expect(socket.next().then((text) => fieldsOf(text, 'MSA'))).rejects.toThrow('closed')
})

it.each([
  { POSTERN_MLLP_CERT: 'a.pem' },
  { POSTERN_MLLP_KEY: 'a.pem' },
  { POSTERN_MLLP_CA: 'a.pem' },
  { POSTERN_MLLP_KEY: 'a.pem', POSTERN_MLLP_CA: 'a.pem' },
])('half of a TLS setting is refused rather than served without: %j', (settings) => {
  expect(() => readConfig(settings)).toThrow('MLLP over TLS needs POSTERN_MLLP_CERT and POSTERN_MLLP_KEY')
})
