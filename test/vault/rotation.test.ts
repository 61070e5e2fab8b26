import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KeyStore } from '#core/ports.ts'
import { addActiveKey, openFileKeyring, removeKey } from '#vault/file-keyring.ts'
import { readKeyring, writeKeyring } from '#vault/keyring-text.ts'
import { countWraps, rewrapAll } from '#vault/rewrap.ts'
import { openSqliteKeyStore } from '#vault/sqlite-key-store.ts'
import { createUseLimit } from '#vault/use-limit.ts'
import { createVault } from '#vault/vault.ts'

let folder: string
let keys: ReturnType<typeof openSqliteKeyStore>
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-keys-'))
  keys = openSqliteKeyStore(join(folder, 'keys.db'))
})
afterEach(() => {
  keys.close()
  rmSync(folder, { recursive: true })
})

const clinic = 'test'
const open = () => createVault({ clinic, keyring: openFileKeyring(folder), keys })

describe('rotating the wrapping key', () => {
  it('holds in a vault that is open already: old data keys open, new ones are wrapped by the new key', async () => {
    const vault = await open()
    await vault.box('Patient/1')
    const [old] = [...(await countWraps(keys)).keys()]
    const id = addActiveKey(folder)
    const sealed = (await vault.box('Patient/2')).seal('text', 'place')
    expect(await countWraps(keys)).toEqual(
      new Map([
        [old, 2],
        [id, 1],
      ]),
    )
    await rewrapAll({ clinic, keyring: openFileKeyring(folder), keys })
    removeKey(folder, old ?? '')
    const again = await open()
    expect((await again.box('Patient/2')).open(sealed, 'place')).toBe('text')
    expect((await vault.box('Patient/1')).keyId).toBe((await again.box('Patient/1')).keyId)
  })

  it('goes on where it was broken off, and tells how far it is', async () => {
    const vault = await open()
    for (let n = 0; n < 1200; n += 1) await keys.add(`k-${n}`, (await keys.find('root')) ?? new Uint8Array())
    await expect(rewrapAll({ clinic, keyring: openFileKeyring(folder), keys })).resolves.toMatchObject({
      rewrapped: 0,
    })
    for (let n = 0; n < 1200; n += 1) await keys.destroy(`k-${n}`)
    await Promise.all(Array.from({ length: 1200 }, (_, n) => vault.box(`Patient/${n}`)))
    addActiveKey(folder)
    const keyring = openFileKeyring(folder)
    let pages = 0
    const breaking: KeyStore = {
      ...keys,
      list: (after, limit) => {
        pages += 1
        return pages > 1 ? Promise.reject(new Error('power cut')) : keys.list(after, limit)
      },
    }
    await expect(rewrapAll({ clinic, keyring, keys: breaking })).rejects.toThrow('power cut')
    const told: number[] = []
    const done = await rewrapAll({ clinic, keyring, keys }, ({ seen }) => told.push(seen))
    expect(done).toEqual({ seen: 1201, rewrapped: 701 })
    expect(told).toEqual([500, 1000, 1201])
    expect([...(await countWraps(keys)).keys()]).toEqual([keyring.active])
  }, 60_000)

  it('does not bring a data key back that is destroyed meanwhile', async () => {
    const vault = await open()
    const { keyId } = await vault.box('Patient/1')
    addActiveKey(folder)
    const racing: KeyStore = {
      ...keys,
      async replace(id, old, wrap) {
        if (id === keyId) await keys.destroy(id)
        return keys.replace(id, old, wrap)
      },
    }
    expect(await rewrapAll({ clinic, keyring: openFileKeyring(folder), keys: racing })).toMatchObject({
      rewrapped: 1,
    })
    expect(await keys.find(keyId)).toBeUndefined()
  })

  it('keeps the active key in the keyring, and leaves no half-written file', async () => {
    const { active } = openFileKeyring(folder)
    expect(() => removeKey(folder, active)).toThrow('rotate first')
    expect(() => removeKey(folder, 'nobody')).toThrow('no key nobody')
    writeFileSync(join(folder, 'keyring.json.next'), '')
    expect(() => addActiveKey(folder)).toThrow('being changed')
    rmSync(join(folder, 'keyring.json.next'))
    addActiveKey(folder)
    expect(existsSync(join(folder, 'keyring.json.next'))).toBe(false)
    expect(openFileKeyring(folder).keys.size).toBe(2)
  })
})

describe('a keyring', () => {
  it('that others may read is refused, when it is opened and while it is used', () => {
    const keyring = openFileKeyring(folder)
    chmodSync(join(folder, 'keyring.json'), 0o640)
    expect(() => openFileKeyring(folder)).toThrow('chmod 600')
    expect(() => keyring.keys).toThrow('chmod 600')
  })

  it('reads the same from the environment as from a file', async () => {
    const vault = await open()
    const sealed = (await vault.box('Patient/1')).seal('text', 'place')
    const keyring = readKeyring(readFileSync(join(folder, 'keyring.json'), 'utf8'), 'POSTERN_KEYRING_JSON')
    const other = await createVault({ clinic, keyring, keys })
    expect((await other.box('Patient/1')).open(sealed, 'place')).toBe('text')
    expect(readKeyring(writeKeyring(keyring), 'x')).toEqual(keyring)
  })

  it('that is none is refused in words that hold no key', () => {
    const key = Buffer.alloc(32, 7).toString('base64')
    const wrong = {
      'not JSON': `{"keys": "${key}`,
      expected: '{"keys":{}}',
      'active key': JSON.stringify({ active: 'b', keys: { a: key } }),
      '32 bytes': JSON.stringify({ active: 'a', keys: { a: key.slice(4) } }),
      letters: JSON.stringify({ active: 'a b', keys: { 'a b': key } }),
    }
    for (const [words, text] of Object.entries(wrong)) {
      expect(() => readKeyring(text, 'here'), text).toThrow(words)
      expect(() => readKeyring(text, 'here')).not.toThrow(key.slice(4))
    }
  })
})

describe('the uses of a data key', () => {
  it('are counted over restarts, ahead of being used, and refused before the limit of AES-GCM', async () => {
    await keys.countUses('k', 2 ** 32 - 2 ** 28 - 2 ** 16)
    const use = createUseLimit('k', keys)
    for (let n = 0; n < 256; n += 1) use()
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (let n = 256; n < 256 + 2 ** 15; n += 1) use()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(use).toThrow('AES-GCM')
    expect(await keys.countUses('k', 0)).toBe(2 ** 32 - 2 ** 28 + 2 ** 16)
  })

  it('cost no write while they are few, and are forgotten with the key', async () => {
    const vault = await open()
    const box = await vault.box('Patient/1')
    for (let n = 0; n < 255; n += 1) box.seal('text', 'place')
    expect(await keys.countUses(box.keyId, 0)).toBe(0)
    for (let n = 0; n < 5; n += 1) box.seal('text', 'place')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await keys.countUses(box.keyId, 0)).toBe(2 ** 16)
    await keys.destroy(box.keyId)
    expect(await keys.countUses(box.keyId, 0)).toBe(0)
  })
})
