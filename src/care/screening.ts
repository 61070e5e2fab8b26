import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule } from '#core/flow.ts'

/** What the rules look at in a screening; a flow's own source has more. */
export interface Screening {
  authored: string
  items: readonly ScreeningItem[]
  pricing?: { shownAt: string } | undefined
  outcome: { result: 'eligible' | 'ineligible' | 'pending' | 'needs-review' }
}

interface ScreeningItem {
  sensitive?: boolean | undefined
  urgent?: boolean | undefined
  answeredAt?: string | undefined
  answers?: readonly unknown[] | undefined
  items?: readonly ScreeningItem[] | undefined
}

/**
 * A failed screening with an urgent answer is not to be purged unseen (J3): somebody must look at it first. The same
 * screening, or one whose outcome is `needs-review`.
 */
export function reviewUrgent<S extends Screening>(screening: S): S {
  const urgent = everyItem(screening.items).some(({ item }) => item.urgent && item.answers)
  if (screening.outcome.result !== 'ineligible' || !urgent) return screening
  return { ...screening, outcome: { ...screening.outcome, result: 'needs-review' } }
}

/** J4: sensitive questions come after the price. Of each answer that came before, one issue. */
const priceBeforeSensitive: CareRule<Screening> = (screening) => {
  const { pricing, authored } = screening
  const issues = everyItem(screening.items)
    .filter(({ item }) => item.sensitive && item.answers)
    .flatMap(({ item, path }): Issue[] => {
      if (!pricing) {
        return [
          {
            code: 'business-rule',
            text: 'A sensitive answer needs an earlier price disclosure',
            expression: path,
          },
        ]
      }
      if (Date.parse(pricing.shownAt) < Date.parse(item.answeredAt ?? authored)) return []
      return [
        {
          code: 'business-rule',
          text: 'The price was not shown before this sensitive answer',
          expression: path,
        },
      ]
    })
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}

/** J3: of a failed screening nothing stays but its count. */
const purgeIneligible: CareRule<Screening> = (screening) =>
  screening.outcome.result === 'ineligible'
    ? { keep: false, counter: 'screening-ineligible' }
    : { keep: true }

/** In this order: also a failed screening must not have asked before it told the price. */
export const screeningRules: readonly CareRule<Screening>[] = [priceBeforeSensitive, purgeIneligible]

function everyItem(items: readonly ScreeningItem[], parent = ''): { item: ScreeningItem; path: string }[] {
  return items.flatMap((item, index) => {
    const path = `${parent}items[${index}]`
    return [{ item, path }, ...everyItem(item.items ?? [], `${path}.`)]
  })
}
