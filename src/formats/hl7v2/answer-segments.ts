import type {
  Extension,
  Practitioner,
  QuestionnaireItem,
  QuestionnaireResponse,
  QuestionnaireResponseItem,
  QuestionnaireResponseItemAnswer,
} from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import { type AnswerValue, answerValue } from './answer-value.ts'
import { sayTime, systemName, type Telling } from './coded.ts'
import { composed, repeated, segmentOf } from './compose.ts'
import { dtm, isSince, noteSegments } from './dialect.ts'
import { practitionerField } from './order-people.ts'
import { detailsUrl } from './said.ts'

export interface Answers {
  response: QuestionnaireResponse
  /** Absent where the questionnaire is not held here. */
  questions?: readonly QuestionnaireItem[]
  /** OBX-11; those that are deleted (`D`) go without what they said. */
  status: string
  author: Practitioner | undefined
  telling: Telling
}

/** An answered question, or one of which it is said why there is no answer. */
interface Row {
  item: QuestionnaireResponseItem
  question: QuestionnaireItem | undefined
  path: string
  /** Which occasion of each repeating group around it, from 1. */
  occasion: readonly number[]
}

/**
 * The OBX of answers, each with its NTE. A question without answer, reason or remark is not written. Throws Failure
 * `unsupported` for an answer that OBX-5 has no type for.
 */
export function answerSegments(answers: Answers): string[] {
  const { response, questions } = answers
  const rows = [...rowsOf(response.item ?? [], { questions, path: '', occasion: [] }, answers)]
  const codes = codesOf(questions ?? [])
  const once = new Set(codes.filter((code) => codes.indexOf(code) === codes.lastIndexOf(code)))
  return rows
    .flatMap((row) => segmentsOf(row, once, answers))
    .flatMap(({ fields, notes }, index) => [
      segmentOf('OBX', { ...fields, 1: String(index + 1) }),
      ...noteSegments(notes),
    ])
}

interface Level {
  questions: readonly QuestionnaireItem[] | undefined
  path: string
  occasion: readonly number[]
}

function* rowsOf(
  items: readonly QuestionnaireResponseItem[],
  { questions, path, occasion }: Level,
  answers: Answers,
): Generator<Row> {
  const { said } = answers.telling
  for (const [index, item] of items.entries()) {
    const at = `${path}item[${index}]`
    const question = questions?.find(({ linkId }) => linkId === item.linkId)
    const isGroup = question ? question.type === 'group' : !item.answer && item.item !== undefined
    if (!isGroup) {
      yield { item, question, path: at, occasion }
      yield* below(item, { questions: question?.item, path: at, occasion }, answers)
      continue
    }
    // Of what the questionnaire says anyway nothing is told.
    if (question) said.say(`${at}.linkId`)
    if (question?.text === item.text) said.say(`${at}.text`)
    const alike = items.filter(({ linkId }) => linkId === item.linkId)
    const repeats = question ? question.repeats === true : alike.length > 1
    const within = repeats ? [...occasion, alike.indexOf(item) + 1] : occasion
    yield* rowsOf(item.item ?? [], { questions: question?.item, path: `${at}.`, occasion: within }, answers)
  }
}

/** What is asked below an answer: of several answers nothing could tell which one. */
function* below({ answer = [] }: QuestionnaireResponseItem, level: Level, answers: Answers): Generator<Row> {
  const [first, ...more] = answer
  if (more.some(({ item }) => item !== undefined))
    throw unsupported('HL7 v2 cannot say below which of several answers this is', level.path)
  yield* rowsOf(first?.item ?? [], { ...level, path: `${level.path}.answer[0].` }, answers)
}

interface Written {
  fields: Record<number, string>
  notes: readonly string[]
}

function segmentsOf(row: Row, once: ReadonlySet<string>, answers: Answers): Written[] {
  const { item, question, path, occasion } = row
  const { status, author, telling } = answers
  telling.said.say(`${path}.linkId`, `${path}.text`)
  for (const [index, { valueAttachment: file }] of (item.answer ?? []).entries())
    if (file && file.title === (item.text ?? question?.text))
      telling.said.say(`${path}.answer[${index}].valueAttachment.title`)
  const details = (item.extension ?? []).flatMap((each, index) =>
    each.url === detailsUrl ? [{ extension: each, path: `${path}.extension[${index}]` }] : [],
  )
  if (status === 'D') sayDeleted(item, path, telling)
  const values = status === 'D' ? [] : valuesOf(item.answer ?? [], path, details.length > 1, telling)
  const absence = values.length === 0 ? absenceOf(item, path, status, telling) : undefined
  if (values.length === 0 && absence === undefined && details.length === 0) return []
  const all: (AnswerValue | undefined)[] = values.length > 0 ? values : [undefined]
  return all.map((value, index) => {
    const sub = all.length > 1 ? [...occasion, index + 1] : occasion
    const detail = details[index]
    const beside: Written = detail
      ? detailFields(detail.extension, detail.path, telling)
      : { fields: {}, notes: [] }
    if (value?.units && beside.fields[6]) throw unsupported('An answer has two units', path)
    const fields: Written['fields'] = {
      ...beside.fields,
      2: value?.type ?? '',
      3: questionField(row, once),
      4: sub.join('.'),
      5: value?.text ?? '',
      6: value?.units ?? beside.fields[6] ?? '',
      11: absence ?? status,
      16: practitionerField(author, telling.dialect),
    }
    return { fields, notes: beside.notes }
  })
}

/** Its code where that names one question only, and its linkId: a reader may know it by either. */
function questionField({ item, question }: Row, once: ReadonlySet<string>): string {
  const { linkId } = item
  const text = item.text ?? question?.text
  const code = question?.code?.find((each) => each.code && systemName(each.system) && once.has(each.code))
  if (!code) return composed([linkId, text, 'L'])
  const alternate = code.code === linkId ? [] : [linkId, undefined, 'L']
  return composed([code.code, text ?? code.display, systemName(code.system), ...alternate])
}

function codesOf(questions: readonly QuestionnaireItem[]): string[] {
  return questions.flatMap(({ linkId, code = [], item = [] }) => [
    ...new Set([linkId, ...code.flatMap((each) => each.code ?? [])]),
    ...codesOf(item),
  ])
}

/** Answers of one kind and unit one after the other are repetitions of one OBX-5; files are an OBX each. */
function valuesOf(
  answers: readonly QuestionnaireResponseItemAnswer[],
  path: string,
  apart: boolean,
  telling: Telling,
): AnswerValue[] {
  const values: AnswerValue[] = []
  for (const [index, answer] of answers.entries()) {
    const value = answerValue(answer, `${path}.answer[${index}]`, telling)
    const last = values.at(-1)
    const joins = !apart && last?.type === value.type && last.units === value.units && value.type !== 'ED'
    if (joins) values[values.length - 1] = { ...last, text: repeated([last.text, value.text]) }
    else values.push(value)
  }
  return values
}

/** What was said in error is not said again; what stands below it is deleted in an OBX of its own. */
function sayDeleted({ answer = [] }: QuestionnaireResponseItem, path: string, { said }: Telling): void {
  for (const [index, each] of answer.entries())
    for (const name of Object.keys(each)) if (name !== 'item') said.say(`${path}.answer[${index}].${name}`)
}

const absentUrl = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason'

/** Table 0085 by why there is no answer. Any other reason is left to a note. */
const absences: Record<string, string> = {
  'not-performed': 'X',
  'not-asked': 'N',
  'temp-unknown': 'I',
  error: 'D',
}

function absenceOf(
  { extension = [], answer = [] }: QuestionnaireResponseItem,
  path: string,
  status: string,
  { said }: Telling,
): string | undefined {
  if (status === 'D') return answer.length > 0 ? 'D' : undefined
  const index = extension.findIndex(({ url }) => url === absentUrl)
  const reason = extension[index]?.valueCode
  if (reason === undefined) return undefined
  if (absences[reason]) said.say(`${path}.extension[${index}]`)
  return absences[reason] ?? 'X'
}

/** What our extension observation-details keeps of an OBX: OBX-6, -7, -8, -14 and its NTE. */
function detailFields({ extension: parts = [] }: Extension, path: string, telling: Telling): Written {
  const { dialect, said } = telling
  said.say(`${path}.url`)
  const first = (name: string) => {
    const index = parts.findIndex(({ url }) => url === name)
    if (index >= 0) said.say(`${path}.extension[${index}]`)
    return parts[index]
  }
  const flags = parts.flatMap((part, index) =>
    part.url === 'interpretation' ? [flagField(part, `${path}.extension[${index}]`, dialect, said)] : [],
  )
  const note = first('note')?.valueString
  const observed = first('observed')?.valueDateTime
  // Told with its part above; in another zone's words it is told roughly.
  sayTime(telling, `${path}.observed`, observed)
  return {
    fields: {
      6: composed([undefined, first('unit')?.valueString]),
      7: composed([first('referenceRange')?.valueString]),
      8: repeated(flags),
      14: dtm(dialect, observed),
    },
    notes: note === undefined ? [] : [note],
  }
}

/** OBX-8 is a code alone before 2.7, where other words for it are told in a note. */
function flagField(
  { url: _url, valueCodeableConcept: concept }: Extension,
  path: string,
  dialect: Telling['dialect'],
  said: Telling['said'],
): string {
  const coding = concept?.coding?.find(({ code }) => code)
  if (!coding) return ''
  const index = concept?.coding?.indexOf(coding) ?? 0
  const place = `${path}.valueCodeableConcept`
  said.say(`${path}.url`, `${place}.coding[${index}]`)
  const words = concept?.text
  const own = words === undefined || words === coding.display || words === coding.code
  if (own || isSince(dialect, '2.7')) said.say(`${place}.text`)
  // A reader has the words from the field, and from the code where it brings none.
  const read = isSince(dialect, '2.7') ? (words ?? coding.display ?? coding.code) : coding.code
  if (words !== read) said.keepCopy(path)
  return isSince(dialect, '2.7')
    ? composed([coding.code, words ?? coding.display, 'HL70078'])
    : composed([coding.code])
}

function unsupported(text: string, path: string): Failure {
  return new Failure('unsupported', [{ text, expression: `QuestionnaireResponse.${path}` }])
}
