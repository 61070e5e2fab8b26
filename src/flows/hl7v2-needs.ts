import { Failure, type Issue } from '#core/failure.ts'
import type { SourceSegment } from '#formats/hl7v2/source.ts'
import { fieldOf } from './hl7v2-source.ts'

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
