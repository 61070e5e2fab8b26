import type { JWK } from 'jose'
import { intersect, parseScopes, scopesOfRole } from '#access/scopes.ts'
import type { Act, Audit } from '#core/act.ts'
import type { Caller, ClientRegistration } from '#core/caller.ts'
import type { Nonce } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'
import { type App, appOf, asserting, isConfidential } from './apps/app.ts'
import {
  type AppTokenPorts,
  endByRefreshToken,
  grantToApp,
  isAppGrantType,
  provenApp,
} from './apps/app-tokens.ts'
import { verifyGranted } from './apps/granted.ts'
import { createIdTokens } from './apps/id-token.ts'
import { alertOf, type GlassRequest } from './break-glass.ts'
import { type Asserted, AssertionRefused, verifyAssertion } from './client-assertion.ts'
import { callerOf, clientOf } from './clients.ts'
import { discoveryOf } from './discovery.ts'
import { type Proof, ProofRefused, verifyProof } from './dpop.ts'
import { hangingOn } from './hanging-on.ts'
import { verifyOutside } from './outside-tokens.ts'
import { type ErrorCode, one, Refusal } from './refusal.ts'
import { createRemoteKeys } from './remote-keys.ts'
import type { RequestInfo } from './request-info.ts'
import type { Sealer } from './sealer.ts'
import { introspect, isRevoked, type Proven, revoke } from './token-state.ts'
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
  /** Seals what goes through browsers. */
  sealer: Sealer
  /** How key sets at registered addresses are fetched; the platform's own where not given. */
  fetch?: typeof globalThis.fetch
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
  /** `/auth/jwks`: the keys that sign our tokens. */
  jwks(): Promise<object>
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
const maxCachedClients = 1_000

/** SMART App Launch 2.2: backend services, apps of people, and the tokens of both (https://hl7.org/fhir/smart-app-launch). */
export async function createAuth({
  store,
  audit,
  clock,
  ids,
  issuer,
  signingKey,
  sealer,
  fetch = globalThis.fetch,
}: AuthOptions): Promise<Auth> {
  const clients = new Map<string, Promise<ClientRegistration | undefined>>()
  const useUp = (nonce: Nonce) => store.commit({ audit: [], nonces: [nonce] }).then(() => {})
  const revoked = (tokenId: string) => isRevoked(store, tokenId)
  const endpoint = `${issuer}/auth/token`
  const remoteKeys = createRemoteKeys({ fetch, now: clock.now })
  const findApp = (id: string): Promise<App | undefined> => appOf(store, id)
  const granted = { store, clock, findApp }
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
    verifyGranted: (claims, network) => verifyGranted(granted, claims, network),
    granted,
  })
  const idTokens = createIdTokens({ store, audit, clock, ids, issuer })
  const appTokens: AppTokenPorts = {
    ...granted,
    sealer,
    idTokens,
    sign: tokens.issueGranted,
    prove: (form, find) => prove(readAssertion(form), find),
    provenKey: (info) => provenKey({}, info),
    entriesOf,
  }

  store.onChangeElsewhere?.(() => {
    clients.clear()
    tokens.forget(() => true)
  })
  store.onCommit((unit) => {
    const forget = hangingOn(unit)
    if (forget) tokens.forget(forget)
    for (const { kind, id } of unit.registrations ?? []) if (kind === 'client') clients.delete(id)
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

  function prove(assertion: string, find = findClient, ...more: string[]): Promise<Asserted> {
    return verifyAssertion(assertion, {
      audiences: [endpoint, issuer, ...more],
      findClient: find,
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
    const token = readToken(form)
    const proven = await provenAsker(form, path)
    const caller = callerOf(proven.client, { scopes: [], ...(info.network ? { network: info.network } : {}) })
    // Neither is a token given (IUA.71): one changes what stands, the other looks at it.
    const [kind, outcomeText] =
      path === 'revoke'
        ? (['configuration', 'token revoked'] as const)
        : (['read', 'token introspected'] as const)
    const entries = entriesOf({ kind, outcome: 'success', outcomeText, caller }, form, info)
    if (path === 'introspect') return answer(200, await introspect({ store, tokens }, proven, token, entries))
    const unit = { audit: entries, nonces: proven.nonces }
    const isRefresh = await endByRefreshToken({ store, sealer, clock }, token, proven.client.id, unit)
    if (!isRefresh) await revoke({ store, tokens }, proven, token, entries)
    return { ...answer(200, {}), body: '' }
  }

  /** A system or a confidential app by its key; a public app, which has none, for giving up what is its own. */
  async function provenAsker(form: URLSearchParams, path: 'revoke' | 'introspect'): Promise<Proven> {
    if (path === 'revoke' && one(form, 'client_assertion') === '' && one(form, 'client_id') !== '') {
      const { app } = await provenApp(appTokens, form)
      return { client: asserting(app), nonces: [] }
    }
    const find = async (id: string) => (await findClient(id)) ?? findAsserting(id)
    const { client, nonce } = await prove(readAssertion(form), find, `${issuer}/auth/${path}`)
    return { client, nonces: [nonce] }
  }

  async function findAsserting(id: string): Promise<ClientRegistration | undefined> {
    const app = await findApp(id)
    return app && isConfidential(app) ? asserting(app) : undefined
  }

  async function grant(form: URLSearchParams, info: RequestInfo): Promise<TokenResponse> {
    if (isAppGrantType(one(form, 'grant_type'))) {
      const body = await grantToApp(appTokens, form, info)
      return answer(200, { ...body, expires_in: tokenLifetimeSeconds })
    }
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
  async function provenKey(
    client: Pick<ClientRegistration, 'senderConstrained'>,
    { proof }: RequestInfo,
  ): Promise<Proof | undefined> {
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
    discovery: () => discoveryOf(issuer),
    jwks: async () => {
      const jwk = await idTokens.jwk()
      return { keys: [...tokens.jwks().keys, ...(jwk ? [jwk] : [])] }
    },
    token: (form, info) => answered(grant, form, info),
    revoke: (form, info) => answered((...asked) => aboutToken('revoke', ...asked), form, info),
    introspect: (form, info) => answered((...asked) => aboutToken('introspect', ...asked), form, info),
    authenticate: async (authorization, network, sending) => {
      store.changedElsewhere?.()
      return tokens.authenticate(authorization, network, sending)
    },
  }
}

function toldOf(glass: GlassRequest | undefined): Partial<Act> {
  if (!glass) return {}
  return { outcomeText: 'the glass was broken', patients: [glass.patient], entities: [glass.patient] }
}

function readAssertion(form: URLSearchParams): string {
  if (one(form, 'client_assertion_type') !== assertionType) {
    throw new Refusal('invalid_request', `client_assertion_type must be ${assertionType}`)
  }
  const assertion = one(form, 'client_assertion')
  if (assertion === '') throw new Refusal('invalid_request', 'client_assertion is missing')
  return assertion
}

function readToken(form: URLSearchParams): string {
  const token = one(form, 'token')
  if (token === '') throw new Refusal('invalid_request', 'token is missing')
  return token
}

function readForm(form: URLSearchParams): { assertion: string; requested: string[] } {
  const grantType = one(form, 'grant_type')
  if (grantType === '') throw new Refusal('invalid_request', 'grant_type is missing')
  if (grantType !== 'client_credentials') {
    throw new Refusal(
      'unsupported_grant_type',
      'grant_type must be authorization_code, refresh_token or client_credentials',
    )
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
