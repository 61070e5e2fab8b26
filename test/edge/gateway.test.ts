import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { verifyLog } from '#audit/verify.ts'
import order from '../../fixtures/prescription-order/us-simple.in.hl7?raw'
import message from '../../fixtures/secure-message/patient-to-clinician.in.json?raw'
import type { Clinic } from '../../src/worker/clinic.ts'
import { askForToken, type Client, clientOf, origin, send } from './clients.ts'

const northside = {
  resourceType: 'Organization',
  id: 'platform.northside',
  identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: '1770504203' }],
  name: 'Northside Clinic',
}

function clinicObject() {
  return env.CLINIC.get(env.CLINIC.idFromName('northside'))
}

describe('the gateway in a Durable Object', () => {
  let platform: Client
  let ehr: Client

  beforeAll(async () => {
    platform = await clientOf('platform', 'system/*.cruds')
    ehr = await clientOf('ehr', 'system/*.rs')
    const put = await platform('PUT', '/fhir/Organization/platform.northside', northside)
    expect(put.status, put.text).toBe(201)
  })

  it('answers for the hosts of its settings only, and over their own protocol', async () => {
    expect((await send('GET', '/healthz')).status).toBe(200)
    for (const address of ['https://other.example/healthz', 'http://northside.example/healthz']) {
      const answer = await send('GET', address)
      expect(answer.status).toBe(404)
      expect(answer.body.resourceType).toBe('OperationOutcome')
    }
  })

  it('says who it is and gives tokens to registered clients', async () => {
    const smart = await send('GET', '/.well-known/smart-configuration')
    expect(smart.body.token_endpoint).toBe(`${origin}/auth/token`)
    expect((await askForToken('ehr', 'system/Communication.rs')).body.scope).toBe('system/Communication.rs')
    expect((await send('GET', '/fhir/metadata')).body.resourceType).toBe('CapabilityStatement')
    expect((await send('GET', '/fhir/Communication')).status).toBe(401)
  })

  it('takes a secure message, once, and shows it to the treating party only', async () => {
    const sent = await platform('POST', '/ingest/messages', message)
    expect(sent.status, sent.text).toBe(201)
    const again = await platform('POST', '/ingest/messages', message)
    expect([again.status, again.headers.get('idempotent-replay')]).toEqual([200, 'true'])

    const found = await ehr('GET', '/fhir/Communication?_include=Communication:patient')
    expect(found.status, found.text).toBe(200)
    const types = found.body.entry.map(
      (each: { resource: { resourceType: string } }) => each.resource.resourceType,
    )
    expect(types.sort()).toEqual(['Communication', 'Patient'])
    const { id } = found.body.entry.find(
      (each: { resource: { resourceType: string } }) => each.resource.resourceType === 'Communication',
    ).resource
    const read = await ehr('GET', `/fhir/Communication/${id}`)
    expect(read.text).toContain('headache every morning')

    const stranger = await clientOf('stranger', 'system/*.rs')
    expect((await stranger('GET', `/fhir/Communication/${id}`)).status).toBe(404)
    expect((await stranger('GET', '/fhir/Communication')).body.entry ?? []).toEqual([])
  })

  it('takes an RDE^O11 and says AA when it is kept', async () => {
    const answer = await platform('POST', '/ingest/hl7v2', order, 'application/hl7-v2')
    expect(answer.status, answer.text).toBe(200)
    expect(answer.text).toMatch(/\rMSA\|AA\|/)
  })

  it('keeps a log that verifies, with its checkpoints in another object', async () => {
    await runDurableObjectAlarm(clinicObject())
    const verdict = await runInDurableObject(clinicObject(), async (clinic: Clinic) => {
      const { store, vkey } = await clinic.opened()
      const vault = env.KEY_VAULT.get(env.KEY_VAULT.idFromName('northside'))
      return verifyLog({
        rows: store.logRows,
        checkpoints: await store.checkpoints(),
        vkey,
        outside: await vault.anchored(),
      })
    })
    expect(verdict).toMatchObject({ ok: true, findings: [] })
    expect(verdict.size).toBeGreaterThan(10)
  })
})
