import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { writeOrderMessage } from '#formats/hl7v2/order-message.ts'
import type { Pharmacy } from '../peers/pharmacy.ts'
import { guide } from './guide.ts'
import { openMainStreet } from './main-street.ts'
import { fieldsOf } from './mllp-socket.ts'
import { message, openScene, patientIdentifier, placesIn, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
let peer: Pharmacy
beforeAll(async () => {
  scene = await openScene()
  peer = await openMainStreet(scene)
})
afterAll(async () => {
  await scene.clinic.close()
  await peer.close()
})

const attested = (changes: object) => message('prescription/active-attested.in.json', changes)
const send = async (body: object, by = scene.platform) => {
  const answer = await by.request('POST', '/ingest/prescriptions', body)
  expect(answer.status, answer.text).toBe(201)
  const [order = ''] = placesIn(answer.body, 'MedicationRequest')
  return { receipt: answer.body, order }
}

describe('an order is in force', () => {
  it('only from a client with order-source, with the attestation in its Provenance', async () => {
    const { order, receipt } = await send(attested({ id: 'active' }))
    expect((await scene.ehr.request('GET', `/fhir/${order}`)).body.status).toBe('active')
    const [provenance] = placesIn(receipt, 'Provenance')
    const kept = await scene.ehr.request('GET', `/fhir/${provenance}`)
    const { attestation } = message('prescription/active-attested.in.json')
    const attester = { reference: receipt.parties.attester }
    expect(kept.body.agent).toContainEqual(expect.objectContaining({ who: attester }))
    expect(kept.body.entity).toContainEqual({ role: 'source', what: { identifier: attestation.reference } })
    expect(Buffer.from(kept.body.signature[0].data, 'base64').toString()).toBe(attestation.signature)
    expect(kept.body.target).toContainEqual({ reference: `${order}/_history/1` })
    expect(placesIn(receipt, 'Task')).toHaveLength(1)
  })

  it.each([
    ['without an attestation', { attestation: undefined }, 'platform'],
    ['from a client without the grant', {}, 'drafter'],
  ] as const)('never %s: it is a draft, with no Task and no delivery', async (name, changes, by) => {
    const { order, receipt } = await send(attested({ id: `draft-${name.length}`, ...changes }), scene[by])
    expect((await scene.ehr.request('GET', `/fhir/${order}`)).body.status).toBe('draft')
    expect(placesIn(receipt, 'Task')).toEqual([])
    expect(receipt.deliveries).toEqual([])
    expect((await scene.pharmacy.request('GET', `/fhir/${order}`)).status).toBe(404)
  })

  it('never because somebody writes so over FHIR: create is refused, update too', async () => {
    const { order } = await send(attested({ id: 'draft-then', attestation: undefined }))
    const read = await scene.ehr.request('GET', `/fhir/${order}`)
    const active = { ...read.body, status: 'active' }
    for (const client of [scene.ehr, scene.drafter, scene.platform]) {
      const update = await client.request('PUT', `/fhir/${order}`, active, { 'if-match': 'W/"1"' })
      expect([403, 404]).toContain(update.status)
      const { id: _id, meta: _meta, ...fresh } = active
      const create = await client.request('POST', '/fhir/MedicationRequest', fresh)
      expect([403, 422]).toContain(create.status)
    }
    expect((await scene.ehr.request('GET', `/fhir/${order}`)).body.status).toBe('draft')
  })
})

describe('digits', () => {
  it('are the same from the message to FHIR and to the pharmacy’s RDE^O11', async () => {
    const one = {
      text: '0.50 mg (0.5 mL) twice daily for 7 days',
      structure: message('prescription/active-attested.in.json').dosage[0].structure,
    }
    const text = JSON.stringify(attested({ id: 'digits', dosage: [one] }))
      .replace('"dose":{"value":0.5,', '"dose":{"value":0.50,')
      .replace('"quantity":{"value":100,', '"quantity":{"value":100.00,')
    expect(text).toContain('0.50,')
    const answer = await scene.platform.request('POST', '/ingest/prescriptions', text)
    expect(answer.status, answer.text).toBe(201)
    const [order = ''] = placesIn(answer.body, 'MedicationRequest')
    for (const client of [scene.ehr, scene.pharmacy]) {
      const read = await client.request('GET', `/fhir/${order}`)
      expect(read.text).toContain('"doseQuantity":{"value":0.50,')
      expect(read.text).toContain('"quantity":{"value":100.00,')
      const found = await client.request('GET', `/fhir/MedicationRequest?_id=${order.split('/')[1]}`)
      expect(found.text).toContain('"doseQuantity":{"value":0.50,')
    }
    const sent = await sentFor(answer.body.deliveries[0])
    expect(fieldsOf(sent, 'RXE')[3]).toBe('0.50')
    expect(fieldsOf(sent, 'RXE')[10]).toBe('100.00')
  })
})

describe('what has no field of HL7 v2', () => {
  it('comes whole from one Postern and reaches the pharmacy in sentences and exactly, without what it may not read', async () => {
    const ucum = 'http://unitsofmeasure.org'
    const tablet = (value: string) => ({
      value: JSON.rawJSON(value) as unknown as number,
      unit: 'tablet',
      code: '{tablet}',
      system: ucum,
    })
    const dosageInstruction = [
      {
        text: 'Take 1 to 2 tablets up to 3 times a day for pain',
        timing: { repeat: { frequency: 1, frequencyMax: 3, period: 1, periodUnit: 'd' as const } },
        doseAndRate: [{ doseRange: { low: tablet('1'), high: tablet('2') } }],
        maxDosePerPeriod: {
          numerator: tablet('8.0'),
          denominator: { value: 1, unit: 'week', code: 'wk', system: ucum },
        },
        maxDosePerLifetime: tablet('500'),
      },
    ]
    const sent = writeOrderMessage({
      order: {
        resourceType: 'MedicationRequest',
        status: 'active',
        intent: 'order',
        identifier: [{ system: 'urn:oid:2.16.840.1.113883.19.6.1', value: 'RX-WHOLE' }],
        subject: {},
        authoredOn: '2026-01-05T09:15:00-06:00',
        medicationCodeableConcept: {
          coding: [
            {
              system: 'http://www.nlm.nih.gov/research/umls/rxnorm',
              code: '313782',
              display: 'Acetaminophen 325 MG Oral Tablet',
            },
          ],
        },
        dosageInstruction,
        courseOfTherapyType: { text: 'As needed for 30 days' },
        dispenseRequest: { quantity: tablet('40'), validityPeriod: { end: '2026-07-05' } },
        substitution: { allowedBoolean: false },
        note: [{ text: 'canary-whole-note', authorString: 'Dr. Brandt' }],
        reasonCode: [{ text: 'canary-whole-reason' }],
      },
      patient: {
        resourceType: 'Patient',
        identifier: [
          { system: 'urn:oid:2.16.840.1.113883.19.5', value: 'MRN-4711', type: { coding: [{ code: 'MR' }] } },
        ],
        name: [{ family: 'Okafor', given: ['Ada'] }],
      },
      requester: {
        resourceType: 'Practitioner',
        identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: '1306847203' }],
        name: [{ family: 'Brandt', given: ['Maria'], prefix: ['Dr.'] }],
      },
      pharmacy: {
        resourceType: 'Organization',
        identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: '1234567893' }],
        name: 'Main Street Pharmacy',
      },
      audience: 'ehr',
      dialect: {
        sending: { application: 'POSTERN', facility: 'ELSEWHERE' },
        receiving: { application: 'POSTERN', facility: 'HUB' },
      },
      controlId: 'WHOLE-1',
      at: Date.parse('2026-01-05T15:15:00Z'),
    })
    const answer = await scene.platform.request('POST', '/ingest/hl7v2', sent, {
      'content-type': 'application/hl7-v2',
    })
    expect(answer.text).toContain('MSA|AA|WHOLE-1')
    const number = encodeURIComponent('urn:oid:2.16.840.1.113883.19.6.1|RX-WHOLE')
    const found = await scene.ehr.request('GET', `/fhir/MedicationRequest?identifier=${number}`)
    const [order] = resourcesOf(found.body)
    expect(order, found.text).toBeDefined()
    expect(order.dosageInstruction).toEqual(JSON.parse(JSON.stringify(dosageInstruction)))
    expect(order.note).toEqual([{ text: 'canary-whole-note', authorString: 'Dr. Brandt' }])
    const received = await vi.waitFor(
      () => {
        const [message] = peer.messages.filter((each) => each.includes('RX-WHOLE'))
        if (!message) throw new Error('not there yet')
        return message
      },
      { timeout: 8000, interval: 50 },
    )
    const [, example = ''] = /```hl7 to a pharmacy\n([\s\S]*?)```/.exec(guide) ?? []
    expect(received.trim().split('\r').slice(1)).toEqual(example.trim().split('\n').slice(1))
    expect(fieldsOf(received, 'ZFH')[3]).toContain('"value":8.0')
    expect(received).not.toContain('canary')
  })
})

describe('substitution is told explicitly', () => {
  it.each([
    [true, 'G'],
    [false, 'N'],
  ])('allowed %s: in FHIR and as RXE-9 %s', async (allowed, code) => {
    const { order, receipt } = await send(
      attested({ id: `substitution-${allowed}`, substitution: { allowed } }),
    )
    const read = await scene.pharmacy.request('GET', `/fhir/${order}`)
    expect(read.body.substitution).toEqual({ allowedBoolean: allowed })
    expect(fieldsOf(await sentFor(receipt.deliveries[0]), 'RXE')[9]?.split('^')[0]).toBe(code)
  })

  it('unspecified is neither yes nor no, and RXE-9 0', async () => {
    const { order, receipt } = await send(
      attested({ id: 'substitution-open', substitution: { allowed: 'unspecified' } }),
    )
    const { substitution } = (await scene.pharmacy.request('GET', `/fhir/${order}`)).body
    expect(substitution.allowedBoolean).toBeUndefined()
    expect(substitution.allowedCodeableConcept).toBeDefined()
    expect(fieldsOf(await sentFor(receipt.deliveries[0]), 'RXE')[9]).toBe('0')
  })
})

describe('a pharmacy', () => {
  const canaries = ['canary-talk', 'canary-topic', 'canary-staff-note', 'canary-diagnosis', 'canary-answer']
  let own = ''
  let others = ''
  let delivery = ''
  beforeAll(async () => {
    const talk = message('secure-message/patient-to-clinician.in.json', {
      id: 'talk',
      topic: 'canary-topic',
      text: 'canary-talk',
    })
    expect((await scene.platform.request('POST', '/ingest/messages', talk)).status).toBe(201)
    const reason = [{ text: 'canary-diagnosis' }]
    const mine = await send(attested({ id: 'own', staffNote: 'canary-staff-note', reason }))
    own = mine.order
    delivery = mine.receipt.deliveries[0]
    const pharmacy = {
      identifier: { system: 'http://hl7.org/fhir/sid/us-npi', value: '1912000007' },
      name: 'Other Pharmacy',
    }
    others = (await send(attested({ id: 'others', pharmacy }))).order
  })

  it('sees its own order, projected', async () => {
    const read = await scene.pharmacy.request('GET', `/fhir/${own}`)
    expect(read.status).toBe(200)
    expect(read.body.dosageInstruction).toBeDefined()
    expect(read.body.reasonCode).toBeUndefined()
    expect(read.body.note).toBeUndefined()
    expect(JSON.stringify(read.body.meta.tag)).toContain('SUBSETTED')
    expect((await scene.ehr.request('GET', `/fhir/${own}`)).body.reasonCode).toBeDefined()
  })

  it('sees no order of another pharmacy', async () => {
    expect((await scene.otherPharmacy.request('GET', `/fhir/${others}`)).status).toBe(200)
    for (const path of [others, `${others}/_history`, `${others}/_history/1`])
      expect((await scene.pharmacy.request('GET', `/fhir/${path}`)).status).toBe(404)
    const found = await scene.pharmacy.request(
      'GET',
      `/fhir/MedicationRequest?patient=${scene.patient}&_count=200`,
    )
    const seen = resourcesOf(found.body).map((each) => `MedicationRequest/${each.id}`)
    expect(seen).toContain(own)
    expect(seen).not.toContain(others)
  })

  it('sees nothing of what was said, whatever it asks', async () => {
    const asked = [
      `/fhir/MedicationRequest?patient=${scene.patient}&_count=200`,
      `/fhir/MedicationRequest?patient=${scene.patient}&_include=MedicationRequest:subject&_include=MedicationRequest:requester`,
      `/fhir/${own}/_history`,
      `/fhir/${own}/_history/1`,
      `/fhir/${scene.patient}`,
      `/fhir/Task?patient=${scene.patient}&_include=Task:focus`,
    ]
    for (const path of asked) {
      const answer = await scene.pharmacy.request('GET', path)
      expect(answer.status, path).toBe(200)
      for (const canary of canaries) expect(answer.text).not.toContain(canary)
    }
    for (const type of ['Communication', 'QuestionnaireResponse', 'Consent', 'Provenance', 'AuditEvent']) {
      const answer = await scene.pharmacy.request('GET', `/fhir/${type}?patient=${scene.patient}`)
      expect(answer.status, type).toBe(403)
    }
  })

  it('is sent nothing of what was said', async () => {
    await sentFor(delivery)
    const all = peer.messages.join('\n')
    expect(all).toContain('Okafor^Ada')
    for (const canary of canaries) expect(all.toLowerCase()).not.toContain(canary)
  })

  it('is sent its own orders only', async () => {
    for (const each of await scene.clinic.store.deliveries(100)) {
      for (const { type, id } of each.resources) {
        if (type !== 'MedicationRequest') continue
        expect((await scene.pharmacy.request('GET', `/fhir/MedicationRequest/${id}`)).status).toBe(200)
      }
    }
  })

  it('cannot change an order, only tell what became of it', async () => {
    const read = await scene.pharmacy.request('GET', `/fhir/${own}`)
    const changed = await scene.pharmacy.request(
      'PUT',
      `/fhir/${own}`,
      { ...read.body, status: 'completed' },
      { 'if-match': 'W/"1"' },
    )
    expect(changed.status).toBe(403)
    const dispense = {
      resourceType: 'MedicationDispense',
      status: 'completed',
      medicationCodeableConcept: read.body.medicationCodeableConcept,
      subject: { reference: scene.patient },
      whenHandedOver: '2026-11-21T10:00:00Z',
      performer: [{ actor: { reference: scene.organizations.mainStreet } }],
      authorizingPrescription: [{ reference: own }],
      quantity: { value: 100, unit: 'mL' },
    }
    expect((await scene.pharmacy.request('POST', '/fhir/MedicationDispense', dispense)).status).toBe(201)
    const foreign = { ...dispense, authorizingPrescription: [{ reference: others }] }
    expect((await scene.pharmacy.request('POST', '/fhir/MedicationDispense', foreign)).status).toBe(403)
  })

  it('of a patient it never dispensed to sees not even the name', async () => {
    const identifier = { ...patientIdentifier, value: 'MRN-STRANGER' }
    const talk = message('secure-message/patient-to-clinician.in.json', {
      id: 'stranger-talk',
      patient: { identifier, name: { family: 'Canary-Stranger' } },
      sender: { type: 'Patient', identifier },
    })
    const { body } = await scene.platform.request('POST', '/ingest/messages', talk)
    expect((await scene.pharmacy.request('GET', `/fhir/${body.parties.subject}`)).status).toBe(404)
    const value = encodeURIComponent(`${identifier.system}|${identifier.value}`)
    const found = await scene.pharmacy.request('GET', `/fhir/Patient?identifier=${value}`)
    expect(found.body.entry ?? []).toEqual([])
  })
})

/** The message that a delivery became, once it was delivered. */
async function sentFor(delivery: string): Promise<string> {
  const control = delivery.replaceAll('-', '').slice(0, 18)
  return vi.waitFor(
    async () => {
      const found = (await scene.clinic.store.deliveries(100)).find((each) => each.id === delivery)
      expect(found?.state, found?.reason).toBe('delivered')
      const sent = peer.messages.find((each) => fieldsOf(each, 'MSH')[10]?.startsWith(control))
      if (!sent) throw new Error('not there yet')
      return sent
    },
    { timeout: 8000, interval: 50 },
  )
}
