import { type CryptoKey, compactVerify, importJWK } from 'jose'
import type { ClientRegistration } from '#core/caller.ts'
import type { Nonce } from '#core/commit.ts'
import { breakGlassPurpose, type GlassRequest, readGlassRequest } from './break-glass.ts'
import { algorithmsOf, type Jwk, readBase64url } from './client-keys.ts'
import type { RemoteKeys } from './remote-keys.ts'

/** Whom an assertion proved to be calling, and what must become used up in the commit that believes it. */
export interface Asserted {
  client: ClientRegistration
  purpose: string
  /** For the purpose of breaking the glass: whose, and why. */
  glass?: GlassRequest
  nonce: Nonce
}

/** Why an assertion was not believed: an OAuth error code and a text without anything of the assertion in it. */
export class AssertionRefused extends Error {
  readonly code: 'invalid_client' | 'invalid_grant'

  constructor(code: 'invalid_client' | 'invalid_grant', text: string, options?: { cause?: unknown }) {
    super(text, options)
    this.code = code
  }
}

export interface AssertionPorts {
  /** Audiences that mean this server: the token endpoint and the issuer. */
  audiences: readonly string[]
  findClient(id: string): Promise<ClientRegistration | undefined>
  /** Keys that clients keep at their own addresses. */
  remoteKeys: RemoteKeys
  /** Milliseconds since the epoch. */
  now: number
}

const maxLength = 8 * 1024
const skewSeconds = 30
const lifetimeSeconds = 300
const headerMembers = ['alg', 'kid', 'typ']

/**
 * Verifies private_key_jwt as SMART Backend Services asks
 * (https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#signature-verification), ACC5. Keys come
 * from the registration only: a header that brings its own, or points to some, is refused.
 */
export async function verifyAssertion(assertion: string, ports: AssertionPorts): Promise<Asserted> {
  const { header, claims } = readJws(assertion)
  requireHeader(header)
  const { iss } = claims
  const client = typeof iss === 'string' ? await ports.findClient(iss) : undefined
  // One text for unknown, inactive, unknown key and bad signature: none of them tells whether a client exists.
  const notProven =
    'The client is unknown, or the assertion is not signed with the key registered under its kid'
  if (!client?.active) throw refused(notProven)
  const jwk = await findKey(client, header, ports.remoteKeys)
  if (!jwk) throw refused(notProven)
  await compactVerify(assertion, await keyOf(jwk, String(header.alg)), {
    algorithms: [String(header.alg)],
  }).catch((cause) => {
    throw refused(notProven, cause)
  })
  const nonce = requireClaims(claims, ports)
  const purpose = purposeOf(claims, client)
  if (purpose !== breakGlassPurpose) return { client, nonce, purpose }
  const glass = readGlassRequest(claims.extensions, client)
  if ('problem' in glass) throw new AssertionRefused('invalid_grant', glass.problem)
  return { client, nonce, purpose, glass }
}

type Members = Record<string, unknown>

function readJws(assertion: string): { header: Members; claims: Members } {
  const parts = assertion.length <= maxLength ? assertion.split('.') : []
  const [header, payload, signature] = parts.map(readBase64url)
  if (parts.length !== 3 || !header || !payload || !signature) {
    throw refused('The assertion is not a compact JWS of three base64url parts')
  }
  return { header: readJson(header), claims: readJson(payload) }
}

function readJson(bytes: Uint8Array): Members {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value as Members
  } catch (cause) {
    throw refused('The assertion holds something other than JSON objects', cause)
  }
  throw refused('The assertion holds something other than JSON objects')
}

function requireHeader(header: Members): void {
  if (header.typ !== 'JWT') throw refused('The assertion header needs typ JWT')
  if (typeof header.kid !== 'string') throw refused('The assertion header needs a kid')
  if (typeof header.alg !== 'string') throw refused('The assertion header needs an alg')
  if (Object.keys(header).some((name) => !headerMembers.includes(name))) {
    throw refused('The assertion header may hold alg, kid and typ only: keys are registered, not sent')
  }
}

/** Exactly one key with this kid, of a kind that the algorithm is for. */
async function findKey(
  { jwks, jwksUrl }: ClientRegistration,
  { kid, alg }: Members,
  remoteKeys: RemoteKeys,
): Promise<Jwk | undefined> {
  const registered = jwks.keys.filter((key) => key.kid === kid)
  const isElsewhere = registered.length === 0 && jwksUrl !== undefined
  const named = isElsewhere ? await remoteKeys.find(jwksUrl, String(kid)) : registered
  const [key] = named
  return named.length === 1 && key && algorithmsOf(key).includes(String(alg)) ? key : undefined
}

const imported = new WeakMap<Jwk, Map<string, Promise<CryptoKey>>>()

/** Imported once for the life of the registration value; that is the longest a key may be trusted. */
function keyOf(jwk: Jwk, algorithm: string): Promise<CryptoKey> {
  const known = imported.get(jwk) ?? new Map<string, Promise<CryptoKey>>()
  imported.set(jwk, known)
  const key = known.get(algorithm) ?? (importJWK(jwk, algorithm) as Promise<CryptoKey>)
  known.set(algorithm, key)
  return key
}

function requireClaims(claims: Members, { audiences, now }: AssertionPorts): Nonce {
  const { iss, sub, aud, exp, iat, nbf, jti } = claims
  const seconds = now / 1000
  if (typeof iss !== 'string' || iss !== sub) throw refused('iss and sub must both be the client id')
  if (typeof aud !== 'string' || !audiences.includes(aud)) {
    throw refused('aud must be the token endpoint or the issuer, as one string')
  }
  if (!isTime(exp) || exp <= seconds - skewSeconds) throw refused('The assertion has expired, or has no exp')
  if (exp > seconds + lifetimeSeconds + skewSeconds)
    throw refused('exp must be at the most five minutes ahead')
  for (const time of [iat, nbf]) {
    if (time !== undefined && !(isTime(time) && time <= seconds + skewSeconds)) {
      throw refused('iat and nbf must not be in the future')
    }
  }
  if (typeof jti !== 'string' || jti.length < 1 || jti.length > 256)
    throw refused('The assertion needs a jti')
  return { issuer: iss, value: jti, expires: Math.ceil((exp + skewSeconds) * 1000) }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0
}

const purposeForm =
  /^(?:(?:urn:oid:2\.16\.840\.1\.113883\.5\.8|http:\/\/terminology\.hl7\.org\/CodeSystem\/v3-ActReason)[#|])?([A-Za-z0-9_-]{1,64})$/

/** The purpose of use of the session, in the shape of UDAP's `hl7-b2b` extension; the registration's first by default. */
function purposeOf({ extensions }: Members, { purposes }: ClientRegistration): string {
  const b2b = (extensions as { 'hl7-b2b'?: { purpose_of_use?: unknown } } | undefined)?.['hl7-b2b']
  const asserted = b2b === undefined ? purposes[0] : b2b.purpose_of_use
  const single = Array.isArray(asserted) && asserted.length === 1 ? asserted[0] : asserted
  const purpose = typeof single === 'string' ? purposeForm.exec(single)?.[1] : undefined
  if (!purpose || !purposes.includes(purpose)) {
    throw new AssertionRefused(
      'invalid_grant',
      'The purpose of use must be one that is registered for the client',
    )
  }
  return purpose
}

function refused(text: string, cause?: unknown): AssertionRefused {
  return new AssertionRefused('invalid_client', text, { cause })
}
