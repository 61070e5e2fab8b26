import { createHash } from 'node:crypto'
import type { Issue } from '#core/failure.ts'
import { isRocaModulus } from './roca.ts'

export type Jwk = Record<string, unknown>

export interface KeyOptions {
  /** RFC 7638 SHA-256 thumbprints that are refused; the published test keys where absent. */
  denied?: ReadonlySet<string>
}

/** Signature algorithms by kind of key: a key is used with these and no others (SMART, FAPI 2.0). */
const algorithms: Readonly<Record<string, readonly string[]>> = {
  RSA: ['RS384', 'PS256'],
  'P-384': ['ES384'],
  'P-256': ['ES256'],
  Ed25519: ['EdDSA'],
}

/** Key pairs printed in specifications, where everybody has read their private half. */
const publishedKeys: ReadonlySet<string> = new Set([
  // SMART App Launch IG, ES384 and RS384.
  'gpusNZnFRvG96B1APEttC6NcJetjhM0q2LJagnlW6Tc',
  'I99tVmIhN2uhvx12lO4Zrjk9OhGDH6LvIyYALIZivws',
  // RFC 7520 (Bilbo Baggins), RSA and P-521.
  '9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI',
  'dHri3SADZkrush5HU_50AoRhcKFryN-PI6jPBtPL55M',
  // Wycheproof: P-256, and RSA for RS256, RS384 and RS512.
  'jtGSXJVYuZVE0cLF8m4OWz-gvUEtc1LxRfUd7fMBarg',
  'hKoe1YKmJxChuUJIUBuWgD3Kc_DtVa-vpjuCNmmDQh8',
  'eLx7cyKbcDMHSL_1LbVriUzfZG-p_W2rjxLJrg9teck',
  'ZiLSoDuPfDc8rxPl05LxD9nV_EzK3XJ8t6qpTXJCtvw',
  'RgVR5H6vvCLajavO3NKXafnQJXfbDa0gFBXhfKcyeMQ',
])

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const maxKeys = 10

/**
 * What is wrong with a client's public keys (ACC4): beyond what jose checks, which takes an RSA exponent of 1 and keys
 * with the ROCA weakness. No issues means the set may be registered.
 */
export function checkClientKeys(jwks: unknown, options: KeyOptions = {}): Issue[] {
  const keys = (jwks as { keys?: unknown } | null)?.keys
  if (!Array.isArray(keys) || keys.length === 0)
    return [issue('jwks', 'needs at least one public key in `keys`')]
  if (keys.length > maxKeys) return [issue('jwks', `holds more than ${maxKeys} keys`)]
  const issues = keys.flatMap((key, at) => checkKey(key, `jwks.keys[${at}]`, options.denied ?? publishedKeys))
  const kids = keys.map((key) => (key as Jwk | null)?.kid)
  const twice = kids.some((kid, at) => kids.indexOf(kid) !== at)
  return twice ? [...issues, issue('jwks', 'has two keys with one `kid`: each needs its own')] : issues
}

/** Algorithms a checked key may be used with; its own `alg` narrows them to one. */
export function algorithmsOf(jwk: Jwk): readonly string[] {
  const kind = jwk.kty === 'RSA' ? 'RSA' : String(jwk.crv)
  const all = algorithms[kind] ?? []
  return jwk.alg === undefined ? all : all.filter((algorithm) => algorithm === jwk.alg)
}

function checkKey(value: unknown, path: string, denied: ReadonlySet<string>): Issue[] {
  if (value === null || typeof value !== 'object') return [issue(path, 'is not a JWK')]
  const jwk = value as Jwk
  const issues: Issue[] = []
  const say = (text: string) => issues.push(issue(path, text))
  if (privateMembers.some((name) => name in jwk))
    say('holds private or symmetric members: send the public key only')
  if (typeof jwk.kid !== 'string' || jwk.kid === '' || jwk.kid.length > 128) say('needs a `kid`')
  if (jwk.use !== undefined && jwk.use !== 'sig') say('is not for signatures (`use`)')
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes('verify'))) {
    say('is not for verifying signatures (`key_ops`)')
  }
  const problem =
    kinds[String(jwk.kty)]?.(jwk) ?? (kinds[String(jwk.kty)] ? undefined : 'has a `kty` that is not taken')
  if (problem) say(problem)
  else if (algorithmsOf(jwk).length === 0) say('has an `alg` that does not fit the key or is not taken')
  else if (denied.has(thumbprint(jwk))) say('is a published test key: make a key of your own')
  return issues
}

const kinds: Readonly<Record<string, (jwk: Jwk) => string | undefined>> = {
  RSA: checkRsa,
  EC: checkEc,
  OKP: checkOkp,
}

function checkRsa({ n, e }: Jwk): string | undefined {
  const modulus = readBase64url(n)
  const exponent = readBase64url(e)
  if (!modulus || !exponent) return 'has an `n` or `e` that is not base64url'
  if (modulus[0] === 0) return 'has an `n` with leading zero bytes'
  const number = integer(modulus)
  if (number.toString(2).length < 2048) return 'is an RSA key of less than 2048 bits'
  if (modulus.length > 1024) return 'is an RSA key of more than 8192 bits'
  if (integer(exponent) !== 65_537n || exponent.length !== 3) return 'has an RSA exponent other than 65537'
  if (number % 2n === 0n) return 'has an even `n`'
  if (isRocaModulus(number)) return 'is an RSA key with the ROCA weakness (CVE-2017-15361)'
  return undefined
}

/** FIPS 186-5 curves: y² = x³ − 3x + b over p. */
const curves: Readonly<Record<string, { bytes: number; p: bigint; b: bigint }>> = {
  'P-256': {
    bytes: 32,
    p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  'P-384': {
    bytes: 48,
    p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
}

function checkEc({ crv, x, y }: Jwk): string | undefined {
  const curve = curves[String(crv)]
  if (!curve) return 'is on a curve other than P-256 and P-384'
  const xBytes = readBase64url(x)
  const yBytes = readBase64url(y)
  if (xBytes?.length !== curve.bytes || yBytes?.length !== curve.bytes)
    return 'has an `x` or `y` of the wrong length'
  const { p, b } = curve
  const [px, py] = [integer(xBytes), integer(yBytes)]
  const isOn = px < p && py < p && (py * py - (px * px * px - 3n * px + b)) % p === 0n
  return isOn ? undefined : 'is not a point on its curve'
}

function checkOkp({ crv, x }: Jwk): string | undefined {
  if (crv !== 'Ed25519') return 'is on a curve other than Ed25519'
  return readBase64url(x)?.length === 32 ? undefined : 'has an `x` of the wrong length'
}

/** RFC 7638. */
export function thumbprint(jwk: Jwk): string {
  const members: Record<string, string[]> = {
    RSA: ['e', 'kty', 'n'],
    EC: ['crv', 'kty', 'x', 'y'],
    OKP: ['crv', 'kty', 'x'],
  }
  const names = members[String(jwk.kty)] ?? []
  const canonical = JSON.stringify(Object.fromEntries(names.map((name) => [name, jwk[name]])))
  return createHash('sha256').update(canonical).digest('base64url')
}

/** Strict: no padding, no other alphabet, no bits left over, so one value has one spelling. */
export function readBase64url(text: unknown): Uint8Array | undefined {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

function integer(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

function issue(expression: string, text: string): Issue {
  return { code: 'value', text: `${expression} ${text}`, expression }
}
