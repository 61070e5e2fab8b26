import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Pharmacy } from '../peers/pharmacy.ts'
import type { TestPerson } from '../people.ts'
import { openMainStreet } from './main-street.ts'
import { fieldsOf } from './mllp-socket.ts'
import { resourcesOf, type Scene } from './scene.ts'
import { codesOf, jwkOf, openSigningScene, type SigningScene } from './signing-scene.ts'

/** A prescriber signs a draft, and what was signed leaves for the pharmacy (R18–R23). */
let signing: SigningScene
let scene: Scene
let peer: Pharmacy
let doctor: TestPerson

beforeAll(async () => {
  signing = await openSigningScene()
  ;({ scene, doctor } = signing)
  peer = await openMainStreet(scene)
})
afterAll(async () => {
  await scene.clinic.close()
  await peer.close()
})

const draft: SigningScene['draft'] = (...asked) => signing.draft(...asked)
const sign: SigningScene['sign'] = (...asked) => signing.sign(...asked)
const handIn: SigningScene['handIn'] = (...asked) => signing.handIn(...asked)

const statusOf = async (order: string) => (await scene.ehr.request('GET', `/fhir/${order}`)).body.status
const tasksOf = async (order: string, code: string) =>
  resourcesOf((await scene.ehr.request('GET', `/fhir/Task?focus=${order}`)).body).filter((task) =>
    task.code.coding?.some((coding: { code: string }) => coding.code === code),
  )

describe('a draft that is signed', () => {
  it('is in force in the same commit as its Provenance, its Task and its delivery, and reaches the pharmacy', async () => {
    const { order } = await draft('signed')
    const before = await doctor.request('GET', `/fhir/${order}`)
    const signed = await sign(order)
    expect(signed.status, signed.text).toBe(200)
    const { status, meta, ...content } = signed.body
    const { status: _draft, meta: _before, ...same } = before.body
    expect([status, meta.versionId]).toEqual(['active', '2'])
    expect(content).toEqual(same)
    expect(signed.text).toContain('"value":0.50')
    const records = await scene.ehr.request('GET', `/fhir/Provenance?target=${order}`)
    const record = resourcesOf(records.body).find((each) => each.signature)
    expect(record.target).toContainEqual({ reference: `${order}/_history/2` })
    expect(record.agent[0].who).toEqual({ reference: signing.brandt })
    expect(record.signature[0]).toMatchObject({
      sigFormat: 'application/jose',
      who: { reference: signing.brandt },
    })
    const [task] = await tasksOf(order, 'fulfill')
    expect(task).toMatchObject({ status: 'requested', owner: { reference: scene.organizations.mainStreet } })
    const number = content.identifier[0].value
    await vi.waitFor(() => expect(peer.messages.some((text) => text.includes(number))).toBe(true), 8000)
    const sent = peer.messages.find((text) => text.includes(number)) ?? ''
    expect(fieldsOf(sent, 'RXE')[3]).toBe('0.50')
  })

  it('is told to the log as signed, with every version that came of it', async () => {
    const { order } = await draft('told')
    expect((await sign(order)).status).toBe(200)
    const found = await scene.auditor.request('GET', `/fhir/AuditEvent?entity=${order}&_count=100`)
    const event = resourcesOf(found.body).find((each) => each.subtype[0].code === 'attest')
    const touched = event.entity.map((each: { what: { reference: string } }) => each.what.reference)
    expect(event.outcome).toBe('0')
    expect(touched).toContain(`${order}/_history/2`)
    expect(touched.some((each: string) => each.startsWith('Provenance/'))).toBe(true)
    expect(touched.some((each: string) => each.startsWith('Task/'))).toBe(true)
  })

  it('is signed once, however many try at once', async () => {
    const { order } = await draft('raced')
    const signature = await signing.signatureOf(await signing.signable(order))
    const answers = await Promise.all(Array.from({ length: 50 }, () => handIn(order, signature)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(49).fill(412)])
    expect(await tasksOf(order, 'fulfill')).toHaveLength(1)
    expect(codesOf(await handIn(order, 'e30..e30', { version: 'W/"2"' }))).toContain('not-a-draft')
  })
})

describe('nobody signs', () => {
  let order = ''
  beforeAll(async () => {
    order = (await draft('refused')).order
  })

  it.each<[string, { auth_time?: number; fhirUser?: string; roles?: string[] }, number]>([
    ['three minutes after signing in', { auth_time: Math.floor(Date.now() / 1000) - 180 }, 401],
    ['as another person than the one who orders it', { fhirUser: 'other' }, 404],
    ['as a nurse', { roles: ['nurse'] }, 403],
  ])('%s', async (_, changes, expected) => {
    const other = { ...changes }
    if (changes.fhirUser) {
      const made = await scene.platform.request('POST', '/fhir/Practitioner', {
        resourceType: 'Practitioner',
      })
      other.fhirUser = `Practitioner/${made.body.id}`
    }
    const by = await signing.doctorAt(other)
    const answer = await sign(order, { by })
    // A colleague of the same clinic sees the order, and may not sign it.
    expect([expected, changes.fhirUser ? 403 : expected]).toContain(answer.status)
    if (expected === 401) {
      expect(codesOf(answer)).toEqual(['step-up'])
      expect(answer.headers.get('www-authenticate')).toContain('insufficient_user_authentication')
    }
    expect(await statusOf(order)).toBe('draft')
  })

  it('as a system, whatever its role', async () => {
    const body = { resourceType: 'Parameters', parameter: [{ name: 'signature', valueString: 'e30..e30' }] }
    const machine = await scene.clinic.client({
      id: 'prescribing-machine',
      role: 'prescriber',
      organization: scene.organizations.northside,
      scopes: ['system/*.cruds'],
      purposes: ['TREAT'],
      grants: [],
    })
    for (const client of [machine, scene.ehr, scene.platform, scene.pharmacy]) {
      const answer = await client.request('POST', `/fhir/${order}/$sign`, body, { 'if-match': 'W/"1"' })
      expect([403, 404], client.id).toContain(answer.status)
    }
    expect(await statusOf(order)).toBe('draft')
  })

  it('another version than the one that was read, or without saying which', async () => {
    expect((await sign(order, { version: 'W/"7"' })).status).toBe(412)
    expect((await sign(order, { version: '' })).status).toBe(428)
  })

  it('with other bytes, another key, or a key that nobody granted', async () => {
    const flipped = (bytes: Uint8Array) => bytes.with(bytes.length - 3, (bytes.at(-3) ?? 0) ^ 1)
    const stranger = await generateKeyPair('ES256', { extractable: true })
    const answers = [
      await sign(order, { alter: flipped }),
      await sign(order, { privateKey: stranger.privateKey }),
      await sign(order, { kid: 'another' }),
      await handIn(order, 'no signature'),
    ]
    expect(answers.map(({ status }) => status)).toEqual([422, 422, 422, 422])
    expect(answers.flatMap(codesOf)).toEqual([
      'signature-invalid',
      'signature-invalid',
      'signer-unknown',
      'signature-format',
    ])
    expect(await statusOf(order)).toBe('draft')
  })
})

describe('a draft is not signed', () => {
  const refusals = async (order: string) => {
    const answer = await doctor.request('GET', `/fhir/${order}/$signable`)
    expect(answer.status, answer.text).toBe(422)
    const codes = codesOf(answer)
    // What may not be signed says so before and after it was signed.
    expect(codesOf(await handIn(order, 'e30..e30'))).toEqual(codes)
    return codes
  }

  it('for a controlled substance', async () => {
    const drug = { codings: [], text: 'Oxycodone 5 mg tablet' }
    expect(await refusals((await draft('opioid', { drug })).order)).toEqual(['controlled-substance'])
  })

  it('without the pharmacy that it goes to', async () => {
    expect(await refusals((await draft('nowhere', { pharmacy: undefined })).order)).toEqual(['incomplete'])
  })

  /** A draft that the prescriber wrote over FHIR, like one that can be signed but for these changes. */
  async function written(changes: object): Promise<string> {
    const { body } = await doctor.request('GET', `/fhir/${template}`)
    const { id: _id, meta: _meta, ...content } = body
    const made = await doctor.request('POST', '/fhir/MedicationRequest', { ...content, ...changes })
    expect(made.status, made.text).toBe(201)
    return (made.headers.get('location') ?? '').replace(/^.*\/fhir\//, '').replace(/\/_history.*/, '')
  }
  let template = ''
  beforeAll(async () => {
    template = (await draft('template')).order
  })

  it('but for these reasons: as it stands it is', async () => {
    expect((await sign(await written({}))).status).toBe(200)
  })

  const yesterday = new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10)
  const repeats = (count: number) => ({
    dispenseRequest: { numberOfRepeatsAllowed: count, performer: { reference: 'Organization/any' } },
  })
  it.each<[string, string, object]>([
    ['that is a proposal', 'not-an-order', { intent: 'proposal' }],
    ['that is only reported', 'reported', { reportedBoolean: true }],
    ['without a number', 'incomplete', { identifier: undefined }],
    ['without saying whether it may be substituted', 'incomplete', { substitution: undefined }],
    [
      'with a dosage that has no text',
      'incomplete',
      { dosageInstruction: [{ text: 'daily' }, { sequence: 2 }] },
    ],
    [
      'whose medication stands elsewhere',
      'medication-elsewhere',
      { medicationCodeableConcept: undefined, medicationReference: { reference: 'Medication/m' } },
    ],
    [
      'whose medication has a code only',
      'medication-elsewhere',
      { medicationCodeableConcept: { coding: [{ code: '1' }] } },
    ],
    ['with 99 repeats', 'too-many-repeats', repeats(99)],
    [
      'whose time is over',
      'expired',
      { dispenseRequest: { ...repeats(1).dispenseRequest, validityPeriod: { end: yesterday } } },
    ],
    [
      'whose review is overdue',
      'review-overdue',
      {
        extension: [
          {
            url: 'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-MedicationRepeatInformation',
            extension: [{ url: 'authorisationExpiryDate', valueDateTime: yesterday }],
          },
        ],
      },
    ],
  ])('%s: %s', async (_, code, changes) => {
    expect(await refusals(await written(changes))).toEqual([code])
  })

  it('by somebody who has left, whoever asks', async () => {
    const made = await scene.platform.request('POST', '/fhir/Practitioner', {
      resourceType: 'Practitioner',
      active: false,
    })
    const order = await written({ requester: { reference: `Practitioner/${made.body.id}` } })
    const answer = await doctor.request('GET', `/fhir/${order}/$signable`)
    expect(codesOf(answer)).toEqual(['prescriber-inactive'])
  })

  it('for somebody who has died', async () => {
    const { order } = await draft('late', {
      patient: {
        identifier: { system: 'urn:oid:2.16.840.1.113883.19.5', value: 'MRN-DEAD' },
        name: { family: 'Gone', given: ['By'] },
        birthDate: '1930-01-01',
      },
    })
    const read = await doctor.request('GET', `/fhir/${order}`)
    const patient = read.body.subject.reference
    const standing = await scene.platform.request('GET', `/fhir/${patient}`)
    const update = await scene.platform.request(
      'PUT',
      `/fhir/${patient}`,
      { ...standing.body, deceasedBoolean: true },
      { 'if-match': standing.headers.get('etag') ?? '' },
    )
    expect(update.status, update.text).toBe(200)
    expect(await refusals(order)).toEqual(['patient-deceased'])
  })
})

describe('the right to sign', () => {
  it('takes two operators, neither of them the prescriber, and one to end it', async () => {
    const pair = await generateKeyPair('ES256', { extractable: true })
    const jwk = await jwkOf(pair.publicKey)
    const { brandt, operators } = signing
    const [first, second] = operators
    for (const by of [scene.platform, scene.ehr, doctor])
      expect((await by.request('POST', '/signers', { person: brandt, jwk })).status).toBe(403)
    const longAgo = await signing.doctorAt({
      roles: ['operator'],
      auth_time: Math.floor(Date.now() / 1000) - 130,
    })
    const late = await longAgo.request('POST', '/signers', { person: brandt, jwk })
    expect(late.status).toBe(401)
    expect(late.headers.get('www-authenticate')).toContain('insufficient_user_authentication')
    const proposed = await first.request('POST', '/signers', { person: brandt, jwk })
    const print = proposed.body.keys.at(-1).thumbprint
    const path = `/signers/${brandt.split('/')[1]}/keys/${print}`
    const { order } = await draft('granted')
    const own = { privateKey: pair.privateKey, kid: print }
    expect(codesOf(await sign(order, own))).toEqual(['signer-unknown'])
    expect((await first.request('POST', `${path}/$approve`)).status).toBe(403)
    expect((await second.request('POST', `${path}/$approve`)).status).toBe(200)
    expect((await second.request('POST', `${path}/$approve`)).status).toBe(409)
    expect((await sign(order, own)).status).toBe(200)
    expect((await first.request('POST', `${path}/$revoke`)).status).toBe(200)
    expect(codesOf(await sign((await draft('revoked')).order, own))).toEqual(['signer-unknown'])
    const listed = await first.request('GET', '/signers')
    const key = listed.body[0].keys.find((each: { thumbprint: string }) => each.thumbprint === print)
    expect(key.proposed.by).not.toBe(key.approved.by)
  })

  it('is given to no private, weak or published key', async () => {
    const { brandt, operators } = signing
    const [first] = operators
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = await jwkOf(publicKey)
    for (const wrong of [await exportJWK(privateKey), { ...jwk, x: jwk.y }, { ...jwk, crv: 'P-521' }]) {
      const answer = await first.request('POST', '/signers', { person: brandt, jwk: wrong })
      expect(answer.status, answer.text).toBe(422)
    }
  })
})

describe('an order that replaces another', () => {
  it('has the pharmacy asked to end the other once it is signed, and both show until it answers', async () => {
    const old = await draft('old')
    expect((await sign(old.order)).status).toBe(200)
    const next = await draft('next', { priorPrescription: { id: 'old' } })
    expect((await doctor.request('GET', `/fhir/${next.order}`)).body.priorPrescription.reference).toBe(
      old.order,
    )
    const answer = await sign(next.order)
    expect(answer.status, answer.text).toBe(200)
    const [task] = await tasksOf(old.order, 'abort')
    expect(task).toMatchObject({ status: 'requested', owner: { reference: scene.organizations.mainStreet } })
    expect([await statusOf(old.order), await statusOf(next.order)]).toEqual(['active', 'active'])
  })
})
