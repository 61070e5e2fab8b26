import { countOf, distinct, has, hasChoice, records, textOf } from './probe.ts'
import { isRecord } from './report.ts'
import type { Rules } from './rule.ts'

const isDisplay = (item: Record<string, unknown>) => item.type === 'display'

/** Item types that a maximum length means something for. */
const withLength = new Set<unknown>(['boolean', 'decimal', 'integer', 'string', 'text', 'url', 'open-choice'])
/** Item types that may list their answers. */
const withOptions = new Set<unknown>(
  'choice open-choice decimal integer date dateTime time string quantity'.split(' '),
)

/** https://hl7.org/fhir/R4/questionnaire.html#invs and https://hl7.org/fhir/R4/questionnaireresponse.html#invs */
export const questionnaireRules: Rules = {
  'que-1': (item) => (item.type === 'group' ? has(item, 'item') : !isDisplay(item) || !has(item, 'item')),
  'que-2': (questionnaire) => distinct(linkIds(questionnaire)),
  'que-3': (item) => !isDisplay(item) || !has(item, 'code'),
  'que-4': (item) => !has(item, 'answerOption') || !has(item, 'answerValueSet'),
  'que-5': (item) =>
    withOptions.has(item.type) || (!has(item, 'answerOption') && !has(item, 'answerValueSet')),
  'que-6': (item) => !isDisplay(item) || (!has(item, 'required') && !has(item, 'repeats')),
  'que-7': (condition) =>
    condition.operator !== 'exists' || !hasChoice(condition, 'answer') || has(condition, 'answerBoolean'),
  'que-8': (item) => (item.type !== 'group' && !isDisplay(item)) || !has(item, 'initial'),
  'que-9': (item) => !isDisplay(item) || !has(item, 'readOnly'),
  'que-10': (item) => withLength.has(item.type) || !has(item, 'maxLength'),
  'que-11': (item) => !has(item, 'answerOption') || !has(item, 'initial'),
  // The expression says "> 2" where the rule says "more than one"; the rule is meant, as later releases put right.
  'que-12': (item) => countOf(item, 'enableWhen') <= 1 || has(item, 'enableBehavior'),
  'que-13': (item) => item.repeats === true || countOf(item, 'initial') <= 1,
  'qrs-1': (item) => !has(item, 'answer') || !has(item, 'item'),
}

/** Items nest no deeper than the walk looks. */
const maxDepth = 80

function linkIds(owner: unknown, depth = 0): string[] {
  if (!isRecord(owner) || depth > maxDepth) return []
  return records(owner, 'item').flatMap((item) => {
    const own = textOf(item, 'linkId')
    return [...(own === undefined ? [] : [own]), ...linkIds(item, depth + 1)]
  })
}
