import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Reference } from '#core/resource.ts'
import { orderScene } from './order-scene.ts'
import { fixture, made, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

let count = 0

/** One PATIENT group for each pair: who survives, whose record is replaced. */
function merge(...pairs: [survivor: string, replaced: string][]): string {
  count++
  const number = (value: string) => `${value}^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^MR`
  return [
    `MSH|^~\\&|ADT|NORTHSIDE|POSTERN|HUB|20260105090000-0600||ADT^A40^ADT_A39|MRG-${count}|P|2.5.1`,
    'EVN|A40|20260105090000-0600',
    ...pairs.flatMap(([survivor, replaced]) => [`PID|1||${number(survivor)}`, `MRG|${number(replaced)}`]),
  ].join('\r')
}

const send = (text: string) =>
  scene.platform.request('POST', '/ingest/hl7v2', text, { 'content-type': 'application/hl7-v2' })

function patient(number: string): Promise<Reference> {
  return made(scene.platform, {
    resourceType: 'Patient',
    identifier: [{ system: 'urn:oid:2.16.840.1.113883.19.5', value: number }],
    managingOrganization: { reference: scene.organizations.northside },
  })
}

function communication(subject: Reference, text: string): Promise<Reference> {
  return made(scene.platform, {
    resourceType: 'Communication',
    status: 'completed',
    subject: { reference: subject },
    sender: { reference: subject },
    category: [
      {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/communication-category', code: 'notification' },
        ],
      },
    ],
    recipient: [{ reference: scene.organizations.northside }],
    payload: [{ contentString: text }],
  })
}

const code = (system: string, value: string) => ({
  coding: [{ system: `http://terminology.hl7.org/CodeSystem/${system}`, code: value }],
})

function consent(about: Reference, type: 'permit' | 'deny', actor: Reference): Promise<Reference> {
  return made(scene.platform, {
    resourceType: 'Consent',
    status: 'active',
    scope: code('consentscope', 'patient-privacy'),
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: about },
    dateTime: '2026-01-02',
    policyRule: code('v3-ActCode', type === 'permit' ? 'OPTIN' : 'OPTOUT'),
    provision: {
      type,
      actor: [{ role: code('v3-ParticipationType', 'IRCP'), reference: { reference: actor } }],
    },
  })
}

async function seen(client: Scene['ehr'], path: string): Promise<string[]> {
  const { status, body, text } = await client.request('GET', `/fhir/${path}`)
  expect(status, text).toBe(200)
  return resourcesOf(body).map(({ resourceType, id }) => `${resourceType}/${id}`)
}

const read = async (place: Reference) => (await scene.platform.request('GET', `/fhir/${place}`)).body

describe('an A40', () => {
  it('links both records in one commit, and the replaced one is active no longer', async () => {
    const [survivor, replaced] = [await patient('S-1'), await patient('O-1')]
    expect((await send(merge(['S-1', 'O-1']))).text).toContain('MSA|AA|')
    expect(await read(survivor)).toMatchObject({
      meta: { versionId: '2' },
      link: [{ type: 'replaces', other: { reference: replaced } }],
    })
    expect(await read(replaced)).toMatchObject({
      meta: { versionId: '2' },
      active: false,
      identifier: [{ use: 'old', value: 'O-1' }],
      link: [{ type: 'replaced-by', other: { reference: survivor } }],
    })
    const provenance = await scene.ehr.request('GET', `/fhir/Provenance?target=${replaced}`)
    expect(JSON.stringify(resourcesOf(provenance.body))).toContain('"code":"merge"')
  })

  it('of records nobody knew makes both, and each of its groups is a merge', async () => {
    expect((await send(merge(['S-2', 'O-2'], ['S-3', 'O-3'], ['S-2', 'O-4']))).text).toContain('MSA|AA|')
    const links = async (number: string) => {
      const found = await scene.platform.request('GET', `/fhir/Patient?identifier=${number}`)
      const [one, ...more] = resourcesOf(found.body)
      expect(more).toEqual([])
      return one.link.map(({ type }: { type: string }) => type)
    }
    expect(await links('S-2')).toEqual(['replaces', 'replaces'])
    expect(await links('S-3')).toEqual(['replaces'])
    for (const number of ['O-2', 'O-3', 'O-4']) expect(await links(number)).toEqual(['replaced-by'])
  })

  it('that comes again, also in a message of its own, changes nothing more', async () => {
    const [survivor, replaced] = [await patient('S-5'), await patient('O-5')]
    await send(merge(['S-5', 'O-5']))
    expect((await send(merge(['S-5', 'O-5']))).text).toContain('MSA|AA|')
    expect((await read(replaced)).meta.versionId).toBe('2')
    expect((await read(survivor)).link).toHaveLength(1)
  })

  it.each([
    ['of a record with itself', [['S-6', 'S-6']]],
    ['that would turn an earlier one round', [['O-1', 'S-1']]],
    [
      'of what survives and is replaced in one message',
      [
        ['S-7', 'S-8'],
        ['S-8', 'S-9'],
      ],
    ],
    ['of a record that another one replaced', [['S-3', 'O-1']]],
  ] as [string, [string, string][]][])('%s is refused', async (_name, pairs) => {
    const { text } = await send(merge(...pairs))
    expect(text).toContain('MSA|AR|')
    expect(text).toContain('MRG')
  })

  it('into a record that was replaced itself goes to the one that survived in the end', async () => {
    const [last, middle, first] = [await patient('S-10'), await patient('S-11'), await patient('S-12')]
    await send(merge(['S-10', 'S-11']))
    await send(merge(['S-11', 'S-12']))
    expect((await read(first)).link).toEqual([{ type: 'replaced-by', other: { reference: last } }])
    expect((await read(middle)).link).toHaveLength(1)
  })

  it('and its opposite at the same moment: one of them is refused', async () => {
    await patient('S-13')
    await patient('S-14')
    const answers = await Promise.all([send(merge(['S-13', 'S-14'])), send(merge(['S-14', 'S-13']))])
    expect(answers.map(({ text }) => /MSA\|(A[AR])/.exec(text)?.[1]).sort()).toEqual(['AA', 'AR'])
  })
})

describe('after a merge', () => {
  let survivor: Reference
  let replaced: Reference
  let old: Reference
  let recent: Reference
  beforeAll(async () => {
    survivor = await patient('S-20')
    replaced = await patient('O-20')
    old = await communication(replaced, 'old')
    recent = await communication(survivor, 'new')
    // What is asked before the merge is in the caches that it must drop.
    expect(await seen(scene.ehr, `Communication?patient=${survivor}`)).toEqual([recent])
    expect(await seen(scene.ehr, `Communication?patient=${replaced}`)).toEqual([old])
    await send(merge(['S-20', 'O-20']))
  })

  it('a search for one record finds what is about both, by telling codes and in $everything too', async () => {
    for (const record of [survivor, replaced]) {
      expect((await seen(scene.ehr, `Communication?patient=${record}`)).sort()).toEqual([old, recent].sort())
      const category = 'category=notification'
      expect((await seen(scene.ehr, `Communication?patient=${record}&${category}`)).sort()).toEqual(
        [old, recent].sort(),
      )
      expect(await seen(scene.ehr, `${record}/$everything`)).toEqual(expect.arrayContaining([old, recent]))
    }
  })

  it('what comes in for the old number is about the survivor', async () => {
    const text = [
      'MSH|^~\\&|ADT|NORTHSIDE|POSTERN|HUB|20260105100000-0600||ADT^A08|LATER-1|P|2.5.1',
      'PID|1||O-20^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^MR||LATER^NAME',
    ].join('\r')
    expect((await send(text)).text).toContain('MSA|AA|')
    expect((await read(survivor)).name).toEqual([{ family: 'LATER', given: ['NAME'] }])
    expect((await read(replaced)).meta.versionId).toBe('2')
    // The number stands in both records now, and still means one person.
    expect((await send(text.replace('LATER-1', 'LATER-2'))).text).toContain('MSA|AA|')
  })

  it('what stood on the replaced record is told again for the survivor, and stays where it is', async () => {
    const about = (path: string, number: string, control: string, change: Record<string, string> = {}) =>
      Object.entries(change).reduce(
        (text, [from, to]) => text.replaceAll(from, to),
        fixture(path)
          .replace('MRN-4711', number)
          .replace(/(MSH(?:\|[^|]*){8}\|)[^|]*/, `$1${control}`),
      )
    await patient('S-40')
    const former = await patient('O-40')
    const [edit, booked, survey] = [
      'document-message/story-1-original.in.hl7',
      'appointment/story-1-booked.in.hl7',
      'observation-result/phq-9.in.hl7',
    ] as const
    for (const [index, path] of [edit, booked, survey].entries())
      expect((await send(about(path, 'O-40', `BEFORE-${index}`))).text).toContain('MSA|AA|')
    await send(merge(['S-40', 'O-40']))
    const again = [
      about('document-message/story-3-edit.in.hl7', 'S-40', 'AFTER-0'),
      about('appointment/story-2-rescheduled.in.hl7', 'S-40', 'AFTER-1'),
      about(survey, 'S-40', 'AFTER-2', { 'LA6569-3': 'LA6571-9' }),
    ]
    for (const text of again) expect((await send(text)).text).toContain('MSA|AA|')
    for (const [type, element] of [
      ['Communication', 'subject'],
      ['Task', 'for'],
      ['QuestionnaireResponse', 'subject'],
    ] as const) {
      const found = await scene.ehr.request('GET', `/fhir/${type}?patient=${former}`)
      const [one, ...others] = resourcesOf(found.body)
      expect(others).toEqual([])
      expect(one).toMatchObject({ meta: { versionId: '2' }, [element]: { reference: former } })
    }
    // Another person is still another person.
    await patient('S-41')
    const { text } = await send(about('document-message/story-3-edit.in.hl7', 'S-41', 'AFTER-3'))
    expect(text).toContain('MSA|AR|')
  })

  it('an answer for the survivor finds the order that was placed for the replaced record', async () => {
    const orders = orderScene(scene)
    const [, former] = [await patient('S-42'), await patient('O-42')]
    const order = fixture('prescription-order/us-simple.in.hl7')
      .replace('RDE-20260105-0001', 'RDE-M-1')
      .replaceAll('RX-88001', 'RX-M1')
      .replace('MRN-4711', 'O-42')
    expect(await orders.post(scene.platform, order)).toContain('MSA|AA|')
    await send(merge(['S-42', 'O-42']))
    const answer = orders.told('order-answer/us-accepted', 'RRE-M1', 'RX-M1').replace('MRN-4711', 'S-42')
    expect(await orders.post(scene.pharmacy, answer)).toContain('MSA|AA|')
    const found = await scene.ehr.request('GET', `/fhir/MedicationRequest?patient=${former}`)
    const [task] = await orders.tasksOf(`MedicationRequest/${resourcesOf(found.body)[0].id}`, 'fulfill')
    expect(task).toMatchObject({ status: 'accepted' })
  })

  it('the accounting of one tells of both', async () => {
    await scene.ehr.request('GET', `/fhir/${old}`)
    const { body } = await scene.auditor.request('GET', `/audit/accounting?patient=${survivor}`)
    expect(JSON.stringify(body.entries)).toContain(old)
    expect(JSON.stringify(body.entries)).toContain(recent)
  })

  it('a refusal on either record holds for both, from the next request on, and ends with it', async () => {
    for (const record of [replaced, survivor]) {
      const deny = await consent(record, 'deny', scene.organizations.northside)
      for (const place of [old, recent]) {
        expect((await scene.ehr.request('GET', `/fhir/${place}`)).status, `${record} ${place}`).toBe(404)
      }
      expect(await seen(scene.ehr, `Communication?patient=${survivor}`)).toEqual([])
      await scene.platform.request('DELETE', `/fhir/${deny}`)
      expect(await seen(scene.ehr, `Communication?patient=${survivor}`)).toHaveLength(2)
    }
  })

  it('a permit on one record opens that one alone', async () => {
    const permit = await consent(replaced, 'permit', scene.organizations.elsewhere)
    expect(await seen(scene.stranger, `Communication?patient=${survivor}`)).toEqual([old])
    await consent(survivor, 'deny', scene.organizations.elsewhere)
    expect(await seen(scene.stranger, `Communication?patient=${survivor}`)).toEqual([])
    await scene.platform.request('DELETE', `/fhir/${permit}`)
  })
})

it('a refusal that stood on the replaced record before the merge still stands after it', async () => {
  const [survivor, replaced] = [await patient('S-30'), await patient('O-30')]
  const old = await communication(replaced, 'old')
  const recent = await communication(survivor, 'new')
  await consent(replaced, 'deny', scene.organizations.northside)
  expect((await scene.ehr.request('GET', `/fhir/${recent}`)).status).toBe(200)
  await send(merge(['S-30', 'O-30']))
  for (const place of [old, recent]) {
    expect((await scene.ehr.request('GET', `/fhir/${place}`)).status).toBe(404)
  }
})

it('a link that only one record tells of is none', async () => {
  const [one, other] = [await patient('S-31'), await patient('O-31')]
  const about = await communication(other, 'not hers')
  const { body } = await scene.platform.request('GET', `/fhir/${one}`)
  const linked = { ...body, link: [{ type: 'replaces', other: { reference: other } }] }
  const put = await scene.platform.request('PUT', `/fhir/${one}`, linked, { 'if-match': 'W/"1"' })
  expect(put.status).toBe(200)
  expect(await seen(scene.ehr, `Communication?patient=${one}`)).not.toContain(about)
})

it('a message by the former number leaves the survivor the number it is known by', async () => {
  const [survivor] = [await patient('S-50'), await patient('O-50')]
  const told = (number: string, name: string) =>
    send(
      [
        `MSH|^~\\&|ADT|NORTHSIDE|POSTERN|HUB|20260106090000-0600||ADT^A08|UPD-${name}|P|2.5.1`,
        `PID|1||${number}^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^MR||${name}`,
      ].join('\r'),
    )
  await told('S-50', 'FIRST')
  await send(merge(['S-50', 'O-50']))
  for (const [number, name] of [
    ['O-50', 'SECOND'],
    ['S-50', 'THIRD'],
  ] as const) {
    expect((await told(number, name)).text).toContain('MSA|AA|')
    const { body } = await scene.platform.request('GET', `/fhir/${survivor}`)
    expect(body.name).toEqual([{ family: name }])
    expect(body.identifier.map(({ value }: { value: string }) => value)).toEqual(['S-50'])
  }
})

it('a dispense on an order of the replaced record is taken by the number of either', async () => {
  const orders = orderScene(scene)
  const former = [await patient('S-51'), await patient('O-51')][1]
  const order = fixture('prescription-order/us-simple.in.hl7')
    .replace('RDE-20260105-0001', 'RDE-M51')
    .replaceAll('RX-88001', 'RX-M51')
    .replace('MRN-4711', 'O-51')
  expect(await orders.post(scene.platform, order)).toContain('MSA|AA|')
  await send(merge(['S-51', 'O-51']))
  for (const number of ['S-51', 'O-51']) {
    const told = fixture('dispense/us-dispensed.in.hl7')
      .replace(/RDS-20260107-\d+/, `RDS-${number}`)
      .replaceAll('RX-88001', 'RX-M51')
      .replace('MRN-4711', number)
    expect(await orders.post(scene.pharmacy, told)).toContain('MSA|AA|')
  }
  const found = await scene.ehr.request('GET', `/fhir/MedicationDispense?patient=${former}`)
  expect(resourcesOf(found.body).map(({ subject }) => subject.reference)).toEqual([former, former])
})
