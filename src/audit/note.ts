import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { Failure } from '#core/failure.ts'
import { sameBytes, sha256 } from './merkle.ts'

/*
 * Signed notes as in https://c2sp.org/signed-note: a text, an empty line, and signature lines
 * `— <key name> base64(key id ‖ signature)`. Ed25519 only (algorithm byte 1).
 */
const ed25519 = 1
const maxNoteLength = 16_384
const encoder = new TextEncoder()

/** Signs notes under one name. `vkey` is what a verifier needs: `<name>+<key id>+<key>`. */
export interface NoteSigner {
  name: string
  vkey: string
  /** The note: text (which ends with a newline), an empty line, the signature line. */
  sign(text: string): string
}

interface VerifierKey {
  name: string
  id: Uint8Array
  key: KeyObject
}

/** A new key pair for a log, as PEM (PKCS #8) and as the verifier key that goes with it. */
export function generateSigningKey(name: string): { privateKey: string; vkey: string } {
  const pair = generateKeyPairSync('ed25519')
  const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { privateKey, vkey: createSigner(name, privateKey).vkey }
}

/** Throws Failure `internal` for a name with spaces or plus signs, and for what is not an Ed25519 private key. */
export function createSigner(name: string, privateKey: string | JsonWebKey): NoteSigner {
  requireName(name)
  const key = readPrivateKey(privateKey)
  const encoded = Buffer.concat([Uint8Array.of(ed25519), rawPublicKey(key)])
  const id = keyId(name, encoded)
  return {
    name,
    vkey: `${name}+${Buffer.from(id).toString('hex')}+${encoded.toString('base64')}`,
    sign(text) {
      if (!text.endsWith('\n')) throw new Failure('internal', 'a note to be signed must end with a newline')
      const signature = Buffer.concat([id, sign(null, encoder.encode(text), key)])
      return `${text}\n— ${name} ${signature.toString('base64')}\n`
    },
  }
}

/** The text of a note that the key has signed. Throws Failure `invalid`, with the reason, for any other note. */
export function verifyNote(note: string, vkey: string): string {
  const { name, id, key } = readVerifierKey(vkey)
  if (note.length > maxNoteLength) throw new Failure('invalid', 'the note is too long')
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n')) throw new Failure('invalid', 'the note has no signature lines')
  const text = note.slice(0, split + 1)
  for (const line of note.slice(split + 2, -1).split('\n')) {
    const [, signer, encoded] = /^— (\S+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? []
    if (!signer || !encoded) throw new Failure('invalid', 'the note has a line that is no signature')
    const bytes = readBase64(encoded)
    if (signer !== name || !sameBytes(bytes.subarray(0, 4), id)) continue
    if (verify(null, encoder.encode(text), key, bytes.subarray(4))) return text
    throw new Failure('invalid', `the signature of ${name} does not fit the note`)
  }
  throw new Failure('invalid', `the note is not signed by ${name}`)
}

/** Throws Failure `invalid` for what is not a verifier key of an Ed25519 key. */
export function requireVerifierKey(vkey: string): void {
  readVerifierKey(vkey)
}

function readVerifierKey(vkey: string): VerifierKey {
  const [, name, hex, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(vkey) ?? []
  if (!name || !hex || !encoded) throw new Failure('invalid', 'not a verifier key of the form name+id+key')
  const bytes = readBase64(encoded)
  const id = keyId(name, bytes)
  if (bytes.length !== 33 || bytes[0] !== ed25519) throw new Failure('invalid', 'not an Ed25519 verifier key')
  if (Buffer.from(id).toString('hex') !== hex)
    throw new Failure('invalid', 'the key id does not fit the verifier key')
  const x = Buffer.from(bytes.subarray(1)).toString('base64url')
  return { name, id, key: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }) }
}

/** The first four bytes of SHA-256(name ‖ newline ‖ algorithm ‖ key). */
function keyId(name: string, encodedKey: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([encoder.encode(`${name}\n`), encodedKey])).subarray(0, 4)
}

function readPrivateKey(privateKey: string | JsonWebKey): KeyObject {
  try {
    const key =
      typeof privateKey === 'string'
        ? createPrivateKey({ key: privateKey, format: 'pem' })
        : createPrivateKey({ key: privateKey, format: 'jwk' })
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch (cause) {
    throw new Failure('internal', 'the log key cannot be read: expected an Ed25519 private key, PEM or JWK', {
      cause,
    })
  }
  throw new Failure('internal', 'the log key is not an Ed25519 key')
}

function rawPublicKey(privateKey: KeyObject): Uint8Array {
  return readBase64(createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '', 'base64url')
}

/** Strict: whatever does not come back the same when it is written again is refused. */
function readBase64(text: string, encoding: 'base64' | 'base64url' = 'base64'): Uint8Array {
  const bytes = Buffer.from(text, encoding)
  if (bytes.toString(encoding) !== text)
    throw new Failure('invalid', 'the note holds base64 that is not canonical')
  return bytes
}

function requireName(name: string): void {
  if (!/^[^\s+]{1,255}$/.test(name))
    throw new Failure('internal', 'a log name has no spaces and no plus sign')
}
