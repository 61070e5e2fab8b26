import { decodeProtectedHeader, importJWK, type JWTPayload, jwtVerify } from 'jose'
import { intersect, parseScope } from '#access/scopes.ts'
import type { Caller, SignIn } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import { algorithmsOf, type Jwk } from './client-keys.ts'
import { type IssuerRegistration, isStaff, issuerOf, type PersonRole, scopesOfPerson } from './issuers.ts'
import { findPerson } from './person.ts'
import type { RemoteKeys } from './remote-keys.ts'

export interface OutsideTokenPorts {
  store: Store
  clock: Clock
  remoteKeys: RemoteKeys
  /** `/fhir` of this gateway: a person named by an address must be one of ours. */
  fhirBase: string
}

/** A person's token of somebody else, verified as its issuer's registration says. */
export interface OutsideToken {
  caller: Caller & { signIn: SignIn }
  /** Thumbprint of the key that the token is bound to. */
  boundTo?: string
  /** Seconds since the epoch. */
  issued: number
  /** Milliseconds since the epoch. */
  expires: number
}

const skewSeconds = 30
/** It stands in the audit log as part of a URN. */
const tokenIds = /^[\x21-\x7e]{1,255}$/
/** No sign-in is good for longer, however often its tokens are renewed (ACC16). */
const maxSessionMs = 12 * 3_600_000

/**
 * Verifies an access token (RFC 9068 in the shape its issuer's registration describes) and says who came with it. One
 * text for every reason, so that nothing is learned about issuers and people. Throws Failure `unauthenticated`.
 */
export async function verifyOutside(
  token: string,
  issuer: string,
  network: string | undefined,
  ports: OutsideTokenPorts,
): Promise<OutsideToken> {
  const registration = await issuerOf(ports.store, issuer)
  if (!registration?.active) throw notBelieved()
  const claims = await verifySignature(token, registration, ports)
  const { iat = 0, exp = 0, jti } = claims
  if (exp - iat > registration.lifetime) throw notBelieved('it lives longer than was agreed')
  if (iat > ports.clock.now() / 1000 + skewSeconds) throw notBelieved('it was made in the future')
  if (typeof jti !== 'string' || !tokenIds.test(jti)) throw notBelieved('its jti is no plain text')
  const app = claims.client_id ?? claims.azp
  if (typeof app !== 'string' || !registration.apps.includes(app)) throw notBelieved('not from this app')
  const role = roleOf(claims, registration)
  const person = role && (await findPerson(claims, role, registration, ports))
  if (!person) throw notBelieved('its person or role is not known here')
  const signIn = signInOf(claims, person.reference, registration, ports.clock.now())
  const boundTo = bindingOf(claims)
  requireStrength(role, signIn, boundTo)
  const scopes = intersect(scopesIn(claims), scopesOfPerson(role))
  if (scopes.length === 0) throw notBelieved('it holds no scope that this person may have')
  const { organization, purpose, grants } = registration
  const caller = {
    // Receipts and cursors are the person's, not those of everybody who uses the same app.
    clientId: `${app} ${person.reference}`,
    name: person.name,
    role,
    scopes,
    actors: organization && isStaff(role) ? [organization, person.reference] : [person.reference],
    purpose,
    grants: isStaff(role) ? grants : [],
    tokenId: jti,
    signIn,
    ...(network ? { network } : {}),
  }
  return {
    caller,
    ...(boundTo === undefined ? {} : { boundTo }),
    issued: iat,
    expires: Math.min(exp * 1000, signIn.at + maxSessionMs),
  }
}

async function verifySignature(
  token: string,
  { issuer, audience, jwks, jwksUrl, types }: IssuerRegistration,
  { remoteKeys, clock }: OutsideTokenPorts,
): Promise<JWTPayload> {
  try {
    const { alg, kid, typ } = decodeProtectedHeader(token)
    if (typeof kid !== 'string' || !(types as string[]).includes(String(typ))) throw notBelieved()
    const named = jwksUrl === undefined ? keysNamed(kid, jwks) : await remoteKeys.find(jwksUrl, kid)
    const [key] = named
    if (named.length !== 1 || !key || !algorithmsOf(key).includes(String(alg))) throw notBelieved()
    const { payload } = await jwtVerify(token, await importJWK(key, alg), {
      algorithms: [String(alg)],
      issuer,
      audience,
      requiredClaims: ['exp', 'iat', 'jti', 'sub', 'scope'],
      clockTolerance: skewSeconds,
      currentDate: new Date(clock.now()),
    })
    return payload
  } catch (cause) {
    throw cause instanceof Failure ? cause : notBelieved(undefined, cause)
  }
}

function keysNamed(kid: string, jwks: IssuerRegistration['jwks']): readonly Jwk[] {
  return (jwks?.keys ?? []).filter((key) => key.kid === kid)
}

function roleOf(claims: JWTPayload, { role }: IssuerRegistration): PersonRole | undefined {
  if (typeof role === 'string') return role
  const had = [claims[role.claim]].flat()
  return role.values.find(([value]) => had.includes(value))?.[1]
}

function scopesIn({ scope }: JWTPayload): string[] {
  const texts = (Array.isArray(scope) ? scope : String(scope).split(' ')).filter(
    (text): text is string => typeof text === 'string',
  )
  // `openid`, `fhirUser` and their like say nothing about resources.
  return texts.filter((text) => parseScope(text) !== undefined)
}

function signInOf(
  claims: JWTPayload,
  person: Reference,
  { twoFactors }: IssuerRegistration,
  now: number,
): SignIn {
  const { auth_time: time, acr, amr } = claims
  if (typeof time !== 'number' || !Number.isFinite(time))
    throw notBelieved('it does not say when its person signed in')
  const at = time * 1000
  if (at > now + skewSeconds * 1000 || at + maxSessionMs <= now) throw notBelieved('its sign-in is over')
  const methods: unknown[] = Array.isArray(amr) ? amr : []
  const isTwo = twoFactors.acr.includes(String(acr)) || twoFactors.amr.some((each) => methods.includes(each))
  return { person, at, factors: isTwo ? 2 : 1 }
}

/** A token bound in a way that is not proven here (a certificate, RFC 8705) would be anybody's: it is nobody's. */
function bindingOf({ cnf }: JWTPayload): string | undefined {
  if (cnf === undefined) return undefined
  const { jkt } = (cnf ?? {}) as { jkt?: unknown }
  if (typeof jkt === 'string') return jkt
  throw notBelieved('it is bound in another way than DPoP')
}

/** Staff come with two factors and a key of their own (J11, ACC14). */
function requireStrength(role: PersonRole, { factors }: SignIn, boundTo: string | undefined): void {
  if (!isStaff(role)) return
  if (factors < 2) throw notBelieved('sign in with two factors')
  if (boundTo === undefined) throw notBelieved('it must be bound to a key (DPoP)')
}

function notBelieved(why?: string, cause?: unknown): Failure {
  const text = why === undefined ? '' : `: ${why}`
  return new Failure('unauthenticated', `The access token of this issuer is not taken here${text}`, { cause })
}
