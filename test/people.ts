import { createHash, randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { type IssuerRegistration, registerIssuer } from '#auth/issuers.ts'
import type { Reference } from '#core/resource.ts'
import type { Answer, TestClinic } from './open-clinic.ts'

/** Somebody else's authorization server, as far as a gateway sees of it: its keys, and the tokens that it signs. */
export interface IdentityProvider {
  registration: IssuerRegistration
  /** An access token with these claims beside the usual ones; one that is `undefined` is left out. */
  token(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
  /** A person at an app with a key of its own. */
  person(reference: Reference, role: string, claims?: Record<string, unknown>): Promise<TestPerson>
}

export interface TestPerson {
  /** Asks with a token that is bound to this person's key, and a proof made for the request. */
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** RFC 7638, for `cnf.jkt`. */
  thumbprint: string
  proof(method: string, url: string, token: string): Promise<string>
}

const issuer = 'https://login.example'
export const app = 'messenger'

export async function openIdentityProvider(
  clinic: Pick<TestClinic, 'store' | 'gateway' | 'baseUrl'>,
  changes: Record<string, unknown> = {},
): Promise<IdentityProvider> {
  const { privateKey, publicKey } = await generateKeyPair('ES384', { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'login-1', alg: 'ES384', use: 'sig' }
  const registration = await registerIssuer(
    clinic.store,
    clinic.gateway.audit,
    {
      issuer,
      name: 'The clinic’s login',
      jwks: { keys: [jwk] },
      audience: clinic.baseUrl,
      types: ['at+jwt'],
      lifetime: 3600,
      apps: [app],
      person: { reference: 'fhirUser' },
      role: {
        claim: 'roles',
        values: [
          ['physician', 'prescriber'],
          ['nurse', 'clinician'],
          ['pharmacist', 'pharmacist'],
          ['patient', 'patient'],
          ['parent', 'proxy'],
          ['privacy', 'privacy-officer'],
        ],
      },
      twoFactors: { acr: ['urn:example:two-factors'], amr: ['mfa'] },
      organization: 'Organization/clinic',
      purpose: 'TREAT',
      grants: [],
      active: true,
      ...changes,
    },
    { requestId: 'test-setup', at: Date.now() },
  )

  function token(
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000)
    const usual = {
      iss: registration.issuer,
      aud: clinic.baseUrl,
      sub: randomUUID(),
      jti: randomUUID(),
      client_id: app,
      iat: now,
      exp: now + 600,
      auth_time: now - 5,
      amr: ['pwd', 'mfa'],
      scope: 'openid fhirUser user/*.cruds patient/*.cruds',
    }
    return new SignJWT({ ...usual, ...claims })
      .setProtectedHeader({ alg: 'ES384', kid: 'login-1', typ: 'at+jwt', ...header })
      .sign(privateKey)
  }

  return {
    registration,
    token,
    async person(reference, role, claims = {}) {
      const key = await generateKeyPair('ES256', { extractable: true })
      const publicJwk = await exportJWK(key.publicKey)
      const thumbprint = thumbprintOf(publicJwk)
      const proof = (method: string, url: string, accessToken: string) =>
        new SignJWT({
          htm: method,
          htu: url,
          jti: randomUUID(),
          ath: createHash('sha256').update(accessToken).digest('base64url'),
        })
          .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: publicJwk })
          .setIssuedAt()
          .sign(key.privateKey)
      // One sign-in, whatever the number of its tokens.
      const auth_time = Math.floor(Date.now() / 1000)
      return {
        thumbprint,
        proof,
        async request(method, path, body, headers = {}) {
          const bound = { auth_time, fhirUser: reference, roles: [role], cnf: { jkt: thumbprint } }
          const accessToken = await token({ ...bound, ...claims })
          const url = `${clinic.baseUrl}${path}`
          const response = await fetch(url, {
            method,
            headers: {
              authorization: `DPoP ${accessToken}`,
              dpop: await proof(method, url.replace(/[?#].*$/s, ''), accessToken),
              ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }),
              ...headers,
            },
            ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          })
          const text = await response.text()
          const isJson = response.headers.get('content-type')?.includes('json')
          return {
            status: response.status,
            headers: response.headers,
            text,
            body: isJson ? JSON.parse(text) : undefined,
          }
        },
      }
    },
  }
}

function thumbprintOf({ crv, kty, x, y }: JWK): string {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
}
