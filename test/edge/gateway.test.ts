import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { verifyLog } from '#audit/verify.ts'
import eligible from '../../fixtures/eligibility-result/eligible.in.json?raw'
import prescription from '../../fixtures/prescription/active-attested.in.json?raw'
import order from '../../fixtures/prescription-order/us-simple.in.hl7?raw'
import message from '../../fixtures/secure-message/patient-to-clinician.in.json?raw'
import type { Clinic } from '../../src/worker/clinic.ts'
import { isSigned, type Received } from '../peers/webhook.ts'
import { type Answer, askForToken, type Client, clientOf, origin, send } from './clients.ts'
import { people } from './people.ts'

function clinicObject() {
  return env.CLINIC.get(env.CLINIC.idFromName('northside'))
}

function resources(answer: Answer): { resourceType: string; id: string }[] {
  expect(answer.status, answer.text).toBe(200)
  return (answer.body.entry ?? []).map((each: { resource: unknown }) => each.resource)
}

function inside<R>(claim: (clinic: Clinic) => Promise<R>): Promise<R> {
  return runInDurableObject(clinicObject(), claim)
}

async function verified() {
  return inside(async (clinic) => {
    const { store, vkey } = await clinic.opened()
    const outside = await env.KEY_VAULT.get(env.KEY_VAULT.idFromName('northside')).anchored()
    const verdict = await verifyLog({
      rows: store.logRows,
      checkpoints: await store.checkpoints(),
      vkey,
      outside,
    })
    return { ...verdict, outside: outside.length }
  })
}

/** Lets the alarm go until everything is delivered and under a checkpoint; it may be going by itself already. */
async function settled(): Promise<void> {
  await vi.waitFor(
    async () => {
      await runDurableObjectAlarm(clinicObject())
      const { open, covered } = await inside(async (clinic) => {
        const { store } = await clinic.opened()
        const states = (await store.deliveries(100)).map(({ state }) => state)
        const open = states.filter((state) => state === 'queued' || state === 'claimed').length
        return { open, covered: (await store.lastCheckpoint())?.size === (await store.logSize()) }
      })
      expect({ open, covered }).toEqual({ open: 0, covered: true })
    },
    { timeout: 20_000, interval: 200 },
  )
}

async function received(type: string): Promise<unknown[]> {
  const answer = await fetch(`${env.TEST_EHR}/${type}`, { headers: { accept: 'application/fhir+json' } })
  return ((await answer.json()) as { entry?: unknown[] }).entry ?? []
}

describe('the gateway in a Durable Object', () => {
  let platform: Client
  let ehr: Client
  let stranger: Client

  beforeAll(async () => {
    platform = await clientOf('platform', 'system/*.cruds')
    ehr = await clientOf('ehr', 'system/*.rs')
    stranger = await clientOf('stranger', 'system/*.rs')
    for (const person of people) {
      const put = await platform('PUT', `/fhir/${person.resourceType}/${person.id}`, person)
      expect(put.status, put.text).toBe(201)
    }
  })

  it('answers for the hosts of its settings only, and over their own protocol', async () => {
    expect((await send('GET', '/healthz')).status).toBe(200)
    for (const address of ['https://other.example/healthz', 'http://northside.example/healthz']) {
      const answer = await send('GET', address)
      expect(answer.status).toBe(404)
      expect(answer.body.resourceType).toBe('OperationOutcome')
    }
  })

  it('says who it is, and gives tokens to clients that prove their key', async () => {
    const smart = await send('GET', '/.well-known/smart-configuration')
    expect(smart.body.token_endpoint).toBe(`${origin}/auth/token`)
    expect((await askForToken('ehr', 'system/Communication.rs')).body.scope).toBe('system/Communication.rs')
    expect((await askForToken('ehr', 'system/Communication.rs', 'stranger')).status).toBe(401)
    expect((await send('GET', '/fhir/metadata')).body.resourceType).toBe('CapabilityStatement')
    expect((await send('GET', '/fhir/Communication')).status).toBe(401)
  })

  it('takes a secure message once and shows it to the treating party', async () => {
    const sent = await platform('POST', '/ingest/messages', message)
    expect(sent.status, sent.text).toBe(201)
    const again = await platform('POST', '/ingest/messages', message)
    expect([again.status, again.headers.get('idempotent-replay')]).toEqual([200, 'true'])

    const found = resources(await ehr('GET', '/fhir/Communication?_include=Communication:patient'))
    expect(found.map(({ resourceType }) => resourceType).sort()).toEqual(['Communication', 'Patient'])
    const { id = '' } = found.find(({ resourceType }) => resourceType === 'Communication') ?? {}
    expect((await ehr('GET', `/fhir/Communication/${id}`)).text).toContain('headache every morning')
    expect((await stranger('GET', `/fhir/Communication/${id}`)).status).toBe(404)
    expect(resources(await stranger('GET', '/fhir/Communication'))).toEqual([])
  })

  it('takes an eligible screening', async () => {
    const sent = await platform('POST', '/ingest/eligibility', eligible)
    expect(sent.status, sent.text).toBe(201)
    const [response] = resources(await ehr('GET', '/fhir/QuestionnaireResponse?patient=Patient/platform.ada'))
    expect(JSON.stringify(response), 'the digits of a decimal').toContain('Metformin 500 mg twice a day')
    expect((await ehr('GET', `/fhir/QuestionnaireResponse/${response?.id}`)).text).toContain('98.50')
  })

  it('takes a prescription as JSON and one as RDE^O11', async () => {
    const sent = await platform('POST', '/ingest/prescriptions', prescription)
    expect(sent.status, sent.text).toBe(201)
    const answer = await platform('POST', '/ingest/hl7v2', order, 'application/hl7-v2')
    expect(answer.text).toMatch(/\rMSA\|AA\|/)
    const orders = resources(
      await ehr('GET', '/fhir/MedicationRequest?patient=Patient/platform.ada&status=active'),
    )
    expect(orders).toHaveLength(2)
    const texts = await Promise.all(
      orders.map(async ({ id }) => (await ehr('GET', `/fhir/MedicationRequest/${id}`)).text),
    )
    expect(
      texts.filter((text) => text.includes('"value":0.50')),
      'a dose keeps its digits',
    ).toHaveLength(1)
  })

  it('refuses what it cannot read, and says why without repeating it', async () => {
    const answer = await platform('POST', '/ingest/messages', '{"id":"canary-1","text":"canary-2"')
    expect(answer.status).toBe(400)
    expect(answer.body.resourceType).toBe('OperationOutcome')
    expect(answer.text).not.toContain('canary')
    const nak = await platform('POST', '/ingest/hl7v2', 'PID|1||canary', 'application/hl7-v2')
    expect(nak.text).not.toContain('canary')
  })

  it('delivers to an EHR that is not ours when its alarm goes', async () => {
    await settled()
    expect(await received('Communication')).toHaveLength(1)
    expect(await received('QuestionnaireResponse')).toHaveLength(1)
    expect(await received('MedicationRequest')).toHaveLength(2)
    const states = await inside(async (clinic) =>
      (await (await clinic.opened()).store.deliveries(50)).map(({ state }) => state),
    )
    expect(new Set(states)).toEqual(new Set(['delivered']))
  })

  it('keeps a log that verifies, with its checkpoints in another object', async () => {
    const verdict = await verified()
    expect(verdict).toMatchObject({ ok: true, findings: [] })
    expect(verdict.size).toBeGreaterThan(20)
    expect(verdict.outside).toBeGreaterThan(0)
  })

  it('asks the consent of the patient before it shows anything', async () => {
    const before = resources(await ehr('GET', '/fhir/Communication'))
    expect(before).toHaveLength(1)
    const refusal = {
      resourceType: 'Consent',
      meta: { profile: ['https://postern.health/fhir/StructureDefinition/ConsentDirective'] },
      status: 'active',
      scope: {
        coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }],
      },
      category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
      patient: { reference: 'Patient/platform.ada' },
      dateTime: '2026-01-06T08:00:00Z',
      performer: [{ reference: 'Patient/platform.ada' }],
      organization: [{ reference: 'Organization/platform.northside' }],
      sourceAttachment: { title: 'Signed on paper' },
      policy: [{ uri: 'https://northside.example/policy' }],
      provision: {
        type: 'deny',
        actor: [
          {
            role: {
              coding: [
                { system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' },
              ],
            },
            reference: { reference: 'Organization/platform.northside' },
          },
        ],
      },
    }
    const put = await platform('POST', '/fhir/Consent', refusal)
    expect(put.status, put.text).toBe(201)
    expect(resources(await ehr('GET', '/fhir/Communication'))).toEqual([])
    expect((await ehr('GET', `/fhir/Communication/${before[0]?.id}`)).status).toBe(404)
    const taken = { ...put.body, status: 'inactive' }
    const version = put.headers.get('etag') ?? ''
    const back = await platform('PUT', `/fhir/Consent/${taken.id}`, taken, undefined, { 'if-match': version })
    expect(back.status, back.text).toBe(200)
    expect(resources(await ehr('GET', '/fhir/Communication'))).toHaveLength(1)
  })

  it('tells an auditor of every act, and nobody else', async () => {
    const auditor = await clientOf('auditor', 'system/AuditEvent.rs')
    const events = resources(await auditor('GET', '/fhir/AuditEvent?patient=Patient/platform.ada&_count=100'))
    expect(events.length).toBeGreaterThan(5)
    expect((await ehr('GET', '/fhir/AuditEvent')).status).toBe(403)
  })

  it('loses nothing, and registers nothing anew, when it is put out of memory', async () => {
    const size = () => inside(async (clinic) => (await clinic.opened()).store.logSize())
    await settled()
    const before = await size()
    await evictDurableObject(clinicObject())
    expect(await size()).toBe(before)
    // The token stands too: its key is in the store.
    expect(resources(await ehr('GET', '/fhir/Communication'))).toHaveLength(1)
    await settled()
    expect(await verified()).toMatchObject({ ok: true, findings: [] })
  })

  it('takes up what waits for a code when it is answered, and its alarm sends it', async () => {
    const held = order
      .replace(/RDE-20260105-\d+/, 'RDE-HELD')
      .replaceAll('RX-88001', 'RX-HELD')
      .replace('^RXNORM^', '^ACMERX^')
    const answer = await platform('POST', '/ingest/hl7v2', held, 'application/hl7-v2')
    expect(answer.text).toMatch(/\rMSA\|AA\|RDE-HELD/)
    await settled()
    expect(await received('MedicationRequest')).toHaveLength(2)
    const target = { code: 'https://acme.example/drugs' }
    const done = await inside(async (clinic) => {
      const { codeAnswers } = (await clinic.opened()).gateway
      const caller = { clientId: 'operator', name: 'operator', role: 'operator' as const, purpose: 'HOPERAT' }
      return codeAnswers.answer(
        { table: 'coding-system', code: 'ACMERX', target },
        { caller: { ...caller, scopes: [], actors: [], grants: [] }, requestId: crypto.randomUUID() },
      )
    })
    expect(done).toMatchObject({ resumed: 1, waiting: 0, withPeople: 0 })
    await settled()
    const orders = await received('MedicationRequest')
    expect(orders).toHaveLength(3)
    expect(JSON.stringify(orders)).toContain(target.code)
  })

  it('makes one resource of fifty conditional creates at once', async () => {
    const identifier = [{ system: 'urn:fifty', value: '1' }]
    const condition = { 'if-none-exist': 'identifier=urn:fifty|1' }
    const resource = { resourceType: 'Organization', name: 'One', identifier }
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        platform('POST', '/fhir/Organization', resource, undefined, condition),
      ),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(49).fill(200), 201])
    expect(resources(await platform('GET', '/fhir/Organization?identifier=urn:fifty|1'))).toHaveLength(1)
  })

  it('shakes hands with a subscriber and tells it of a message when its alarm goes, signed', async () => {
    const { address, secret } = JSON.parse(env.TEST_WEBHOOK) as { address: string; secret: string }
    const subscriber = await clientOf('ehr', 'system/*.rs system/Subscription.cruds')
    const put = await subscriber('POST', '/fhir/Subscription', {
      resourceType: 'Subscription',
      status: 'requested',
      reason: 'test',
      criteria: 'https://postern.health/fhir/SubscriptionTopic/message-received',
      channel: { type: 'rest-hook', endpoint: `${address}/in`, payload: 'application/fhir+json' },
    })
    expect(put.status, put.text).toBe(201)
    const status = async () => (await subscriber('GET', `/fhir/Subscription/${put.body.id}`)).body.status
    await vi.waitFor(
      async () => {
        await runDurableObjectAlarm(clinicObject())
        expect(await status()).toBe('active')
      },
      { timeout: 20_000, interval: 200 },
    )
    const sent = await platform('POST', '/ingest/messages', message.replaceAll('msg-', 'told-'))
    expect(sent.status, sent.text).toBe(201)
    const told = await vi.waitFor(
      async () => {
        await runDurableObjectAlarm(clinicObject())
        const received = (await (await fetch(address)).json()) as Received[]
        expect(received.map(({ type }) => type)).toEqual(['handshake', 'event-notification'])
        return received
      },
      { timeout: 20_000, interval: 200 },
    )
    expect(told.map((each) => isSigned(each, secret))).toEqual([true, true])
    await subscriber('DELETE', `/fhir/Subscription/${put.body.id}`)
  })

  it('prepares an export when its alarm goes', async () => {
    const headers = { prefer: 'respond-async' }
    const begun = await ehr('GET', '/fhir/$export?_type=Communication', undefined, undefined, headers)
    expect(begun.status, begun.text).toBe(202)
    const address = begun.headers.get('content-location') ?? ''
    const done = await vi.waitFor(
      async () => {
        await runDurableObjectAlarm(clinicObject())
        const answer = await ehr('GET', address)
        expect(answer.status, answer.text).toBe(200)
        return answer
      },
      { timeout: 20_000, interval: 1_100 },
    )
    const lines = await Promise.all(
      (done.body.output as { url: string }[]).map(async ({ url }) => (await ehr('GET', url)).text),
    )
    const found = resources(await ehr('GET', '/fhir/Communication?_count=100'))
    expect(lines.join('').trim().split('\n')).toHaveLength(found.length)
  })
})
