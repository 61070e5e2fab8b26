import { Failure } from '#core/failure.ts'
import type { Box, Keyring, KeyStore, Vault } from '#core/ports.ts'
import * as crypto from './crypto.ts'
import { createUseLimit } from './use-limit.ts'
import { unwrap, wrap, wrappedBy } from './wrap.ts'

/** How many opened data keys are kept ready. One is about a kilobyte. */
const openBoxes = 20_000

export interface VaultOptions {
  /** Name of the clinic: part of the associated data of everything sealed, so that nothing moves between clinics. */
  clinic: string
  keyring: Keyring
  keys: KeyStore
}

/**
 * Per-owner data keys, wrapped by the keyring and kept in a key store outside of the data. The clinic's own index key is
 * one of them; blind indexes, ids and receipts are keyed by what is derived from it.
 */
export async function createVault(options: VaultOptions): Promise<Vault> {
  const root = await dataKey(options, 'root')
  if (!root) throw new Failure('internal', 'The key that everything rests on was destroyed')
  const macKey = crypto.deriveKey(root, 'mac')
  const indexKeys = new Map<string, crypto.KeyObject>()
  const indexes = new Map<string, Uint8Array>()
  const boxes = new Map<string, Promise<Box | undefined>>()
  // How many keys of an owner were destroyed, as far as that is known.
  const generations = new Map<string, number>()

  const mac = (purpose: string, ...parts: (string | Uint8Array)[]) => crypto.mac(macKey, [purpose, ...parts])
  const keyIds = new Map<string, string>()
  const keyIdOf = (owner: string, generation = 0) =>
    remember(keyIds, `${generation} ${owner}`, () => {
      const parts = generation === 0 ? [owner] : [owner, String(generation)]
      return `k-${hex(mac('key', ...parts)).slice(0, 32)}`
    })

  function load(keyId: string, make: boolean): Promise<Box | undefined> {
    const known = boxes.get(keyId)
    if (known) return known
    const loading = (make ? dataKey(options, keyId) : findKey(options, keyId)).then((key) =>
      key ? createBox(options, keyId, key) : undefined,
    )
    if (!make) return loading.then((box) => (box ? keep(keyId, Promise.resolve(box)) : undefined))
    return keep(keyId, loading).then((box) => {
      if (!box) boxes.delete(keyId)
      return box
    })
  }

  function keep(keyId: string, loading: Promise<Box | undefined>): Promise<Box | undefined> {
    boxes.set(keyId, loading)
    loading.catch(() => boxes.delete(keyId))
    if (boxes.size > openBoxes) boxes.delete(boxes.keys().next().value ?? '')
    return loading
  }

  /** An owner's key that was not destroyed, made where there is none and `make` says so. */
  async function own(owner: string, make: boolean): Promise<Box | undefined> {
    for (;;) {
      const generation = generations.get(owner) ?? 0
      const keyId = keyIdOf(owner, generation)
      const box = await load(keyId, make)
      if (box || !(await options.keys.wasDestroyed(keyId))) return box
      if (generations.size >= openBoxes) generations.clear()
      generations.set(owner, generation + 1)
    }
  }

  async function next(owner: string): Promise<Box | undefined> {
    await own(owner, true)
    return load(keyIdOf(owner, (generations.get(owner) ?? 0) + 1), true)
  }

  return {
    box: async (owner) => required(await own(owner, true)),
    find: (owner) => own(owner, false),
    open: async (keyId) => required(await load(keyId, false)),
    next: async (owner) => required(await next(owner)),
    async destroy(keyId) {
      await options.keys.destroy(keyId)
      boxes.delete(keyId)
    },
    forget: (keyId) => void boxes.delete(keyId),
    destroyed: () => options.keys.destroyed(),
    // A status, a category or a busy clinic stands in message after message: a look-up is a tenth of an HMAC.
    index: (field, value) =>
      remember(indexes, `${field} ${value}`, () => {
        const key = remember(indexKeys, field, () => crypto.deriveKey(root, `index:${field}`))
        return crypto.mac(key, [value]).subarray(0, 16)
      }),
    mac,
    deriveId: (...parts) => uuid(mac('id', ...parts)),
  }
}

function createBox({ clinic, keys }: VaultOptions, keyId: string, key: Uint8Array): Box {
  const body = crypto.deriveKey(key, 'body')
  const use = createUseLimit(keyId, keys)
  let index: crypto.KeyObject | undefined
  const bound = (place: string) => `${clinic}|${place}|${keyId}`
  return {
    keyId,
    seal(plaintext, place) {
      use()
      return crypto.sealText(body, plaintext, bound(place))
    },
    open: (sealed, place) => crypto.openText(body, sealed, bound(place)),
    index(field, value) {
      index ??= crypto.deriveKey(key, 'index')
      return crypto.mac(index, [field, value]).subarray(0, 16)
    },
  }
}

async function findKey(
  { clinic, keyring, keys }: VaultOptions,
  keyId: string,
): Promise<Uint8Array | undefined> {
  const wrapped = await keys.find(keyId)
  if (!wrapped) return undefined
  const place = `${clinic}|${keyId}`
  // It may have been wrapped anew since it was read, and the key that wrapped it before be gone.
  if (!keyring.keys.has(wrappedBy(wrapped)))
    return unwrap(keyring, (await keys.find(keyId)) ?? wrapped, place)
  return unwrap(keyring, wrapped, place)
}

/** Finds or makes a data key, never one that was destroyed. When two make it at once, the key store says which one stands. */
async function dataKey(options: VaultOptions, keyId: string): Promise<Uint8Array | undefined> {
  const found = await findKey(options, keyId)
  if (found) return found
  const place = `${options.clinic}|${keyId}`
  const standing = await options.keys.add(keyId, wrap(options.keyring, crypto.randomKey(), place))
  return standing && unwrap(options.keyring, standing, place)
}

function required(box: Box | undefined): Box {
  if (!box) throw new Failure('internal', 'The data key of a sealed value is not in the key store')
  return box
}

function remember<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  if (map.size >= openBoxes) map.clear()
  map.set(key, made)
  return made
}

const hexBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += hexBytes[byte]
  return text
}

/** RFC 9562 §5.8: version 8, whose bits are the maker's own. */
function uuid(bytes: Uint8Array): string {
  const copy = bytes.slice(0, 16)
  copy[6] = ((copy[6] ?? 0) & 0x0f) | 0x80
  copy[8] = ((copy[8] ?? 0) & 0x3f) | 0x80
  const text = hex(copy)
  const groups = [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)]
  return groups.join('-')
}
