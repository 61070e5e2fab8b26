import type { CodeableConcept, OperationOutcome } from 'fhir/r4'
import { type Failure, failures, type Issue } from '#core/failure.ts'

/** A failure as FHIR says it: https://hl7.org/fhir/R4/operationoutcome.html */
export function operationOutcome(failure: Failure): OperationOutcome {
  return outcomeOf(failure.issues, failures[failure.kind].issue)
}

const refusals = 'https://postern.health/fhir/CodeSystem/refusal'

/** Nobody mends more at a time, and an answer must not be larger than what was asked. */
const maxIssues = 100

function detailsOf({ detail, about }: Issue): CodeableConcept {
  return {
    ...(detail ? { coding: [{ system: refusals, code: detail }] } : {}),
    ...(about ? { text: about } : {}),
  }
}

export function outcomeOf(issues: readonly Issue[], code: string): OperationOutcome {
  const more = issues.length - maxIssues
  const rest: Issue[] = more > 0 ? [{ severity: 'information', text: `and ${more} more` }] : []
  return {
    resourceType: 'OperationOutcome',
    issue: [...issues.slice(0, maxIssues), ...rest].map((issue) => ({
      severity: issue.severity ?? 'error',
      code: (issue.code ?? code) as OperationOutcome['issue'][0]['code'],
      ...(issue.detail || issue.about ? { details: detailsOf(issue) } : {}),
      diagnostics: issue.text,
      ...(issue.expression ? { expression: [issue.expression] } : {}),
    })),
  }
}
