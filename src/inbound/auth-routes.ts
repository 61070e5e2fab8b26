import type { Auth } from '#auth/smart.ts'
import type { Act } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { DoorResponse } from '#core/http.ts'
import type { OpenRequest, Route } from './http.ts'
import type { Lockout } from './rate-limit.ts'

const form = { type: 'application/x-www-form-urlencoded' }

/**
 * SMART App Launch 2.2: discovery (https://hl7.org/fhir/smart-app-launch/conformance.html), at the FHIR base and at the
 * root, the token endpoint, what is done about tokens, and the keys that they are signed with.
 */
export function authRoutes(auth: Auth, audit: Tell, lockout: Lockout): Route[] {
  const ports = { audit, lockout }
  const discovery = async () => json(auth.discovery(), { 'access-control-allow-origin': '*' })
  return [
    ...discoveries.map(
      (path): Route => ({
        policy: 'public',
        method: 'GET',
        path,
        described: {
          summary: 'What the authorization server can do (SMART App Launch, OpenID Connect, RFC 8414)',
        },
        answer: discovery,
      }),
    ),
    {
      policy: 'public',
      method: 'GET',
      path: '/auth/jwks',
      described: { summary: 'Public keys that access tokens are signed with' },
      answer: async () => json(await auth.jwks()),
    },
    {
      policy: 'public',
      method: 'POST',
      path: '/auth/token',
      described: { summary: 'Access token for a client assertion, a code or a refresh token', takes: form },
      answer: (request) => posted(auth.token, ports, request),
    },
    {
      policy: 'public',
      method: 'POST',
      path: '/auth/revoke',
      described: { summary: 'Give a token up (RFC 7009)', takes: form },
      answer: (request) => posted(auth.revoke, ports, request),
    },
    {
      policy: 'public',
      method: 'POST',
      path: '/auth/introspect',
      described: { summary: 'What a token is good for (RFC 7662)', takes: form },
      answer: (request) => posted(auth.introspect, ports, request),
    },
  ]
}

const discoveries = [
  '/.well-known/smart-configuration',
  '/fhir/.well-known/smart-configuration',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
]

type Tell = (act: Omit<Act, 'at'>) => Promise<void>

async function posted(
  answer: Auth['token'],
  { audit, lockout }: { audit: Tell; lockout: Lockout },
  { header, body, requestId, network }: OpenRequest,
): Promise<DoorResponse> {
  if (!header('content-type')?.startsWith('application/x-www-form-urlencoded')) {
    const outcomeText = 'token: unsupported-media'
    const act = { kind: 'token', outcome: 'denied', outcomeText, requestId, network } as const
    await audit({ ...act, patients: [], entities: [] })
    throw new Failure('unsupported-media', 'Send this request as application/x-www-form-urlencoded')
  }
  const form = new URLSearchParams(new TextDecoder().decode(body))
  // By claim and address: a stranger elsewhere cannot shut a client out by failing in its name.
  const key = `${network ?? ''} ${claimedClient(form.get('client_assertion') ?? '')}`
  lockout.check(key)
  const proof = header('dpop')
  const response = await answer(form, {
    requestId,
    ...(network ? { network } : {}),
    ...(proof === undefined ? {} : { proof }),
  })
  if (response.status === 401) lockout.fail(key)
  if (response.status === 200) lockout.succeed(key)
  return response
}

/** Whom an assertion claims to be from, unproven: good for counting its failures and for nothing else. */
function claimedClient(assertion: string): string {
  try {
    const payload = (assertion.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
    return String(JSON.parse(atob(payload)).iss).slice(0, 128)
  } catch {
    return ''
  }
}

function json(value: object, headers: Record<string, string> = {}): DoorResponse {
  return {
    status: 200,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(value),
  }
}
