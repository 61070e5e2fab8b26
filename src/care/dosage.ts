import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule } from '#core/flow.ts'
import { contradictions } from './dosage-text.ts'
import type { DosageStructure, PrescribedItem } from './prescribed-item.ts'

/** Refills after the first fill: NHS EPS issues 1–99 are 0–98 repeats (R5). */
const maxRepeats = 98

const repeatsInRange: CareRule<PrescribedItem> = ({ repeats }) => {
  if (Number.isInteger(repeats) && repeats >= 0 && repeats <= maxRepeats) return { keep: true }
  const text = `must be a whole number from 0 to ${maxRepeats}, not counting the first fill`
  throw new Failure('invalid', [{ code: 'value', text, expression: 'repeats' }])
}

/** R6: text that says another dose or another frequency than the structure would be dispensed one way or the other. */
const textAgrees: CareRule<PrescribedItem> = ({ dosage }) => {
  const issues = dosage.flatMap((step, index): Issue[] =>
    contradictions(step).map((text) => ({
      code: 'business-rule',
      text,
      expression: `dosage[${index}].text`,
    })),
  )
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}

/** Warns of numbers that are misread by people (ISMP's list of error-prone abbreviations). */
const readsSafely: CareRule<PrescribedItem> = ({ dosage }) => {
  const warnings = dosage.flatMap((step, index): Issue[] => {
    const expression = `dosage[${index}].text`
    const warn = (text: string): Issue => ({ severity: 'warning', code: 'business-rule', text, expression })
    return [
      ...(/(?:^|[^\d.])\.\d/.test(step.text)
        ? [warn('A decimal without a leading zero is easily misread')]
        : []),
      ...(/\d\.0+(?!\d)/.test(step.text) ? [warn('A decimal with a trailing zero is easily misread')] : []),
    ]
  })
  return { keep: true, ...(warnings.length > 0 ? { warnings } : {}) }
}

const structureIsWhole: CareRule<PrescribedItem> = ({ dosage }) => {
  const warnings = dosage.flatMap(({ structure }, index): Issue[] => {
    const text = 'The structure lacks a dose or a timing: only the text is kept'
    const half = {
      severity: 'warning',
      code: 'business-rule',
      text,
      expression: `dosage[${index}].text`,
    } as const
    return structure && !isComplete(structure) ? [half] : []
  })
  return { keep: true, ...(warnings.length > 0 ? { warnings } : {}) }
}

/** For orders that come as FHIR, whose structure stays as it was written. */
export const writtenDosageRules: readonly CareRule<PrescribedItem>[] = [
  repeatsInRange,
  textAgrees,
  readsSafely,
]

export const dosageRules: readonly CareRule<PrescribedItem>[] = [...writtenDosageRules, structureIsWhole]

/** Complete enough to be computed with: how much, and when or as needed. Mappings leave the rest to the text (R6). */
function isComplete({ dose, timing, asNeeded }: DosageStructure): boolean {
  const timed = timing?.frequency ?? timing?.period ?? timing?.timesOfDay ?? timing?.when
  return dose !== undefined && (timed !== undefined || (asNeeded !== undefined && asNeeded !== false))
}
