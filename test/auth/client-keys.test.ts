import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { checkClientKeys, type Jwk } from '#auth/client-keys.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/third-party')
const json = (path: string) => JSON.parse(readFileSync(join(fixtures, path), 'utf8'))

interface Group {
  comment: string
  public?: { keys: Jwk[] }
  private: { keys: Jwk[] }
}

async function key(algorithm: string, more: Jwk = {}): Promise<Jwk> {
  const { publicKey } = await generateKeyPair(algorithm, { extractable: true })
  return { ...(await exportJWK(publicKey)), kid: 'one', ...more }
}

const texts = (jwks: unknown) => checkClientKeys(jwks).map((issue) => issue.text)

describe('a client key set', () => {
  it.each(['RS384', 'PS256', 'ES384', 'ES256', 'Ed25519'])(
    'may hold a key made for %s',
    async (algorithm) => {
      expect(texts({ keys: [await key(algorithm)] })).toEqual([])
    },
  )

  it.each([
    ['private members', { d: 'AQAB' }, /private or symmetric/],
    ['no kid', { kid: undefined }, /kid/],
    ['a use other than sig', { use: 'enc' }, /use/],
    ['key_ops without verify', { key_ops: ['sign'] }, /key_ops/],
    ['an algorithm that does not fit', { alg: 'ES256' }, /alg/],
    ['the algorithm none', { alg: 'none' }, /alg/],
    ['a curve that is not taken', { crv: 'P-521' }, /curve/],
    ['a padded coordinate', { x: 'AAAA=' }, /length/],
  ])('with %s is refused', async (_, more, text) => {
    expect(texts({ keys: [await key('ES384', more)] }).join()).toMatch(text)
  })

  it('with the same kid twice is refused', async () => {
    expect(texts({ keys: [await key('ES384'), await key('ES384')] }).join()).toMatch(/one `kid`/)
  })

  it('with another spelling of the same modulus is refused', async () => {
    const rsa = await key('RS384')
    expect(texts({ keys: [{ ...rsa, n: `${rsa.n}=` }] }).join()).toMatch(/base64url/)
    expect(texts({ keys: [{ ...rsa, n: `AA${rsa.n}` }] })).not.toEqual([])
    const e = { AQ: /exponent/, Aw: /exponent/, AAEAAQ: /exponent/ }
    for (const [value, text] of Object.entries(e)) {
      expect(texts({ keys: [{ ...rsa, e: value }] }).join()).toMatch(text)
    }
  })

  it.each([[undefined], [null], [{}], [{ keys: [] }], [{ keys: [null] }], [{ keys: ['x'] }], [[]]])(
    'that is %j is refused',
    (jwks) => expect(texts(jwks)).not.toEqual([]),
  )

  it.each(['ES384', 'RS384'])(
    'with the published %s sample key is refused unless the list is another',
    (name) => {
      const jwks = json(`smart-keys/${name}.public.json`)
      expect(texts(jwks).join()).toMatch(/published test key/)
      expect(checkClientKeys(jwks, { denied: new Set() })).toEqual([])
    },
  )
})

describe('Wycheproof key sets', () => {
  const groups: Group[] = json('wycheproof/json_web_key_test.json').testGroups
  // Symmetric keys, wrong use, small, ROCA, e = 1, off the curve, the wrong kind: nothing of it may be registered, and
  // what Wycheproof calls valid is symmetric, RS256 or a key whose private half it prints.
  it.each(groups.map((group, at) => [at, group.comment, group] as const))(
    '%i %s is refused',
    (_, __, group) => {
      expect(texts(group.public ?? group.private)).not.toEqual([])
    },
  )

  const reasons = {
    jws_rsa_roca_key: /ROCA/,
    exponentOne: /exponent/,
    keysize_too_small: /2048/,
    invalid_point: /point/,
    wrong_curve: /length/,
    invalid_use: /use/,
    wrong_algorithm: /alg/,
    wrong_kty: /base64url/,
  }
  it.each(Object.entries(reasons))('%s is refused for what is wrong with it', (comment, reason) => {
    const group = groups.find((each) => each.comment === comment)
    const keys = group?.public?.keys.map((jwk) => {
      // Their algorithm is not ours: what is asked here is the key.
      const { alg, ...rest } = jwk
      return comment === 'wrong_algorithm' ? jwk : rest
    })
    expect(
      checkClientKeys({ keys }, { denied: new Set() })
        .map(({ text }) => text)
        .join(),
    ).toMatch(reason)
  })
})
