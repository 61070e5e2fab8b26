import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import type { CodeableConcept, Questionnaire, QuestionnaireResponse } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { observationResult } from '#flows/observation-result.ts'
import { writeAnswersMessage } from '#formats/hl7v2/answers-message.ts'
import { sourceTimeUrl } from '#formats/hl7v2/said.ts'
import { replay } from '../../flows/replay.ts'
import { answersOf } from './generated-answers.ts'
import { plain } from './noted.ts'
import { numRuns, timeoutMs } from './runs.ts'

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
 * The differences by rule: id and persons are found anew by the receiver; OBX-8 is a code alone before 2.7, so that the
 * code stands for its words; the canonical is told in a note beside the code of OBR-4.
 */
function meant(response: QuestionnaireResponse): unknown {
  const { id: _id, subject: _s, author: _a, meta: _m, ...rest } = response
  const text = JSON.stringify(plain(rest))
  return JSON.parse(text, (key: string, value: unknown) => {
    if (key === 'valueCodeableConcept') return { coding: (value as CodeableConcept).coding }
    return key === 'valueString' && typeof value === 'string'
      ? value.replace(`FHIR questionnaire: ${response.questionnaire}`, '').trimEnd()
      : value
  })
}

/** Without what held nothing but the note on the canonical, and when it was sent. */
function told(response: QuestionnaireResponse): QuestionnaireResponse {
  const { extension = [], ...rest } = response
  const canonical = `FHIR questionnaire: ${response.questionnaire}`
  const left = extension.filter(
    ({ url, extension: parts = [] }) => url !== sourceTimeUrl && parts[0]?.valueString !== canonical,
  )
  return left.length > 0 ? { ...rest, extension: left } : rest
}

const partners: [string, Partial<Hl7v2Dialect>][] = [
  ['2.5.1', {}],
  ['2.8', { version: '2.8' }],
  ['2.3.1', { version: '2.3.1' }],
]
const asked = ['phq-9', 'medication-follow-up', 'weight-management-screening'].map(questionnaire)

describe.each(partners)('answers that go out as ORU^R01 of %s', (_, more) => {
  it.each(asked)(
    'come back the same, digit for digit: $name',
    async (each) => {
      await fc.assert(
        fc.asyncProperty(answersOf(each), async (response) => {
          const back = await there(write(response, each, more))
          expect(meant(told(back))).toEqual(meant(told(response)))
        }),
        { numRuns },
      )
    },
    timeoutMs,
  )
})
