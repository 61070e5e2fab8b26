import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { type Reference, versioned } from '#core/resource.ts'
import { clientWithKey } from '../open-clinic.ts'
import { isSigned, startWebhook, type Webhook } from '../peers/webhook.ts'
import { postern } from './command-line.ts'
import { made, openScene, type Scene } from './scene.ts'
import { type Asked, soon, subscriptionTo, webhooksOf } from './subscription-scene.ts'

let scene: Scene
let hook: Webhook

beforeAll(async () => {
  scene = await openScene()
  hook = await startWebhook()
  await webhooksOf(scene.clinic, 'ehr', [hook.address])
})
afterAll(async () => {
  await hook.close()
  await scene.clinic.close()
})

async function subscribed(asked: Asked): Promise<Reference> {
  const subscription = await made(scene.ehr, subscriptionTo(hook, asked))
  onTestFinished(() => scene.ehr.request('DELETE', `/fhir/${subscription}`).then(() => {}))
  await becomes(subscription, 'active')
  return subscription
}

function becomes(subscription: Reference, status: string): Promise<void> {
  return vi.waitFor(
    async () => expect((await scene.ehr.request('GET', `/fhir/${subscription}`)).body.status).toBe(status),
    soon,
  )
}

async function changed(reference: Reference, changes: object, client = scene.ehr) {
  const { body, headers } = await client.request('GET', `/fhir/${reference}`)
  const match = { 'if-match': headers.get('etag') ?? '' }
  return client.request('PUT', `/fhir/${reference}`, { ...body, ...changes }, match)
}

const message = (more = {}) =>
  made(scene.ehr, {
    resourceType: 'Communication',
    status: 'completed',
    subject: { reference: scene.patient },
    sender: { reference: scene.organizations.northside },
    payload: [{ contentString: 'How is the rash?' }],
    ...more,
  })

it('a subscription is off from its end on, and is told again once it is asked for anew', async () => {
  const past = subscriptionTo(hook, { end: '2026-01-01T00:00:00Z' })
  const refused = await scene.ehr.request('POST', '/fhir/Subscription', past)
  expect([refused.status, refused.body.issue[0].expression]).toEqual([422, ['Subscription.end']])

  const end = new Date(Date.now() + 3_000).toISOString()
  const subscription = await subscribed({ end })
  await becomes(subscription, 'off')
  const { body } = await scene.auditor.request('GET', `/fhir/AuditEvent?entity=${subscription}&action=U`)
  expect(JSON.stringify(body)).toContain('subscription ended')
  const before = hook.received.length
  await message()
  const again = await changed(subscription, { status: 'requested', end: undefined })
  expect(again.status, again.text).toBe(200)
  await becomes(subscription, 'active')
  await message()
  await vi.waitFor(() => expect(hook.received.at(-1)?.type).toBe('event-notification'), soon)
  // What was stored while it was off is no event of it.
  expect(hook.received.slice(before).map(({ type }) => type)).toEqual(['handshake', 'event-notification'])
})

it('what was found to be sensitive since is shown by no earlier version, nor by the events of one', async () => {
  const subscription = await subscribed({ content: 'id-only' })
  const told = await message({ payload: [{ contentString: 'It burns.' }] })
  const events = async () =>
    (await scene.ehr.request('GET', `/fhir/${subscription}/$events`)).body.entry.slice(1)
  await vi.waitFor(async () => expect(await events()).toHaveLength(1), soon)
  const refusal = {
    resourceType: 'Consent',
    status: 'active',
    scope: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }],
    },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: scene.patient },
    dateTime: '2026-11-21',
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
    provision: {
      type: 'permit',
      provision: [
        {
          type: 'deny',
          securityLabel: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'V' }],
        },
      ],
    },
  }
  const consent = await made(scene.platform, refusal)
  onTestFinished(() => changed(consent, { status: 'inactive' }, scene.platform).then(() => {}))
  const earlier = `/fhir/${told}/_history/1`
  expect((await scene.ehr.request('GET', earlier)).status).toBe(200)
  // By another door: a caller labels nothing out of its own sight.
  const { body: previous } = await scene.ehr.request('GET', `/fhir/${told}`)
  const security = [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'V' }]
  const at = Date.now()
  const resource = versioned({ ...previous, meta: { security } }, previous.id, 2, at)
  await scene.clinic.store.commit({ audit: [], writes: [{ resource, version: 2, updated: at, previous }] })
  for (const path of [`/fhir/${told}`, earlier, `/fhir/${told}/_history`])
    expect((await scene.ehr.request('GET', path)).status, path).toBe(404)
  expect(await events()).toEqual([])
})

it('a client has at most a hundred, those that are off aside', async () => {
  const batch = async (status: string, number: number) => {
    const resource = subscriptionTo(hook, { status, criteria: 'Task?status=completed' })
    const entry = Array(number).fill({ resource, request: { method: 'POST', url: 'Subscription' } })
    const { body } = await scene.otherPharmacy.request('POST', '/fhir', {
      resourceType: 'Bundle',
      type: 'batch',
      entry,
    })
    return (body.entry as { response: { status: string } }[]).map(({ response }) => response.status)
  }
  await webhooksOf(scene.clinic, 'other-pharmacy', [hook.address])
  expect(await batch('off', 5)).toEqual(Array(5).fill('201'))
  expect(await batch('requested', 92)).toEqual(Array(92).fill('201'))
  for (let left = 8; left > 0; left--) expect(await batch('requested', 1)).toEqual(['201'])
  const { status, body } = await scene.otherPharmacy.request(
    'POST',
    '/fhir/Subscription',
    subscriptionTo(hook, { criteria: 'Task?status=completed' }),
  )
  expect([status, body.issue[0].code]).toEqual([422, 'too-costly'])
  expect(body.issue[0].diagnostics).toContain('at most 100')
  const found = await scene.otherPharmacy.request('GET', '/fhir/Subscription?status=off&_count=1')
  const [one] = found.body.entry
  const taken = await changed(`Subscription/${one.resource.id}`, { status: 'requested' }, scene.otherPharmacy)
  expect(taken.status).toBe(422)
})

it('the command line registers where a client is notified, and tells the key of the signatures', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES384', { extractable: true })
  const file = join(scene.clinic.folder, 'jwks.json')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'hooked-1', alg: 'ES384', use: 'sig' }
  writeFileSync(file, JSON.stringify({ keys: [jwk] }))
  const scopes = ['system/Subscription.cruds', 'system/Communication.rs']
  const words = ['--json', 'client', 'add', 'hooked', '--role', 'ehr', '--jwks', file]
  const who = ['--organization', scene.organizations.northside, '--scope', scopes.join(' ')]
  const added = await postern(scene.clinic.folder, ...words, ...who, '--webhook', hook.address)
  expect(added.code, added.stderr).toBe(0)
  const { webhookSecret } = JSON.parse(added.stdout)
  const client = clientWithKey(scene.clinic.baseUrl, { id: 'hooked', scopes }, privateKey, 'hooked-1')
  const elsewhere = subscriptionTo(hook, { endpoint: 'https://elsewhere.example/in' })
  expect((await client.request('POST', '/fhir/Subscription', elsewhere)).status).toBe(403)
  const before = hook.received.length
  await made(client, subscriptionTo(hook, {}))
  await vi.waitFor(() => expect(hook.received.length).toBeGreaterThan(before), soon)
  const [handshake] = hook.received.slice(before)
  expect(handshake && isSigned(handshake, webhookSecret)).toBe(true)
})

it('fifty conditional creates at once, each over its own connection, make one resource', async () => {
  const identifier = [{ system: 'urn:fifty', value: '1' }]
  const condition = { 'if-none-exist': 'identifier=urn:fifty|1' }
  const resource = { resourceType: 'Organization', name: 'One', identifier }
  const answers = await Promise.all(
    Array.from({ length: 50 }, () =>
      scene.platform.request('POST', '/fhir/Organization', resource, condition),
    ),
  )
  expect(answers.map(({ status }) => status).toSorted()).toEqual([...Array(49).fill(200), 201])
  const { body } = await scene.platform.request('GET', '/fhir/Organization?identifier=urn:fifty|1')
  expect(body.entry).toHaveLength(1)
})
