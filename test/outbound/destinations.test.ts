import { expect, test } from 'vitest'
import { Failure } from '#core/failure.ts'
import { readDestination } from '#outbound/destinations.ts'
import { generateJwks } from '../peers/authorization-server.ts'
import { openOutbox } from './open-outbox.ts'

const { privateKey, jwks } = await generateJwks('ES384', 'k1')
const token = {
  url: 'https://ehr.example/token',
  clientId: 'postern',
  scope: 'system/*.cruds',
  key: privateKey,
}
const channel = { kind: 'fhir', address: 'https://ehr.example/fhir/', token }
const given = {
  id: 'ehr',
  name: 'EHR',
  role: 'ehr',
  organization: 'Organization/1',
  purpose: 'TREAT',
  channel,
}

function failureOf(input: unknown): Failure {
  try {
    readDestination(input)
  } catch (error) {
    if (error instanceof Failure) return error
  }
  throw new Error('it was accepted')
}

test('a destination is read as given, active unless said otherwise, its address without the last slash', () => {
  const read = readDestination(given)
  expect(read.active).toBe(true)
  expect(read.channel).toMatchObject({ address: 'https://ehr.example/fhir', token })
})

test.each([
  ['plain http to another machine', { ...channel, address: 'http://ehr.example/fhir' }, 'channel.address'],
  ['a password in the address', { ...channel, address: 'https://me:secret@ehr.example' }, 'channel.address'],
  ['another protocol', { ...channel, address: 'ftp://ehr.example' }, 'channel.address'],
  [
    'a token endpoint in the clear',
    { ...channel, token: { ...token, url: 'http://as.example/t' } },
    'channel.token.url',
  ],
  ['a public key', { ...channel, token: { ...token, key: jwks.keys[0] } }, 'channel.token.key'],
  [
    'a symmetric key',
    { ...channel, token: { ...token, key: { kty: 'oct', k: 'secret' } } },
    'channel.token.key',
  ],
  [
    'a weak RSA key',
    { ...channel, token: { ...token, key: { kty: 'RSA', n: 'short', e: 'AQAB', d: 'x' } } },
    'channel.token.key',
  ],
  ['an unknown channel', { kind: 'fax', number: '1' }, 'channel.kind'],
])('%s is refused, and nothing of it repeated', (_, wrong, expression) => {
  const failure = failureOf({ ...given, channel: wrong })
  expect(failure.kind).toBe('invalid')
  expect(failure.issues.map((issue) => issue.expression)).toContain(expression)
  expect(failure.message).not.toMatch(/secret|me:|ehr\.example/)
})

test('http is good enough for this machine', () => {
  const local = { kind: 'fhir', address: 'http://127.0.0.1:8080/fhir' }
  expect(readDestination({ ...given, channel: local }).channel).toEqual(local)
})

test('a registration is in the audit log, and its key in no event', async () => {
  const outbox = await openOutbox()
  try {
    await outbox.register(given)
    const rows = await outbox.store.logRows(0, 10)
    const events = await Promise.all(rows.map(({ eventId }) => outbox.store.read('AuditEvent', eventId)))
    expect(events.map((event) => JSON.parse(event?.json ?? '{}').outcome)).toEqual(['0'])
    expect(events[0]?.json).toContain('Destination ehr registered')
    expect(events[0]?.json).not.toContain(String(privateKey.d))
    expect(await outbox.store.findRegistration('destination', 'ehr')).toContain(String(privateKey.d))
  } finally {
    await outbox.close()
  }
})
