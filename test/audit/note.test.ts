import { createPrivateKey } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readCheckpoint, writeCheckpoint } from '#audit/checkpoint.ts'
import { createSigner, generateSigningKey, verifyNote } from '#audit/note.ts'

const text = 'log.example.org\n3\nRKLUxX0wVfWcJyLLVrMvRDJJLkKYIaVC5ZaQJnVJXVo=\n'
const { privateKey, vkey } = generateSigningKey('log.example.org')
const signer = createSigner('log.example.org', privateKey)

describe('a signed note', () => {
  // The example of https://pkg.go.dev/golang.org/x/mod/sumdb/note, another implementation of the format.
  test('of another implementation is verified', () => {
    const key = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
    const words =
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    const signature =
      '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'
    expect(verifyNote(`${words}\n${signature}`, key)).toBe(words)
  })

  test('is opened by the verifier key that goes with its signing key', () => {
    expect(signer.vkey).toBe(vkey)
    expect(verifyNote(signer.sign(text), vkey)).toBe(text)
  })

  test('is signed the same by the key as PEM and as JWK', () => {
    const jwk = createPrivateKey(privateKey).export({ format: 'jwk' })
    expect(createSigner('log.example.org', jwk).sign(text)).toBe(signer.sign(text))
  })

  test('may carry the signature of a witness beside the one that counts', () => {
    const witness = createSigner('witness.example', generateSigningKey('witness.example').privateKey)
    const line = witness.sign(text).slice(text.length + 1)
    expect(verifyNote(signer.sign(text) + line, vkey)).toBe(text)
    expect(verifyNote(`${text}\n${line}${signer.sign(text).slice(text.length + 1)}`, vkey)).toBe(text)
  })

  test('is refused when any one byte of it is another', () => {
    const note = Buffer.from(signer.sign(text))
    for (let index = 0; index < note.length; index += 1) {
      const changed = Buffer.from(note)
      changed[index] = (note[index] ?? 0) ^ 1
      expect(() => verifyNote(changed.toString(), vkey), `byte ${index}`).toThrow()
    }
  })

  test('is refused when it is cut off anywhere', () => {
    const note = signer.sign(text)
    for (let length = 0; length < note.length; length += 1) {
      expect(() => verifyNote(note.slice(0, length), vkey), `length ${length}`).toThrow()
    }
  })

  test('is refused under another key of the same name', () => {
    expect(() => verifyNote(signer.sign(text), generateSigningKey('log.example.org').vkey)).toThrow(
      'is not signed by log.example.org',
    )
  })
})

describe('keys', () => {
  test('a verifier key with another key id, or none at all, is refused', () => {
    expect(() => verifyNote(signer.sign(text), vkey.replace(/\+[0-9a-f]{8}\+/, '+00000000+'))).toThrow(
      'key id',
    )
    expect(() => verifyNote(signer.sign(text), 'log.example.org')).toThrow('not a verifier key')
  })

  test('a name that the format cannot hold, and a key that is no Ed25519 key, are refused', () => {
    expect(() => createSigner('two words', privateKey)).toThrow('no spaces')
    expect(() => createSigner('log', 'not a key')).toThrow('cannot be read')
    const rsa = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'd' }
    expect(() => createSigner('log', rsa)).toThrow()
  })
})

describe('a checkpoint', () => {
  test('is read as it was written', () => {
    const checkpoint = {
      origin: 'log.example.org',
      size: 3,
      root: 'RKLUxX0wVfWcJyLLVrMvRDJJLkKYIaVC5ZaQJnVJXVo=',
    }
    expect(writeCheckpoint(checkpoint)).toBe(text)
    expect(readCheckpoint(text)).toEqual(checkpoint)
  })

  test.each(['', 'log\n3\n', text.replace('\n3\n', '\n03\n'), text.replace('\n3\n', '\n-1\n'), text.trim()])(
    'of another form is refused: %j',
    (wrong) => {
      expect(() => readCheckpoint(wrong)).toThrow('not a checkpoint')
    },
  )
})
