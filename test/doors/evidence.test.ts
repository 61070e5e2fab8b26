import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Reference } from '#core/resource.ts'
import type { Answer } from '../open-clinic.ts'
import type { TestPerson } from '../people.ts'
import { postern } from './command-line.ts'
import { message, placesIn, resourcesOf } from './scene.ts'
import { codesOf, openSigningScene, type SigningScene, unseenIn } from './signing-scene.ts'

/** A repeat is signed by who has had before them all that came in for the patient (R24–R28). */
let signing: SigningScene
let doctor: TestPerson
let patient: Reference
let order = ''

beforeAll(async () => {
  signing = await openSigningScene(['sign-unseen'])
  ;({ doctor } = signing)
  patient = signing.scene.patient
  expect((await signing.sign((await signing.draft('once')).order)).status).toBe(200)
  order = (await repeat('again')).order
})
afterAll(() => signing.scene.clinic.close())

const repeat = (id: string) => signing.draft(id, { priorPrescription: { id: 'once' } })

/** A message of the patient; the version that it became. */
async function receive(id: string, changes: object = {}): Promise<string> {
  const body = message('secure-message/patient-to-clinician.in.json', {
    id,
    inReplyTo: undefined,
    ...changes,
  })
  const answer = await signing.scene.platform.request('POST', '/ingest/messages', body)
  expect(answer.status, answer.text).toBe(201)
  return `${placesIn(answer.body, 'Communication')[0]}/_history/1`
}

const read = (what: string, by: TestPerson = doctor) => by.request('GET', `/fhir/${what}`)

/** Reads a version and says that it was seen. */
async function see(what: string, by: TestPerson = doctor): Promise<Answer> {
  expect((await read(what, by)).status).toBe(200)
  return tell([what], by)
}

function tell(seen: string[], by: Pick<TestPerson, 'request'> = doctor): Promise<Answer> {
  const parameter = seen.map((reference) => ({ name: 'seen', valueReference: { reference } }))
  return by.request('POST', '/fhir/Communication/$viewed', { resourceType: 'Parameters', parameter })
}

const unseen = async () => (await signing.signable(order)).unseen
const told = (answer: Answer): string[] =>
  answer.body.issue.map((issue: { details: { text?: string } }) => issue.details.text)

describe('a view counts', () => {
  let what = ''
  beforeAll(async () => {
    what = await receive('unseen')
  })

  /** By each of these the text went out, or seemed to; none of them is a person who looked at it. */
  it.each<[string, () => Promise<Answer | string>]>([
    ['not for a row of a search', () => read(`Communication?patient=${patient}`)],
    ['not for an entry of $everything', () => read(`${patient}/$everything`)],
    ['not for a page of a history', () => read(what.replace(/\/1$/, ''))],
    ['not for an entry of a batch', () => bundleOf('batch')],
    ['not for an entry of a transaction', () => bundleOf('transaction')],
    [
      'not for what was not changed since',
      () => doctor.request('GET', `/fhir/${what.split('/_')[0]}`, undefined, { 'if-none-match': 'W/"1"' }),
    ],
    [
      'not for a read by another sign-in of the same person',
      async () => read(what, await signing.doctorAt({ auth_time: Math.floor(Date.now() / 1000) - 60 })),
    ],
    ['not for a read by somebody else', () => read(what, signing.nurse)],
    ['not for a read by a system', () => signing.scene.ehr.request('GET', `/fhir/${what}`)],
  ])('%s', async (_, give) => {
    const given = await give()
    expect(typeof given === 'string' || given.status < 400, JSON.stringify(given)).toBe(true)
    const answer = await tell([what])
    expect([answer.status, codesOf(answer), told(answer)]).toEqual([422, ['not-read'], [what]])
    expect(await unseen()).toEqual([what])
  })

  const bundleOf = (type: string) =>
    doctor.request('POST', '/fhir', {
      resourceType: 'Bundle',
      type,
      entry: [{ request: { method: 'GET', url: what } }],
    })

  it('of nobody but a person of the clinic', async () => {
    const { ehr, platform, pharmacy } = signing.scene
    for (const by of [ehr, platform, pharmacy]) {
      await by.request('GET', `/fhir/${what}`)
      expect([403, 404], by.id).toContain((await tell([what], by)).status)
    }
    expect(await unseen()).toEqual([what])
  })

  it('not for Communication.received, which says that a system has it', async () => {
    const { ehr } = signing.scene
    const at = await ehr.request('GET', `/fhir/${what.split('/_')[0]}`)
    expect(at.body.received).toBeDefined()
    expect(await unseen()).toEqual([what])
  })

  it('not for a colleague, whose own view it is', async () => {
    const seen = await see(what, signing.nurse)
    expect([seen.status, unseenIn(seen)]).toEqual([200, []])
    expect(await unseen()).toEqual([what])
  })

  it('for who read it by itself and says so, once', async () => {
    const seen = await see(what)
    expect(seen.status, seen.text).toBe(200)
    expect(unseenIn(seen)).toEqual([])
    const asked = await signing.signable(order)
    expect(asked.unseen).toEqual([])
    expect(asked.seenThrough).toMatch(new RegExp(`^${patient}:4:[\\w-]{43}$`))
    const again = await tell([what])
    expect(again.status, again.text).toBe(200)
    expect([seen, again].map(({ body }) => body.parameter[0].valueUnsignedInt)).toEqual([1, 0])
  })

  it('and is in the audit log, with whom it is about', async () => {
    const found = await signing.scene.auditor.request('GET', `/fhir/AuditEvent?patient=${patient}&_count=200`)
    const views = resourcesOf(found.body).filter((each) => each.subtype[0].code === 'access')
    expect(views.some(({ outcome }) => outcome === '0')).toBe(true)
    expect(JSON.stringify(views)).toContain(what.split('/_')[0])
  })
})

describe('a repeat', () => {
  it('is refused with the ids of what came in since, and no word of it, whatever the signature says', async () => {
    const stale = await signing.signable(order)
    const later = [await receive('later-1'), await receive('later-2')]
    const signature = await signing.signatureOf(stale)
    const refused = await signing.handIn(order, signature)
    expect([refused.status, told(refused)]).toEqual([409, later])
    expect(new Set(codesOf(refused))).toEqual(new Set(['unseen']))
    expect(refused.text).not.toMatch(/headache|Okafor/)
    for (const what of later) await see(what)
    const old = await signing.handIn(order, signature)
    expect([old.status, codesOf(old)]).toEqual([409, ['seen-through']])
    const without = await signing.sign(order, { seenThrough: '' })
    expect([without.status, codesOf(without)]).toEqual([409, ['seen-through']])
  })

  it('is signed by who has seen it all, and its record names what: versions, the order before, and the head', async () => {
    const { seenThrough } = await signing.signable(order)
    const signed = await signing.sign(order)
    expect(signed.status, signed.text).toBe(200)
    const records = await signing.scene.ehr.request('GET', `/fhir/Provenance?target=${order}`)
    const record = resourcesOf(records.body).find((each) => each.signature)
    const named = record.entity.map((each: { role: string; what: { reference?: string } }) => [
      each.role,
      each.what.reference?.replace(/\/.*\/_/, '/_'),
    ])
    expect(named).toEqual([
      ['source', undefined],
      ['revision', 'MedicationRequest/_history/2'],
      ...Array(3).fill(['source', 'Communication/_history/1']),
    ])
    expect(record.entity[0].what.identifier.value).toBe(seenThrough)
    const [header] = Buffer.from(record.signature[0].data, 'base64').toString().split('.')
    expect(JSON.parse(Buffer.from(header ?? '', 'base64url').toString())).toMatchObject({ seenThrough })
  })

  it('is one as well where the order does not say so, since the patient had the medication before', async () => {
    const hidden = await signing.draft('hidden', { priorPrescription: undefined })
    const what = await receive('before-hidden')
    const refused = await signing.sign(hidden.order)
    expect([refused.status, told(refused)]).toEqual([409, [what]])
    await see(what)
    expect((await signing.sign(hidden.order)).status).toBe(200)
  })

  it('is not what is ordered for the first time, though something came in', async () => {
    await receive('before-first')
    const first = await signing.draft('other-drug', { drug: { codings: [], text: 'Something else 1 mg' } })
    expect((await signing.sign(first.order)).status).toBe(200)
  })

  it('is not signed within a transaction, in which what it rests on would not be looked at', async () => {
    const { order: other } = await repeat('in-bundle')
    const signature = await signing.signatureOf(await signing.signable(other))
    const resource = {
      resourceType: 'Parameters',
      parameter: [{ name: 'signature', valueString: signature }],
    }
    const request = { method: 'POST', url: `${other}/$sign`, ifMatch: 'W/"1"' }
    const answer = await doctor.request('POST', '/fhir', {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [{ resource, request }],
    })
    expect(answer.status, answer.text).toBe(400)
    expect((await doctor.request('GET', `/fhir/${other}`)).body.status).toBe('draft')
  })
})

describe('an override', () => {
  const why = {
    coding: [{ system: 'https://postern.health/fhir/CodeSystem/unseen-override', code: 'waiting-harms' }],
    text: 'The patient is out of insulin and the attachment does not open',
  }

  it('signs what was not seen, says what and why, and is told to the privacy officer', async () => {
    const what = await receive('not-read')
    const { order: other } = await repeat('overridden')
    expect((await signing.sign(other)).status).toBe(409)
    const signed = await signing.sign(other, { override: why })
    expect(signed.status, signed.text).toBe(200)
    const records = await signing.scene.ehr.request('GET', `/fhir/Provenance?target=${other}`)
    expect(resourcesOf(records.body).find((each) => each.signature).reason).toEqual([why])
    const found = await signing.scene.auditor.request('GET', `/fhir/AuditEvent?entity=${other}&_count=100`)
    const event = resourcesOf(found.body).find(
      (each) => each.subtype[0].code === 'attest' && each.outcome === '0',
    )
    expect(event.outcomeDesc).toBe('signed unseen: waiting-harms')
    expect(JSON.stringify(event)).not.toContain('insulin')
    expect(await signing.scene.clinic.gateway.watch()).toBeGreaterThan(0)
    expect((await signing.signable((await repeat('after')).order)).unseen).toContain(what)
  })

  it.each<[string, object]>([
    ['without a reason of ours', { ...why, coding: [{ ...why.coding[0], code: 'because' }] }],
    ['without words', { coding: why.coding }],
  ])('is not taken %s', async (_, override) => {
    const { order: other } = await repeat(`refused-${_}`.replaceAll(' ', '-'))
    expect((await signing.sign(other, { override })).status).toBe(400)
  })
})

describe('what comes in after a signature', () => {
  it('is told to who signed, with a cancellation to be asked for, until the pharmacy has begun', async () => {
    const { scene } = signing
    const signed = (await signing.draft('late', { drug: { codings: [], text: 'Another drug 2 mg' } })).order
    expect((await signing.sign(signed)).status).toBe(200)
    const tasks = async (of: string) =>
      resourcesOf((await scene.ehr.request('GET', `/fhir/Task?focus=${of}&_count=50`)).body)
    await scene.clinic.gateway.lateMessages()
    const before = await tasks(signed)
    const late = [await receive('late-1'), await receive('late-2')]
    await Promise.all([scene.clinic.gateway.lateMessages(), scene.clinic.gateway.lateMessages()])
    await scene.clinic.gateway.lateMessages()
    const more = (await tasks(signed)).filter(({ id }) => !before.some((each) => each.id === id))
    expect(more).toHaveLength(2)
    const [alert, offered] = more.toSorted((a) => (a.code.text ? -1 : 1))
    expect(alert).toMatchObject({
      owner: { reference: signing.brandt },
      priority: 'urgent',
      status: 'requested',
    })
    const named = alert.input.map(
      (each: { valueReference: { reference: string } }) => each.valueReference.reference,
    )
    expect(named.toSorted()).toEqual([...late, `Task/${offered.id}`].toSorted())
    expect(offered).toMatchObject({ status: 'draft', intent: 'order', focus: { reference: signed } })
    const code = { coding: [{ system: 'http://snomed.info/sct', code: '182862001' }] }
    const asked = await doctor.request(
      'PUT',
      `/fhir/Task/${offered.id}`,
      { ...offered, status: 'requested', reasonCode: code },
      { 'if-match': 'W/"1"', prefer: 'return=representation' },
    )
    expect([asked.status, asked.body.status], asked.text).toEqual([200, 'requested'])

    const fulfil = before.find((each) => each.code.coding?.[0].code === 'fulfill')
    const moved = async (status: string, version: number) =>
      (
        await scene.pharmacy.request(
          'PUT',
          `/fhir/Task/${fulfil.id}`,
          {
            ...(
              await scene.pharmacy.request('GET', `/fhir/Task/${fulfil.id}`)
            ).body,
            status,
            lastModified: new Date().toISOString(),
          },
          { 'if-match': `W/"${version}"` },
        )
      ).status
    expect([await moved('accepted', 1), await moved('in-progress', 2)]).toEqual([200, 200])
    const count = (await tasks(signed)).map(({ meta }) => meta.versionId).join()
    await receive('too-late')
    await scene.clinic.gateway.lateMessages()
    expect((await tasks(signed)).map(({ meta }) => meta.versionId).join()).toBe(count)
  })
})

describe('the command line', () => {
  it('gives out the evidence of an order, verifies it without the clinic, and lists what was overridden', async () => {
    const { clinic } = signing.scene
    const file = join(clinic.folder, 'evidence.json')
    const made = await postern(clinic.folder, 'evidence', 'export', order, file)
    expect(made.code, made.stderr).toBe(0)
    const verified = await postern('/nowhere', '--json', 'evidence', 'verify', file, '--key', clinic.vkey)
    expect(JSON.parse(verified.stdout)).toMatchObject({
      ok: true,
      verdict: 'seen',
      order: `${order}/_history/2`,
    })
    const touched = join(clinic.folder, 'touched.json')
    // The last entry is younger than the signature: only the clinic's own seal covers it.
    writeFileSync(touched, readFileSync(file, 'utf8').replace(/("revision": )\d+/, '$199'))
    const refused = await postern('/nowhere', 'evidence', 'verify', touched, '--key', clinic.vkey)
    expect([refused.code, refused.stdout]).toEqual([
      1,
      expect.stringContaining('not what the clinic gave out'),
    ])
    const listed = await postern(clinic.folder, '--json', 'evidence', 'overrides')
    expect(JSON.parse(listed.stdout)).toMatchObject([{ code: 'waiting-harms', person: signing.brandt }])
  })
})
