import type { MedicationRequest, Provenance, Task } from 'fhir/r4'
import { CompactSign, exportJWK, generateKeyPair } from 'jose'
import { afterEach, beforeAll, expect, it } from 'vitest'
import type { SignerJwk } from '#care/detached-signature.ts'
import { signedText } from '#care/order-signature.ts'
import { signatureRecord } from '#care/signature-record.ts'
import type { SignerRegistration } from '#care/signer.ts'
import { type Identified, type Resource, versioned } from '#core/resource.ts'
import { type Pharmacy, startPharmacy } from '../peers/pharmacy.ts'
import { corner, doctor, type Outbox, openOutbox, orderOf, patient } from './open-outbox.ts'

/** What is queued for a pharmacy is compared with what was signed, at each attempt (R19). */
const started: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()))
})

type Order = Identified<MedicationRequest>
const draft = { ...orderOf('o1'), status: 'draft' } as Order
const start = Date.parse('2026-01-05T09:00:00Z')
let privateKey: CryptoKey
let jwk: SignerJwk

beforeAll(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true })
  privateKey = pair.privateKey
  jwk = (await exportJWK(pair.publicKey)) as SignerJwk
})

async function recordOf(order: Order): Promise<Identified<Provenance>> {
  const text = signedText(order)
  const jws = await new CompactSign(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: 'ES256', kid: 'k' })
    .sign(privateKey)
  const signature = jws.replace(/\..*\./, '..')
  return signatureRecord({
    id: 's1',
    order,
    prescriber: 'Practitioner/d1',
    signature,
    text,
    evidence: { named: [] },
    at: start,
  })
}

const step = (at: number) => ({ by: 'Practitioner/op' as const, at })
const signerOf = (changes: object = {}): SignerRegistration => ({
  person: 'Practitioner/d1',
  revision: 1,
  keys: [{ thumbprint: 'k', jwk, proposed: step(start - 2), approved: step(start - 1), ...changes }],
})

interface Case {
  /** The version that is to leave. */
  sent?: Partial<Order>
  record?: (record: Identified<Provenance>) => Identified<Provenance>[]
  signer?: SignerRegistration
}

/** A draft, the version that was put in force, the record of its signature, and the delivery of that version. */
async function attempted({ sent = {}, record = (one) => [one], signer = signerOf() }: Case) {
  const outbox: Outbox = await openOutbox()
  const peer: Pharmacy = await startPharmacy()
  started.push(outbox, peer)
  await outbox.register({
    id: 'corner',
    name: 'Corner Pharmacy',
    role: 'pharmacy',
    organization: 'Organization/corner',
    purpose: 'TREAT',
    channel: {
      kind: 'mllp',
      host: peer.host,
      port: peer.port,
      sending: { application: 'POSTERN', facility: 'TEST' },
      receiving: { application: 'CORNER', facility: 'CORNER' },
    },
  })
  const active = { ...draft, status: 'active' as const }
  const at = outbox.clock.now()
  const write = (resource: Resource, version: number) => ({
    resource: versioned(resource, resource.id ?? '', version, at),
    version,
    updated: at,
  })
  const records = record(await recordOf(versioned(active, 'o1', 2, at)))
  await outbox.store.commit({
    audit: [],
    writes: [
      ...[patient, doctor, corner, draft, ...records].map((resource) => write(resource, 1)),
      write({ ...active, ...sent }, 2),
    ],
    registrations: [{ kind: 'signer', id: signer.person, json: JSON.stringify(signer) }],
    deliveries: [
      {
        id: 'd1',
        destination: 'corner',
        resources: [{ type: 'MedicationRequest', id: 'o1', version: 2 }],
        patient: 'Patient/p1',
        due: at,
      },
    ],
  })
  await outbox.deliverer().run()
  const [delivery] = await outbox.store.deliveries(10)
  const found = await outbox.store.search({
    type: 'Task',
    criteria: [{ kind: 'token', param: 'status', values: ['requested'] }],
    limit: 10,
  })
  const tasks = found.map(({ stored }) => JSON.parse(stored.json) as Task)
  return { delivery, tasks, messages: peer.messages }
}

it('an order leaves as it was signed', async () => {
  const { delivery, messages } = await attempted({})
  expect(delivery?.state).toBe('delivered')
  expect(messages).toHaveLength(1)
})

it('an order leaves that has other unsigned words, and one whose key was revoked after it was signed', async () => {
  const later = { ...signerOf({ revoked: step(start + 1) }) }
  const { delivery } = await attempted({
    sent: { note: [{ text: 'called' }], language: 'en' },
    signer: later,
  })
  expect(delivery?.state).toBe('delivered')
})

const withSignature =
  (changes: object) =>
  (one: Identified<Provenance>): Identified<Provenance>[] => [
    { ...one, signature: one.signature?.map((each) => ({ ...each, ...changes })) },
  ]

it.each<[string, string, Case]>([
  ['a draft', 'not-signed', { sent: { status: 'draft' } }],
  [
    'another dose than was signed',
    'order-altered',
    { sent: { dosageInstruction: [{ text: 'ten tablets in the morning' }] } },
  ],
  ['an order that nobody signed', 'signature-missing', { record: () => [] }],
  ['an order signed twice', 'signature-missing', { record: (one) => [one, { ...one, id: 's2' }] }],
  [
    'an order with the signature of other words',
    'signature-invalid',
    {
      record: withSignature({
        data: btoa(`${btoa('{"alg":"ES256","kid":"k"}').replace(/=+$/, '')}..${'A'.repeat(86)}`),
      }),
    },
  ],
  ['an order with no signature at all', 'signature-format', { record: withSignature({ data: btoa('no') }) }],
  [
    'an order signed by another person',
    'signer-other',
    { record: withSignature({ who: { reference: 'Practitioner/x' } }) },
  ],
  [
    'an order whose key was not approved yet',
    'signer-unknown',
    { signer: signerOf({ approved: step(start + 1) }) },
  ],
  [
    'an order whose key was revoked by then',
    'signer-unknown',
    { signer: signerOf({ revoked: step(start) }) },
  ],
])('%s never leaves, and somebody is told: %s', async (_, reason, given) => {
  const { delivery, tasks, messages } = await attempted(given)
  expect([delivery?.state, delivery?.reason]).toEqual(['dead', reason])
  expect(messages).toEqual([])
  expect(tasks).toHaveLength(1)
  expect(tasks[0]?.code?.text).toBe(`Delivery failed: ${reason}`)
})
