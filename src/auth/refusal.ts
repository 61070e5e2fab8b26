/** OAuth's words for a refusal (RFC 6749 §4.1.2.1 and §5.2, RFC 9449 §5, OpenID Connect Core §3.1.2.6). */
export type ErrorCode =
  | 'invalid_request'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'unauthorized_client'
  | 'access_denied'
  | 'login_required'
  | 'invalid_client'
  | 'invalid_scope'
  | 'invalid_grant'
  | 'invalid_dpop_proof'

/** What an endpoint of the authorization server says no with: no token, no code and nothing of a person in its text. */
export class Refusal extends Error {
  readonly error: ErrorCode

  constructor(error: ErrorCode, text: string) {
    super(text)
    this.error = error
  }
}

/** The value of a parameter that may be given once; empty where it is not. */
export function one(form: URLSearchParams, name: string): string {
  const values = form.getAll(name)
  if (values.length > 1) throw new Refusal('invalid_request', `${name} is given more than once`)
  return values[0] ?? ''
}
