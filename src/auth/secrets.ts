import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** 256 random bits as base64url: what opens something is no UUID (ASVS V11.5.1). */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

const letters = 'abcdefghijklmnopqrstuvwxyz234567'

/** 130 random bits in groups of letters and digits that people can copy: `k7mq-…`. */
export function newTypedSecret(): string {
  const text = Array.from(randomBytes(26), (byte) => letters[byte % 32]).join('')
  return (text.match(/.{1,5}/g) ?? []).join('-')
}

/** SHA-256 as base64url. For secrets of our own making: nobody can guess at 128 bits, so nothing is stretched. */
export function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

/** Compares two texts of one length without telling where they differ. */
export function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
