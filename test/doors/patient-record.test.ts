import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture, openScene, patientIdentifier, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

let count = 0

/** An ADT of the interface, at a time of the day, with the fields of the patient after PID-3. */
function adt(event: string, recorded: string, record: string, rest = '', more: string[] = []): string {
  count++
  return [
    `MSH|^~\\&|ADT|NORTHSIDE|POSTERN|HUB|20260104${recorded}00-0600||ADT^${event}|ADT-${count}|P|2.5.1`,
    `EVN|${event}|20260104${recorded}00-0600`,
    `PID|1||${record}||${rest}`,
    ...more,
  ].join('\r')
}

const send = (message: string, client = scene.platform) =>
  client.request('POST', '/ingest/hl7v2', message, { 'content-type': 'application/hl7-v2' })

const known = `${patientIdentifier.value}^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^MR`

async function patientBy(system: string, value: string) {
  const found = await scene.platform.request('GET', `/fhir/Patient?identifier=${system}|${value}`)
  return resourcesOf(found.body)
}

const sid = 'https://postern.health/fhir/sid/v2/NORTHSIDE/NORTHSIDE'

describe('an ADT about a patient', () => {
  it('nobody knew makes one, with all it says', async () => {
    const answer = await send(
      adt('A28', '0900', 'N-1^^^NORTHSIDE^MR', 'DOE^JO^^^^^L||1990|F|||1 MAIN ST^^TOWN^IL^60001', [
        'NK1|1|DOE^SAM|SPO^Spouse',
      ]),
    )
    expect(answer.text).toContain(`MSA|AA|ADT-${count}`)
    const [patient, ...others] = await patientBy(sid, 'N-1')
    expect(others).toEqual([])
    expect(patient).toMatchObject({
      meta: { versionId: '1' },
      name: [{ use: 'official', family: 'DOE', given: ['JO'] }],
      birthDate: '1990',
      gender: 'female',
      address: [{ line: ['1 MAIN ST'], city: 'TOWN', state: 'IL', postalCode: '60001' }],
      contact: [{ name: { family: 'DOE', given: ['SAM'] } }],
    })
  })

  it('who is known makes a new version: what was sent replaces, "" deletes, what is empty stays', async () => {
    const [, id] = scene.patient.split('/')
    await send(
      adt(
        'A08',
        '1000',
        known,
        'OKAFOR-LEE^ADA|EZE^NNEKA|19870314|F||2054-5|9 NEW RD^^TOWN||^^CP^^^312^5550100|||||||||N',
      ),
    )
    const second = (await scene.platform.request('GET', `/fhir/${scene.patient}`)).body
    expect(second).toMatchObject({
      meta: { versionId: '2' },
      name: [{ family: 'OKAFOR-LEE', given: ['ADA'] }],
      address: [{ city: 'TOWN' }],
      telecom: [{ use: 'mobile' }],
      managingOrganization: { reference: scene.organizations.northside },
    })
    const said = second.extension.map(({ url = '' }) => url.replace(/^.*\//, ''))
    expect(said.sort()).toEqual([
      'patient-mothersMaidenName',
      'source-time',
      'us-core-ethnicity',
      'us-core-race',
    ])
    await send(adt('A31', '1010', known, '|""|||||""'))
    const third = (await scene.platform.request('GET', `/fhir/${scene.patient}`)).body
    expect(third.meta.versionId).toBe('3')
    expect(third.address).toBeUndefined()
    expect(third.extension.map(({ url = '' }) => url.replace(/^.*\//, '')).sort()).toEqual([
      'source-time',
      'us-core-ethnicity',
      'us-core-race',
    ])
    expect(third).toMatchObject({ name: second.name, telecom: second.telecom, gender: 'female', id })
    const provenance = await scene.ehr.request('GET', `/fhir/Provenance?target=${scene.patient}`)
    expect(JSON.stringify(provenance.body)).toContain(`${scene.patient}/_history/3`)
    expect(resourcesOf(provenance.body).at(-1).activity.coding[0].code).toBe('UPDATE')
  })

  it('that comes late changes nothing, and says so', async () => {
    const late = await send(adt('A08', '0930', known, 'EARLIER^NAME'))
    expect(late.text).toContain(`MSA|AA|ADT-${count}`)
    expect(late.text).toMatch(/^ERR\|/m)
    const now = (await scene.platform.request('GET', `/fhir/${scene.patient}`)).body
    expect(now).toMatchObject({ meta: { versionId: '3' }, name: [{ family: 'OKAFOR-LEE' }] })
  })

  it('that comes again makes nothing new', async () => {
    const message = adt('A08', '1100', 'N-1^^^NORTHSIDE^MR', 'DOE^JOANNA')
    await send(message)
    await send(message)
    expect((await patientBy(sid, 'N-1'))[0].meta.versionId).toBe('2')
  })

  it('and its like at the same moment are each taken, one version after the other', async () => {
    const messages = Array.from({ length: 6 }, () =>
      adt('A08', '1200', 'N-1^^^NORTHSIDE^MR', `DOE^NAME${count}`),
    )
    const answers = await Promise.all(messages.map((message) => send(message)))
    expect(answers.every(({ text }) => text.includes('MSA|AA|'))).toBe(true)
    expect((await patientBy(sid, 'N-1'))[0].meta.versionId).toBe('8')
  })

  it('of two new ones at once makes one patient', async () => {
    const messages = Array.from({ length: 4 }, () => adt('A04', '1200', 'N-2^^^NORTHSIDE^MR', 'ROE^PAT'))
    await Promise.all(messages.map((message) => send(message)))
    const found = await patientBy(sid, 'N-2')
    expect(found.map((each) => each.meta.versionId)).toEqual(['4'])
  })

  it('keeps the numbers that others gave', async () => {
    const other = [
      'MSH|^~\\&|LAB|SOUTHSIDE|POSTERN|HUB|20260104130000-0600||ADT^A08|LAB-1|P|2.5.1',
      'PID|1||N-2^^^NORTHSIDE~77^^^SOUTHSIDE^MR||ROE^PAT',
    ].join('\r')
    // SOUTHSIDE does not speak of the system that NORTHSIDE's numbers have: another patient.
    expect((await send(other)).text).toContain('MSA|AA|LAB-1')
    await send(adt('A08', '1300', 'N-2^^^NORTHSIDE^MR~88^^^STATE^PI', 'ROE^PAT'))
    await send(adt('A08', '1310', 'N-2^^^NORTHSIDE^MR', 'ROE^PAT'))
    const [patient] = await patientBy(sid, 'N-2')
    expect(patient.identifier.map((each: { value: string }) => each.value)).toEqual(['N-2', '88'])
  })

  it('with a clock that is ahead does not shut out the next', async () => {
    const ahead = adt('A08', '1400', 'N-2^^^NORTHSIDE^MR', 'AHEAD^PAT').replaceAll('20260104', '20990104')
    await send(ahead)
    const now = new Date(Date.now() + 2000).toISOString().replace(/[-:T]|\..*/g, '')
    await send(
      adt('A08', '1500', 'N-2^^^NORTHSIDE^MR', 'NOW^PAT').replace(/20260104150000-0600/g, `${now}+0000`),
    )
    expect((await patientBy(sid, 'N-2'))[0].name[0].family).toBe('NOW')
  })

  it('from who may not keep the lists of people is refused, and nothing is kept', async () => {
    const answer = await send(adt('A28', '0900', 'N-9^^^NORTHSIDE^MR', 'NO^BODY'), scene.ehr)
    expect(answer.text).toContain('MSA|AR|')
    expect(await patientBy(sid, 'N-9')).toEqual([])
  })
})

it('a patient is not shut out by an order that names another one with their number beside its own', async () => {
  const order = (controlId: string, record: string) =>
    fixture('prescription-order/us-simple.in.hl7')
      .replace('RDE-20260105-0001', controlId)
      .replaceAll('RX-88001', `RX-${controlId}`)
      .replace(/\|\|MRN-4711[^|]*/, `||${record}`)
  await send(adt('A28', '0900', 'N-20^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^MR', 'ROE^PAT'))
  const theirs = 'N-20^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^PI'
  const first = await send(order('TWO-1', `EVIL-1^^^ELSEWHERE^MR~${theirs}`), scene.stranger)
  expect(first.text).toContain('MSA|AA|TWO-1')
  expect(await patientBy(patientIdentifier.system, 'N-20')).toHaveLength(1)
  const second = order('TWO-2', theirs.replace('^PI', '^MR'))
  expect((await send(second)).text).toContain('MSA|AA|TWO-2')
})

it('the letters of a batch that is marked as UTF-8 stay, whatever MSH-18 says of them', async () => {
  const batch = ['N-31', 'N-32'].map((number) =>
    adt('A28', '0900', `${number}^^^NORTHSIDE^MR`, 'MÜLLER^ZOË').replace('|2.5.1', '|2.5.1||||||8859/1'),
  )
  await send(`\uFEFF${batch.join('\r')}\r`)
  for (const number of ['N-31', 'N-32'])
    expect((await patientBy(sid, number))[0].name).toEqual([{ family: 'MÜLLER', given: ['ZOË'] }])
})

it('nobody is made of more numbers than can be looked for', async () => {
  const numbers = Array.from({ length: 101 }, (_, index) => `N-4-${index}^^^NORTHSIDE^MR`)
  const text = fixture('prescription-order/us-simple.in.hl7').replace(/MRN-4711[^|]*/, numbers.join('~'))
  expect((await send(text.replace('RDE-20260105-0001', 'MANY'))).text).toContain('MSA|CE|MANY')
  expect(await patientBy(sid, 'N-4-0')).toEqual([])
})
