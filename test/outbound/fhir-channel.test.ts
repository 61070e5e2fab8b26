import { afterEach, expect, test } from 'vitest'
import type { FhirChannelSettings } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { Identified, Reference } from '#core/resource.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'
import type { Parcel } from '#outbound/channel.ts'
import { createFhirChannel } from '#outbound/fhir-channel.ts'
import { transactionOf } from '#outbound/transaction.ts'
import { generateJwks, startAuthorizationServer } from '../peers/authorization-server.ts'
import { startEhr } from '../peers/ehr.ts'
import { type Fault, startFaultyServer } from '../peers/faulty-server.ts'

const started: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((peer) => peer.close()))
})

function kept<P extends { close(): Promise<void> }>(peer: P): P {
  started.push(peer)
  return peer
}

const ports = { clock: { now: () => Date.now() }, ids: { random: () => crypto.randomUUID() } }

const patient: Identified = {
  resourceType: 'Patient',
  id: 'p1',
  meta: { versionId: '1', lastUpdated: '2025-01-01T00:00:00Z' },
  identifier: [{ system: 'urn:oid:1.2.3', value: 'A,1' }],
  name: [{ family: 'Doe' }],
}
const doctor: Identified = {
  resourceType: 'Practitioner',
  id: 'd1',
  identifier: [{ value: 'no-system' }, { system: 'urn:oid:4.5', value: '7' }],
}
const earlier: Identified = {
  resourceType: 'Communication',
  id: 'c0',
  status: 'completed',
  identifier: [{ system: 'urn:oid:6', value: 'm0' }],
}
const message = {
  resourceType: 'Communication',
  id: 'c1',
  meta: { versionId: '1', lastUpdated: '2025-01-01T00:00:00Z', profile: ['https://example.org/message'] },
  identifier: [{ system: 'urn:oid:6', value: 'm1' }],
  status: 'completed',
  subject: { reference: 'Patient/p1' },
  sender: { reference: 'Patient/p1' },
  recipient: [{ reference: 'Practitioner/d1', display: 'Dr D' }],
  inResponseTo: [{ reference: 'Communication/c0' }],
  about: [{ reference: 'Condition/secret' }],
  payload: [{ contentString: 'Hello' }],
} as Identified

const known = new Map([patient, doctor, earlier].map((each) => [`${each.resourceType}/${each.id}`, each]))

function parcel(
  channel: FhirChannelSettings,
  contents: Parcel['contents'] = [{ resource: message, version: 1 }],
): Parcel {
  return {
    id: '6a0a1d0e-0000-4000-8000-000000000001',
    created: Date.parse('2025-01-01T00:00:00Z'),
    destination: {
      id: 'ehr',
      name: 'EHR',
      role: 'ehr',
      organization: 'Organization/o1',
      purpose: 'TREAT',
      active: true,
      channel,
    },
    contents,
    load: async (reference: Reference) => known.get(reference),
    timeoutMs: channel.timeoutMs ?? 5_000,
    signal: AbortSignal.timeout(channel.timeoutMs ?? 5_000),
  }
}

function send(channel: FhirChannelSettings, contents?: Parcel['contents']) {
  return createFhirChannel(ports)(parcel(channel, contents), channel)
}

/** The reason of a failed try, whichever way it is told. */
async function trouble(channel: FhirChannelSettings): Promise<string> {
  const answer = await send(channel).catch((error: Failure) => ({ state: error.kind, reason: error.message }))
  return 'reason' in answer ? `${answer.state} ${answer.reason}` : answer.state
}

test('a message and its people arrive once, however often they are sent', async () => {
  const ehr = kept(await startEhr())
  const channel: FhirChannelSettings = { kind: 'fhir', address: ehr.base }
  expect(await send(channel)).toEqual({ state: 'delivered' })
  expect(await send(channel)).toEqual({ state: 'delivered' })

  const [patients, doctors, messages] = await Promise.all(
    ['Patient', 'Practitioner', 'Communication'].map(ehr.all),
  )
  expect([patients?.length, doctors?.length, messages?.length]).toEqual([1, 1, 1])
  expect(messages?.[0]).toMatchObject({
    subject: { reference: `Patient/${patients?.[0]?.id}` },
    recipient: [{ reference: `Practitioner/${doctors?.[0]?.id}`, display: 'Dr D' }],
    inResponseTo: [{ type: 'Communication', identifier: { system: 'urn:oid:6', value: 'm0' } }],
    about: [{ type: 'Condition' }],
    meta: { profile: ['https://example.org/message'] },
  })
  expect(ehr.requests[0]?.body).toBe(ehr.requests[1]?.body)
  expect(ehr.requests[0]?.body).not.toContain('secret')
})

test('a later version replaces what the EHR has of the same identifier', async () => {
  const ehr = kept(await startEhr())
  const channel: FhirChannelSettings = { kind: 'fhir', address: ehr.base }
  await send(channel)
  const changed = { ...message, status: 'entered-in-error' } as Identified
  expect(await send(channel, [{ resource: changed, version: 2 }])).toEqual({ state: 'delivered' })
  expect(await ehr.all('Communication')).toMatchObject([{ status: 'entered-in-error' }])
})

test('decimals leave as they came, and what has no identifier gets one that stays', async () => {
  const order = parseJson(
    '{"resourceType":"MedicationRequest","id":"r1","status":"active","intent":"order","subject":{"reference":"Patient/p1"},' +
      '"medicationCodeableConcept":{"text":"x"},"dispenseRequest":{"quantity":{"value":1.50}}}',
  ) as Identified
  const sent = parcel({ kind: 'fhir', address: 'https://ehr.example' }, [{ resource: order, version: 1 }])
  const once = stringifyJson(await transactionOf(sent))
  expect(once).toContain('"value":1.50')
  expect(once).toMatch(/"identifier":\[\{"system":"urn:ietf:rfc:3986","value":"urn:uuid:[0-9a-f-]{36}"\}\]/)
  expect(stringifyJson(await transactionOf(sent))).toBe(once)
})

test('nothing is sent about a patient whom the destination may not see', async () => {
  const sent = { ...parcel({ kind: 'fhir', address: 'https://ehr.example' }), load: async () => undefined }
  await expect(transactionOf(sent)).rejects.toMatchObject({ kind: 'forbidden' })
})

test.each(['ES384', 'RS384'] as const)(
  'the token of an %s key opens the EHR, is kept, and renewed when taken back',
  async (alg) => {
    const { privateKey, jwks } = await generateJwks(alg, 'k1')
    const scope = 'system/Communication.cruds system/Patient.cruds'
    const authorization = kept(
      await startAuthorizationServer({ clients: [{ clientId: 'postern', scope, jwks }] }),
    )
    const ehr = kept(await startEhr({ verify: authorization.verify }))
    const channel: FhirChannelSettings = {
      kind: 'fhir',
      address: ehr.base,
      token: { url: authorization.tokenUrl, clientId: 'postern', scope, key: privateKey },
    }
    const fhir = createFhirChannel(ports)
    const both = await Promise.all([fhir(parcel(channel), channel), fhir(parcel(channel), channel)])
    expect(both).toEqual([{ state: 'delivered' }, { state: 'delivered' }])
    expect(authorization.issued()).toBe(1)

    authorization.revokeAll()
    expect(await fhir(parcel(channel), channel)).toEqual({ state: 'delivered' })
    expect(ehr.requests.map((request) => request.status)).toEqual([200, 200, 401, 200])
    expect(authorization.issued()).toBe(2)

    const stranger = { ...channel, token: { ...channel.token, clientId: 'stranger' } as typeof channel.token }
    expect(await trouble(stranger)).toMatch(/^unavailable token-http-40[01]$/)
  },
)

test('an EHR that shuts the door even to a fresh token refuses for good', async () => {
  const ehr = kept(await startEhr({ verify: async () => false }))
  expect(await send({ kind: 'fhir', address: ehr.base })).toEqual({ state: 'refused', reason: 'http-401' })
})

test.each([
  [408, {}, { state: 'retry', reason: 'http-408' }],
  [425, {}, { state: 'retry', reason: 'http-425' }],
  [429, { 'retry-after': '7' }, { state: 'retry', reason: 'http-429', afterMs: 7_000 }],
  [500, {}, { state: 'retry', reason: 'http-500' }],
  [503, { 'retry-after': 'soon' }, { state: 'retry', reason: 'http-503' }],
  [400, {}, { state: 'refused', reason: 'http-400' }],
  [412, {}, { state: 'refused', reason: 'http-412' }],
  [422, {}, { state: 'refused', reason: 'http-422' }],
  [204, {}, { state: 'unavailable', reason: 'answer-unreadable' }],
])('status %i with %j means %j', async (status, headers, expected) => {
  const ehr = kept(await startEhr())
  ehr.failNext(status, headers)
  const answer = await send({ kind: 'fhir', address: ehr.base }).catch((error: Failure) => ({
    state: error.kind,
    reason: error.message,
  }))
  expect(answer).toEqual(expected)
})

test.each<[Fault, string]>([
  ['hang', 'unavailable timeout'],
  ['reset', 'unavailable connection'],
  ['garbage', 'unavailable connection'],
  ['flood', 'unavailable answer-too-large'],
])('a receiver with the fault "%s" is tried again later: %s', async (fault, expected) => {
  const server = kept(await startFaultyServer(fault))
  expect(await trouble({ kind: 'fhir', address: `http://127.0.0.1:${server.port}`, timeoutMs: 1_000 })).toBe(
    expected,
  )
})

test('a redirect is not followed: nobody else gets the message or the token', async () => {
  const elsewhere = kept(await startFaultyServer('hang'))
  const server = kept(await startFaultyServer('redirect', `http://127.0.0.1:${elsewhere.port}/`))
  const address = `http://127.0.0.1:${server.port}`
  expect(await trouble({ kind: 'fhir', address })).toBe('refused http-307')
  expect(elsewhere.received).toEqual([])
})

test('a failure while sending tells nothing of the patient', async () => {
  const server = kept(await startFaultyServer('hang'))
  const channel: FhirChannelSettings = {
    kind: 'fhir',
    address: `http://127.0.0.1:${server.port}`,
    timeoutMs: 100,
  }
  const error = await send(channel).catch((each: unknown) => each)
  expect(error).toBeInstanceOf(Failure)
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('Doe')
})
