import { bundleRules } from './bundle-rules.ts'
import { datatypeRules } from './datatype-rules.ts'
import { definitionRules, textRules } from './definition-rules.ts'
import { compileExpression } from './expression.ts'
import { questionnaireRules } from './questionnaire-rules.ts'
import { type Check, isRecord, noteConstraint } from './report.ts'
import { resourceRules } from './resource-rules.ts'
import type { Rules } from './rule.ts'
import type { BaseTable } from './table.ts'
import { wordedRules } from './worded-rules.ts'

/** The constraints that come often, written out: the same rules as their FHIRPath, a hundred times as fast. */
const written: Rules = {
  ...datatypeRules,
  ...questionnaireRules,
  ...bundleRules,
  ...resourceRules,
  ...definitionRules,
}

export interface Constraint {
  key: string
  human: string
  /** FHIRPath; without it nothing can be checked. */
  expression?: string
  warning?: boolean
}

/** The base definitions' constraints, and what is stated in words, as checks, by the path of the element they stand at. */
export function compileInvariants(constraints: BaseTable['constraints']): ReadonlyMap<string, Check> {
  const checks = new Map<string, Check[]>()
  for (const [name, { at, ...rest }] of Object.entries(constraints)) {
    for (const path of at) {
      const check = compileConstraint({ key: name.split(' ')[0] ?? name, ...rest }, path, name)
      checks.set(path, [...(checks.get(path) ?? []), check])
    }
  }
  for (const [path, check] of Object.entries(wordedRules))
    checks.set(path, [...(checks.get(path) ?? []), check])
  return new Map([...checks].map(([path, list]) => [path, inOrder(list)]))
}

/** One constraint as a check of an element at `path`: by hand where it is written out under `name`, else by FHIRPath. */
export function compileConstraint(constraint: Constraint, path: string, name?: string): Check {
  const { key, human, expression } = constraint
  const text = `${sentence(human)} (${key}).`
  const rule = name !== undefined && Object.hasOwn(written, name) ? written[name] : undefined
  if (rule) {
    return (value, report) => {
      if (isRecord(value) && !rule(value, report)) noteConstraint(report, constraint, text)
    }
  }
  const textRule = name !== undefined && Object.hasOwn(textRules, name) ? textRules[name] : undefined
  if (textRule) {
    return (value, report) => {
      if (typeof value === 'string' && !textRule(value)) noteConstraint(report, constraint, text)
    }
  }
  if (!expression) return () => {}
  const holds = compileExpression(expression, path)
  return (value, report) => {
    if (!holds(value, report)) noteConstraint(report, constraint, text)
  }
}

export function inOrder(checks: readonly Check[]): Check {
  const [only, second] = checks
  if (only && !second) return only
  return (value, report) => {
    for (const check of checks) check(value, report)
  }
}

function sentence(text: string): string {
  return text.trim().replace(/\.$/, '')
}
