import { connect } from 'node:net'
import { importJWK, type JWK, SignJWT } from 'jose'
import { afterEach, expect, test } from 'vitest'
import { generateJwks, startAuthorizationServer } from './authorization-server.ts'
import { startEhr } from './ehr.ts'
import { startFaultyServer } from './faulty-server.ts'
import { startPharmacy } from './pharmacy.ts'

const started: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((peer) => peer.close()))
})

function kept<P extends { close(): Promise<void> }>(peer: P): P {
  started.push(peer)
  return peer
}

async function tokenRequest(tokenUrl: string, clientId: string, key: JWK): Promise<Response> {
  const assertion = await new SignJWT({})
    .setProtectedHeader({ alg: key.alg ?? '', kid: key.kid, typ: 'JWT' })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(tokenUrl)
    .setJti(crypto.randomUUID())
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(await importJWK(key))
  return fetch(tokenUrl, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'system/Communication.cruds',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    }),
  })
}

test.each(['ES384', 'RS384'] as const)(
  'the authorization server gives a token for an %s assertion',
  async (alg) => {
    const mine = await generateJwks(alg, 'one')
    const other = await generateJwks(alg, 'one')
    const scope = 'system/Communication.cruds'
    const server = kept(
      await startAuthorizationServer({ clients: [{ clientId: 'postern', scope, jwks: mine.jwks }] }),
    )

    const answer = await tokenRequest(server.tokenUrl, 'postern', mine.privateKey)
    expect(answer.status).toBe(200)
    const { access_token: token, token_type: type } = (await answer.json()) as Record<string, string>
    expect(type).toBe('Bearer')
    expect(await server.verify(token ?? '')).toBe(true)
    expect(await server.verify('made up')).toBe(false)

    expect((await tokenRequest(server.tokenUrl, 'postern', other.privateKey)).status).toBe(401)
    server.revokeAll()
    expect(await server.verify(token ?? '')).toBe(false)
    expect(server.issued()).toBe(1)
  },
)

const patient = {
  fullUrl: 'urn:uuid:0f1a6f0e-5f0b-4f57-9a3e-0b7a5a1f2c11',
  resource: { resourceType: 'Patient', identifier: [{ system: 'urn:oid:1.2.3', value: 'p,1' }] },
  request: {
    method: 'POST',
    url: 'Patient',
    ifNoneExist: `identifier=${encodeURIComponent('urn:oid:1.2.3|p\\,1')}`,
  },
}
const message = {
  fullUrl: 'urn:uuid:0f1a6f0e-5f0b-4f57-9a3e-0b7a5a1f2c12',
  resource: {
    resourceType: 'Communication',
    status: 'completed',
    identifier: [{ system: 'urn:oid:4.5', value: 'm1' }],
    subject: { reference: patient.fullUrl },
  },
  request: {
    method: 'POST',
    url: 'Communication',
    ifNoneExist: `identifier=${encodeURIComponent('urn:oid:4.5|m1')}`,
  },
}

function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const type = { 'content-type': 'application/fhir+json' }
  return fetch(url, { method: 'POST', headers: { ...type, ...headers }, body: JSON.stringify(body) })
}

test('the EHR takes a transaction twice and holds one of each, referring to each other', async () => {
  const ehr = kept(await startEhr())
  const bundle = { resourceType: 'Bundle', type: 'transaction', entry: [patient, message] }
  expect((await post(`${ehr.base}/`, bundle)).status).toBe(200)
  const again = (await (await post(ehr.base, bundle)).json()) as { entry: { response: { status: string } }[] }
  expect(again.entry.map((entry) => entry.response.status)).toEqual(['200', '200'])

  const [stored] = await ehr.all('Patient')
  expect(await ehr.all('Patient')).toHaveLength(1)
  expect(await ehr.all('Communication')).toMatchObject([{ subject: { reference: `Patient/${stored?.id}` } }])
  const found = await fetch(`${ehr.base}/Communication?identifier=urn:oid:4.5%7Cm1`)
  expect(await found.json()).toMatchObject({ type: 'searchset', total: 1 })
  expect((await fetch(`${ehr.base}/Patient/${stored?.id}`)).status).toBe(200)
})

test('the EHR creates once under If-None-Exist, and refuses what is not R4', async () => {
  const ehr = kept(await startEhr())
  const resource = { resourceType: 'Practitioner', identifier: [{ system: 'urn:oid:9', value: '1' }] }
  const once = { 'if-none-exist': 'identifier=urn:oid:9|1' }
  expect((await post(`${ehr.base}/Practitioner`, resource, once)).status).toBe(201)
  expect((await post(`${ehr.base}/Practitioner`, resource, once)).status).toBe(200)
  expect((await post(`${ehr.base}/Communication`, { resourceType: 'Communication' })).status).toBe(400)
  expect(await ehr.all('Practitioner')).toHaveLength(1)
  expect(ehr.requests.map((request) => request.status)).toEqual([201, 200, 400])
})

test('the EHR opens its door to good tokens only', async () => {
  const ehr = kept(await startEhr({ verify: async (token) => token === 'good' }))
  const ask = (authorization: string) => fetch(`${ehr.base}/Patient`, { headers: { authorization } })
  expect((await ask('Bearer bad')).status).toBe(401)
  expect((await ask('Bearer good')).status).toBe(200)
})

/** Sends one framed message and resolves with all that comes back until the connection ends or `ms` have passed. */
function mllp(port: number, text: string, ms: number): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(`\u000b${text}\u001c\r`))
    const end = () => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(ms, end)
    socket.on('data', (chunk) => {
      answer += chunk.toString('utf8')
      if (answer.includes('\u001c\r')) end()
    })
    socket.on('error', end)
    socket.on('close', end)
  })
}

test('the pharmacy acknowledges over MLLP, and fails in every way it is asked to', async () => {
  const pharmacy = kept(await startPharmacy({ lateMs: 50 }))
  const text = 'MSH|^~\\&|POSTERN|CLINIC|RX|SHOP|20250101||RDE^O11^RDE_O11|id-1|P|2.5.1\rPID|1||42'
  const send = () => mllp(pharmacy.port, text, 300)

  expect(await send()).toMatch(/MSA\|AA\|id-1/)
  pharmacy.answerNext('AE', 'AR', 'silence', 'late', 'wrong-id', 'close')
  expect(await send()).toMatch(/MSA\|AE\|id-1/)
  expect(await send()).toMatch(/MSA\|AR\|id-1/)
  expect(await send()).toBe('')
  expect(await send()).toMatch(/MSA\|AA\|id-1/)
  expect(await send()).toMatch(/MSA\|AA\|NOT-YOURS/)
  expect(await send()).toBe('')
  expect(await send()).toMatch(/MSA\|AA\|id-1/)
  expect(pharmacy.messages).toHaveLength(8)
  expect(new Set(pharmacy.messages)).toEqual(new Set([pharmacy.messages[0]]))
})

test('the faulty server hangs and resets', async () => {
  const hanging = kept(await startFaultyServer('hang'))
  expect(await mllp(hanging.port, 'MSH|', 50)).toBe('')
  expect(hanging.received[0]?.length).toBeGreaterThan(0)
  const resetting = kept(await startFaultyServer('reset'))
  await expect(fetch(`http://127.0.0.1:${resetting.port}/`)).rejects.toThrow()
})
