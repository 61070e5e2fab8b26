import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'
import { thumbprint } from '#auth/client-keys.ts'
import type { Audit } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids, Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'

export interface IdTokenPorts {
  store: Store
  audit: Audit
  clock: Clock
  ids: Ids
  issuer: string
}

/** What an app is told of the person: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-identity-data */
export interface Identity {
  app: string
  account: string
  /** Where fhirUser was granted. */
  person?: Reference
  nonce?: string
  /** Milliseconds since the epoch. */
  signedInAt: number
  methods: readonly string[]
}

export interface IdTokens {
  sign(identity: Identity): Promise<string>
  /** The public key, for `/auth/jwks`, once there is one. */
  jwk(): Promise<JWK | undefined>
}

/** That two factors were asked for. */
export const twoFactors = 'https://postern.health/acr/two-factors'
const lifetimeSeconds = 300
const nonceMs = 86_400_000
const kind = 'signing-key'
const id = 'id-token'

/** id_tokens are signed with RS256, the one algorithm that every OpenID Connect client has. The key is made on first use. */
export function createIdTokens({ store, audit, clock, ids, issuer }: IdTokenPorts): IdTokens {
  let known: Promise<JWK> | undefined

  function key(): Promise<JWK> {
    known ??= load().catch((cause) => {
      known = undefined
      throw cause
    })
    return known
  }

  async function load(): Promise<JWK> {
    const stored = await find()
    if (stored) return stored
    const { privateKey } = await generateKeyPair('RS256', { extractable: true })
    const jwk = await exportJWK(privateKey)
    const named = { ...jwk, kid: thumbprint({ ...jwk }), alg: 'RS256', use: 'sig' }
    const at = clock.now()
    const act = {
      kind: 'configuration',
      outcome: 'success',
      outcomeText: 'id_token signing key made',
    } as const
    try {
      await store.commit({
        audit: audit.record({ ...act, at, requestId: ids.random(), patients: [], entities: [] }),
        registrations: [{ kind, id, json: JSON.stringify(named) }],
        nonces: [{ issuer: kind, value: id, expires: at + nonceMs }],
      })
    } catch (cause) {
      // Another process made it meanwhile: that one is the key.
      if (!(cause instanceof Failure && cause.kind === 'conflict')) throw cause
      const theirs = await find()
      if (!theirs) throw cause
      return theirs
    }
    return named
  }

  async function find(): Promise<JWK | undefined> {
    const stored = await store.findRegistration(kind, id)
    return stored === undefined ? undefined : (JSON.parse(stored) as JWK)
  }

  return {
    async sign({ app, account, person, nonce, signedInAt, methods }) {
      const jwk = await key()
      const now = Math.floor(clock.now() / 1000)
      return new SignJWT({
        auth_time: Math.floor(signedInAt / 1000),
        acr: twoFactors,
        amr: methods,
        ...(nonce ? { nonce } : {}),
        ...(person ? { fhirUser: `${issuer}/fhir/${person}` } : {}),
      })
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: String(jwk.kid) })
        .setIssuer(issuer)
        .setSubject(account)
        .setAudience(app)
        .setIssuedAt(now)
        .setExpirationTime(now + lifetimeSeconds)
        .sign(await importJWK(jwk, 'RS256'))
    },
    async jwk() {
      const stored = known ? await known : await find()
      if (!stored) return undefined
      const { kty, n, e, kid, alg, use } = stored
      return { kty, n, e, kid, alg, use } as JWK
    },
  }
}
