import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

const send = (text: string) =>
  scene.platform.request('POST', '/ingest/hl7v2', text, { 'content-type': 'application/hl7-v2' })
const post = (name: string) => send(fixture(`document-message/${name}.in.hl7`))

describe('an MDM^T02', () => {
  it('is a message with its text and file, and the EHR of the patient’s clinic reads it', async () => {
    expect((await post('note-with-file')).text).toContain('MSA|AA|MDM-20260110-0001')
    const found = await scene.ehr.request('GET', `/fhir/Communication?patient=${scene.patient}`)
    const [message, ...others] = resourcesOf(found.body)
    expect(others).toEqual([])
    expect(message).toMatchObject({
      status: 'completed',
      sent: '2026-01-10T10:00:00-06:00',
      topic: { text: 'Consultation' },
      payload: [
        { contentString: expect.stringContaining('See you in 3 months.\nCall before') },
        { contentAttachment: { contentType: 'application/pdf', data: 'JVBERi0xLjQKJcOkw7zDtsOfCg==' } },
      ],
    })
    expect(message.meta.security).toContainEqual(expect.objectContaining({ code: 'R' }))
  })

  it('that answers an order and another document is taken in too', async () => {
    expect((await post('reply-after-order')).text).toContain('MSA|AA|MDM-20260110-0002')
  })

  it.each([
    ['bad-finding', 'AR', 'OBX^1^2'],
    ['bad-withdrawn', 'AR', 'TXA'],
    ['bad-nobody-named', 'AE', 'TXA'],
  ])('%s is answered %s with the place', async (name, code, place) => {
    const { text } = await post(name)
    expect(text).toContain(`MSA|${code}|`)
    expect(text).toContain(place)
    expect(text).not.toContain('MSA|AA|')
  })
})

describe('what happens to a document after its first message', () => {
  const document = async (number: string) => {
    const system = 'urn:oid:2.16.840.1.113883.19.6.2'
    const found = await scene.ehr.request('GET', `/fhir/Communication?identifier=${system}|${number}`)
    const [one, ...others] = resourcesOf(found.body)
    expect(others).toEqual([])
    return one
  }
  const told = async (name: string) => expect((await post(name)).text).toContain('MSA|AA|')
  const cancel = (number: string, control: string, patient = 'MRN-4711') =>
    [
      `MSH|^~\\&|EHR|NORTHSIDE^2.16.840.1.113883.19.6^ISO|POSTERN|HUB|20260110140500-0600||MDM^T11^MDM_T01|${control}|P|2.5.1`,
      'EVN|T11|20260110140500-0600',
      `PID|1||${patient}^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^MR`,
      'PV1|1|O',
      `TXA|1|CN|TX|||||||||${number}^NORTHSIDE|||||AU||CA||Wrong patient`,
      '',
    ].join('\r')

  it('an addendum (T06) is a message of its own that is part of the first', async () => {
    await told('story-1-original')
    await told('story-2-addendum')
    const [original, addendum] = [await document('DOC-80'), await document('DOC-81')]
    expect(addendum.partOf).toMatchObject([{ reference: `Communication/${original.id}` }])
    expect(addendum.payload).toEqual([{ contentString: 'With food.' }])
    expect(original.meta.versionId).toBe('1')
  })

  it('an edit (T08) is the next version of it, and keeps the label that it does not repeat', async () => {
    await told('story-3-edit')
    const edited = await document('DOC-80')
    expect(edited).toMatchObject({
      status: 'completed',
      payload: [{ contentString: 'Take 5 mg once a day, in the morning.' }],
    })
    expect(edited.meta.versionId).toBe('2')
    expect(edited.meta.security).toContainEqual(expect.objectContaining({ code: 'R' }))
    const first = await scene.ehr.request('GET', `/fhir/Communication/${edited.id}/_history/1`)
    expect(first.body.payload).toEqual([{ contentString: 'Take 5 mg once a day.' }])
  })

  it('an edit that was written before what stands comes late, and changes nothing', async () => {
    const before = await document('DOC-80')
    const older = fixture('document-message/story-3-edit.in.hl7')
      .replace('MDM-S-3', 'MDM-S-3-OLDER')
      .replaceAll('20260110120500-0600', '20260110120400-0600')
      .replace('in the morning', 'at night')
    const { text } = await send(older)
    expect(text).toContain('MSA|AA|')
    expect(text).toContain('it was not changed')
    expect(await document('DOC-80')).toEqual(before)
  })

  it('a replacement (T10) stands in its place, and it is not to be relied on any more', async () => {
    await told('story-4-replacement')
    const [old, next] = [await document('DOC-80'), await document('DOC-82')]
    expect(old).toMatchObject({
      status: 'entered-in-error',
      statusReason: { coding: [{ code: 'OB' }], text: 'Wrong strength' },
      payload: [{ contentString: 'Take 5 mg once a day, in the morning.' }],
    })
    expect(next).toMatchObject({
      status: 'completed',
      extension: expect.arrayContaining([
        expect.objectContaining({
          valueReference: expect.objectContaining({ reference: `Communication/${old.id}` }),
        }),
      ]),
    })
    const edit = fixture('document-message/story-3-edit.in.hl7')
    const late = edit.replace('MDM-S-3', 'MDM-S-3-LATE')
    expect((await send(late)).text).toContain('MSA|AA|')
    expect(await document('DOC-80')).toEqual(old)
    const newer = edit
      .replace('MDM-S-3', 'MDM-S-3-NEWER')
      .replaceAll('20260110120500-0600', '20260110140500-0600')
    expect((await send(newer)).text).toContain('MSA|AR|')
    expect(await document('DOC-80')).toEqual(old)
  })

  it('the same replacement again makes nothing new', async () => {
    const before = await document('DOC-80')
    await told('story-4-replacement')
    expect(await document('DOC-80')).toEqual(before)
    expect((await document('DOC-82')).meta.versionId).toBe('1')
  })

  it('a cancelled document (T11) is withdrawn, one that never came is not', async () => {
    expect((await send(cancel('DOC-81', 'MDM-S-5'))).text).toContain('MSA|AA|')
    expect(await document('DOC-81')).toMatchObject({
      status: 'entered-in-error',
      statusReason: { text: 'Wrong patient' },
      payload: [{ contentString: 'With food.' }],
    })
    const unknown = (await send(cancel('DOC-99', 'MDM-S-7'))).text
    expect(unknown).toContain('MSA|AE|')
    expect(unknown).toContain('TXA^1^12')
  })

  it('a status (T04) may be the first that is heard of it, and becomes another one later', async () => {
    await told('status-unavailable')
    expect(await document('DOC-83')).toMatchObject({ status: 'on-hold' })
    const text = fixture('document-message/status-unavailable.in.hl7')
    const available = text.replace('MDM-S-6', 'MDM-S-8').replace('|IP||UN|', '|LA||AV|')
    expect((await send(available)).text).toContain('MSA|AA|')
    const next = await document('DOC-83')
    expect(next).toMatchObject({ status: 'completed', meta: { versionId: '2' } })
    expect(next.statusReason).toBeUndefined()
  })

  it('an edit of a replacement still says what it replaced', async () => {
    const edit = fixture('document-message/story-3-edit.in.hl7')
      .replace('MDM-S-3', 'MDM-S-12')
      .replaceAll('DOC-80', 'DOC-84')
      .replaceAll('20260110120500-0600', '20260110150500-0600')
    const replacement = fixture('document-message/story-4-replacement.in.hl7')
      .replace('MDM-S-4', 'MDM-S-13')
      .replace('DOC-82', 'DOC-84')
      .replace('DOC-80', 'DOC-79')
    expect((await send(replacement)).text).toContain('MSA|AA|')
    expect((await send(edit)).text).toContain('MSA|AA|')
    const edited = await document('DOC-84')
    expect(edited.meta.versionId).toBe('2')
    expect(edited.extension).toHaveLength(2)
    expect(JSON.stringify(edited.extension)).toContain('DOC-79')
  })

  it('without its content (T03, T07, T09) only what stands is changed', async () => {
    const original = (number: string, control: string) =>
      fixture('document-message/story-1-original.in.hl7')
        .replace('MDM-S-1', control)
        .replaceAll('DOC-80', number)
    const notice = (event: string, control: string, txa: string) =>
      cancel('DOC-90', control).replaceAll('T11', event).replace(/TXA.*/, `TXA|1|CN|TX|||||||||${txa}`)
    const inNorthside = (number: string) => `${number}^NORTHSIDE`
    expect((await send(original('DOC-90', 'MDM-N-1'))).text).toContain('MSA|AA|')
    const first = await document('DOC-90')
    const steps = [
      ['T03', `${inNorthside('DOC-90')}|||||LA|V|AV`, { status: 'completed', statusReason: undefined }],
      ['T07', `${inNorthside('DOC-90')}|||||IP||UN`, { status: 'on-hold' }],
      ['T03', `${inNorthside('DOC-90')}|||||LA||AV`, { status: 'completed', statusReason: undefined }],
    ] as const
    for (const [index, [event, txa, expected]] of steps.entries()) {
      const sent = notice(event, `MDM-N-2-${index}`, txa).replaceAll('1405', `14${10 + index}`)
      expect((await send(sent)).text).toContain('MSA|AA|')
      const now = await document('DOC-90')
      expect(now).toMatchObject({ payload: first.payload, recipient: first.recipient })
      expect(now.status).toBe(expected.status)
      if ('statusReason' in expected) expect(now.statusReason).toBeUndefined()
      // A label that is told with it holds, and is not lost with the next.
      expect(now.meta.security).toContainEqual(expect.objectContaining({ code: 'V' }))
    }
    const replaced = notice('T09', 'MDM-N-3', `${inNorthside('DOC-91')}|${inNorthside('DOC-90')}||||IP||UN`)
    expect((await send(replaced.replaceAll('1405', '1420'))).text).toContain('MSA|AA|')
    expect(await document('DOC-90')).toMatchObject({
      status: 'entered-in-error',
      statusReason: { coding: [{ code: 'OB' }] },
      payload: first.payload,
    })
  })

  it.each([
    [
      'T01',
      'DOC-82',
      '|||||DI||UN',
      'AR',
      'MSH^1^9|200^Unsupported message type^HL70357|E||||A document without its content',
    ],
    ['T05', 'DOC-82', '|DOC-82||||DI||UN', 'AR', 'MSH^1^9'],
    ['T03', 'DOC-99', '|||||LA||AV', 'AE', 'TXA^1^12'],
    ['T03', 'DOC-82', '', 'AE', 'TXA^1^17'],
    ['T07', 'DOC-82', '|||||IP||AV', 'AR', 'TXA^1^19'],
    ['T09', 'DOC-83', '|DOC-99||||IP||UN', 'AE', 'TXA^1^13'],
  ])('%s about %s that would change nothing or nothing known is refused', async (...row) => {
    const [event, number, rest, code, place] = row
    const sent = cancel(number, `MDM-R-${row.join('').length}-${event}`)
      .replaceAll('T11', event)
      .replace(/TXA.*/, `TXA|1|CN|TX|||||||||${number}^NORTHSIDE${rest}`)
    const { text } = await send(sent)
    expect(text).toContain(`MSA|${code}|`)
    expect(text).toContain(place)
  })

  it('its author and recipients may be told by PRT, persons and organizations', async () => {
    const text = fixture('document-message/story-1-original.in.hl7')
      .replace('MDM-S-1', 'MDM-P-1')
      .replaceAll('DOC-80', 'DOC-95')
      .replace('|2.5.1|', '|2.8|')
      .replace(/(TXA(?:\|[^|\r]*){8})\|[^|\r]*/, '$1|')
      .replace(/(TXA(?:\|[^|\r]*){22})\|[^\r]*/, '$1')
      .replace(
        /\rOBX/,
        [
          '',
          'PRT|1|AD||AUT^Author^HL70912|1306847203^BRANDT^MARIA^^^^^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI',
          'PRT|2|AD||RCT^Results copies to^HL70912|1770504211^LEE^SAM^^^^^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI',
          'PRT|3|AD||RCT^Results copies to^HL70912||||Elsewhere Hospital^L^^^^NPI&2.16.840.1.113883.4.6&ISO^NPI^^^1659375549',
          'PRT|4|AD||WAY^Waypoint^HL70912|1770504999^NOBODY^ELSE^^^^^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI',
          'OBX',
        ].join('\r'),
      )
    expect((await send(text)).text).toContain('MSA|AA|')
    const told = await document('DOC-95')
    const nameAt = async ({ reference }: { reference: string }) =>
      (await scene.platform.request('GET', `/fhir/${reference}`)).body.name
    expect(await nameAt(told.sender)).toMatchObject([{ family: 'BRANDT' }])
    expect(told.recipient).toHaveLength(2)
    expect(await nameAt(told.recipient[0])).toMatchObject([{ family: 'LEE' }])
    expect(told.recipient[1]).toEqual({ reference: scene.organizations.elsewhere })
  })

  it('nobody moves a document to another patient by its number', async () => {
    const text = fixture('document-message/story-3-edit.in.hl7')
    const other = text
      .replace('MRN-4711', 'MRN-4712')
      .replace('MDM-S-3', 'MDM-S-10')
      .replaceAll('DOC-80', 'DOC-82')
    const { text: refused } = await send(other)
    expect(refused).toContain('MSA|AR|')
    expect(refused).toContain('TXA^1^12')
    expect((await send(cancel('DOC-82', 'MDM-S-11', 'MRN-4712'))).text).toContain('MSA|AR|')
    expect(await document('DOC-82')).toMatchObject({ status: 'completed', meta: { versionId: '1' } })
  })
})
