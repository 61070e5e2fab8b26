import { readFileSync } from 'node:fs'
import type {
  Communication,
  MedicationDispense,
  Patient,
  Practitioner,
  Questionnaire,
  QuestionnaireResponse,
} from 'fhir/r4'
import { expect, it } from 'vitest'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { dispense } from '#flows/dispense.ts'
import { documentMessage } from '#flows/document-message.ts'
import { eligibilityResult } from '#flows/eligibility-result.ts'
import { observationResult } from '#flows/observation-result.ts'
import { writeAnswersMessage } from '#formats/hl7v2/answers-message.ts'
import { writeCommunicationMessage } from '#formats/hl7v2/communication-message.ts'
import { writeDispenseMessage } from '#formats/hl7v2/dispense-message.ts'
import { sourceTimeUrl } from '#formats/hl7v2/said.ts'
import { pretty, readFixture, replay } from '../../flows/replay.ts'

const dialect: Hl7v2Dialect = {
  sending: { application: 'POSTERN', facility: 'MAINST' },
  receiving: { application: 'EHR', facility: '1' },
}
const envelope = { dialect, controlId: 'C1', at: 0 }
const patient: Patient = {
  resourceType: 'Patient',
  id: 'p',
  identifier: [{ system: 'urn:oid:1.2', value: '1' }],
  name: [{ family: 'Muster' }],
}
const doctor: Practitioner = {
  resourceType: 'Practitioner',
  identifier: [{ system: 'urn:oid:1.3', value: '7' }],
  name: [{ family: 'Arzt' }],
}
const encode = (text: string) => new TextEncoder().encode(text)

function resource<R extends { resourceType: string }>(made: unknown, type: R['resourceType']): R {
  const { resources, refused } = made as { resources?: R[]; refused?: unknown }
  const found = resources?.find(({ resourceType }) => resourceType === type)
  if (!found) throw new Error(`no ${type}: ${JSON.stringify(refused)}`)
  return found
}

/** Persons and ids are found anew by the receiver. */
function withoutIdentity(of: object): string {
  const {
    id: _id,
    meta: _meta,
    subject: _s,
    performer: _p,
    sender: _f,
    recipient: _r,
    location: _l,
    ...rest
  } = of as Record<string, unknown>
  return pretty(rest)
}

it.each(['us-dispensed', 'us-compound', 'us-part-fill-by-number-only'])(
  'a dispense that goes out as RDS^O13 comes back the same: %s',
  async (name) => {
    const there = resource<MedicationDispense>(
      await replay(dispense, readFixture('dispense', `${name}.in.hl7`)),
      'MedicationDispense',
    )
    const text = writeDispenseMessage({
      ...envelope,
      dispense: there,
      patient,
      order: {
        resourceType: 'MedicationRequest',
        status: 'active',
        intent: 'order',
        subject: {},
        identifier: [{ system: 'urn:oid:1.9', value: 'A1' }],
      },
      dispenser: doctor,
    })
    const back = resource<MedicationDispense>(await replay(dispense, encode(text)), 'MedicationDispense')
    // One that came by its prescription number alone goes out with the order's own number beside it.
    if (name.endsWith('number-only')) {
      expect(back.authorizingPrescription?.[0]?.identifier?.value).toBe('A1')
      delete back.authorizingPrescription
      delete there.authorizingPrescription
    }
    expect(withoutIdentity(back)).toBe(withoutIdentity(there))
  },
)

it('a dispense that has not happened yet has no date, which RXD-3 requires: it is refused, not dated', async () => {
  const made = await replay(dispense, readFixture('dispense', 'us-on-hold.in.hl7'))
  const onHold = resource<MedicationDispense>(made, 'MedicationDispense')
  expect(() => writeDispenseMessage({ ...envelope, dispense: onHold, patient })).toThrow('must say when')
})

it('a message with text and a file goes out as MDM^T02 and comes back the same', async () => {
  const there = resource<Communication>(
    await replay(documentMessage, readFixture('document-message', 'note-with-file.in.hl7')),
    'Communication',
  )
  const values = { ...envelope, communication: there, patient, sender: doctor, recipients: [doctor] }
  const text = writeCommunicationMessage(values)
  const back = resource<Communication>(await replay(documentMessage, encode(text)), 'Communication')
  expect(withoutIdentity(back)).toBe(withoutIdentity(there))
  const noFiles = { ...values, dialect: { ...dialect, attachments: false } }
  expect(() => writeCommunicationMessage(noFiles)).toThrow('takes no files')
})

it('that the patient wrote it is told, though XCN has no patients', () => {
  const communication: Communication = {
    resourceType: 'Communication',
    id: 'c1',
    status: 'completed',
    sender: { reference: 'Patient/p' },
    payload: [{ contentString: 'It hurts | less' }],
  }
  const text = writeCommunicationMessage({ ...envelope, communication, patient, recipients: [doctor] })
  expect(text).toContain('NTE|1||Written by: Patient')
  expect(text).toContain('It hurts \\F\\ less')
})

it('a character that the partner cannot read refuses the message, in every character set', () => {
  const say = (contentString: string, charset: 'ASCII' | '8859/1' | '8859/15' | 'UNICODE UTF-8') => () =>
    writeCommunicationMessage({
      ...envelope,
      dialect: { ...dialect, charset },
      communication: {
        resourceType: 'Communication',
        id: 'c1',
        status: 'completed',
        payload: [{ contentString }],
      },
      patient,
      recipients: [],
    })
  expect(say('Zoë', 'ASCII')).toThrow('A character cannot be written in ASCII')
  expect(say('5 €', '8859/1')).toThrow('A character cannot be written in 8859/1')
  expect(say('5 € Zoë', '8859/15')()).toContain('|8859/15\r')
  expect(say('日', '8859/15')).toThrow('A character cannot be written')
  expect(say('日', 'UNICODE UTF-8')()).toContain('日')
})

const followUp = JSON.parse(
  readFileSync(new URL('../../../profiles/questionnaire-medication-follow-up.json', import.meta.url), 'utf8'),
) as Questionnaire

it('answers with groups, files, bounds and remarks go out as ORU^R01 and come back the same', async () => {
  const there = resource<QuestionnaireResponse>(
    await replay(observationResult, readFixture('observation-result', 'follow-up-and-report.in.hl7')),
    'QuestionnaireResponse',
  )
  const dated = [{ url: sourceTimeUrl, valueDateTime: '2026-01-01T00:00:00Z' }]
  const item = there.item?.map((each) => ({ ...each, extension: [...(each.extension ?? []), ...dated] }))
  const text = writeAnswersMessage({
    ...envelope,
    response: { ...there, ...(item ? { item } : {}) },
    questionnaire: followUp,
    patient,
    author: doctor,
  })
  expect(text).toContain('|8480-6^Systolic^LN^systolic^^L|2|>^200|')
  expect(text).toContain('|side-effects^Side effects^L|1|422587007^Nausea^SCT~25064002^Headache^SCT|')
  expect(text).toContain('|ED|picture^Picture^L||^IM^JPEG^Base64^/9j/4AAQ|')
  const back = resource<QuestionnaireResponse>(
    await replay(observationResult, encode(text)),
    'QuestionnaireResponse',
  )
  const { extension: _canonical, author: _a, ...answers } = back
  const { extension: _told, author: _b, ...asked } = there
  expect(withoutIdentity(answers)).toBe(withoutIdentity(asked))
  // When we were told it is ours to know.
  expect(JSON.stringify(there.extension)).toContain('source-time')
  for (const words of ['source-time', '2026-01-01', '20260101']) expect(text).not.toContain(words)
})

it('an eligibility result tells its outcome and price by their names, and who answered', async () => {
  const response = resource<QuestionnaireResponse>(
    await replay(eligibilityResult, readFixture('eligibility-result', 'eligible.in.json')),
    'QuestionnaireResponse',
  )
  const canonical = response.questionnaire ?? ''
  const named = { ...dialect, questionnaires: { [canonical]: 'WM-1^Weight^SURVEYS' } }
  const text = writeAnswersMessage({ ...envelope, dialect: named, response, patient })
  expect(text).toContain('|WM-1^Weight^SURVEYS|')
  expect(text).toContain('FHIR eligibility-outcome.result: eligible')
  expect(text).toContain('FHIR pricing-disclosure.component.amount.value: ')
  expect(text).toContain('Answered by: Patient')
  expect(text).not.toContain('FHIR questionnaire')
})

it.each<[string, Partial<QuestionnaireResponse>, string]>([
  ['nothing was answered', { item: [{ linkId: 'remarks' }] }, 'must hold one at least'],
  [
    'a number of a thousand digits',
    { item: [{ linkId: 'pain', answer: [{ valueDecimal: JSON.rawJSON('1e999') as never }] }] },
    'digits',
  ],
  [
    'a reference',
    { item: [{ linkId: 'x', answer: [{ valueReference: { reference: 'Patient/p' } }] }] },
    'no such answer',
  ],
  [
    'a modifier',
    {
      item: [
        { linkId: 'x', answer: [{ valueBoolean: true, modifierExtension: [{ url: 'urn:x' }] } as never] },
      ],
    },
    'modifier',
  ],
  [
    'a question below the second of two answers',
    { item: [{ linkId: 'x', answer: [{ valueInteger: 1 }, { valueInteger: 2, item: [{ linkId: 'y' }] }] }] },
    'several answers',
  ],
])('answers that HL7 v2 cannot say are refused: %s', (_, change, reason) => {
  const response: QuestionnaireResponse = {
    resourceType: 'QuestionnaireResponse',
    status: 'completed',
    questionnaire: 'https://clinic.example/Questionnaire/x',
    ...change,
  }
  expect(() => writeAnswersMessage({ ...envelope, response, patient })).toThrow(reason)
})

it('a file goes to nobody who takes none, and what was entered in error goes out as deleted, without what it said', () => {
  const response: QuestionnaireResponse = {
    resourceType: 'QuestionnaireResponse',
    status: 'completed',
    questionnaire: 'https://clinic.example/Questionnaire/x',
    item: [{ linkId: 'picture', answer: [{ valueAttachment: { contentType: 'image/png', data: 'QUJD' } }] }],
  }
  const values = { ...envelope, response, patient }
  expect(() => writeAnswersMessage({ ...values, dialect: { ...dialect, attachments: false } })).toThrow(
    'no files',
  )
  const deleted = writeAnswersMessage({ ...values, response: { ...response, status: 'entered-in-error' } })
  expect(deleted).toContain('OBX|1||picture^^L||||||||D\r')
  expect(deleted).not.toMatch(/QUJD|image/)
})
