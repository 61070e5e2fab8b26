import { createHash } from 'node:crypto'
import { compactVerify, importJWK } from 'jose'
import type { Nonce } from '#core/commit.ts'
import { algorithmsOf, checkClientKeys, type Jwk, readBase64url, thumbprint } from './client-keys.ts'

/** A request as its proof must describe it. */
export interface ProofContext {
  method: string
  /** Absolute, without query and fragment, as clients know it. */
  url: string
  /** The token that comes with it; none at the token endpoint. */
  accessToken?: string
  /** Milliseconds since the epoch. */
  now: number
}

/** What a proof proved: the key that was held, and what must become used up in the commit that believes it. */
export interface Proof {
  /** RFC 7638 thumbprint of the key: `cnf.jkt` of the tokens bound to it. */
  thumbprint: string
  nonce: Nonce
}

/** Why a proof was not believed, without anything of it. */
export class ProofRefused extends Error {}

const maxLength = 8 * 1024
const maxAgeSeconds = 60
const skewSeconds = 30

/** https://www.rfc-editor.org/rfc/rfc9449#section-4.3, with the key checks of registered keys (ACC14). */
export async function verifyProof(proof: string, context: ProofContext): Promise<Proof> {
  const parts = proof.length <= maxLength ? proof.split('.') : []
  const [header, payload, signature] = parts.map(readBase64url)
  if (parts.length !== 3 || !header || !payload || !signature) throw refused('is not one compact JWS')
  const { jwk, alg } = readHeader(readJson(header))
  const nonce = requireClaims(readJson(payload), context, thumbprint(jwk))
  try {
    await compactVerify(proof, await importJWK(jwk, alg), { algorithms: [alg] })
  } catch (cause) {
    throw refused('is not signed with the key that it carries', cause)
  }
  return { thumbprint: thumbprint(jwk), nonce }
}

function readHeader({ typ, alg, jwk, ...more }: Record<string, unknown>): { jwk: Jwk; alg: string } {
  if (typ !== 'dpop+jwt') throw refused('needs typ dpop+jwt')
  if (Object.keys(more).length > 0) throw refused('may hold typ, alg and jwk in its header only')
  if (jwk === null || typeof jwk !== 'object' || Array.isArray(jwk))
    throw refused('needs its public key as jwk')
  const key = jwk as Jwk
  if (checkClientKeys({ keys: [{ ...key, kid: 'dpop' }] }).length > 0)
    throw refused('carries a key that is not taken')
  if (typeof alg !== 'string' || !algorithmsOf(key).includes(alg))
    throw refused('has an alg that does not fit its key')
  return { jwk: key, alg }
}

function requireClaims(claims: Record<string, unknown>, context: ProofContext, key: string): Nonce {
  const { htm, htu, iat, jti, ath } = claims
  const seconds = context.now / 1000
  if (htm !== context.method) throw refused('is for another method')
  if (typeof htu !== 'string' || htu.replace(/[?#].*$/s, '') !== context.url)
    throw refused('is for another address')
  if (typeof iat !== 'number' || iat < seconds - maxAgeSeconds || iat > seconds + skewSeconds) {
    throw refused('was not made just now')
  }
  if (typeof jti !== 'string' || jti.length < 8 || jti.length > 256) throw refused('needs a jti')
  const expected = context.accessToken === undefined ? undefined : digest(context.accessToken)
  if (expected !== undefined && ath !== expected) throw refused('is for another token')
  return { issuer: `dpop:${key}`, value: jti, expires: Math.ceil((iat + maxAgeSeconds + skewSeconds) * 1000) }
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

function readJson(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (value !== null && typeof value === 'object' && !Array.isArray(value))
      return value as Record<string, unknown>
  } catch (cause) {
    throw refused('holds something other than JSON objects', cause)
  }
  throw refused('holds something other than JSON objects')
}

function refused(text: string, cause?: unknown): ProofRefused {
  return new ProofRefused(`The DPoP proof ${text}`, { cause })
}
