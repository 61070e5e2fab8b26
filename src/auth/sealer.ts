import type { Box, Clock, Vault } from '#core/ports.ts'

/** What goes through other hands and comes back as it was: sealed under the clinic's key, for one use, for a while. */
export interface Sealer {
  /** base64url. */
  seal(use: string, value: object, lifetimeMs: number): string
  /** Undefined for what is not ours, is for another use, was changed, or is too old. */
  open<T>(use: string, text: string): T | undefined
  /** A keyed hash of the parts, base64url. */
  mac(use: string, ...parts: string[]): string
}

export function createSealer(box: Box, { mac }: Pick<Vault, 'mac'>, clock: Clock): Sealer {
  return {
    seal(use, value, lifetimeMs) {
      const text = JSON.stringify({ value, expires: clock.now() + lifetimeMs })
      return Buffer.from(box.seal(text, `auth/${use}`)).toString('base64url')
    },
    open(use, text) {
      if (text === '' || text.length > maxLength || !/^[\w-]+$/.test(text)) return undefined
      try {
        const opened = box.open(new Uint8Array(Buffer.from(text, 'base64url')), `auth/${use}`)
        const { value, expires } = JSON.parse(opened)
        return expires > clock.now() ? value : undefined
      } catch {
        return undefined
      }
    },
    mac: (use, ...parts) => Buffer.from(mac(`auth/${use}`, ...parts)).toString('base64url'),
  }
}

const maxLength = 8 * 1024
