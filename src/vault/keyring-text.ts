import { Failure } from '#core/failure.ts'
import type { Keyring } from '#core/ports.ts'

const keyBytes = 32
/** Its length stands in one byte of every wrap. */
const keyName = /^[A-Za-z0-9._-]{1,100}$/

/**
 * Reads `{"active": "<id>", "keys": {"<id>": "<base64 of 32 bytes>"}}`, from a file or from the environment. Throws
 * Failure `internal` that says what is wrong where, and never a key.
 */
export function readKeyring(text: string, where: string): Keyring {
  const { active, keys } = parsed(text, where)
  if (typeof active !== 'string' || typeof keys !== 'object' || keys === null)
    throw new Failure('internal', `${where} is no keyring: expected "active" and "keys"`)
  const opened = new Map(Object.entries(keys).map(([id, key]) => [id, bytesOf(id, key, where)]))
  if (!opened.has(active)) throw new Failure('internal', `${where} lacks its active key`)
  return { active, keys: opened }
}

export function writeKeyring({ active, keys }: Keyring): string {
  const written = [...keys].map(([id, key]) => [id, Buffer.from(key).toString('base64')])
  return `${JSON.stringify({ active, keys: Object.fromEntries(written) }, null, 2)}\n`
}

function parsed(text: string, where: string): { active?: unknown; keys?: unknown } {
  try {
    return Object(JSON.parse(text))
  } catch {
    // What JSON.parse says quotes the text.
    throw new Failure('internal', `${where} is no keyring: it is not JSON`)
  }
}

function bytesOf(id: string, key: unknown, where: string): Uint8Array {
  if (!keyName.test(id))
    throw new Failure('internal', `${where} names a key with more than letters, digits, . _ -`)
  const bytes = typeof key === 'string' ? new Uint8Array(Buffer.from(key, 'base64')) : new Uint8Array(0)
  if (bytes.length !== keyBytes)
    throw new Failure('internal', `${where}: the key ${id} is not ${keyBytes} bytes in base64`)
  return bytes
}
