import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

const send = (text: string, by = scene.platform) =>
  by.request('POST', '/ingest/hl7v2', text, { 'content-type': 'application/hl7-v2' })
const told = async (name: string) =>
  expect((await send(fixture(`appointment/${name}.in.hl7`))).text).toContain('MSA|AA|')
const appointment = async () => {
  const found = await scene.ehr.request('GET', `/fhir/Task?patient=${scene.patient}`)
  const [task, ...others] = resourcesOf(found.body)
  expect(others).toEqual([])
  return task
}

describe('an appointment', () => {
  it('that is booked (SIU^S12) is a Task that the EHR of the patient’s clinic reads', async () => {
    await told('story-1-booked')
    expect(await appointment()).toMatchObject({
      status: 'accepted',
      code: { coding: [{ code: 'appointment' }] },
      description: 'Blood pressure follow-up',
      executionPeriod: { start: '2026-01-20T09:30:00-06:00', end: '2026-01-20T10:00:00-06:00' },
      note: [{ text: 'Bring your readings' }, { text: 'Do not smoke an hour before' }],
    })
  })

  it('that is moved (S13) is the next version of the same Task', async () => {
    const before = await appointment()
    await told('story-2-rescheduled')
    const after = await appointment()
    expect(after).toMatchObject({
      id: before.id,
      meta: { versionId: '2' },
      status: 'accepted',
      executionPeriod: { start: '2026-01-22T14:00:00-06:00' },
      authoredOn: before.authoredOn,
    })
    // The same comments again are no others.
    expect(after.note).toEqual(before.note)
  })

  it('told late by an older message stays as it is', async () => {
    const late = fixture('appointment/story-1-booked.in.hl7').replace('|SIU-1|', '|SIU-1-LATE|')
    expect((await send(late)).text).toContain('MSA|AA|')
    expect(await appointment()).toMatchObject({
      meta: { versionId: '2' },
      executionPeriod: { start: '2026-01-22T14:00:00-06:00' },
    })
  })

  it('that is cancelled (S15) says why, and is not booked again', async () => {
    await told('story-3-cancelled')
    expect(await appointment()).toMatchObject({
      status: 'cancelled',
      statusReason: { text: 'Clinician is ill' },
      meta: { versionId: '3' },
    })
    const again = fixture('appointment/story-2-rescheduled.in.hl7')
      .replace('|SIU-2|', '|SIU-4|')
      .replace('20260111090000', '20260113090000')
    expect((await send(again)).text).toContain('MSA|AE|')
    expect((await appointment()).status).toBe('cancelled')
  })

  it('whose comments say which side speaks (NTE-2) has a message from each to the other about it', async () => {
    const other = (text: string) => text.replaceAll('MRN-4711', 'MRN-4713')
    expect((await send(other(fixture('appointment/with-words-of-both-sides.in.hl7')))).text).toContain(
      'MSA|AA|',
    )
    const [{ resource: patient }] = (
      await scene.platform.request('GET', '/fhir/Patient?identifier=urn:oid:2.16.840.1.113883.19.5|MRN-4713')
    ).body.entry
    const practice = { ...patient, managingOrganization: { reference: scene.organizations.northside } }
    await scene.platform.request('PUT', `/fhir/Patient/${patient.id}`, practice, {
      'if-match': `W/"${patient.meta.versionId}"`,
    })
    const search = async (type: string) =>
      resourcesOf((await scene.ehr.request('GET', `/fhir/${type}?patient=Patient/${patient.id}`)).body)
    const [task] = await search('Task')
    expect(task.note).toEqual([{ text: 'Bring your readings' }])
    const letters = await search('Communication')
    const about = [{ reference: `Task/${task.id}` }]
    expect(letters).toHaveLength(2)
    expect(letters).toContainEqual(
      expect.objectContaining({
        about,
        sender: task.requester,
        recipient: [task.owner],
        payload: [{ contentString: 'Interpreter needed (Igbo).\nPatient is anxious about the cuff.' }],
      }),
    )
    expect(letters).toContainEqual(
      expect.objectContaining({ about, sender: task.owner, recipient: [task.requester] }),
    )
    const seen = await scene.stranger.request('GET', `/fhir/Communication?patient=Patient/${patient.id}`)
    expect(resourcesOf(seen.body)).toEqual([])
    // The next event repeats both comments and changes one: that one alone has a next version.
    const next = (id: string, hour: string) =>
      other(fixture('appointment/with-words-of-both-sides.in.hl7'))
        .replace('|SIU-31|', `|${id}|`)
        .replace('20260110090000', `20260110${hour}0000`)
    expect((await send(next('SIU-32', '10'))).text).toContain('MSA|AA|')
    const versions = async () => (await search('Communication')).map(({ meta }) => meta.versionId).sort()
    expect(await versions()).toEqual(['1', '1'])
    const changed = next('SIU-33', '11').replace('no lift access', 'no lift today')
    expect((await send(changed)).text).toContain('MSA|AA|')
    expect(await versions()).toEqual(['1', '2'])
  })

  it('is not made of blocked times (S23, S24), which are understood and not kept', async () => {
    const block = fixture('schedule-block/lunch-blocked.in.hl7')
    for (const text of [block, block, block.replace('S23', 'S24').replace('SIU-23', 'SIU-24')]) {
      const answer = (await send(text)).text
      expect(answer).toContain('MSA|AA|')
      expect(answer).toMatch(/ERR\|\|\|0\^Message accepted\^HL70357\|I\|{4}Blocked times of a schedule/)
    }
    expect((await appointment()).meta.versionId).toBe('3')
    expect(await scene.clinic.store.counters()).toMatchObject({
      'schedule-blocked': 1,
      'schedule-unblocked': 1,
    })
  })

  it.each([
    ['of another patient', (text: string) => text.replace('MRN-4711', 'MRN-4712'), 'AR', 'SCH^1^2'],
    [
      'that was never told, deleted',
      (text: string) => text.replace('SIU^S15', 'SIU^S17').replace('A-900', 'A-901'),
      'AE',
      'SCH^1^2',
    ],
    ['without number', () => fixture('appointment/bad-no-number.in.hl7'), 'AE', 'SCH^1^2'],
    [
      'as a question for a schedule',
      (text: string) => text.replace('SIU^S15', 'SIU^S25'),
      'AR',
      'MSH^1^9|200^Unsupported message type^HL70357|E||||No schedule is kept here',
    ],
  ])('%s is refused with the place', async (_case, change, code, place) => {
    const { text } = await send(
      change(fixture('appointment/story-3-cancelled.in.hl7').replace('|SIU-3|', '|SIU-5|')),
    )
    expect(text).toContain(`MSA|${code}|`)
    expect(text).toContain(place)
    expect((await appointment()).meta.versionId).toBe('3')
  })
})
