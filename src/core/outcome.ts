import type { CodeableConcept, OperationOutcome } from 'fhir/r4'
import { type Failure, failures, type Issue } from '#core/failure.ts'

/** A failure as FHIR says it: https://hl7.org/fhir/R4/operationoutcome.html */
export function operationOutcome(failure: Failure): OperationOutcome {
  return outcomeOf(failure.issues, failures[failure.kind].issue)
}

const refusals = 'https://postern.health/fhir/CodeSystem/refusal'

/** Nobody mends more at a time, and an answer must not be larger than what was asked. */
const maxIssues = 100

const validationRules = 'https://postern.health/fhir/CodeSystem/validation-rule'

function detailsOf({ detail, rule, profile, about }: Issue): { details?: CodeableConcept } {
  const coding = [
    ...(detail ? [{ system: refusals, code: detail }] : []),
    ...(rule ? [{ system: validationRules, code: rule }] : []),
  ]
  const text = about ?? (profile && `Asked for by the profile ${profile}`)
  if (coding.length === 0 && !text) return {}
  return { details: { ...(coding.length > 0 ? { coding } : {}), ...(text ? { text } : {}) } }
}

export function outcomeOf(issues: readonly Issue[], code: string): OperationOutcome {
  const more = issues.length - maxIssues
  const rest: Issue[] = more > 0 ? [{ severity: 'information', text: `and ${more} more` }] : []
  return {
    resourceType: 'OperationOutcome',
    issue: [...issues.slice(0, maxIssues), ...rest].map((issue) => ({
      severity: issue.severity ?? 'error',
      code: (issue.code ?? code) as OperationOutcome['issue'][0]['code'],
      ...detailsOf(issue),
      diagnostics: issue.text,
      ...(issue.expression ? { expression: [issue.expression] } : {}),
    })),
  }
}
