import type { QuestionnaireResponse, Task } from 'fhir/r4'
import { afterEach, expect, test } from 'vitest'
import { findSegment, readMessage, value } from '#formats/hl7v2/message.ts'
import { startEhr } from '../peers/ehr.ts'
import { startFaultyServer } from '../peers/faulty-server.ts'
import { startPharmacy } from '../peers/pharmacy.ts'
import {
  corner,
  doctor,
  hospital,
  messageOf,
  type Outbox,
  openOutbox,
  orderOf,
  patient,
} from './open-outbox.ts'

const started: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.close()))
})

function kept<P extends { close(): Promise<void> }>(peer: P): P {
  started.push(peer)
  return peer
}

const backoff = { baseMs: 1_000, capMs: 60_000, attempts: 3 }
const stored = [
  patient,
  doctor,
  corner,
  hospital,
  { ...messageOf('why', 'a canary of the chat') },
  orderOf('o1'),
]

function mllpAt({ host, port }: { host: string; port: number }, timeoutMs = 2_000) {
  const sending = { application: 'POSTERN', facility: 'CLINIC' }
  const receiving = { application: 'RX', facility: 'CORNER' }
  return { kind: 'mllp', host, port, timeoutMs, sending, receiving }
}

function pharmacyDestination(channel: object) {
  const organization = 'Organization/corner'
  return { id: 'corner', name: 'Corner Pharmacy', role: 'pharmacy', organization, purpose: 'TREAT', channel }
}

async function opened(channel: object): Promise<{ outbox: Outbox; id: string }> {
  const outbox = kept(await openOutbox())
  await outbox.register(pharmacyDestination(channel))
  return { outbox, id: await outbox.queue(stored, 'corner', ['MedicationRequest/o1']) }
}

async function stateOf({ store }: Outbox, id: string): Promise<string> {
  const found = (await store.deliveries(100)).find((delivery) => delivery.id === id)
  return `${found?.state} ${found?.attempt} ${found?.reason ?? ''}`.trim()
}

test('a pharmacy gets the order it is to dispense as RDE^O11, and nothing of what was said about it', async () => {
  const pharmacy = kept(await startPharmacy())
  const { outbox, id } = await opened(mllpAt(pharmacy))
  await outbox.deliverer().run()
  expect(await stateOf(outbox, id)).toBe('delivered 1')
  const message = readMessage(pharmacy.messages[0] ?? '')
  const field = (segment: string, number: number, component = 1) => {
    const found = findSegment(message, segment)
    return found && value(found, number, 1, component)
  }
  expect([field('MSH', 9, 1), field('MSH', 9, 2)]).toEqual(['RDE', 'O11'])
  expect(field('MSH', 10)).toBe(`${id.replaceAll('-', '').slice(0, 18)}00`)
  expect(field('PID', 5)).toBe('Muster')
  expect(field('ORC', 1)).toBe('NW')
  expect(field('ORC', 12, 2)).toBe('Arzt')
  expect(field('RXE', 2)).toBe('197361')
  expect(field('RXE', 12)).toBe('2')
  expect(pharmacy.messages[0]).not.toMatch(/canary|told in the chat|Communication/)
})

test.each([
  ['AE', 'queued 1 ack-AE'],
  ['silence', 'queued 1 mllp-timeout'],
  ['wrong-id', 'queued 1 mllp-timeout'],
  ['close', 'queued 1 mllp-closed'],
] as const)('after "%s" the order is %s, and is sent again byte for byte', async (answer, expected) => {
  const pharmacy = kept(await startPharmacy())
  const { outbox, id } = await opened(mllpAt(pharmacy, 300))
  pharmacy.answerNext(answer)
  const deliverer = outbox.deliverer({ backoff })
  await deliverer.run()
  expect(await stateOf(outbox, id)).toBe(expected)
  outbox.pass(60_000)
  await deliverer.run()
  expect(await stateOf(outbox, id)).toBe('delivered 2')
  expect(pharmacy.messages).toHaveLength(2)
  expect(pharmacy.messages[1]).toBe(pharmacy.messages[0])
})

test('an order that the pharmacy rejects is dead, with a Task for the patient that tells nothing clinical', async () => {
  const pharmacy = kept(await startPharmacy())
  const { outbox, id } = await opened(mllpAt(pharmacy))
  pharmacy.answer('AR')
  await outbox.deliverer().run()
  expect(await stateOf(outbox, id)).toBe('dead 1 ack-AR')
  const criteria = [{ kind: 'token' as const, param: 'status', values: ['requested'] }]
  const found = await outbox.store.search({ type: 'Task', criteria, limit: 10 })
  const tasks = found.map((row) => JSON.parse(row.stored.json) as Task)
  expect(tasks).toMatchObject([
    {
      code: { text: 'Delivery failed: ack-AR' },
      focus: { reference: 'MedicationRequest/o1' },
      for: { reference: 'Patient/p1' },
    },
  ])
  expect(JSON.stringify(tasks)).not.toMatch(/Amlodipine|197361|Muster/)
})

test('a pharmacy that is not there, or resets, is tried again', async () => {
  const resetting = kept(await startFaultyServer('reset'))
  const { outbox, id } = await opened(mllpAt(resetting))
  const deliverer = outbox.deliverer({ backoff })
  await deliverer.run()
  expect(await stateOf(outbox, id)).toMatch(/^queued 1 mllp-(reset|closed)$/)
  await resetting.close()
  started.splice(0, 1)
  outbox.pass(60_000)
  await deliverer.run()
  expect(await stateOf(outbox, id)).toBe('queued 2 mllp-refused')
})

test('an order that names another pharmacy is never sent', async () => {
  const pharmacy = kept(await startPharmacy())
  const outbox = kept(await openOutbox())
  await outbox.register({ ...pharmacyDestination(mllpAt(pharmacy)), organization: 'Organization/hospital' })
  const id = await outbox.queue(stored, 'corner', ['MedicationRequest/o1'])
  await outbox.deliverer().run()
  expect(await stateOf(outbox, id)).toBe('stopped 1 access')
  expect(pharmacy.messages).toEqual([])
})

test('what cannot be said in HL7 v2 is dead at once', async () => {
  const pharmacy = kept(await startPharmacy())
  const outbox = kept(await openOutbox())
  await outbox.register(pharmacyDestination(mllpAt(pharmacy)))
  const order = { ...orderOf('o1'), doNotPerform: true } as ReturnType<typeof orderOf>
  const id = await outbox.queue([...stored.slice(0, -1), order], 'corner', ['MedicationRequest/o1'])
  await outbox.deliverer().run()
  expect(await stateOf(outbox, id)).toBe('dead 1 invalid')
  expect(pharmacy.messages).toEqual([])
})

test('over FHIR, too, a pharmacy gets the order without reasons, notes or messages', async () => {
  const server = kept(await startEhr())
  const { outbox, id } = await opened({ kind: 'fhir', address: server.base })
  await outbox.deliverer().run()
  expect(await stateOf(outbox, id)).toBe('delivered 1')
  expect(await server.all('Communication')).toEqual([])
  const [order] = await server.all('MedicationRequest')
  expect(order).toMatchObject({ dispenseRequest: { quantity: { value: 30 } } })
  expect(server.requests[0]?.body).not.toMatch(/canary|told in the chat|"note"|supportingInformation/)
})

test('an EHR that takes HL7 v2 gets a message as MDM^T02, in the version it asks for', async () => {
  const server = kept(await startPharmacy())
  const outbox = kept(await openOutbox())
  const channel = { ...mllpAt(server), version: '2.7', charset: '8859/1' }
  const organization = 'Organization/hospital'
  await outbox.register({ id: 'ehr', name: 'Hospital', role: 'ehr', organization, purpose: 'TREAT', channel })
  const shared = { ...messageOf('m2', 'Zoë is better'), recipient: [{ reference: 'Organization/hospital' }] }
  const said = await outbox.queue([...stored.slice(0, -1), shared as never], 'ehr', ['Communication/m2'])
  await outbox.deliverer().run()
  expect(await stateOf(outbox, said)).toBe('delivered 1')
  expect(server.messages[0]).toContain('MDM^T02^MDM_T02')
  expect(server.messages[0]).toContain('|2.7|')
})

test('an EHR that takes HL7 v2 gets the answers of a questionnaire as ORU^R01, by the name it has for it', async () => {
  const server = kept(await startPharmacy())
  const outbox = kept(await openOutbox())
  const canonical = 'https://postern.health/fhir/Questionnaire/medication-follow-up|1.0.0'
  const channel = { ...mllpAt(server), questionnaires: { [canonical]: 'MFU^Follow-up^SURVEYS' } }
  const organization = 'Organization/hospital'
  await outbox.register({ id: 'ehr', name: 'Hospital', role: 'ehr', organization, purpose: 'TREAT', channel })
  const registered = { ...patient, managingOrganization: { reference: 'Organization/hospital' } }
  const weight = JSON.rawJSON('72.50') as unknown as number
  const answers: QuestionnaireResponse = {
    resourceType: 'QuestionnaireResponse',
    id: 'qr1',
    identifier: { system: 'urn:oid:6', value: 'qr1' },
    questionnaire: canonical,
    status: 'completed',
    subject: { reference: 'Patient/p1' },
    authored: '2026-01-05T09:00:00Z',
    author: { reference: 'Practitioner/d1' },
    source: { reference: 'Patient/p1' },
    item: [{ linkId: 'weight', text: 'Weight', answer: [{ valueQuantity: { value: weight, unit: 'kg' } }] }],
  }
  const sent = await outbox.queue([registered as never, doctor, hospital, answers as never], 'ehr', [
    'QuestionnaireResponse/qr1',
  ])
  await outbox.deliverer().run()
  expect(await stateOf(outbox, sent)).toBe('delivered 1')
  const [text = ''] = server.messages
  expect(text).toContain('ORU^R01^ORU_R01')
  expect(text).toContain('OBR|1||qr1^^6^ISO|MFU^Follow-up^SURVEYS|||20260105090000+0000|')
  expect(text).toContain('OBX|1|NM|29463-7^Weight^LN^weight^^L||72.50|^kg|||||F|')
})
