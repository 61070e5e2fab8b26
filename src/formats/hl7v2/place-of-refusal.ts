import type { Failure, FailureKind } from '#core/failure.ts'
import { unreadableTimeOf } from './date-time.ts'
import { lastField, type Message, repetitions, type Segment, value } from './message.ts'

/** What is no fault of the message has no place in it. */
const faultless: readonly FailureKind[] = ['internal', 'unavailable', 'too-many', 'precondition-failed']

/**
 * The same refusal with a place in the message for each issue that has none: the field that holds the time which could
 * not be read, else the segment that asks for what was refused.
 */
export function withPlace(failure: Failure, message: Message): Failure {
  if (faultless.includes(failure.kind)) return failure
  if (failure.issues.every(({ expression }) => isPlace(expression))) return failure
  const text = unreadableTimeOf(failure)
  const place = (text === undefined ? undefined : placeOf(text, message)) ?? askingSegment(message)
  return failure.with(
    failure.issues.map((issue) => (isPlace(issue.expression) ? issue : { ...issue, expression: place })),
  )
}

/** `RXE-3`, `RXE[2]-2.1`, `PID-3[2].4.1`: segment, occurrence, field, repetition, component, sub-component. */
export const placePattern =
  /^([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?)?$/

function isPlace(expression: string | undefined): boolean {
  return expression !== undefined && placePattern.test(expression)
}

/** By which segment each kind of message asks for what is made of it, those first that others carry along. */
const asking = ['TXA', 'SCH', 'RF1', 'ORC', 'OBR', 'RXE', 'RXO', 'RXD', 'RXG', 'RXA', 'PID']

function askingSegment({ segments }: Message): string {
  return `${asking.find((name) => segments.some((segment) => segment.name === name)) ?? 'MSH'}[1]`
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
