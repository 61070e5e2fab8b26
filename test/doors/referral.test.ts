import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

const send = (text: string, by = scene.platform) =>
  by.request('POST', '/ingest/hl7v2', text, { 'content-type': 'application/hl7-v2' })
const told = async (text: string) => expect((await send(text)).text).toContain('MSA|AA|')
const referred = (control: string, at: string, change = (text: string) => text) =>
  change(
    fixture('referral/story-1-referred.in.hl7')
      .replace('|REF-1|', `|${control}|`)
      .replace('20260110090000-0600', at),
  )
const answered = (control: string, at: string, change = (text: string) => text) =>
  change(
    fixture('referral/story-2-accepted.in.hl7')
      .replace('|RRI-1|', `|${control}|`)
      .replace('20260110113000-0600', at),
  )
const search = async (query: string) => resourcesOf((await scene.ehr.request('GET', `/fhir/${query}`)).body)
const referral = async (number: string) => {
  const [task, ...others] = await search(`Task?patient=${scene.patient}&identifier=${number}`)
  expect(others).toEqual([])
  return task
}
const letters = (number: string) => search(`Communication?patient=${scene.patient}&identifier=${number}`)

describe('a referral', () => {
  it('(REF^I12) is a Task from the one provider to the other, with what was found', async () => {
    await told(fixture('referral/story-1-referred.in.hl7'))
    const task = await referral('R-700')
    expect(task).toMatchObject({
      status: 'requested',
      intent: 'order',
      priority: 'asap',
      code: { coding: [{ code: 'referral' }] },
      description: 'Second Opinion',
      requester: { display: 'DR MARIA J BRANDT MD' },
      owner: { display: 'DR SAM LEE MD' },
      restriction: { period: { start: '2026-01-10', end: '2026-04-10' } },
    })
    const referredTo = await scene.platform.request('GET', `/fhir/${task.owner.reference}`)
    expect(referredTo.body).toMatchObject({
      identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: '1770504211' }],
      name: [{ family: 'LEE', given: ['SAM'] }],
    })
    const text = JSON.stringify(task.input)
    for (const words of ['Essential hypertension', 'Penicillin: Rash, Moderate', 'TOLA ADEYEMI', '90-140'])
      expect(text).toContain(words)
    const raw = await scene.ehr.request('GET', `/fhir/Task/${task.id}`)
    expect(raw.text).toMatch(/"value":158\.0,/)
  })

  it('says what it says to people in a message about the Task', async () => {
    const [letter, ...others] = await letters('R-700')
    expect(others).toEqual([])
    const task = await referral('R-700')
    expect(letter).toMatchObject({
      about: [{ reference: `Task/${task.id}` }],
      sender: { reference: task.requester.reference },
      recipient: [{ reference: task.owner.reference }],
      payload: [
        {
          contentString:
            'Home readings above 150 for six weeks.\nPlease advise on treatment.\nAssessment\nNot controlled on two drugs.',
        },
      ],
    })
  })

  it('that is accepted (RRI^I12) is the next version, and the answer’s words answer its words', async () => {
    const before = await referral('R-700')
    await told(fixture('referral/story-2-accepted.in.hl7'))
    const after = await referral('R-700')
    expect(after).toMatchObject({
      id: before.id,
      meta: { versionId: '2' },
      status: 'accepted',
      businessStatus: { text: 'Accepted' },
      requester: before.requester,
      owner: before.owner,
      input: before.input,
      restriction: { period: { end: '2026-03-10' } },
    })
    expect(after.identifier.map(({ value }: { value: string }) => value)).toEqual(['R-700', 'S-31'])
    const [asked, answer, ...others] = (await letters('R-700')).sort(
      (a: { sent: string }, b: { sent: string }) => a.sent.localeCompare(b.sent),
    )
    expect(others).toEqual([])
    expect(answer).toMatchObject({
      inResponseTo: [{ reference: `Communication/${asked.id}` }],
      sender: asked.recipient[0],
      recipient: [asked.sender],
      payload: [{ contentString: 'First visit on 20 January.' }],
    })
  })

  it('that is changed by an older message stays as it is', async () => {
    const before = await referral('R-700')
    await told(
      referred('REF-LATE', '20260110085900-0600', (text) => text.replace('S^Second Opinion', 'W^Workload')),
    )
    expect(await referral('R-700')).toEqual(before)
  })

  it('that is cancelled (I14) is cancelled, and not accepted any more', async () => {
    const cancel = referred('REF-2', '20260111090000-0600', (text) => text.replace('REF^I12', 'REF^I14'))
    await told(cancel)
    expect((await referral('R-700')).status).toBe('cancelled')
    const { text } = await send(answered('RRI-2', '20260112090000-0600'))
    expect(text).toContain('MSA|AE|')
    expect((await referral('R-700')).status).toBe('cancelled')
  })

  it('that is refused is rejected, though the clock of who refuses it is behind', async () => {
    const other = (text: string) => text.replace('R-700^EHR', 'R-701^EHR')
    await told(referred('REF-3', '20260110090000-0600', other))
    await told(
      answered('RRI-3', '20260110085500-0600', (text) =>
        other(text).replace('A^Accepted^HL70283', 'R^Rejected^HL70283'),
      ),
    )
    expect(await referral('R-701')).toMatchObject({ status: 'rejected', meta: { versionId: '2' } })
  })

  it('that expired is cancelled, in the words of its sender', async () => {
    const other = (text: string) => text.replace('R-700^EHR', 'R-702^EHR')
    await told(
      referred('REF-4', '20260110090000-0600', (text) => other(text).replace('P^Pending', 'E^Expired')),
    )
    expect(await referral('R-702')).toMatchObject({
      status: 'cancelled',
      businessStatus: { text: 'Expired' },
    })
  })

  it('is answered by the other side’s own system, and by nobody who has no part in it', async () => {
    const toElsewhere = (text: string) =>
      text
        .replace('R-700^EHR', 'R-710^EHR')
        .replace(
          'LEE^SAM^^^DR^MD|||^WPN^PH^^^217^5550177||1770504211^NPI',
          '||||||||Elsewhere Hospital^^^^^^NPI^^^1659375549',
        )
    const referredAt = referred('REF-10', '20260110090000-0600', toElsewhere)
    expect((await send(referredAt, scene.ehr)).text).toContain('MSA|AA|REF-10')
    const before = await referral('R-710')
    expect(before.owner.reference).toBe(scene.organizations.elsewhere)

    const answer = answered('RRI-10', '20260110113000-0600', toElsewhere)
    const bystander = await scene.clinic.client({
      id: 'bystander',
      role: 'ehr',
      organization: scene.organizations.mainStreet,
      scopes: ['system/*.cruds'],
      purposes: ['TREAT'],
      grants: [],
    })
    for (const other of [bystander, scene.platform]) {
      const { text } = await send(answer, other)
      expect(text).toContain('MSA|AE|RRI-10')
      expect(text).toContain('RF1^1^6|204')
    }
    expect(await referral('R-710')).toEqual(before)

    expect((await send(answer, scene.stranger)).text).toContain('MSA|AA|RRI-10')
    const after = await referral('R-710')
    expect(after).toMatchObject({ id: before.id, status: 'accepted', meta: { versionId: '2' } })
    const [asked, said, ...others] = (await letters('R-710')).sort(
      (a: { sent: string }, b: { sent: string }) => a.sent.localeCompare(b.sent),
    )
    expect(others).toEqual([])
    expect(said).toMatchObject({
      about: [{ reference: `Task/${after.id}` }],
      inResponseTo: [{ reference: `Communication/${asked.id}` }],
      sender: { reference: scene.organizations.elsewhere },
    })
  })

  it.each([
    ['an answer to nothing', (text: string) => text.replace('R-701^EHR', 'R-799^EHR'), 'AE', 'RF1^1^6'],
    [
      'an answer of unknown meaning',
      (text: string) => text.replace('A^Accepted', 'W^Waiting'),
      'AR',
      'RF1^1^1',
    ],
    [
      'an answer about another patient',
      (text: string) => text.replace('MRN-4711', 'MRN-4712'),
      'AR',
      'RF1^1^6',
    ],
    ['an answer without meaning', (text: string) => text.replace('A^Accepted^HL70283', ''), 'AE', 'RF1^1^1'],
    ['a question for its state (I15)', (text: string) => text.replace('RRI^I12', 'REF^I15'), 'AR', 'MSH^1^9'],
  ])('%s is refused with the place', async (_case, change, code, place) => {
    const before = await referral('R-701')
    const { text } = await send(
      answered('RRI-4', '20260113090000-0600', (each) => change(each.replace('R-700', 'R-701'))),
    )
    expect(text).toContain(`MSA|${code}|`)
    expect(text).toContain(place)
    expect(await referral('R-701')).toEqual(before)
  })
})
