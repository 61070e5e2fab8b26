import { isDecimal } from '#core/decimal.ts'

/** One place where two values are not the same. Absent on the side that has nothing there. */
export interface Difference {
  /** `resources[0].dosageInstruction[0].text` */
  path: string
  before?: unknown
  after?: unknown
}

/** Nobody reads more of one message at a time. */
const maxDifferences = 100

/** Where two JSON values differ, in the order of the first and then of what only the second has. */
export function differencesOf(before: unknown, after: unknown): Difference[] {
  const found: Difference[] = []
  compare('', before, after, found)
  return found
}

function compare(path: string, before: unknown, after: unknown, found: Difference[]): void {
  if (found.length >= maxDifferences) return
  if (isBranch(before) && isBranch(after) && Array.isArray(before) === Array.isArray(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const step = Array.isArray(before) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`
      compare(step, member(before, key), member(after, key), found)
    }
    return
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return
  found.push({
    path,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  })
}

function isBranch(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !isDecimal(value)
}

function member(value: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined
}

/** For people: one line a difference, `-` what was, `+` what is. */
export function differenceLines(differences: readonly Difference[]): string[] {
  return differences.flatMap(({ path, before, after }) => [
    `  ${path}`,
    ...(before === undefined ? [] : [`    - ${JSON.stringify(before)}`]),
    ...(after === undefined ? [] : [`    + ${JSON.stringify(after)}`]),
  ])
}
