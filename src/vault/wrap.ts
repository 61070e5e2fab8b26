import { Failure } from '#core/failure.ts'
import type { Keyring } from '#core/ports.ts'
import { importKey, open, seal } from './crypto.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A data key under the active key-encryption key: length of its id ‖ id ‖ sealed key. */
export function wrap(keyring: Keyring, key: Uint8Array, place: string): Uint8Array {
  const { active } = keyring
  const id = encoder.encode(active)
  const sealed = seal(encryptionKey(keyring, active), key, `wrap|${place}`)
  const wrapped = new Uint8Array(1 + id.length + sealed.length)
  wrapped[0] = id.length
  wrapped.set(id, 1)
  wrapped.set(sealed, 1 + id.length)
  return wrapped
}

/** Throws Failure `internal` when the key-encryption key is not in the keyring, or the wrap belongs elsewhere. */
export function unwrap(keyring: Keyring, wrapped: Uint8Array, place: string): Uint8Array {
  const length = wrapped[0] ?? 0
  return open(encryptionKey(keyring, wrappedBy(wrapped)), wrapped.subarray(1 + length), `wrap|${place}`)
}

/** Id of the key-encryption key that a wrap needs. */
export function wrappedBy(wrapped: Uint8Array): string {
  return decoder.decode(wrapped.subarray(1, 1 + (wrapped[0] ?? 0)))
}

function encryptionKey(keyring: Keyring, id: string) {
  const bytes = keyring.keys.get(id)
  if (!bytes) throw new Failure('internal', 'A data key is wrapped by a key that is not in the keyring')
  return importKey(bytes)
}
