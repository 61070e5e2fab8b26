import type { JWK } from 'jose'
import { intersect, parseScopes, scopesOfRole } from '#access/scopes.ts'
import type { Act, Audit } from '#core/act.ts'
import { type Caller, type ClientRegistration, roles } from '#core/caller.ts'
import type { Nonce } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'
import { referenceTo } from '#core/resource.ts'
import { alertOf, type GlassRequest } from './break-glass.ts'
import { type Asserted, AssertionRefused, verifyAssertion } from './client-assertion.ts'
import { callerOf, clientOf } from './clients.ts'
import { type Proof, ProofRefused, verifyProof } from './dpop.ts'
import { verifyOutside } from './outside-tokens.ts'
import { isPersonType } from './person.ts'
import { createRemoteKeys } from './remote-keys.ts'
import { introspect, isRevoked, revoke, revokedBy } from './token-state.ts'
import { createTokens, type Sending, tokenLifetimeSeconds } from './tokens.ts'

export interface AuthOptions {
  store: Store
  audit: Audit
  clock: Clock
  ids: Ids
  /** Base URL without slash at the end: `iss` and `aud` of tokens; the token endpoint is `/auth/token` below it. */
  issuer: string
  /** Private ES256 JWK (generateSigningKey). */
  signingKey: JWK
  /** How key sets at registered addresses are fetched; the platform's own where not given. */
  fetch?: typeof globalThis.fetch
}

export interface RequestInfo {
  requestId: string
  network?: string
  /** The `DPoP` header. */
  proof?: string
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
  token(form: URLSearchParams, info: RequestInfo): Promise<TokenResponse>
  /** `/auth/revoke`, RFC 7009: the token named is refused from the next request on. */
  revoke(form: URLSearchParams, info: RequestInfo): Promise<TokenResponse>
  /** `/auth/introspect`, RFC 7662. */
  introspect(form: URLSearchParams, info: RequestInfo): Promise<TokenResponse>
  /** Throws Failure `unauthenticated`. */
  authenticate(
    authorization: string | undefined,
    network: string | undefined,
    sending?: Sending,
  ): Promise<Caller>
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
  fetch = globalThis.fetch,
}: AuthOptions): Promise<Auth> {
  const clients = new Map<string, Promise<ClientRegistration | undefined>>()
  const useUp = (nonce: Nonce) => store.commit({ audit: [], nonces: [nonce] }).then(() => {})
  const revoked = (tokenId: string) => isRevoked(store, tokenId)
  const endpoint = `${issuer}/auth/token`
  const remoteKeys = createRemoteKeys({ fetch, now: clock.now })
  const outside = { store, clock, remoteKeys, fhirBase: `${issuer}/fhir` }
  const tokens = await createTokens({
    issuer,
    signingKey,
    clock,
    ids,
    findClient,
    isRevoked: revoked,
    verifyOutside: (token, from, network) => verifyOutside(token, from, network, outside),
    useUp,
  })

  store.onChangeElsewhere?.(() => {
    clients.clear()
    tokens.forgetAll()
  })
  store.onCommit((unit) => {
    for (const tokenId of revokedBy(unit)) tokens.forgetToken(tokenId)
    for (const { resource } of unit.writes ?? []) {
      if (isPersonType(resource.resourceType)) tokens.forgetPerson(referenceTo(resource))
    }
    for (const { kind, id } of unit.registrations ?? []) {
      if (kind === 'issuer') tokens.forgetAll()
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

  /** One of the endpoints that a client proves itself to; what it refuses is on record before it is answered. */
  async function answered(
    act: (form: URLSearchParams, info: RequestInfo) => Promise<TokenResponse>,
    form: URLSearchParams,
    info: RequestInfo,
  ): Promise<TokenResponse> {
    try {
      store.changedElsewhere?.()
      return await act(form, info)
    } catch (cause) {
      const refusal = refusalOf(cause)
      await tell({ outcome: 'denied', outcomeText: `${refusal.error}: ${refusal.text}` }, form, info)
      return answer(refusal.error === 'invalid_client' ? 401 : 400, {
        error: refusal.error,
        error_description: refusal.text,
      })
    }
  }

  function prove(assertion: string, ...more: string[]): Promise<Asserted> {
    return verifyAssertion(assertion, {
      audiences: [endpoint, issuer, ...more],
      findClient,
      remoteKeys,
      now: clock.now(),
    })
  }

  /** RFC 7009 and RFC 7662 alike: the client proves itself, names a token, and is on record with it. */
  async function aboutToken(
    path: 'revoke' | 'introspect',
    form: URLSearchParams,
    info: RequestInfo,
  ): Promise<TokenResponse> {
    const { assertion, token } = readTokenForm(form)
    const proven = await prove(assertion, `${issuer}/auth/${path}`)
    const caller = callerOf(proven.client, { scopes: [], ...(info.network ? { network: info.network } : {}) })
    // Neither is a token given (IUA.71): one changes what stands, the other looks at it.
    const [kind, outcomeText] =
      path === 'revoke'
        ? (['configuration', 'token revoked'] as const)
        : (['read', 'token introspected'] as const)
    const entries = entriesOf({ kind, outcome: 'success', outcomeText, caller }, form, info)
    if (path === 'introspect') return answer(200, await introspect({ store, tokens }, proven, token, entries))
    await revoke({ store, tokens }, proven, token, entries)
    return { ...answer(200, {}), body: '' }
  }

  async function grant(form: URLSearchParams, info: RequestInfo): Promise<TokenResponse> {
    const { assertion, requested } = readForm(form)
    const { client, purpose, glass, nonce } = await prove(assertion)
    const proof = await provenKey(client, info)
    const registered = intersect(client.scopes, scopesOfRole(client.role, 'system'))
    const scopes = intersect(requested, registered)
    if (scopes.length === 0) throw new Refusal('invalid_scope', 'None of the scopes asked for is registered')
    const alert = glass && (await alertOf({ store, ids }, glass, client, clock.now()))
    if (glass && !alert) throw new Refusal('invalid_grant', 'There is no such patient')
    const bound = proof ? { boundTo: proof.thumbprint } : {}
    const granted = {
      scopes,
      purpose,
      ...bound,
      ...(glass ? { breakGlass: { patient: glass.patient } } : {}),
    }
    const { token: accessToken, caller } = await tokens.issue(client, granted, info.network)
    // The jti is used up and the grant is on record in one commit: of two replays one loses, whoever comes first.
    await store.commit({
      audit: entriesOf({ outcome: 'success', caller, ...toldOf(glass) }, form, info, glass?.reason),
      nonces: proof ? [nonce, proof.nonce] : [nonce],
      ...(alert ? { writes: [alert] } : {}),
    })
    return answer(200, {
      access_token: accessToken,
      token_type: proof ? 'DPoP' : 'bearer',
      expires_in: tokenLifetimeSeconds,
      scope: scopes.join(' '),
    })
  }

  /** The key that the token is to be bound to, where the client proves that it holds one, or must. */
  async function provenKey(client: ClientRegistration, { proof }: RequestInfo): Promise<Proof | undefined> {
    if (proof === undefined) {
      if (!client.senderConstrained) return undefined
      throw new Refusal(
        'invalid_dpop_proof',
        'This client is registered for tokens bound to a key: send a DPoP proof',
      )
    }
    return verifyProof(proof, { method: 'POST', url: endpoint, now: clock.now() }).catch((cause) => {
      if (cause instanceof ProofRefused) throw new Refusal('invalid_dpop_proof', cause.message)
      throw cause
    })
  }

  type Told = Pick<Act, 'outcome' | 'outcomeText' | 'caller'> &
    Partial<Pick<Act, 'kind' | 'patients' | 'entities'>>

  async function tell(told: Told, form: URLSearchParams, info: RequestInfo): Promise<void> {
    await store.commit({ audit: entriesOf(told, form, info) })
  }

  function entriesOf(told: Told, form: URLSearchParams, info: RequestInfo, reason?: string) {
    const query = withoutAssertion(form, reason)
    return audit.record({
      kind: 'token',
      at: clock.now(),
      patients: [],
      entities: [],
      ...told,
      requestId: info.requestId,
      ...(info.network ? { network: info.network } : {}),
      ...(query === '' ? {} : { query }),
    })
  }

  return {
    discovery: () => discoveryOf(issuer, endpoint),
    jwks: tokens.jwks,
    token: (form, info) => answered(grant, form, info),
    revoke: (form, info) => answered((...asked) => aboutToken('revoke', ...asked), form, info),
    introspect: (form, info) => answered((...asked) => aboutToken('introspect', ...asked), form, info),
    authenticate: async (authorization, network, sending) => {
      store.changedElsewhere?.()
      return tokens.authenticate(authorization, network, sending)
    },
  }
}

function discoveryOf(issuer: string, endpoint: string): object {
  return {
    issuer,
    jwks_uri: `${issuer}/auth/jwks`,
    token_endpoint: endpoint,
    revocation_endpoint: `${issuer}/auth/revoke`,
    introspection_endpoint: `${issuer}/auth/introspect`,
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: signingAlgorithms,
    scopes_supported: [...new Set(roles.flatMap((role) => scopesOfRole(role, 'system')))].sort(),
    dpop_signing_alg_values_supported: signingAlgorithms,
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
  | 'invalid_dpop_proof'

class Refusal extends Error {
  readonly error: ErrorCode

  constructor(error: ErrorCode, text: string) {
    super(text)
    this.error = error
  }
}

function one(form: URLSearchParams, name: string): string {
  const values = form.getAll(name)
  if (values.length > 1) throw new Refusal('invalid_request', `${name} is given more than once`)
  return values[0] ?? ''
}

function readAssertion(form: URLSearchParams): string {
  if (one(form, 'client_assertion_type') !== assertionType) {
    throw new Refusal('invalid_request', `client_assertion_type must be ${assertionType}`)
  }
  const assertion = one(form, 'client_assertion')
  if (assertion === '') throw new Refusal('invalid_request', 'client_assertion is missing')
  return assertion
}

function readTokenForm(form: URLSearchParams): { assertion: string; token: string } {
  const token = one(form, 'token')
  if (token === '') throw new Refusal('invalid_request', 'token is missing')
  return { assertion: readAssertion(form), token }
}

function readForm(form: URLSearchParams): { assertion: string; requested: string[] } {
  const grantType = one(form, 'grant_type')
  if (grantType === '') throw new Refusal('invalid_request', 'grant_type is missing')
  if (grantType !== 'client_credentials') {
    throw new Refusal('unsupported_grant_type', 'grant_type must be client_credentials')
  }
  const assertion = readAssertion(form)
  const requested = parseScopes(one(form, 'scope'))
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
