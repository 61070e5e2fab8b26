import type { Questionnaire } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import { errorsOf, validatorWith } from './examples.ts'

const canonical = 'https://clinic.example/Questionnaire/asthma'
const questionnaire: Questionnaire = {
  resourceType: 'Questionnaire',
  id: 'asthma',
  url: canonical,
  version: '2',
  status: 'active',
  item: [
    {
      linkId: 'g',
      type: 'group',
      item: [
        { linkId: 'bool', type: 'boolean', required: true },
        { linkId: 'text', type: 'text', maxLength: 5 },
        { linkId: 'size', type: 'quantity' },
        { linkId: 'days', type: 'date', repeats: true },
        { linkId: 'shown', type: 'display' },
        {
          linkId: 'how',
          type: 'choice',
          answerOption: [{ valueCoding: { system: 'urn:x', code: 'a' } }, { valueCoding: { code: 'b' } }],
          item: [{ linkId: 'why', type: 'string' }],
        },
        { linkId: 'free', type: 'open-choice', answerOption: [{ valueCoding: { code: 'b' } }] },
      ],
    },
  ],
}
const validator = validatorWith(questionnaire)
const response = (item: object[], rest: object = {}) => ({
  resourceType: 'QuestionnaireResponse',
  questionnaire: `${canonical}|2`,
  status: 'completed',
  item: [{ linkId: 'g', item: [{ linkId: 'bool', answer: [{ valueBoolean: true }] }, ...item] }],
  ...rest,
})
const issues = (resource: unknown) =>
  validator.check(resource).map((issue) => `${issue.severity} ${issue.expression}: ${issue.text}`)

describe('answers', () => {
  it.each([
    { linkId: 'text', answer: [{ valueString: '12345' }] },
    { linkId: 'days', answer: [{ valueDate: '2025-01-01' }, { valueDate: '2025-01-02' }] },
    { linkId: 'how', answer: [{ valueCoding: { system: 'urn:x', code: 'a', display: 'A' } }] },
    {
      linkId: 'how',
      answer: [{ valueCoding: { code: 'b' }, item: [{ linkId: 'why', answer: [{ valueString: 'x' }] }] }],
    },
    { linkId: 'free', answer: [{ valueString: 'something else' }] },
    { linkId: 'shown' },
  ])('as the questionnaire asks for them are right: %j', (item) =>
    expect(issues(response([item]))).toEqual([]),
  )

  it.each([
    [{ linkId: 'text', answer: [{ valueString: '123456' }] }, 'at most 5'],
    [{ linkId: 'text', answer: [{ valueInteger: 3 }] }, 'must be of type String'],
    [{ linkId: 'size', answer: [{ valueDecimal: 3 }] }, 'must be of type Quantity'],
    [
      { linkId: 'size', answer: [{ valueQuantity: { value: 1 } }, { valueQuantity: { value: 2 } }] },
      'one answer',
    ],
    [{ linkId: 'shown', answer: [{ valueString: 'x' }] }, 'has no answer'],
    [{ linkId: 'how', answer: [{ valueCoding: { code: 'a' } }] }, 'offers'],
    [{ linkId: 'other', answer: [{ valueString: 'x' }] }, 'no item with this linkId'],
    [{ linkId: 'why', answer: [{ valueString: 'x' }] }, 'no item with this linkId'],
    [{ linkId: 'bool', answer: [{ valueBoolean: false }] }, 'once only'],
  ])('of another kind are refused: %j', (item, why) => {
    expect(errorsOf(validator.check(response([item]))).map(({ text }) => text)).toEqual([
      expect.stringContaining(why),
    ])
  })

  it('that are missing are told of as a warning, once the response is completed', () => {
    const empty = { item: [{ linkId: 'g', item: [{ linkId: 'text', answer: [{ valueString: 'x' }] }] }] }
    expect(issues(response([], empty))).toEqual([expect.stringMatching(/^warning .*item\[0\].*requires/)])
    expect(issues(response([], { ...empty, status: 'in-progress' }))).toEqual([])
  })

  it('are held to a questionnaire that is contained, and to none that is not known', () => {
    const wrong = [{ linkId: 'size', answer: [{ valueDecimal: 3 }] }]
    const inside = { contained: [questionnaire], questionnaire: '#asthma' }
    expect(issues(response(wrong, inside))).toEqual([expect.stringContaining('Quantity')])
    expect(issues(response(wrong, { questionnaire: 'https://elsewhere.example/Questionnaire/1' }))).toEqual(
      [],
    )
  })
})
