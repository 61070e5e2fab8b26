import { has, isChoiceOf, numberOf, records, textOf } from './probe.ts'
import { below, type Check, noteAt, type Report, warn } from './report.ts'

type Json = Record<string, unknown>

/** The value[x] that answers an item of each type: https://hl7.org/fhir/R4/codesystem-item-type.html */
const answerTypes: Readonly<Record<string, readonly string[]>> = {
  attachment: ['Attachment'],
  boolean: ['Boolean'],
  choice: ['Coding'],
  date: ['Date'],
  dateTime: ['DateTime'],
  decimal: ['Decimal'],
  integer: ['Integer'],
  'open-choice': ['Coding', 'String'],
  quantity: ['Quantity'],
  reference: ['Reference'],
  string: ['String'],
  text: ['String'],
  time: ['Time'],
  url: ['Uri'],
}

/** Statuses in which every required item must have its answer. */
const finished = new Set(['completed', 'amended'])

/**
 * Check of a QuestionnaireResponse against its Questionnaire, where that is contained or known here by its canonical:
 * https://hl7.org/fhir/R4/questionnaireresponse.html#notes. An answer that is
 * missing is a warning, for a screening may end before its last question; what is only asked on a condition is not missed.
 */
export function compileAnswers(find: (canonical: string) => unknown): Check {
  return (value, report) => {
    const canonical = textOf(value, 'questionnaire')
    if (canonical === undefined) return
    const questionnaire = canonical.startsWith('#')
      ? records(value, 'contained').find((one) => `#${textOf(one, 'id')}` === canonical)
      : find(canonical)
    if (textOf(questionnaire, 'resourceType') !== 'Questionnaire') return
    checkItems(questionnaire, value, finished.has(textOf(value, 'status') ?? ''), report)
  }
}

function checkItems(asked: unknown, given: unknown, complete: boolean, report: Report): void {
  const questions = new Map(records(asked, 'item').map((question) => [textOf(question, 'linkId'), question]))
  const counts = new Map<unknown, number>()
  report.path.push('item')
  for (const [index, item] of records(given, 'item').entries()) {
    const linkId = textOf(item, 'linkId')
    const question = questions.get(linkId)
    counts.set(linkId, (counts.get(linkId) ?? 0) + 1)
    below(report, index, (_item, inner) => checkItem(question, item, complete, inner), item)
  }
  report.path.pop()
  for (const [linkId, question] of questions) {
    const count = counts.get(linkId) ?? 0
    if (count > 1 && !(question.repeats === true && question.type === 'group'))
      noteAt(
        report,
        'item',
        'item-repeated',
        'An item may be given once only, unless it is a group that repeats.',
      )
    if (count === 0 && complete && question.required === true && !has(question, 'enableWhen'))
      warn(report, 'item-unanswered', 'An item that the questionnaire requires is not there; answer it.')
  }
}

function checkItem(question: Json | undefined, item: Json, complete: boolean, report: Report): void {
  if (!question) {
    noteAt(
      report,
      'linkId',
      'item-unknown',
      'The questionnaire has no item with this linkId here; give one that it has, at its place.',
    )
    return
  }
  const answers = records(item, 'answer')
  if (question.type === 'group' || question.type === 'display') {
    if (answers.length > 0)
      noteAt(report, 'answer', 'answer-unexpected', 'A group or display item has no answer; leave it out.')
    checkItems(question, item, complete, report)
    return
  }
  if (answers.length > 1 && question.repeats !== true)
    noteAt(report, 'answer', 'answer-repeated', 'This item may have one answer only.')
  if (answers.length === 0 && complete && question.required === true && !has(question, 'enableWhen'))
    warn(report, 'answer-missing', 'The questionnaire requires an answer here; give one.')
  report.path.push('answer')
  for (const [index, answer] of answers.entries()) {
    below(report, index, (_answer, inner) => checkAnswer(question, answer, complete, inner), answer)
  }
  report.path.pop()
}

function checkAnswer(question: Json, answer: Json, complete: boolean, report: Report): void {
  const key = Object.keys(answer).find((name) => isChoiceOf(name, 'value'))
  const options = records(question, 'answerOption')
  const types = [
    ...(answerTypes[textOf(question, 'type') ?? ''] ?? []),
    ...options
      .flatMap((option) => Object.keys(option).filter((name) => isChoiceOf(name, 'value')))
      .map(typeOf),
  ]
  if (key !== undefined && types.length > 0 && !types.includes(typeOf(key))) {
    noteAt(report, 'value', 'answer-type', `The answer must be of type ${[...new Set(types)].join(' or ')}.`)
  } else if (key !== undefined && options.length > 0 && !isOffered(question, options, key, answer[key])) {
    noteAt(report, 'value', 'answer-option', 'The answer must be one of those that the questionnaire offers.')
  }
  const longest = numberOf(question, 'maxLength')
  const text = textOf(answer, 'valueString')
  if (longest !== undefined && text !== undefined && text.length > longest)
    noteAt(report, 'value', 'answer-length', `The answer may have at most ${longest} characters.`)
  if (has(answer, 'item') || has(question, 'item')) checkItems(question, answer, complete, report)
}

function isOffered(question: Json, options: readonly Json[], key: string, value: unknown): boolean {
  if (question.type === 'open-choice' && key === 'valueString') return true
  return options.some((option) => {
    const offered = option[key]
    if (key !== 'valueCoding') return JSON.stringify(offered) === JSON.stringify(value)
    return (
      textOf(offered, 'code') === textOf(value, 'code') &&
      textOf(offered, 'system') === textOf(value, 'system')
    )
  })
}

function typeOf(key: string): string {
  return key.slice('value'.length)
}
