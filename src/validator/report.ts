import type { Issue } from '#core/failure.ts'
import { type IssueRule, issueRules } from './issue-rules.ts'

/** Issues beyond these are not listed: whoever sent so many mends the first ones first. */
const maxIssues = 100

/** Warnings beyond these are not listed, so that errors find room. */
const maxWarnings = 40

/** Deeper elements are not looked at: JSON from a door ends at 64 levels, each of which adds at most two steps. */
const maxSteps = 160

/** A check says what is wrong with one value at the report's current place. It never throws. */
export type Check = (value: unknown, report: Report) => void

/** What one validation has found so far, and where it is. */
export interface Report {
  issues: Issue[]
  /** Steps from the root to the value being looked at: type or element names, and list positions. */
  path: (string | number)[]
  /** Resources contained in the resource being looked at, by id, and which of them were referred to. */
  contained: Map<string, string>
  referred: Set<string>
  /** Inside a Bundle, references may be conditional and resolve to other entries. */
  inBundle: boolean
  /** The Bundle around must hold whatever its `urn:uuid:` references name. */
  closed: boolean
  /** Types of the resources in the Bundle around, by fullUrl. */
  entries: ReadonlyMap<string, string>
  /** Ids of elements met in the resource being looked at. */
  elementIds: Set<string>
  /** What `%resource` and `%rootResource` stand for: the resource being looked at, and the one that contains it. */
  resource: unknown
  root: unknown
  /** Canonical of the profile that is being held against it, beside the standard itself. */
  profile: string | undefined
  /** Characters of FHIRPath parsed in this validation. */
  parsed: number
  /** Copies made for FHIRPath in this validation. */
  plain: Map<object, unknown>
}

export function newReport(root: string): Report {
  return {
    issues: [],
    path: [root],
    contained: new Map(),
    referred: new Set(),
    inBundle: false,
    closed: false,
    entries: new Map(),
    elementIds: new Set(),
    resource: undefined,
    root: undefined,
    profile: undefined,
    parsed: 0,
    plain: new Map(),
  }
}

/**
 * Notes at the current place that a rule is broken. `text` says what would satisfy it, never the value: that may be about
 * a patient.
 */
export function note(report: Report, rule: IssueRule, text: string, expression?: string): void {
  add(report, { code: issueRules[rule], severity: 'error', rule, text }, expression)
}

/** Notes what is allowed and still better otherwise: a warning refuses nothing. */
export function warn(report: Report, rule: IssueRule, text: string): void {
  add(report, { code: issueRules[rule], severity: 'warning', rule, text })
}

export function noteAt(report: Report, step: string | number, rule: IssueRule, text: string): void {
  note(report, rule, text, expressionOf([...report.path, step]))
}

/** Notes that a constraint of a definition does not hold, by its key. */
export function noteConstraint(
  report: Report,
  constraint: { key: string; warning?: boolean },
  text: string,
): void {
  const severity = constraint.warning ? 'warning' : 'error'
  add(report, { code: 'invariant', severity, rule: constraint.key, text })
}

function add(report: Report, found: Issue, expression = expressionOf(report.path)): void {
  const { issues, profile } = report
  if (found.severity === 'warning') {
    if (issues.filter(({ severity }) => severity === 'warning').length >= maxWarnings) return
  } else if (issues.length >= maxIssues) return
  if (issues.some((issue) => issue.text === found.text && issue.expression === expression)) return
  issues.push({ ...found, expression, ...(profile ? { profile } : {}) })
}

/** Runs a check one or two steps further down. */
export function below(report: Report, step: string | number, check: Check, value: unknown): void {
  if (report.issues.length >= maxIssues) return
  if (report.path.length >= maxSteps) {
    note(report, 'depth', `Elements nest deeper than ${maxSteps} steps; flatten them.`)
    return
  }
  report.path.push(step)
  check(value, report)
  report.path.pop()
}

/** FHIRPath of a place: `Communication.payload[0].content`. */
function expressionOf(path: readonly (string | number)[]): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += text ? `.${step}` : step
  }
  return text
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value)
}
