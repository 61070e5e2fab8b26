import type { ClientRegistration } from '#core/caller.ts'
import type { CommitUnit, Nonce } from '#core/commit.ts'
import { Failure } from '#core/failure.ts'
import type { Store } from '#core/ports.ts'
import type { TokenClaims, Tokens } from './tokens.ts'

/** Revoked tokens stand among the one-time values until they would have expired anyway, and are forgotten with them. */
const revocations = 'revoked-token'
/** Lets a resource server of the clinic ask about anybody's token. */
const introspectGrant = 'introspect'

export interface TokenStatePorts {
  store: Store
  tokens: Pick<Tokens, 'inspect'>
}

/** A client that proved itself, and what has to be used up with its request. */
export interface Proven {
  client: ClientRegistration
  nonces: Nonce[]
}

export function isRevoked(store: Store, tokenId: string): Promise<boolean> {
  return store.hasNonce(revocations, tokenId)
}

/** Ids of the tokens that a commit revoked. */
export function revokedBy({ nonces }: CommitUnit): string[] {
  return (nonces ?? []).flatMap(({ issuer, value }) => (issuer === revocations ? [value] : []))
}

/**
 * RFC 7009: from the next request on the token is refused. Nothing happens to a token that is not the client's own, or
 * is none any more; the answer is the same, and so is the commit's outcome.
 */
export async function revoke(
  { store, tokens }: TokenStatePorts,
  { client, nonces: proven }: Proven,
  token: string,
  audit: CommitUnit['audit'],
): Promise<void> {
  const claims = await tokens.inspect(token)
  const own = claims?.clientId === client.id ? claims : undefined
  const revoked = own ? [{ issuer: revocations, value: own.tokenId, expires: own.expires }] : []
  try {
    await store.commit({ audit, nonces: [...proven, ...revoked] })
  } catch (cause) {
    const isKnown = own !== undefined && cause instanceof Failure && cause.kind === 'conflict'
    if (!isKnown || !(await isRevoked(store, own.tokenId))) throw cause
    // Revoked twice: what must still become used up, and be told, is this request.
    await store.commit({ audit, nonces: proven })
  }
}

/** RFC 7662: what a token says while it is good, to its own client or to who has the grant; else only that it is not. */
export async function introspect(
  { store, tokens }: TokenStatePorts,
  { client, nonces }: Proven,
  token: string,
  audit: CommitUnit['audit'],
): Promise<object> {
  const claims = await tokens.inspect(token)
  await store.commit({ audit, nonces })
  const mayKnow = claims && (claims.clientId === client.id || client.grants.includes(introspectGrant))
  return mayKnow ? tell(claims) : { active: false }
}

function tell({
  clientId,
  tokenId,
  scopes,
  purpose,
  issued,
  expires,
  issuer,
  breakGlass,
  granted,
}: TokenClaims): object {
  return {
    active: true,
    scope: scopes.join(' '),
    client_id: clientId,
    token_type: granted?.isBound ? 'DPoP' : 'bearer',
    exp: Math.floor(expires / 1000),
    iat: issued,
    sub: granted?.account ?? clientId,
    aud: issuer,
    iss: issuer,
    jti: tokenId,
    purpose,
    ...(breakGlass ? { patient: breakGlass.patient.slice('Patient/'.length) } : {}),
    ...(granted?.patient ? { patient: granted.patient.slice('Patient/'.length) } : {}),
    ...(granted?.fhirUser ? { fhirUser: granted.fhirUser } : {}),
  }
}
