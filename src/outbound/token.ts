import { importJWK, type JWK, SignJWT } from 'jose'
import * as z from 'zod'
import type { FhirChannelSettings } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { Clock, Ids } from '#core/ports.ts'
import { exchange } from './exchange.ts'

type TokenSettings = NonNullable<FhirChannelSettings['token']>

export interface Tokens {
  /** A token that is good for a while yet. Throws Failure `unavailable` (`token-http-400`, `token-unreadable`, …). */
  find(settings: TokenSettings, signal: AbortSignal): Promise<string>
  /** What the receiver no longer takes. */
  forget(settings: TokenSettings): void
}

const ASSERTION_SECONDS = 120
const EARLY_MS = 10_000

const tokenAnswer = z.object({
  access_token: z.string().min(1),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.number().positive().default(60),
})

/**
 * Access tokens from receivers' own token endpoints: SMART Backend Services, client_credentials with a signed assertion
 * (https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html). Kept until shortly before they run out; attempts
 * that need one at the same time share one request.
 */
export function createTokens({ clock, ids }: { clock: Clock; ids: Ids }): Tokens {
  const kept = new Map<string, { token: Promise<string>; until: number }>()

  async function request(settings: TokenSettings, key: string, signal: AbortSignal): Promise<string> {
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      scope: settings.scope,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(settings),
      ...(settings.resource ? { resource: settings.resource } : {}),
    })
    const { response, text } = await exchange(settings.url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: body.toString(),
      signal,
    })
    if (response.status !== 200) throw new Failure('unavailable', `token-http-${response.status}`)
    const answer = readAnswer(text)
    const entry = kept.get(key)
    if (entry) entry.until = clock.now() + answer.expires_in * 1_000 - EARLY_MS
    return answer.access_token
  }

  async function assertion({ url, clientId, key }: TokenSettings): Promise<string> {
    const issued = Math.floor(clock.now() / 1_000)
    const alg = algorithmOf(key)
    return new SignJWT()
      .setProtectedHeader({ alg, typ: 'JWT', ...(typeof key.kid === 'string' ? { kid: key.kid } : {}) })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(url)
      .setJti(ids.random())
      .setIssuedAt(issued)
      .setExpirationTime(issued + ASSERTION_SECONDS)
      .sign(await importJWK(key as JWK, alg))
  }

  return {
    find(settings, signal) {
      const key = keyOf(settings)
      const entry = kept.get(key)
      if (entry && entry.until > clock.now()) return entry.token
      // Until the answer says how long it lives, those who come in the meantime wait for the same one.
      const token = request(settings, key, signal)
      kept.set(key, { token, until: Number.POSITIVE_INFINITY })
      token.catch(() => kept.delete(key))
      return token
    },
    forget: (settings) => void kept.delete(keyOf(settings)),
  }
}

/** The two algorithms that SMART asks every server to take. */
function algorithmOf(key: Record<string, unknown>): 'ES384' | 'RS384' {
  return key.kty === 'RSA' ? 'RS384' : 'ES384'
}

function keyOf({ url, clientId, scope, resource }: TokenSettings): string {
  return JSON.stringify([url, clientId, scope, resource])
}

function readAnswer(text: string): z.infer<typeof tokenAnswer> {
  try {
    return tokenAnswer.parse(JSON.parse(text))
  } catch {
    // The cause would quote the answer, which may hold a token.
    throw new Failure('unavailable', 'token-unreadable')
  }
}
