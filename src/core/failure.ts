/**
 * Every way in which Postern says no. Thrown anywhere, rendered once at the door: as an OperationOutcome
 * (http, issue: https://hl7.org/fhir/R4/valueset-issue-type.html) or as an HL7 v2 acknowledgement (ack: table 0008).
 */
export const failures = {
  malformed: { http: 400, issue: 'structure', ack: 'AR' },
  unsupported: { http: 400, issue: 'not-supported', ack: 'AR' },
  unauthenticated: { http: 401, issue: 'login', ack: 'AR' },
  forbidden: { http: 403, issue: 'forbidden', ack: 'AR' },
  'not-found': { http: 404, issue: 'not-found', ack: 'AE' },
  'not-allowed': { http: 405, issue: 'not-supported', ack: 'AR' },
  'not-acceptable': { http: 406, issue: 'not-supported', ack: 'AR' },
  conflict: { http: 409, issue: 'conflict', ack: 'AR' },
  gone: { http: 410, issue: 'deleted', ack: 'AE' },
  'precondition-failed': { http: 412, issue: 'conflict', ack: 'AE' },
  'too-large': { http: 413, issue: 'too-long', ack: 'AR' },
  'unsupported-media': { http: 415, issue: 'not-supported', ack: 'AR' },
  invalid: { http: 422, issue: 'invalid', ack: 'AE' },
  'too-costly': { http: 422, issue: 'too-costly', ack: 'AE' },
  'precondition-required': { http: 428, issue: 'required', ack: 'AE' },
  'too-many': { http: 429, issue: 'throttled', ack: 'AE' },
  internal: { http: 500, issue: 'exception', ack: 'AE' },
  unavailable: { http: 503, issue: 'transient', ack: 'AE' },
} as const

export type FailureKind = keyof typeof failures

/** One thing to mend. Text and expression never hold patient data: a path and a rule, not a value. */
export interface Issue {
  /** FHIR issue type; the failure kind's own where absent. */
  code?: string
  /** A code of ours for exactly this refusal, for programs: https://postern.health/fhir/CodeSystem/refusal */
  detail?: string
  severity?: 'error' | 'warning' | 'information'
  text: string
  /** FHIRPath of the element, or `SEG-n` for HL7 v2. */
  expression?: string
  /** Which rule of the standard or a profile is broken: a name of validator/issue-rules, or the key of a constraint. */
  rule?: string
  /** Canonical of the profile that has the rule, where it is not the standard's own. */
  profile?: string
  /** `Type/id/_history/version` of what it is about, where somebody has to look at it. */
  about?: string
}

export class Failure extends Error {
  readonly kind: FailureKind
  readonly issues: Issue[]
  /** When to try again, for `too-many`. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    kind: FailureKind,
    issues: string | Issue[],
    options?: { cause?: unknown; retryAfterSeconds?: number },
  ) {
    const list = typeof issues === 'string' ? [{ text: issues }] : issues
    super(list.map((issue) => issue.text).join('; '), options)
    this.name = 'Failure'
    this.kind = kind
    this.issues = list
    this.retryAfterSeconds = options?.retryAfterSeconds
  }
  /** The same refusal, of the same cause, that says more of what is wrong. */
  with(issues: Issue[]): Failure {
    const { cause, retryAfterSeconds } = this
    return new Failure(this.kind, issues, {
      ...(cause === undefined ? {} : { cause }),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    })
  }
}
