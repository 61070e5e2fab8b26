import { describe, expect, it } from 'vitest'
import * as crypto from '#vault/crypto.ts'
import gcm from '../../fixtures/third-party/wycheproof/aes_gcm_test.json' with { type: 'json' }
import hkdf from '../../fixtures/third-party/wycheproof/hkdf_sha256_test.json' with { type: 'json' }
import hmac from '../../fixtures/third-party/wycheproof/hmac_sha256_test.json' with { type: 'json' }

/**
 * Project Wycheproof on the one crypto module, as far as it does what the vectors ask: AES-GCM with 256-bit keys and
 * 96-bit IVs is all that it opens. No key wrap of RFC 3394 is used: data keys are wrapped by AES-GCM too.
 */
export function vectorClaims(runtime: string): void {
  describe(`the vault's crypto on ${runtime}`, () => {
    it('opens every valid AES-GCM value and no other', () => {
      const groups = gcm.testGroups.filter((each) => each.keySize === 256 && each.ivSize === 96)
      const cases = groups.flatMap(({ tests }) => tests)
      expect(cases.length).toBeGreaterThan(60)
      const wrong = cases.filter((each) => {
        const sealed = joined(new Uint8Array([1]), bytes(each.iv), bytes(each.ct), bytes(each.tag))
        const opened = attempt(() => crypto.open(crypto.importKey(bytes(each.key)), sealed, bytes(each.aad)))
        return each.result === 'valid' ? !opened || hex(opened) !== each.msg : opened !== undefined
      })
      expect(wrong.map(({ tcId, comment }) => `${tcId} ${comment}`)).toEqual([])
    })

    it('seals so that AES-GCM of another maker opens it, with the place as associated data', async () => {
      for (const { key, msg, aad } of gcm.testGroups.flatMap(({ keySize, tests }) =>
        keySize === 256 ? tests : [],
      )) {
        const sealed = crypto.seal(crypto.importKey(bytes(key)), bytes(msg), bytes(aad))
        const web = await globalThis.crypto.subtle.importKey('raw', bytes(key), 'AES-GCM', false, ['decrypt'])
        const params = { name: 'AES-GCM', iv: sealed.slice(1, 13), additionalData: bytes(aad) }
        const opened = await globalThis.crypto.subtle.decrypt(params, web, sealed.slice(13))
        expect(hex(new Uint8Array(opened))).toBe(msg)
      }
    })

    it('derives with HKDF-SHA-256 what every case says, and refuses what is too long', () => {
      const cases = hkdf.testGroups.flatMap(({ tests }) => tests)
      expect(cases.length).toBe(86)
      const wrong = cases.filter(({ ikm, salt, info, size, okm, result }) => {
        const derived = attempt(() => crypto.hkdf(bytes(ikm), bytes(salt), bytes(info), size))
        return result === 'valid' ? !derived || hex(derived) !== okm : derived !== undefined
      })
      expect(wrong.map(({ tcId, comment }) => `${tcId} ${comment}`)).toEqual([])
    })

    it('makes the HMAC-SHA-256 of every case, of the message and of the parts that are framed', async () => {
      const cases = hmac.testGroups.flatMap(({ tagSize, tests }) =>
        tests.map((each) => ({ ...each, tagSize })),
      )
      expect(cases.length).toBe(174)
      for (const { tcId, key, msg, tag, tagSize, result } of cases) {
        const whole = await hmacOf(key, bytes(msg))
        expect(whole.slice(0, tagSize / 4) === tag, `case ${tcId}`).toBe(result === 'valid')
        const framed = joined(new Uint8Array([0, 0, 0, msg.length / 2]), bytes(msg), new Uint8Array(4))
        const made = crypto.mac(crypto.importKey(bytes(key)), [bytes(msg), ''])
        expect(hex(made), `case ${tcId}`).toBe(await hmacOf(key, framed))
      }
    })
  })

  describe(`a sealed value on ${runtime}`, () => {
    it('opens under no other key, at no other place and with no bit changed', () => {
      const [key, other] = [crypto.importKey(crypto.randomKey()), crypto.importKey(crypto.randomKey())]
      const place = 'clinic|Communication/1/1/body|k-1'
      const sealed = crypto.sealText(key, 'text', place)
      expect(crypto.openText(key, sealed, place)).toBe('text')
      const places = [
        'clinic|Communication/2/1/body|k-1',
        'clinic|Communication/1/2/body|k-1',
        'clinic|Communication/1/1/answer|k-1',
        'clinic|Task/1/1/body|k-1',
        'other|Communication/1/1/body|k-1',
        'clinic|Communication/1/1/body|k-2',
        '',
      ]
      for (const elsewhere of places)
        expect(() => crypto.openText(key, sealed, elsewhere), elsewhere).toThrow('place')
      expect(() => crypto.openText(other, sealed, place)).toThrow()
      for (let bit = 0; bit < sealed.length * 8; bit += 1) {
        const changed = sealed.with(bit >> 3, (sealed[bit >> 3] ?? 0) ^ (1 << (bit & 7)))
        expect(() => crypto.openText(key, changed, place), `bit ${bit}`).toThrow()
      }
      for (let length = 0; length < sealed.length; length += 1)
        expect(() => crypto.openText(key, sealed.subarray(0, length), place)).toThrow()
    })

    it('never has the IV of another one', () => {
      const key = crypto.importKey(crypto.randomKey())
      const ivs = Array.from({ length: 5000 }, () => hex(crypto.sealText(key, '', '').subarray(1, 13)))
      expect(new Set(ivs).size).toBe(5000)
    })
  })
}

async function hmacOf(key: string, message: Uint8Array<ArrayBuffer>): Promise<string> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const imported = await globalThis.crypto.subtle.importKey('raw', bytes(key), algorithm, false, ['sign'])
  return hex(new Uint8Array(await globalThis.crypto.subtle.sign('HMAC', imported, message)))
}

function attempt(act: () => Uint8Array): Uint8Array | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: text.length / 2 }, (_, index) =>
    Number.parseInt(text.slice(index * 2, index * 2 + 2), 16),
  )
}

function hex(value: Uint8Array): string {
  return Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}
