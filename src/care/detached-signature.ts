import { compactVerify, importJWK } from 'jose'
import { Failure } from '#core/failure.ts'

/** A public key of a prescriber, RFC 7517. */
export interface SignerJwk {
  kty: 'EC'
  crv: 'P-256' | 'P-384'
  x: string
  y: string
}

/** The one algorithm that a key is used with (RFC 7518 §3.4); the signature has no say in it. */
const algorithms = { 'P-256': 'ES256', 'P-384': 'ES384' } as const

/** Of a person of several merged records it names each of them. */
const maxLength = 3_000

/** What the header of a detached signature says, which the signature covers too. */
export interface DetachedHeader {
  kid: string
  /** Up to where the signer had seen what came in for the patient (care/ledger-reading). */
  seenThrough?: string
}

/** Reads the header of a detached signature. Throws Failure `invalid` for what is not one that is taken here. */
export function readDetached(signature: string): DetachedHeader {
  const [header = '', payload, mark, more] = signature.length > maxLength ? [] : signature.split('.')
  if (payload !== '' || !mark || more !== undefined)
    throw notTaken('is not a detached JWS (header..signature)')
  const read = headerOf(header)
  // RFC 7515 §4.1: nothing that changes what is verified (crit, b64), and no key of the sender's own choice.
  const unknown = Object.keys(read).filter((name) => !['alg', 'kid', 'typ', 'seenThrough'].includes(name))
  if (unknown.length > 0) throw notTaken('has a header with more than alg, kid, typ and seenThrough')
  if (typeof read.kid !== 'string' || read.kid === '') throw notTaken('has no kid in its header')
  const { kid, seenThrough } = read
  if (seenThrough !== undefined && typeof seenThrough !== 'string')
    throw notTaken('has a seenThrough that is no text')
  return { kid, ...(seenThrough === undefined ? {} : { seenThrough }) }
}

/** Whether a detached JWS (RFC 7515 appendix F) is this key's over this text. */
export async function isSignedBy(signature: string, text: string, key: SignerJwk): Promise<boolean> {
  const [header = '', , mark = ''] = signature.split('.')
  const alg = algorithms[key.crv]
  try {
    const { kty, crv, x, y } = key
    const payload = base64Of(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
    await compactVerify(`${header}.${payload}.${mark}`, await importJWK({ kty, crv, x, y }, alg), {
      algorithms: [alg],
    })
    return true
  } catch {
    return false
  }
}

/** UTF-8, base64 (RFC 4648 §4). */
export function base64Of(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(''))
}

/** Throws where the bytes are no UTF-8. */
export function textOf(base64: string): string {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

function headerOf(header: string): Record<string, unknown> {
  try {
    const read: unknown = JSON.parse(textOf(header.replaceAll('-', '+').replaceAll('_', '/')))
    if (read !== null && typeof read === 'object') return read as Record<string, unknown>
  } catch (cause) {
    throw notTaken('has a header that cannot be read', cause)
  }
  throw notTaken('has a header that cannot be read')
}

function notTaken(problem: string, cause?: unknown): Failure {
  const issue = { detail: 'signature-format', text: `The signature ${problem}.`, expression: 'signature' }
  return new Failure('invalid', [issue], { cause })
}
