import { isSame } from '#auth/secrets.ts'

/** A second way in for who has no passkey: a key that this gateway chose, and a device that makes codes. */
export interface Totp {
  /** The device's secret, base32 (RFC 4648), 160 bits. */
  secret: string
  /** SHA-256 of the sign-in key. */
  keyDigest: string
  /** The last time step of which a code was taken: none is taken again, and none before it. */
  lastStep: number
}

const stepMs = 30_000
/** Clocks of devices go wrong by this many steps (RFC 6238 §5.2). */
const window = 1
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

export function newTotpSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(20))
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{5}/g) ?? []).map((five) => alphabet[Number.parseInt(five, 2)]).join('')
}

/** The step that a code is of, when it is right now and was not taken before: https://www.rfc-editor.org/rfc/rfc6238#section-4 */
export async function stepOfCode(
  { secret, lastStep }: Pick<Totp, 'secret' | 'lastStep'>,
  code: string,
  now: number,
): Promise<number | undefined> {
  const current = Math.floor(now / stepMs)
  for (let step = current - window; step <= current + window; step++) {
    if (step > lastStep && isSame(await codeAt(secret, step), code)) return step
  }
  return undefined
}

/** The six digits of a time step, with HMAC-SHA-1 as every authenticator app has it (RFC 4226 §5.3). */
export async function codeAt(secret: string, step: number): Promise<string> {
  const algorithm = { name: 'HMAC', hash: 'SHA-1' }
  const key = await crypto.subtle.importKey('raw', bytesOf(secret), algorithm, false, ['sign'])
  const counter = new DataView(new ArrayBuffer(8))
  counter.setBigUint64(0, BigInt(step))
  const hash = new DataView(await crypto.subtle.sign('HMAC', key, counter.buffer))
  const offset = hash.getUint8(19) & 0x0f
  return String((hash.getUint32(offset) & 0x7fff_ffff) % 1_000_000).padStart(6, '0')
}

function bytesOf(secret: string): Uint8Array<ArrayBuffer> {
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('')
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (eight) => Number.parseInt(eight, 2))
}
