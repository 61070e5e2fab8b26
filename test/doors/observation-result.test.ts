import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

const post = (name: string, change = (text: string) => text) =>
  scene.platform.request('POST', '/ingest/hl7v2', change(fixture(`observation-result/${name}.in.hl7`)), {
    'content-type': 'application/hl7-v2',
  })
const search = async (query: string) => {
  const { body } = await scene.ehr.request('GET', `/fhir/${query}`)
  return resourcesOf(body)
}

describe('an ORU^R01 whose OBR-4 names a questionnaire', () => {
  it('is its response, which the EHR of the patient’s clinic reads', async () => {
    expect((await post('phq-9')).text).toContain('MSA|AA|ORU-20260112-0001')
    const [response, ...others] = await search(`QuestionnaireResponse?patient=${scene.patient}`)
    expect(others).toEqual([])
    expect(response).toMatchObject({
      questionnaire: 'https://postern.health/fhir/Questionnaire/phq-9|1.0.0',
      status: 'completed',
      authored: '2026-01-12T08:00:00-06:00',
      identifier: { value: 'F-100' },
    })
    const item = (linkId: string) => response.item.find((each: { linkId: string }) => each.linkId === linkId)
    // By code, by its score, by its words, and after an SPM.
    for (const [linkId, code] of [
      ['44250-9', 'LA6569-3'],
      ['44259-0', 'LA6570-1'],
      ['44254-1', 'LA6571-9'],
      ['44251-7', 'LA6568-5'],
    ])
      expect(item(linkId ?? '').answer[0].valueCoding.code).toBe(code)
    // Cannot be obtained; deleted.
    expect(item('44258-2')).toMatchObject({ extension: [{ valueCode: 'not-performed' }] })
    expect(item('44258-2').answer).toBeUndefined()
    expect(item('44252-5')).toMatchObject({ extension: [{ valueCode: 'error' }] })
    expect(item('44252-5').answer).toBeUndefined()
    // A comment is of the OBX before it.
    expect(JSON.stringify(item('44250-9'))).toContain('Since the change of dose')
    expect(JSON.stringify(item('44255-8'))).not.toContain('Since the change of dose')
  })

  it('keeps the digits of its numbers, with their units and comparators', async () => {
    expect((await post('follow-up-and-report')).text).toContain('MSA|AA|ORU-20260113-0002')
    const found = await scene.ehr.request(
      'GET',
      `/fhir/QuestionnaireResponse?patient=${scene.patient}&status=amended`,
    )
    expect(found.text).toMatch(/"value":138\.0,"unit":"mmHg"/)
    expect(found.text).toMatch(/"value":200,"comparator":">"/)
    expect(found.text).toMatch(/"value":72\.50,"unit":"kg"/)
    expect(found.text).toMatch(/"valueDecimal":0\.5[^0-9]/)
  })
})

describe('an ORU^R01 of texts and files', () => {
  it('is a message from its interpreter to who ordered it and who gets a copy', async () => {
    const [message, ...others] = await search(`Communication?patient=${scene.patient}`)
    expect(others).toEqual([])
    expect(message).toMatchObject({
      identifier: [{ value: 'F-201' }],
      priority: 'stat',
      topic: { text: 'Discharge summary' },
      payload: [
        {
          contentString:
            'Chief complaint\nAnkle swelling.\nHospital course\nAmlodipine reduced.\nNo further swelling.',
        },
        { contentAttachment: { contentType: 'application/pdf' } },
      ],
      note: [{ text: 'Dictated, not read' }],
    })
    expect(message.recipient).toHaveLength(2)
    const sender = await scene.platform.request('GET', `/fhir/${message.sender.reference}`)
    expect(sender.body).toMatchObject({ name: [{ family: 'ADEYEMI', given: ['TOLA'] }] })
  })
})

describe('a result that comes again with its number', () => {
  const correction = (control: string, rows: string[]) =>
    [
      ...fixture('observation-result/phq-9.in.hl7')
        .split('\r')
        .slice(0, 4)
        .map((row) => row.replace('ORU-20260112-0001', control)),
      ...rows,
      '',
    ].join('\r')
  const answers = async () => {
    const [response, ...others] = await search(
      `QuestionnaireResponse?patient=${scene.patient}&identifier=https://postern.health/fhir/sid/v2/NORTHSIDE/SURVEY|F-100`,
    )
    expect(others).toEqual([])
    const codes = response.item.map(
      ({ linkId, answer }: { linkId: string; answer?: { valueCoding?: object }[] }) => [
        linkId,
        answer?.[0]?.valueCoding,
      ],
    )
    return { response, of: Object.fromEntries(codes) }
  }

  it('is its next version: corrected, withdrawn, and as it was where nothing is said', async () => {
    const { text } = await post('phq-9', () =>
      correction('ORU-C-1', [
        'OBX|1|CWE|44250-9^Little interest^LN||LA6571-9^Nearly every day^LN||||||C',
        'OBX|2|CWE|44255-8^Feeling down^LN||LA6568-5^Not at all^LN||||||W',
      ]),
    )
    expect(text).toContain('MSA|AA|')
    const { response, of } = await answers()
    expect(response).toMatchObject({ status: 'amended', meta: { versionId: '2' } })
    expect(of['44250-9']).toMatchObject({ code: 'LA6571-9' })
    expect(of['44255-8']).toBeUndefined()
    expect(of['44259-0']).toMatchObject({ code: 'LA6570-1' })
  })

  it('late tells what no newer one spoke of, and of all else changes nothing', async () => {
    const at = (time: string, control: string, rows: string[]) => () =>
      correction(control, rows).replace('20260112081530-0600', time)
    const answer = (linkId: string, code: string) => `OBX|1|CWE|${linkId}^^LN||${code}^^LN||||||F`
    const before = await answers()
    const same = at('20260112071530-0600', 'ORU-L-1', [answer('44250-9', 'LA6568-5')])
    expect((await post('phq-9', same)).text).toContain('it was not changed')
    expect((await answers()).response).toEqual(before.response)
    // 44253-3 was never told of: at eight, then at seven, then at half past seven.
    const told = [
      at('20260112080000-0600', 'ORU-L-2', [answer('44259-0', 'LA6568-5'), answer('44253-3', 'LA6570-1')]),
      at('20260112070000-0600', 'ORU-L-3', [answer('44253-3', 'LA6568-5')]),
      at('20260112073000-0600', 'ORU-L-4', [answer('44253-3', 'LA6569-3')]),
    ]
    for (const each of told) expect((await post('phq-9', each)).text).toContain('MSA|AA|')
    const after = await answers()
    expect(after.of['44253-3']).toMatchObject({ code: 'LA6570-1' })
    expect(after.of['44259-0']).toMatchObject({ code: 'LA6570-1' })
    expect(after.response).toMatchObject({ status: 'amended', meta: { versionId: '3' } })
    const newer = at('20260112081000-0600', 'ORU-L-5', [answer('44253-3', 'LA6571-9')])
    expect((await post('phq-9', newer)).text).toContain('MSA|AA|')
    expect((await answers()).of['44253-3']).toMatchObject({ code: 'LA6571-9' })
  })

  it('is entered in error when no answer is left', async () => {
    const { response } = await answers()
    const rows = response.item.map(
      ({ linkId }: { linkId: string }, index: number) => `OBX|${index + 1}|CWE|${linkId}^^LN||||||||W`,
    )
    expect((await post('phq-9', () => correction('ORU-C-2', rows))).text).toContain('MSA|AA|')
    expect((await answers()).response.status).toBe('entered-in-error')
  })

  it('withdraws a report, whose words stay to be read', async () => {
    const rows = fixture('observation-result/follow-up-and-report.in.hl7').split('\r')
    const report = [
      ...rows.slice(0, 2),
      ...rows.slice(
        rows.findIndex((row) => row.startsWith('OBR|2')),
        -1,
      ),
    ]
      .map((row) => row.replace('ORU-20260113-0002', 'ORU-C-3').replace(/^(OBX.*)\|F$/, '$1|W'))
      .join('\r')
    expect((await post('phq-9', () => report)).text).toContain('MSA|AA|')
    const [message] = await search(`Communication?patient=${scene.patient}`)
    expect(message).toMatchObject({ status: 'entered-in-error', meta: { versionId: '2' } })
    expect(message.payload[0].contentString).toContain('Ankle swelling.')
  })

  it('is not another patient’s', async () => {
    const { text } = await post('phq-9', (each) =>
      each.replace('MRN-4711', 'MRN-9999').replace('ORU-20260112-0001', 'ORU-C-4'),
    )
    expect(text).toContain('MSA|AR|')
    expect(text).toContain('OBR^1^3')
  })
})

describe('what is neither', () => {
  it.each([
    ['bad-laboratory', 'AR', 'OBR^2^4'],
    ['bad-unknown-question', 'AR', 'OBX^2^3'],
    ['bad-without-report', 'AR', 'OBX'],
    ['bad-answer-of-another-type', 'AE', 'OBX^2^5'],
    ['bad-nobody-named', 'AE', 'OBR^1^16'],
  ])('%s is answered %s with the place, and nothing of it is kept', async (name, code, place) => {
    const count = (await search(`Communication?patient=${scene.patient}`)).length
    const { text } = await post(name)
    expect(text).toContain(`MSA|${code}|`)
    expect(text).toContain(place)
    expect(await search(`Communication?patient=${scene.patient}`)).toHaveLength(count)
  })

  it.each([
    ['a pointer where a picture was asked for', 'OBX|16|ED|', 'OBX|16|RP|', 'OBX^16^5'],
    ['a fraction where a count was asked for', '||02||', '||2.5||', 'OBX^2^5'],
    ['a time with an offset, which FHIR has no place for', '||0730||', '||0730-0600||', 'OBX^4^5'],
    ['a word that is neither yes nor no', '||Y||', '||PERHAPS||', 'OBX^1^5'],
  ])('%s is never made to fit', async (_case, from, to, place) => {
    const change = (text: string) =>
      text.replace(from, to).replace('ORU-20260113-0002', `X-${to.length}${from.length}`)
    const { text } = await post('follow-up-and-report', change)
    expect(text).toContain('MSA|AE|')
    expect(text).toContain(place)
  })
})
