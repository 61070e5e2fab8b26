import {
  decodeJwt,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose'
import { intersect } from '#access/scopes.ts'
import type { BreakGlass, Caller, ClientRegistration } from '#core/caller.ts'
import type { Nonce } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import { createSessionUse, type GrantedClaims, type GrantedPorts, type Held } from './apps/granted.ts'
import { twoFactors } from './apps/id-token.ts'
import { breakGlassGrant, breakGlassPurpose } from './break-glass.ts'
import { readBase64url, thumbprint } from './client-keys.ts'
import { callerOf } from './clients.ts'
import { verifyProof } from './dpop.ts'
import { createIdleWatch } from './idle.ts'
import { createVerifiedTokens, type VerifiedToken } from './verified-tokens.ts'

export const tokenLifetimeSeconds = 300
const algorithm = 'ES256'
const maxLength = 8 * 1024

export interface TokenOptions {
  /** `iss` and `aud` of our tokens. */
  issuer: string
  /** Private ES256 JWK with kid. */
  signingKey: JWK
  clock: Clock
  ids: Ids
  findClient(id: string): Promise<ClientRegistration | undefined>
  isRevoked(tokenId: string): Promise<boolean>
  /** Verifies a token of somebody else's. Throws Failure `unauthenticated`. */
  verifyOutside(token: string, issuer: string, network: string | undefined): Promise<VerifiedToken>
  /** Verifies a token of ours that an app was given. Throws Failure `unauthenticated`. */
  verifyGranted(
    claims: GrantedClaims,
    network: string | undefined,
  ): Promise<Omit<VerifiedToken, 'issued' | 'expires'>>
  granted: GrantedPorts
  /** Uses a one-time value up. Rejects with Failure `conflict` when that was done before. */
  useUp(nonce: Nonce): Promise<void>
}

/** The request that a token comes with, as far as a proof of possession speaks of it. */
export interface Sending {
  method: string
  /** Below the base URL, with its leading slash. */
  path: string
  /** The `DPoP` header. */
  proof?: string | undefined
}

/** What a good token says. */
export interface TokenClaims {
  clientId: string
  tokenId: string
  scopes: readonly string[]
  purpose: string
  issuer: string
  /** Seconds since the epoch. */
  issued: number
  /** Milliseconds since the epoch. */
  expires: number
  breakGlass?: BreakGlass
  /** What an app's token says of its person. */
  granted?: { account: string; isBound: boolean; patient?: Reference; fhirUser?: string }
}

/** What a token is for. */
export interface Granted {
  scopes: string[]
  purpose: string
  breakGlass?: BreakGlass
  /** Thumbprint of the key whose holder alone may use the token (RFC 9449). */
  boundTo?: string
}

export interface IssuedToken {
  token: string
  caller: Caller
}

export interface Tokens {
  issue(client: ClientRegistration, granted: Granted, network?: string): Promise<IssuedToken>
  /** A token for an app, as long as its grant holds. */
  issueGranted(held: Held, scopes: readonly string[]): Promise<{ token: string; tokenId: string }>
  /** Throws Failure `unauthenticated`. */
  authenticate(
    authorization: string | undefined,
    network: string | undefined,
    sending?: Sending,
  ): Promise<Caller>
  /** What a token says; undefined when it would be refused, or is none of ours. */
  inspect(token: string): Promise<TokenClaims | undefined>
  /** Forgets verified tokens: the next request with one of them asks again what it hangs on. */
  forget(is: (value: VerifiedToken) => boolean): void
  /** JWK Set with the public key. */
  jwks(): { keys: JWK[] }
}

/** Access tokens of our own: RFC 9068 JWTs, five minutes long, verified once and remembered until they expire. */
export async function createTokens(options: TokenOptions): Promise<Tokens> {
  const { issuer, signingKey, clock, ids, findClient, isRevoked, verifyOutside, useUp } = options
  const useSession = createSessionUse(options.granted)
  const { d, ...publicJwk } = signingKey
  if (!d || signingKey.kty !== 'EC' || signingKey.crv !== 'P-256' || !signingKey.kid) {
    throw new Failure('internal', 'The token signing key must be a private P-256 JWK with a kid')
  }
  const privateKey = await importJWK(signingKey, algorithm)
  const publicKey = await importJWK(publicJwk, algorithm)
  const verified = createVerifiedTokens()
  const idle = createIdleWatch(clock.now)

  async function issue(
    client: ClientRegistration,
    { scopes, purpose, breakGlass, boundTo }: Granted,
    network?: string,
  ): Promise<IssuedToken> {
    const jti = ids.random()
    const token = await sign(client.id, jti, {
      client_id: client.id,
      scope: scopes.join(' '),
      purpose,
      ...(breakGlass ? { break_glass: breakGlass.patient } : {}),
      ...(boundTo ? { cnf: { jkt: boundTo } } : {}),
    })
    const session = { scopes, purpose, tokenId: jti, network, ...(breakGlass ? { breakGlass } : {}) }
    return { token, caller: callerOf(client, session) }
  }

  async function issueGranted({ id, grant, known }: Held, scopes: readonly string[]) {
    const tokenId = ids.random()
    const { person, purpose } = known.account
    const token = await sign(grant.account, tokenId, {
      client_id: grant.app,
      scope: scopes.join(' '),
      purpose,
      sid: id,
      auth_time: Math.floor(grant.signedInAt / 1000),
      acr: twoFactors,
      ...(scopes.includes('fhirUser') ? { fhirUser: `${issuer}/fhir/${person}` } : {}),
      ...(grant.boundTo ? { cnf: { jkt: grant.boundTo } } : {}),
    })
    return { token, tokenId }
  }

  /** RFC 9068. */
  function sign(subject: string, jti: string, claims: JWTPayload): Promise<string> {
    const now = Math.floor(clock.now() / 1000)
    return new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: String(signingKey.kid) })
      .setIssuer(issuer)
      .setSubject(subject)
      .setAudience(issuer)
      .setIssuedAt(now)
      .setExpirationTime(now + tokenLifetimeSeconds)
      .setJti(jti)
      .sign(privateKey)
  }

  async function authenticate(
    authorization: string | undefined,
    network: string | undefined,
    sending?: Sending,
  ): Promise<Caller> {
    const { token, isBound } = readAuthorization(authorization)
    const known = verified.find(token, clock.now())
    const value = known ?? (await verified.load(token, () => verify(token, network)))
    await requireSender(value, token, isBound, sending)
    await noteUse(value)
    if (value.caller.network !== network) value.caller = { ...value.caller, network }
    return value.caller
  }

  /** Sessions of our own are kept in the store; of those begun elsewhere this process knows what it saw. */
  async function noteUse({ caller, issued, session }: VerifiedToken): Promise<void> {
    if (session) await useSession(session)
    else idle.use(caller, issued)
  }

  /** A bound token is good only with a proof of its key; a token that is not bound comes as a bearer token. */
  async function requireSender(
    { boundTo }: VerifiedToken,
    token: string,
    isBound: boolean,
    sending: Sending | undefined,
  ): Promise<void> {
    if (boundTo === undefined && !isBound) return
    const wrong = (cause?: unknown) => {
      const text = 'The access token is bound to a key: send it as DPoP, with a proof made for this request'
      return new Failure('unauthenticated', text, { cause })
    }
    if (boundTo === undefined || !isBound || !sending?.proof) throw wrong()
    const { method, path, proof } = sending
    const context = { method, url: `${issuer}${path}`, accessToken: token, now: clock.now() }
    const proven = await verifyProof(proof, context).catch((cause) => {
      throw wrong(cause)
    })
    if (proven.thumbprint !== boundTo) throw wrong()
    await useUp(proven.nonce).catch((cause) => {
      throw cause instanceof Failure && cause.kind === 'conflict' ? wrong(cause) : cause
    })
  }

  async function verify(token: string, network: string | undefined): Promise<VerifiedToken> {
    const claimed = issuerIn(token)
    if (claimed !== undefined && claimed !== issuer) {
      const outside = await verifyOutside(token, claimed, network)
      await requireNotRevoked(String(outside.caller.tokenId))
      return outside
    }
    return verifyOwn(token, network)
  }

  async function requireNotRevoked(tokenId: string): Promise<void> {
    if (await isRevoked(tokenId))
      throw new Failure('unauthenticated', 'This access token was revoked: ask for a new one')
  }

  async function verifyOwn(token: string, network: string | undefined): Promise<VerifiedToken> {
    const { payload } = await jwtVerify(token, publicKey, {
      algorithms: [algorithm],
      typ: 'at+jwt',
      issuer,
      audience: issuer,
      requiredClaims: ['exp', 'iat', 'jti', 'client_id', 'scope', 'purpose'],
      currentDate: new Date(clock.now()),
    }).catch((cause) => {
      throw new Failure(
        'unauthenticated',
        'The access token is not valid, or has expired: ask for a new one',
        { cause },
      )
    })
    if (payload.sid !== undefined) return verifyOfApp(payload, network)
    const client = await findClient(String(payload.client_id))
    const purpose = String(payload.purpose)
    if (!client?.active || !client.purposes.includes(purpose)) {
      throw new Failure('unauthenticated', 'The client of this access token may not use it any more')
    }
    await requireNotRevoked(String(payload.jti))
    const scopes = intersect(String(payload.scope).split(' '), client.scopes)
    const patient = payload.break_glass as Reference | undefined
    if (purpose === breakGlassPurpose && !(patient && client.grants.includes(breakGlassGrant))) {
      throw new Failure('unauthenticated', 'The client of this access token may not use it any more')
    }
    const breakGlass = patient ? { breakGlass: { patient } } : {}
    const caller = callerOf(client, { scopes, purpose, tokenId: String(payload.jti), network, ...breakGlass })
    const { jkt } = (payload.cnf ?? {}) as { jkt?: string }
    const bound = jkt === undefined ? {} : { boundTo: jkt }
    return { caller, ...bound, issued: Number(payload.iat), expires: Number(payload.exp) * 1000 }
  }

  async function verifyOfApp(payload: JWTPayload, network: string | undefined): Promise<VerifiedToken> {
    const { sid, jti, scope, iat, exp } = payload
    const claims = { session: String(sid), tokenId: String(jti), scopes: String(scope).split(' ') }
    const verified = await options.verifyGranted(claims, network)
    await requireNotRevoked(claims.tokenId)
    return { ...verified, issued: Number(iat), expires: Number(exp) * 1000 }
  }

  async function inspect(token: string): Promise<TokenClaims | undefined> {
    if (!isCompact(token)) return undefined
    try {
      const { caller, issued, expires, session, boundTo } = await verifyOwn(token, undefined)
      const { clientId, tokenId = '', scopes, purpose, breakGlass } = caller
      const said = { tokenId, purpose, issuer, issued, expires }
      if (!session) return { ...said, clientId, scopes, ...(breakGlass ? { breakGlass } : {}) }
      const { scope, fhirUser } = decodeJwt<{ scope: string; fhirUser?: string }>(token)
      const { app, account, patient } = session
      const granted = {
        account,
        isBound: boundTo !== undefined,
        ...(patient ? { patient } : {}),
        ...(fhirUser ? { fhirUser } : {}),
      }
      return { ...said, clientId: app, scopes: scope.split(' '), granted }
    } catch (cause) {
      if (cause instanceof Failure && cause.kind === 'unauthenticated') return undefined
      throw cause
    }
  }

  const jwks = { keys: [{ ...publicJwk, alg: algorithm, use: 'sig' }] }
  return { issue, issueGranted, authenticate, inspect, forget: verified.forget, jwks: () => jwks }
}

/** Whose token it says it is, unproven: good for choosing the keys to prove it with. */
function issuerIn(token: string): string | undefined {
  try {
    // Whatever a stranger writes there: only a text can be looked up.
    const { iss }: { iss?: unknown } = decodeJwt(token)
    return typeof iss === 'string' ? iss : undefined
  } catch {
    return undefined
  }
}

/** A private ES256 JWK; its `kid` is its thumbprint (RFC 7638). */
export async function generateSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk = await exportJWK(privateKey)
  return { ...jwk, kid: thumbprint({ ...jwk }), alg: algorithm, use: 'sig' }
}

/** RFC 6750 §2.1; one spelling a token, so that nothing depends on how it was written. */
function readAuthorization(authorization: string | undefined): { token: string; isBound: boolean } {
  if (!authorization)
    throw new Failure('unauthenticated', 'An access token is needed: Authorization: Bearer …')
  const [, scheme = '', token] = /^(Bearer|DPoP) ([A-Za-z0-9_.-]+)$/i.exec(authorization) ?? []
  if (!token || !isCompact(token)) {
    throw new Failure('unauthenticated', 'The Authorization header does not hold a bearer token of ours')
  }
  return { token, isBound: scheme.toLowerCase() === 'dpop' }
}

function isCompact(token: string): boolean {
  const parts = token.length <= maxLength ? token.split('.') : []
  return parts.length === 3 && parts.every(readBase64url)
}
