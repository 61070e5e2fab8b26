import type { Report } from './report.ts'

/** Whether a constraint holds for the element it stands at. Never throws, whatever the element holds. */
export type Rule = (value: Record<string, unknown>, report: Report) => boolean

/** Rules written out, by the key of the constraint. */
export type Rules = Readonly<Record<string, Rule>>
