import type { JWK } from 'jose'
import { intersect, parseScopes, scopesOfRole } from '#access/scopes.ts'
import type { Act, Audit } from '#core/act.ts'
import { type Caller, type ClientRegistration, roles } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'
import { alertOf, type GlassRequest } from './break-glass.ts'
import { AssertionRefused, verifyAssertion } from './client-assertion.ts'
import { clientOf } from './clients.ts'
import { createTokens, tokenLifetimeSeconds } from './tokens.ts'

export interface AuthOptions {
  store: Store
  audit: Audit
  clock: Clock
  ids: Ids
  /** Base URL without slash at the end: `iss` and `aud` of tokens; the token endpoint is `/auth/token` below it. */
  issuer: string
  /** Private ES256 JWK (generateSigningKey). */
  signingKey: JWK
}

export interface TokenResponse {
  status: number
  headers: Record<string, string>
  /** JSON text. */
  body: string
}

export interface Auth {
  /** `/.well-known/smart-configuration` */
  discovery(): object
  /** `/auth/jwks`: the key that signs our tokens. */
  jwks(): object
  /** The token endpoint. Throws only when the store cannot answer. */
  token(form: URLSearchParams, info: { requestId: string; network?: string }): Promise<TokenResponse>
  /** Throws Failure `unauthenticated`. */
  authenticate(authorization: string | undefined, network: string | undefined): Promise<Caller>
}

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const signingAlgorithms = ['ES384', 'RS384', 'ES256', 'PS256', 'EdDSA']
const maxCachedClients = 1_000

/** SMART Backend Services: https://hl7.org/fhir/smart-app-launch/backend-services.html */
export async function createAuth({
  store,
  audit,
  clock,
  ids,
  issuer,
  signingKey,
}: AuthOptions): Promise<Auth> {
  const clients = new Map<string, Promise<ClientRegistration | undefined>>()
  const tokens = await createTokens({ issuer, signingKey, clock, ids, findClient })
  const endpoint = `${issuer}/auth/token`

  store.onChangeElsewhere?.(() => {
    clients.clear()
    tokens.forgetAll()
  })
  store.onCommit((unit) => {
    for (const { kind, id } of unit.registrations ?? []) {
      if (kind !== 'client') continue
      clients.delete(id)
      tokens.forget(id)
    }
  })

  /** What is cached is the loading, so that one that began before a change is never found after it. */
  function findClient(id: string): Promise<ClientRegistration | undefined> {
    const known = clients.get(id)
    if (known) return known
    const loading = clientOf(store, id).then((client) => {
      // Ids of clients that are not there are anybody's guess, and not worth the room.
      if (!client && clients.get(id) === loading) clients.delete(id)
      return client
    })
    loading.catch(() => clients.get(id) === loading && clients.delete(id))
    if (clients.size >= maxCachedClients) clients.clear()
    clients.set(id, loading)
    return loading
  }

  async function token(
    form: URLSearchParams,
    info: { requestId: string; network?: string },
  ): Promise<TokenResponse> {
    try {
      store.changedElsewhere?.()
      return await grant(form, info)
    } catch (cause) {
      const refusal = refusalOf(cause)
      await tell({ outcome: 'denied', outcomeText: `${refusal.error}: ${refusal.text}` }, form, info)
      return answer(refusal.error === 'invalid_client' ? 401 : 400, {
        error: refusal.error,
        error_description: refusal.text,
      })
    }
  }

  async function grant(
    form: URLSearchParams,
    info: { requestId: string; network?: string },
  ): Promise<TokenResponse> {
    const { assertion, requested } = readForm(form)
    const audiences = [endpoint, issuer]
    const { client, purpose, glass, nonce } = await verifyAssertion(assertion, {
      audiences,
      findClient,
      now: clock.now(),
    })
    const registered = intersect(client.scopes, scopesOfRole(client.role, 'system'))
    const scopes = intersect(requested, registered)
    if (scopes.length === 0) throw new Refusal('invalid_scope', 'None of the scopes asked for is registered')
    const alert = glass && (await alertOf({ store, ids }, glass, client, clock.now()))
    if (glass && !alert) throw new Refusal('invalid_grant', 'There is no such patient')
    const granted = { scopes, purpose, ...(glass ? { breakGlass: { patient: glass.patient } } : {}) }
    const { token: accessToken, caller } = await tokens.issue(client, granted, info.network)
    // The jti is used up and the grant is on record in one commit: of two replays one loses, whoever comes first.
    await store.commit({
      audit: entriesOf({ outcome: 'success', caller, ...toldOf(glass) }, form, info, glass?.reason),
      nonces: [nonce],
      ...(alert ? { writes: [alert] } : {}),
    })
    return answer(200, {
      access_token: accessToken,
      token_type: 'bearer',
      expires_in: tokenLifetimeSeconds,
      scope: scopes.join(' '),
    })
  }

  type Told = Pick<Act, 'outcome' | 'outcomeText' | 'caller'> & Partial<Pick<Act, 'patients' | 'entities'>>

  async function tell(
    told: Told,
    form: URLSearchParams,
    info: { requestId: string; network?: string },
  ): Promise<void> {
    await store.commit({ audit: entriesOf(told, form, info) })
  }

  function entriesOf(
    told: Told,
    form: URLSearchParams,
    info: { requestId: string; network?: string },
    reason?: string,
  ) {
    return audit.record({
      kind: 'token',
      at: clock.now(),
      patients: [],
      entities: [],
      ...told,
      ...info,
      query: withoutAssertion(form, reason),
    })
  }

  return {
    discovery: () => discoveryOf(issuer, endpoint),
    jwks: tokens.jwks,
    token,
    authenticate: async (authorization, network) => {
      store.changedElsewhere?.()
      return tokens.authenticate(authorization, network)
    },
  }
}

function discoveryOf(issuer: string, endpoint: string): object {
  return {
    issuer,
    jwks_uri: `${issuer}/auth/jwks`,
    token_endpoint: endpoint,
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: signingAlgorithms,
    scopes_supported: [...new Set(roles.flatMap((role) => scopesOfRole(role, 'system')))].sort(),
    response_types_supported: [],
    // Required by SMART of every server; there is no authorization endpoint to use it with yet.
    code_challenge_methods_supported: ['S256'],
    capabilities: ['client-confidential-asymmetric', 'permission-v1', 'permission-v2'],
  }
}

function toldOf(glass: GlassRequest | undefined): Partial<Act> {
  if (!glass) return {}
  return { outcomeText: 'the glass was broken', patients: [glass.patient], entities: [glass.patient] }
}

type ErrorCode =
  | 'invalid_request'
  | 'unsupported_grant_type'
  | 'invalid_client'
  | 'invalid_scope'
  | 'invalid_grant'

class Refusal extends Error {
  readonly error: ErrorCode

  constructor(error: ErrorCode, text: string) {
    super(text)
    this.error = error
  }
}

function readForm(form: URLSearchParams): { assertion: string; requested: string[] } {
  const one = (name: string) => {
    const values = form.getAll(name)
    if (values.length > 1) throw new Refusal('invalid_request', `${name} is given more than once`)
    return values[0] ?? ''
  }
  const grantType = one('grant_type')
  if (grantType === '') throw new Refusal('invalid_request', 'grant_type is missing')
  if (grantType !== 'client_credentials') {
    throw new Refusal('unsupported_grant_type', 'grant_type must be client_credentials')
  }
  if (one('client_assertion_type') !== assertionType) {
    throw new Refusal('invalid_request', `client_assertion_type must be ${assertionType}`)
  }
  const assertion = one('client_assertion')
  if (assertion === '') throw new Refusal('invalid_request', 'client_assertion is missing')
  const requested = parseScopes(one('scope'))
  if (!requested || requested.length === 0) {
    throw new Refusal('invalid_scope', 'scope must list SMART scopes, such as system/Communication.rs')
  }
  return { assertion, requested }
}

/** What may be said to who asked; what is not a refusal (the store cannot answer) is thrown on. */
function refusalOf(cause: unknown): { error: ErrorCode; text: string } {
  if (cause instanceof Refusal) return { error: cause.error, text: cause.message }
  if (cause instanceof AssertionRefused) return { error: cause.code, text: cause.message }
  if (cause instanceof Failure && cause.kind === 'conflict') {
    return { error: 'invalid_client', text: 'This assertion was used before: its jti must be new each time' }
  }
  throw cause
}

/** The request as it is kept with the audit event. */
function withoutAssertion(form: URLSearchParams, reason?: string): string {
  const kept = [...form].filter(([name]) => ['grant_type', 'scope', 'client_assertion_type'].includes(name))
  const query = new URLSearchParams(kept.map(([name, value]) => [name, value.slice(0, 2000)]))
  if (reason !== undefined) query.set('break-glass-reason', reason)
  return query.toString()
}

/** RFC 6749 §5.1: never stored by anybody in between. */
function answer(status: number, body: object): TokenResponse {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store', pragma: 'no-cache' }
  return { status, headers, body: JSON.stringify(body) }
}
