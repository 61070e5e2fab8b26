import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Communication } from 'fhir/r4'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { registerClient } from '#auth/clients.ts'
import { type Reference, versioned } from '#core/resource.ts'
import { systemPorts } from '../../src/node.ts'
import type { TestClient } from '../open-clinic.ts'
import { openClinic } from '../open-clinic.ts'
import { isSigned, partOf, startWebhook, type Webhook } from '../peers/webhook.ts'
import { startGateway } from './command-line.ts'
import { fixture, made, openScene, placesIn, prepareFolder, type Scene } from './scene.ts'
import {
  type Asked,
  backport,
  secret,
  soon,
  subscriptionTo,
  topic,
  webhooksOf,
} from './subscription-scene.ts'

/** https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/ over real HTTP, from write to webhook. */

const coded = (system: string, code: string) => ({ coding: [{ system, code }] })

let scene: Scene
let hook: Webhook

beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())
beforeEach(async () => {
  hook = await startWebhook()
  await webhooksTo([hook.address], ['subscription-content'])
  onTestFinished(() => hook.close())
})

const webhooksTo = (addresses: string[], grants: string[] = []) =>
  webhooksOf(scene.clinic, 'ehr', addresses, grants)
const subscriptionOf = (asked: Asked) => subscriptionTo(hook, asked)

/** Subscribes, waits for the handshake, and is switched off when the test ends. */
async function subscribed(asked: Asked = {}, client: TestClient = scene.ehr): Promise<Reference> {
  const subscription = await made(client, subscriptionOf(asked))
  onTestFinished(() => client.request('DELETE', `/fhir/${subscription}`).then(() => {}))
  await vi.waitFor(async () => expect(await statusOf(subscription, client)).toBe('active'), soon)
  return subscription
}

const statusOf = async (subscription: Reference, client = scene.ehr) =>
  (await client.request('GET', `/fhir/${subscription}`)).body.status

const messageBody = (
  text = 'How is the rash?',
  about = scene.patient,
  by = scene.organizations.northside,
) => ({
  resourceType: 'Communication',
  status: 'completed',
  subject: { reference: about },
  sender: { reference: by },
  payload: [{ contentString: text }],
})
const message = (text?: string, about?: Reference) => made(scene.ehr, messageBody(text, about))

const eventsAt = (webhook: Webhook) => webhook.received.filter(({ type }) => type === 'event-notification')
const numberOf = (bundle: object) =>
  partOf(bundle, 'notification-event').part.find(({ name }: { name: string }) => name === 'event-number')
    .valueString

async function aPatient(): Promise<Reference> {
  const managingOrganization = { reference: scene.organizations.northside }
  return made(scene.platform, { resourceType: 'Patient', managingOrganization })
}

function refusal(patient: Reference) {
  return {
    resourceType: 'Consent',
    status: 'active',
    scope: coded('http://terminology.hl7.org/CodeSystem/consentscope', 'patient-privacy'),
    category: [coded('http://loinc.org', '59284-0')],
    patient: { reference: patient },
    dateTime: '2026-11-21',
    policyRule: coded('http://terminology.hl7.org/CodeSystem/v3-ActCode', 'OPTOUT'),
    provision: { type: 'deny' },
  }
}

describe('a subscription', () => {
  it('is requested until its endpoint has answered a signed handshake', async () => {
    hook.answer(503)
    const subscription = await made(scene.ehr, subscriptionOf({ status: 'active', header: ['X-Key: abc'] }))
    onTestFinished(() => scene.ehr.request('DELETE', `/fhir/${subscription}`).then(() => {}))
    await vi.waitFor(() => expect(hook.received).toHaveLength(1), soon)
    expect(await statusOf(subscription)).toBe('requested')
    hook.answer(200)
    await vi.waitFor(async () => expect(await statusOf(subscription)).toBe('active'), soon)
    const [first, second] = hook.received
    expect(first?.type).toBe('handshake')
    expect(second?.text).toBe(first?.text)
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
    expect(second?.headers['x-key']).toBe('abc')
    expect(second?.headers['content-type']).toBe('application/fhir+json')
    if (!second) throw new Error('no second')
    expect(isSigned(second, secret)).toBe(true)
    expect(isSigned({ ...second, text: second.text.replace('handshake', 'heartbeat') }, secret)).toBe(false)
    expect(partOf(second.bundle, 'events-since-subscription-start').valueString).toBe('0')
    expect(partOf(second.bundle, 'topic').valueCanonical).toBe(topic('message-received'))
    const issues = scene.clinic.gateway.validator.check(second.bundle)
    expect(issues.filter(({ severity = 'error' }) => severity === 'error')).toEqual([])
  })

  it('tells of each event in order, signed, and by default nothing but that there is one', async () => {
    await subscribed()
    const made = [await message('one'), await message('two'), await message('three')]
    await vi.waitFor(() => expect(eventsAt(hook)).toHaveLength(3), soon)
    expect(eventsAt(hook).map(({ bundle }) => numberOf(bundle))).toEqual(['1', '2', '3'])
    for (const each of eventsAt(hook)) {
      expect(isSigned(each, secret)).toBe(true)
      expect(each.bundle.entry).toHaveLength(1)
      for (const reference of [...made, scene.patient])
        expect(each.text).not.toContain(reference.split('/')[1])
      expect(
        scene.clinic.gateway.validator.check(each.bundle).filter(({ severity }) => severity !== 'warning'),
      ).toEqual([])
    }
  })

  it('names what it is about where id-only was asked, and brings it where full-resource was', async () => {
    const [named, whole] = [await startWebhook(), await startWebhook()]
    onTestFinished(() => Promise.all([named.close(), whole.close()]).then(() => {}))
    await webhooksTo([named.address, whole.address], ['subscription-content'])
    await subscribed({ content: 'id-only', endpoint: named.address })
    await subscribed({ content: 'full-resource', endpoint: whole.address })
    const reference = await message('the whole of it')
    await vi.waitFor(() => expect([eventsAt(named).length, eventsAt(whole).length]).toEqual([1, 1]), soon)
    const [, id] = eventsAt(named)[0]?.bundle.entry ?? []
    expect(id).toMatchObject({
      request: { method: 'POST', url: 'Communication' },
      response: { status: '201' },
    })
    expect(id.fullUrl).toBe(`${scene.clinic.baseUrl}/fhir/${reference}`)
    expect(eventsAt(named)[0]?.text).not.toContain('the whole of it')
    const [, full] = eventsAt(whole)[0]?.bundle.entry ?? []
    expect(full.resource).toEqual((await scene.ehr.request('GET', `/fhir/${reference}`)).body)
    for (const each of [named, whole])
      expect(
        scene.clinic.gateway.validator
          .check(eventsAt(each)[0]?.bundle)
          .filter(({ severity }) => severity !== 'warning'),
      ).toEqual([])
  })

  it('tells of what fits its filters only, by topic or by a search of R4', async () => {
    const other = await aPatient()
    await subscribed({ content: 'id-only', filters: [`Communication?patient=${other}`] })
    await subscribed({ content: 'id-only', criteria: `Communication?subject=${other}&status=completed` })
    await message('not this')
    const wanted = await message('but this', other)
    await vi.waitFor(() => expect(eventsAt(hook)).toHaveLength(2), soon)
    for (const { bundle } of eventsAt(hook)) expect(bundle.entry[1].fullUrl).toContain(wanted)
  })

  it('breaks its silence where a heartbeat was asked for', async () => {
    await subscribed({ heartbeat: 5 })
    await vi.waitFor(() => expect(hook.received.at(-1)?.type).toBe('heartbeat'), soon)
    expect(hook.received.map(({ type }) => type)).toEqual(['handshake', 'heartbeat'])
  })

  it('is refused at an address nobody registered, for content without a grant, and for what is not served', async () => {
    const ask = async (asked: Asked) => {
      const { status, body } = await scene.ehr.request('POST', '/fhir/Subscription', subscriptionOf(asked))
      return [status, body.issue[0].code]
    }
    const at = new URL(hook.address)
    for (const endpoint of [
      'https://evil.example/hooks/in',
      'http://169.254.169.254/latest/meta-data',
      `http://${at.host}@evil.example/hooks/in`,
      `http://user:pass@${at.host}/hooks/in`,
      `http://${at.host}/hooks/../admin`,
      `http://${at.host}/hooksters`,
      `http://${at.hostname}.evil.example:${at.port}/hooks/in`,
      `http://[::ffff:127.0.0.1]:${at.port}/hooks/in`,
    ])
      expect(await ask({ endpoint }), endpoint).toEqual([403, 'forbidden'])
    await webhooksTo([hook.address])
    expect(await ask({ content: 'full-resource' })).toEqual([403, 'forbidden'])
    expect(await ask({ criteria: 'AuditEvent?date=ge2026' })).toEqual([403, 'forbidden'])
    expect(await ask({ criteria: topic('unheard-of') })).toEqual([422, 'invalid'])
    expect(await ask({ criteria: 'Communication?nonsense=1' })).toEqual([400, 'not-supported'])
    expect(await ask({ status: 'error' })).toEqual([422, 'invalid'])
    expect(await ask({ header: ['Host: evil.example'] })).toEqual([422, 'invalid'])
    expect(await ask({ heartbeat: 1 })).toEqual([422, 'invalid'])
  })

  it('is refused with a heartbeat without pause, whatever other extension stands before it', async () => {
    const { channel, ...rest } = subscriptionOf({})
    const extension = [
      { url: 'https://example.org/backport-heartbeat-period', valueUnsignedInt: 600 },
      { url: `${backport}-heartbeat-period`, valueUnsignedInt: 0 },
    ]
    const asked = { ...rest, channel: { ...channel, extension } }
    const { status } = await scene.ehr.request('POST', '/fhir/Subscription', asked)
    expect(status).toBe(422)
  })

  it('is its own client’s only, whoever it says it is', async () => {
    const forged = {
      url: 'https://postern.health/fhir/StructureDefinition/subscriber',
      valueIdentifier: { value: 'stranger' },
    }
    const { body } = await scene.ehr.request('POST', '/fhir/Subscription', {
      ...subscriptionOf({ status: 'off' }),
      extension: [forged],
    })
    const path = `/fhir/Subscription/${body.id}`
    expect(body.extension).toEqual([{ ...forged, valueIdentifier: { value: 'ehr' } }])
    for (const each of [path, `${path}/$status`, `${path}/$events`])
      expect((await scene.stranger.request('GET', each)).status, each).toBe(404)
    expect((await scene.stranger.request('GET', '/fhir/Subscription')).body.entry).toBeUndefined()
    expect((await scene.stranger.request('DELETE', path)).status).toBe(404)
    expect((await scene.platform.request('GET', path)).status).toBe(403)
  })
})

describe('what a subscriber is told', () => {
  it('is what it may see when it is told: a consent taken back stops what was still to be sent', async () => {
    const patient = await aPatient()
    const subscription = await subscribed({ content: 'full-resource' })
    hook.answer(503)
    await message('not yet sent', patient)
    await vi.waitFor(() => expect(eventsAt(hook)).toHaveLength(1), soon)
    await made(scene.platform, refusal(patient))
    hook.answer(200)
    const after = await message('about somebody else')
    await vi.waitFor(() => expect(eventsAt(hook).at(-1)?.text).toContain(after), soon)
    expect(
      eventsAt(hook)
        .filter(({ status }) => status === 200)
        .map(({ bundle }) => numberOf(bundle)),
    ).toEqual(['2'])
    await vi.waitFor(async () => {
      const [sent, stopped] = await scene.clinic.store.deliveries(2)
      expect([sent?.state, stopped?.state, stopped?.reason]).toEqual(['delivered', 'stopped', 'consent'])
    }, soon)
    const { body } = await scene.ehr.request('GET', `/fhir/${subscription}/$events`)
    expect(body.entry.slice(1).map(({ fullUrl }: { fullUrl: string }) => fullUrl)).toEqual([
      expect.stringContaining(after),
    ])
    await made(scene.ehr, messageBody('unseen', patient)).catch(() => {})
  })

  it('is nothing of patients it has nothing to do with, and not even counted', async () => {
    const subscription = await subscribed({ content: 'id-only' })
    const managingOrganization = { reference: scene.organizations.elsewhere }
    const patient = await made(scene.platform, { resourceType: 'Patient', managingOrganization })
    await made(scene.stranger, messageBody('canary', patient, scene.organizations.elsewhere))
    await message('mine')
    await vi.waitFor(() => expect(eventsAt(hook)).toHaveLength(1), soon)
    expect(numberOf(eventsAt(hook)[0]?.bundle)).toBe('1')
    const { body } = await scene.ehr.request('GET', `/fhir/${subscription}/$status`)
    expect(body.type).toBe('searchset')
    expect(partOf(body, 'events-since-subscription-start').valueString).toBe('1')
  })

  it('is what there is besides a patient with more merged records than can be decided upon', async () => {
    const tangled = await aPatient()
    const link = (type: string, other: Reference) => ({ type, other: { reference: other } })
    const replaced = await Promise.all(
      Array.from({ length: 20 }, () =>
        made(scene.platform, { resourceType: 'Patient', link: [link('replaced-by', tangled)] }),
      ),
    )
    const { body, headers } = await scene.platform.request('GET', `/fhir/${tangled}`)
    const survivor = { ...body, link: replaced.map((each) => link('replaces', each)) }
    const match = { 'if-match': headers.get('etag') ?? '' }
    expect((await scene.platform.request('PUT', `/fhir/${tangled}`, survivor, match)).status).toBe(200)
    await subscribed({ content: 'id-only' })
    await made(scene.platform, messageBody('about nobody who can be told apart', tangled))
    const other = await message('about somebody else')
    await vi.waitFor(() => expect(eventsAt(hook)).toHaveLength(1), soon)
    expect(eventsAt(hook)[0]?.bundle.entry[1].fullUrl).toContain(other)
    expect((await scene.ehr.request('GET', `/fhir/${tangled}`)).status).toBe(404)
    const search = await scene.ehr.request('GET', '/fhir/Communication')
    expect([search.status, search.text.includes(tangled)]).toEqual([200, false])
  })

  it('is cut down to what its role sees', async () => {
    await webhooksOf(scene.clinic, 'pharmacy', [hook.address], ['subscription-content'])
    await subscribed({ content: 'full-resource', criteria: topic('prescription-updated') }, scene.pharmacy)
    const fixed = fixture('prescription/active-attested.in.json')
    const { body: receipt } = await scene.platform.request('POST', '/ingest/prescriptions', fixed)
    const [order] = placesIn(receipt, 'MedicationRequest')
    await vi.waitFor(() => expect(eventsAt(hook)).toHaveLength(1), soon)
    expect(eventsAt(hook)[0]?.bundle.entry[1].resource).toEqual(
      (await scene.pharmacy.request('GET', `/fhir/${order}`)).body,
    )
    const { body: whole } = await scene.ehr.request('GET', `/fhir/${order}`)
    const told = eventsAt(hook)[0]?.bundle.entry[1].resource
    expect(Object.keys(told).length).toBeLessThan(Object.keys(whole).length)
  })

  it('is a disclosure in the patient’s accounting', async () => {
    const patient = await aPatient()
    await subscribed()
    const reference = await message('accounted for', patient)
    await vi.waitFor(() => expect(eventsAt(hook)).toHaveLength(1), soon)
    const told = await vi.waitFor(async () => {
      const found = await scene.clinic.store.search({
        type: 'AuditEvent',
        criteria: [{ kind: 'token', param: 'patient', values: [patient] }],
        limit: 100,
      })
      const event = found
        .map(({ stored }) => JSON.parse(stored.json))
        .find(({ subtype }) => subtype[0].code === 'disclose')
      expect(event).toBeDefined()
      return event
    }, soon)
    expect(told.outcome).toBe('0')
    expect(JSON.stringify(told.entity)).toContain(reference)
    expect(JSON.stringify(told.agent)).toContain(hook.address)
  })
})

describe('a subscriber that was away', () => {
  it('falls into error, and catches up by $events and a new handshake', async () => {
    const subscription = await subscribed({ content: 'id-only' })
    const first = await message('told')
    await vi.waitFor(() => expect(eventsAt(hook)).toHaveLength(1), soon)
    hook.answer(404)
    const missed = [await message('missed'), await message('missed too')]
    await vi.waitFor(async () => expect(await statusOf(subscription)).toBe('error'), soon)
    missed.push(await message('missed while in error'))
    await vi.waitFor(async () => {
      const { body } = await scene.ehr.request('GET', `/fhir/${subscription}/$status`)
      expect(partOf(body, 'events-since-subscription-start').valueString).toBe('4')
      expect(partOf(body, 'status').valueCode).toBe('error')
    }, soon)
    const events = await scene.ehr.request('GET', `/fhir/${subscription}/$events?eventsSinceNumber=2`)
    const urls = (references: Reference[]) => references.map((each) => `${scene.clinic.baseUrl}/fhir/${each}`)
    expect(events.body.entry.slice(1).map(({ fullUrl }: { fullUrl: string }) => fullUrl)).toEqual(
      urls(missed),
    )
    expect(
      scene.clinic.gateway.validator.check(events.body).filter(({ severity }) => severity !== 'warning'),
    ).toEqual([])
    const only = await scene.ehr.request(
      'GET',
      `/fhir/${subscription}/$events?eventsUntilNumber=1&content=empty`,
    )
    expect([only.body.entry.length, numberOf(only.body)]).toEqual([1, '1'])
    expect(
      (await scene.ehr.request('GET', `/fhir/${subscription}/$events?content=full-resource`)).status,
    ).toBe(400)

    hook.answer(200)
    const { body, headers } = await scene.ehr.request('GET', `/fhir/${subscription}`)
    expect(body.error).toBe('Not notified: http-404')
    const again = { ...body, status: 'requested' }
    await scene.ehr.request('PUT', `/fhir/${subscription}`, again, { 'if-match': headers.get('etag') ?? '' })
    await vi.waitFor(async () => expect(await statusOf(subscription)).toBe('active'), soon)
    const next = await message('told again')
    await vi.waitFor(() => expect(eventsAt(hook).at(-1)?.text).toContain(next), soon)
    expect(numberOf(eventsAt(hook).at(-1)?.bundle)).toBe('5')
    expect(eventsAt(hook)[0]?.text).toContain(first)
  })

  it('is told nothing once it is off, deleted, its client switched off or its address taken back', async () => {
    const subscription = await subscribed()
    const { body, headers } = await scene.ehr.request('GET', `/fhir/${subscription}`)
    await scene.ehr.request(
      'PUT',
      `/fhir/${subscription}`,
      { ...body, status: 'off' },
      { 'if-match': headers.get('etag') ?? '' },
    )
    expect(await statusOf(subscription)).toBe('off')
    await subscribed()
    await webhooksTo(['https://elsewhere.example/'])
    await message('to nobody')
    await vi.waitFor(async () => {
      const [last] = await scene.clinic.store.deliveries(1)
      expect([last?.state, last?.reason]).toEqual(['stopped', 'destination-inactive'])
    }, soon)
    expect(eventsAt(hook)).toEqual([])
  })
})

describe('kill -9 while a subscriber is told', () => {
  it('loses no event and gives each its one number', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-subscription-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const { settings, clients, patient } = await prepareFolder(folder, {})
    const prepared = await openClinic(settings, folder)
    const known = JSON.parse((await prepared.store.findRegistration('client', 'ehr')) ?? '{}')
    const by = { requestId: 'test-setup', at: systemPorts.clock.now() }
    const next = { ...known, webhooks: { addresses: [hook.address], secret } }
    await registerClient(prepared.store, prepared.gateway.audit, next, by)
    await prepared.stop()

    const victim = await startGateway(folder, settings)
    onTestFinished(() => victim.kill())
    const { ehr } = clients(victim.baseUrl)
    const subscription = await made(ehr, subscriptionOf({ content: 'id-only' }))
    await vi.waitFor(async () => expect(await statusOf(subscription, ehr)).toBe('active'), soon)
    hook.answer(503)
    const { body: patientBody } = await ehr.request('GET', `/fhir/${patient}`)
    const by2 = patientBody.managingOrganization.reference
    const first = await made(ehr, messageBody('one', patient, by2))
    await vi.waitFor(() => expect(eventsAt(hook)).toHaveLength(1), soon)
    await victim.kill()

    // What was stored and not looked at when the process died, and what it held.
    const between = await openClinic({ ...settings, POSTERN_MLLP_PORT: '0' }, folder)
    await between.gateway.gatherer.stop()
    await between.gateway.deliverer.stop()
    const at = Date.now()
    const two = messageBody('two', patient, by2) as unknown as Communication
    const write = versioned(two, crypto.randomUUID(), 1, at)
    await between.store.commit({ audit: [], writes: [{ resource: write, version: 1, updated: at }] })
    expect(await between.store.waitingChanges(10)).toHaveLength(1)
    await between.stop()
    const db = new Database(join(folder, 'data.db'))
    db.exec('UPDATE delivery SET lease = lease - 60000')
    db.close()
    hook.answer(200)
    const second = await startGateway(folder, settings)
    onTestFinished(() => second.kill())
    await vi.waitFor(
      () => expect(eventsAt(hook).filter(({ status }) => status === 200)).toHaveLength(2),
      soon,
    )
    const told = eventsAt(hook).filter(({ status }) => status === 200)
    expect(told.map(({ bundle }) => [numberOf(bundle), bundle.entry[1].fullUrl.split('/fhir/')[1]])).toEqual([
      ['1', first],
      ['2', `Communication/${write.id}`],
    ])
    expect(told[0]?.text).toBe(eventsAt(hook)[0]?.text)
  }, 60_000)
})
