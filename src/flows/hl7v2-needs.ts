import { Failure, type Issue } from '#core/failure.ts'
import type { SourceSegment } from '#formats/hl7v2/source.ts'
import { fieldOf, type Hl7v2Source } from './hl7v2-source.ts'

/** Whether something is there, where it belongs, and what to say where it is not. */
export type Need = readonly [is: unknown, expression: string, text: string]

/** Throws Failure `invalid` with an issue for each need that is not met, and with what else is wrong. */
export function requireEach(needs: readonly Need[], others: readonly Issue[] = []): void {
  const missing = needs.flatMap(([is, expression, text]): Issue[] =>
    is ? [] : [{ code: 'required', text, expression }],
  )
  const issues = [...missing, ...others]
  if (issues.length > 0) throw new Failure('invalid', issues)
}

/** Whose message it is, by a number. */
export function patientNeed(PID: SourceSegment | undefined): Need {
  return [fieldOf(PID, 3).some((value) => value._1), 'PID-3', 'A patient identifier is required']
}

/** Every order says what is meant of it: an order without ORC, or an ORC without ORC-1, says nothing. */
export function controlNeeds({ orders }: Pick<Hl7v2Source, 'orders'>): Need[] {
  return orders.map(({ ORC }, index): Need => {
    const place = `ORC[${index + 1}]`
    if (!ORC) return [false, place, 'Each order begins with an ORC']
    return [fieldOf(ORC, 1)[0]?._1, `${place}-1`, 'ORC-1 is required']
  })
}
