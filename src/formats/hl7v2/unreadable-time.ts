import { Failure } from '#core/failure.ts'
import { unreadableTimeOf } from './date-time.ts'
import { lastField, type Message, repetitions, type Segment, value } from './message.ts'

/** The same refusal with the field that holds the time which could not be read; any other as it is. */
export function withPlaceOfTime(failure: Failure, message: Message): Failure {
  const text = unreadableTimeOf(failure)
  const expression = text === undefined ? undefined : placeOf(text, message)
  if (expression === undefined) return failure
  const issues = failure.issues.map((issue) => ({ expression, ...issue }))
  return new Failure(failure.kind, issues, { cause: failure })
}

/** The first component that is this text, whole. */
function placeOf(text: string, { segments }: Message): string | undefined {
  const seen = new Map<string, number>()
  for (const segment of segments) {
    const occurrence = (seen.get(segment.name) ?? 0) + 1
    seen.set(segment.name, occurrence)
    const field = fieldWith(text, segment)
    if (field !== undefined) return `${segment.name}[${occurrence}]-${field}`
  }
  return undefined
}

/** Times of data type TQ stand in components; none stands behind the twelfth. */
const lastComponent = 12

function fieldWith(text: string, segment: Segment): string | undefined {
  for (let field = 1; field <= lastField(segment); field++)
    for (let repetition = 1; repetition <= repetitions(segment, field); repetition++)
      for (let component = 1; component <= lastComponent; component++)
        if (value(segment, field, repetition, component) === text)
          return component === 1 && repetition === 1 ? `${field}` : `${field}[${repetition}].${component}`
  return undefined
}
