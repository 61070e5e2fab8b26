import type { Patient, Practitioner, Questionnaire, QuestionnaireResponse } from 'fhir/r4'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import { answerSegments } from './answer-segments.ts'
import { answersRest } from './answers-rest.ts'
import { codingField, sayTime, systemName, type Telling } from './coded.ts'
import { composed, segmentOf } from './compose.ts'
import { dtm, type Envelope, entity, headerSegment, noteSegments, requireWritable } from './dialect.ts'
import { patientSegment } from './order-people.ts'
import { createSaid, requireNoModifiers } from './said.ts'

/** What one outbound set of answers is made of. */
export interface AnswersValues extends Envelope {
  response: QuestionnaireResponse
  patient: Patient
  /** What was asked, where it is held here: codes of the questions, and which groups may repeat. */
  questionnaire?: Questionnaire
  /** Who answers for it, where that is a person of a staff. */
  author?: Practitioner
}

/**
 * ORU^R01 (HL7 v2.5.1 §7.3.1) of a QuestionnaireResponse: the way back of gap_04. OBR-4 names the questionnaire, each
 * answered question is an OBX, OBX-4 tells the occasions of a repeating group apart (`2.1` the first within the second).
 * What has no field is told in NTEs after the OBR and in a ZFH at the end (formats/hl7v2/answers-rest). Throws Failure `unsupported` for what v2 cannot say and
 * `invalid` where nothing was answered.
 */
export function writeAnswersMessage(values: AnswersValues): string {
  const { response, patient, questionnaire, author, dialect } = values
  requireNoModifiers(response, /\.valueQuantity\.comparator$/)
  const telling: Telling = { dialect, said: createSaid() }
  const { said } = telling
  const status = statuses[response.status]
  const about = questionnaire ? { questions: questionnaire.item ?? [] } : {}
  const answers = answerSegments({ response, ...about, status: status.answer, author, telling })
  if (answers.length === 0) throw refused('invalid', 'Answers must hold one at least', 'item')
  const obr = segmentOf('OBR', {
    1: '1',
    3: numberOf(response, telling),
    4: questionnaireField(response, questionnaire, telling),
    7: dtm(dialect, response.authored),
    22: dtm(dialect, response.meta?.lastUpdated),
    25: status.report,
  })
  sayTime(telling, 'authored', response.authored)
  const { notes, copy } = answersRest(values, said)
  const text = [
    headerSegment(values, ['ORU', 'R01', 'ORU_R01']),
    patientSegment(patient, dialect),
    obr,
    ...noteSegments(notes),
    ...answers,
    copy,
  ].join('')
  requireWritable(text, dialect)
  return text
}

/** OBR-25 (table 0123) and OBX-11 (table 0085). What was entered in error is deleted answer by answer. */
const statuses: Record<QuestionnaireResponse['status'], { report: string; answer: string }> = {
  completed: { report: 'F', answer: 'F' },
  amended: { report: 'C', answer: 'C' },
  'in-progress': { report: 'P', answer: 'P' },
  stopped: { report: 'X', answer: 'F' },
  'entered-in-error': { report: 'C', answer: 'D' },
}

function numberOf({ identifier, id }: QuestionnaireResponse, { dialect, said }: Telling): string {
  if (!identifier?.value) return composed([id, dialect.sending.application])
  said.say('identifier.value', 'identifier.system')
  return composed(entity(dialect, identifier))
}

/**
 * OBR-4: what the partner calls the questionnaire, else the code that it has of its own, else the last part of its
 * canonical. Only the partner's own name stands for this version of it; otherwise a note tells the canonical.
 */
function questionnaireField(
  response: QuestionnaireResponse,
  questionnaire: Questionnaire | undefined,
  telling: Telling,
): string {
  const canonical = response.questionnaire ?? ''
  if (canonical === '') throw refused('invalid', 'Answers must name their questionnaire', 'questionnaire')
  const [address = ''] = canonical.split('|')
  const named = partnerName(telling.dialect, canonical)
  if (named) {
    telling.said.say('questionnaire')
    return composed(named.split('^'))
  }
  const known = questionnaire?.code?.find(({ code, system }) => code && systemName(system))
  const title = questionnaire?.title
  if (known)
    return codingField({ ...known, ...(title && !known.display ? { display: title } : {}) }, '', telling)
  return composed([address.split('/').pop(), title, 'L'])
}

function partnerName({ questionnaires = {} }: Hl7v2Dialect, canonical: string): string | undefined {
  return questionnaires[canonical] ?? questionnaires[canonical.split('|')[0] ?? '']
}

function refused(kind: 'invalid' | 'unsupported', text: string, element: string): Failure {
  return new Failure(kind, [{ text, expression: `QuestionnaireResponse.${element}` }])
}
