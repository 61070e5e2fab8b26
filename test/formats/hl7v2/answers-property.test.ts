import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import type {
  Questionnaire,
  QuestionnaireItem,
  QuestionnaireResponse,
  QuestionnaireResponseItem,
} from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { observationResult } from '#flows/observation-result.ts'
import { writeAnswersMessage } from '#formats/hl7v2/answers-message.ts'
import { ours } from '#formats/hl7v2/rest.ts'
import { detailsUrl, sourceTimeUrl } from '#formats/hl7v2/said.ts'
import { replay } from '../../flows/replay.ts'
import { answersOf } from './generated-answers.ts'
import { plain, pruned } from './noted.ts'
import { numRuns, timeoutMs } from './runs.ts'
import { usual } from './same-order.ts'

const root = new URL('../../../', import.meta.url).pathname
const questionnaire = (name: string): Questionnaire =>
  JSON.parse(readFileSync(`${root}profiles/questionnaire-${name}.json`, 'utf8'))

const write = (response: QuestionnaireResponse, asked: Questionnaire, more: Partial<Hl7v2Dialect>) =>
  writeAnswersMessage({
    response,
    questionnaire: asked,
    patient: { resourceType: 'Patient', id: 'p', identifier: [{ value: '1' }], name: [{ family: 'x' }] },
    author: { resourceType: 'Practitioner', identifier: [{ value: '7' }], name: [{ family: 'y' }] },
    dialect: {
      sending: { application: 'POSTERN', facility: 'HUB' },
      receiving: { application: 'EHR', facility: '1' },
      ...more,
    },
    controlId: 'C1',
    at: 0,
  })

async function there(text: string): Promise<QuestionnaireResponse> {
  const { resources, refused } = await replay(observationResult, new TextEncoder().encode(text))
  const made = (resources ?? []) as { resourceType: string }[]
  const found = made.find(({ resourceType }) => resourceType === 'QuestionnaireResponse')
  if (!found) throw new Error(`no answers: ${JSON.stringify(refused)}\n${text.replaceAll('\r', '\n')}`)
  return found as QuestionnaireResponse
}

/**
 * Whole, but for what the way through fields changes by rule: id and persons are found anew; questions have the
 * questionnaire's words where the answers had none, and who answered nothing at all is not told.
 */
function comparable(given: QuestionnaireResponse, asked: Questionnaire): unknown {
  const {
    id: _id,
    subject: _s,
    author: _a,
    meta: _m,
    extension = [],
    ...rest
  } = plain(given) as QuestionnaireResponse
  const told = extension.filter(({ url }) => url !== sourceTimeUrl)
  return pruned(usual({ ...rest, extension: told, item: worded(rest.item, asked.item) }))
}

function worded(
  items: readonly QuestionnaireResponseItem[] = [],
  questions: readonly QuestionnaireItem[] = [],
): QuestionnaireResponseItem[] {
  return items.map((each) => {
    const question = questions.find(({ linkId }) => linkId === each.linkId)
    const text = each.text ?? question?.text
    return {
      ...each,
      ...(text === undefined ? {} : { text }),
      ...(each.item ? { item: worded(each.item, question?.item) } : {}),
      ...(each.answer
        ? {
            answer: each.answer.map((own) =>
              own.item ? { ...own, item: worded(own.item, question?.item) } : own,
            ),
          }
        : {}),
    }
  })
}

const partners: [string, Partial<Hl7v2Dialect>][] = [
  ['2.5.1', {}],
  ['2.8 in the time of another zone', { version: '2.8', timeZone: 'Asia/Tokyo' }],
  ['2.3.1', { version: '2.3.1' }],
]
const asked = ['phq-9', 'medication-follow-up', 'weight-management-screening'].map(questionnaire)

describe.each(partners)('answers that go out as ORU^R01 of %s', (_, more) => {
  it.each(asked)(
    'come back the same, digit for digit, whole: $name',
    async (each) => {
      await fc.assert(
        fc.asyncProperty(answersOf(each), async (response) => {
          const text = write(response, each, more)
          const back = comparable(await there(text), each)
          expect(back, text.replaceAll('\r', '\n')).toEqual(comparable(response, each))
        }),
        { numRuns },
      )
    },
    timeoutMs,
  )
})

it('a copy (ZFH) of answers holds no file a second time, and is refused beside another answer, question, note, time or occasion', async () => {
  const followUp = asked[1] as Questionnaire
  const given: QuestionnaireResponse = {
    resourceType: 'QuestionnaireResponse',
    id: 'qr1',
    identifier: { system: 'urn:oid:1.2.3', value: 'Q1' },
    questionnaire: `${followUp.url}|${followUp.version}`,
    status: 'completed',
    authored: '2026-01-12T08:00:00-06:00',
    _authored: { extension: [{ url: 'https://elsewhere.example/how', valueString: 'by phone' }] },
    item: [
      {
        linkId: 'adherence',
        item: [
          {
            linkId: 'doses-missed',
            text: 'How many doses did you miss in the last week?',
            extension: [
              { url: detailsUrl, extension: [{ url: 'note', valueString: 'about' }] },
              { url: 'https://elsewhere.example/mood', valueString: 'worried' },
            ],
            answer: [{ valueInteger: 3 }],
          },
        ],
      },
      {
        linkId: 'picture',
        answer: [{ valueAttachment: { contentType: 'image/png', data: 'QUJD', title: 'my arm' } }],
      },
    ],
  }
  const text = write(given, followUp, { timeZone: 'Asia/Tokyo' })
  expect(text.match(/QUJD/g)).toHaveLength(1)
  expect(text).toContain('last week?: mood: worried|ZFH')
  const back = await there(text)
  expect(comparable(back, followUp)).toEqual(comparable(given, followUp))
  const changed: [from: string, to: string, place: string][] = [
    ['||3|', '||4|', 'OBX-5'],
    ['|doses-missed^How many', '|doses-missed^Hardly any', 'OBX-3'],
    ['NTE|1||about\r', 'NTE|1||above\r', 'NTE'],
    ['|||20260112230000+0900', '|||20260113230000+0900', 'OBR-7'],
    ['||3|', '|2|3|', 'OBX-4'],
    ['"item":[', '"item":[null,', 'of another form'],
    [`"url":"https://elsewhere.example/mood"`, `"url":"${ours}mood"`, 'only this system'],
  ]
  for (const [from, to, place] of changed) {
    const other = text.replace(from, to)
    expect(other).not.toBe(text)
    const { refused } = await replay(observationResult, new TextEncoder().encode(other))
    expect(JSON.stringify(refused), other).toContain(place)
  }
})
