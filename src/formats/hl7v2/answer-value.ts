import type { Attachment, QuestionnaireResponseItemAnswer } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import { codingField, sayTime, type Telling, unitField } from './coded.ts'
import { composed, numeral } from './compose.ts'
import { dtm, isSince } from './dialect.ts'
import { dataTypes } from './file-types.ts'

/** OBX-2, OBX-5 and OBX-6. */
export interface AnswerValue {
  type: string
  text: string
  units?: string
}

/** The longest ST (HL7 v2.5.1 §2A.75). */
const longestString = 199

/**
 * One answer as a field. Numbers keep their digits, dates and times their precision. Throws Failure `unsupported` for
 * what OBX-5 cannot hold, and for a file where the partner takes none.
 */
export function answerValue(
  answer: QuestionnaireResponseItemAnswer,
  path: string,
  telling: Telling,
): AnswerValue {
  const { dialect, said } = telling
  const { valueBoolean, valueString, valueCoding, valueQuantity, valueAttachment } = answer
  if (valueQuantity) return quantityValue(valueQuantity, `${path}.valueQuantity`, telling)
  if (valueAttachment) return fileValue(valueAttachment, `${path}.valueAttachment`, telling)
  const coded = isSince(dialect, '2.5') ? 'CWE' : 'CE'
  if (valueCoding) return { type: coded, text: codingField(valueCoding, `${path}.valueCoding`, telling) }
  const take = (name: string) => said.say(`${path}.${name}`)
  if (valueBoolean !== undefined) {
    take('valueBoolean')
    return { type: coded, text: valueBoolean ? 'Y^Yes^HL70136' : 'N^No^HL70136' }
  }
  if (valueString !== undefined) {
    take('valueString')
    const isLong = /[\r\n]/.test(valueString) || valueString.length > longestString
    return { type: isLong ? 'FT' : 'ST', text: composed([valueString]) }
  }
  for (const name of ['valueInteger', 'valueDecimal'] as const) {
    if (answer[name] === undefined) continue
    take(name)
    return { type: 'NM', text: numeral(answer[name]) }
  }
  return otherValue(answer, path, telling)
}

function otherValue(
  { valueDate, valueDateTime, valueTime, valueUri }: QuestionnaireResponseItemAnswer,
  path: string,
  telling: Telling,
): AnswerValue {
  const { dialect, said } = telling
  said.say(`${path}.valueDate`, `${path}.valueTime`, `${path}.valueUri`)
  sayTime(telling, `${path}.valueDateTime`, valueDateTime)
  if (valueDate !== undefined) return { type: 'DT', text: dtm(dialect, valueDate) }
  if (valueDateTime !== undefined)
    return { type: isSince(dialect, '2.6') ? 'DTM' : 'TS', text: dtm(dialect, valueDateTime) }
  if (valueTime !== undefined) return { type: 'TM', text: valueTime.replaceAll(':', '') }
  if (valueUri !== undefined) return { type: 'ST', text: composed([valueUri]) }
  throw unsupported('HL7 v2 has no such answer', path)
}

/** NM, or SN where the number is a bound. */
function quantityValue(
  quantity: NonNullable<QuestionnaireResponseItemAnswer['valueQuantity']>,
  path: string,
  telling: Telling,
): AnswerValue {
  const { value, comparator } = quantity
  telling.said.say(`${path}.value`, `${path}.comparator`)
  const units = unitField(quantity, path, telling)
  const amount = numeral(value)
  const spoken = comparator
    ? { type: 'SN', text: composed([comparator, amount]) }
    : { type: 'NM', text: amount }
  return { ...spoken, ...(units ? { units } : {}) }
}

/** ED where the file is here, RP where it is at an address (https, as anything else would be read in the clear). */
function fileValue(file: Attachment, path: string, { dialect, said }: Telling): AnswerValue {
  if (dialect.attachments === false) throw unsupported('This receiver takes no files', path)
  const { contentType = '', data, url } = file
  const [type, subtype] = dataTypes[contentType] ?? ['AP', 'Octet-stream']
  if (dataTypes[contentType]) said.say(`${path}.contentType`)
  // A reader calls a file as its question is called, and gives it a type.
  if (file.contentType === undefined || file.title === undefined) said.keepCopy(path)
  if (data !== undefined) {
    said.say(`${path}.data`)
    return { type: 'ED', text: composed([undefined, type, subtype, 'Base64', data]) }
  }
  if (!url?.startsWith('https://')) throw unsupported('The file itself is not here', path)
  said.say(`${path}.url`)
  return { type: 'RP', text: composed([url, undefined, type, subtype]) }
}

function unsupported(text: string, path: string): Failure {
  return new Failure('unsupported', [{ text, expression: `QuestionnaireResponse.${path}` }])
}
