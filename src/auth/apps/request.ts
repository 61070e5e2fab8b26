import { parseScope } from '#access/scopes.ts'
import { one, Refusal } from '#auth/refusal.ts'
import type { Sealer } from '#auth/sealer.ts'
import type { Reference } from '#core/resource.ts'
import { type App, isWordScope } from './app.ts'
import { readLaunch } from './launch.ts'

/** What an app asks a person for, as it goes through the pages. */
export interface AuthorizationRequest {
  app: string
  redirectUri: string
  /** Everything asked for, words and resources. */
  scopes: string[]
  state?: string
  /** Of OpenID Connect: comes back in the id_token. */
  nonce?: string
  /** SHA-256 of the verifier (RFC 7636). */
  challenge: string
  /** The patient whose record is open where the app was started (EHR launch), and the use of that start. */
  launch?: { id: string; patient: Reference }
  /** The person must have signed in after this, milliseconds since the epoch. */
  signedInAfter: number
  /** Thumbprint of the key that the token will be bound to (RFC 9449 §10). */
  boundTo?: string
}

/** A refusal that is told to the app, where people came from. */
export class RedirectedRefusal extends Error {
  readonly address: string

  constructor(refusal: Refusal, address: string) {
    super(refusal.message)
    this.address = address
  }
}

export interface RequestPorts {
  sealer: Sealer
  issuer: string
  findApp(id: string): Promise<App | undefined>
  /** Milliseconds since the epoch. */
  now: number
}

const maxScopes = 200

/**
 * Reads an authorization request (https://hl7.org/fhir/smart-app-launch/app-launch.html#request-4, RFC 7636, ACC7). Until
 * app and address are known to belong together nobody is sent anywhere: Refusal. After that RedirectedRefusal, with `iss`
 * (RFC 9207).
 */
export async function readRequest(
  form: URLSearchParams,
  ports: RequestPorts,
): Promise<{ app: App; request: AuthorizationRequest }> {
  const app = await ports.findApp(one(form, 'client_id'))
  if (!app?.active) throw new Refusal('invalid_client', 'There is no such app')
  const redirectUri = one(form, 'redirect_uri')
  if (!app.redirectUris.includes(redirectUri))
    throw new Refusal('invalid_request', 'redirect_uri is not one that the app is registered with')
  try {
    return { app, request: readKnown(form, { app: app.id, redirectUri }, ports) }
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    const [state = ''] = form.getAll('state')
    const address = answerTo({ redirectUri, state }, ports.issuer, {
      error: cause.error,
      error_description: cause.message,
    })
    throw new RedirectedRefusal(cause, address)
  }
}

function readKnown(
  form: URLSearchParams,
  known: { app: string; redirectUri: string },
  { sealer, issuer, now }: RequestPorts,
): AuthorizationRequest {
  if (one(form, 'response_type') !== 'code')
    throw new Refusal('unsupported_response_type', 'response_type must be code')
  if (one(form, 'request') || one(form, 'request_uri'))
    throw new Refusal('invalid_request', 'The request is taken as parameters only')
  if (one(form, 'aud').replace(/\/$/, '') !== `${issuer}/fhir`)
    throw new Refusal('invalid_request', 'aud must be the address of this FHIR server')
  const challenge = one(form, 'code_challenge')
  if (one(form, 'code_challenge_method') !== 'S256' || !/^[\w-]{43}$/.test(challenge))
    throw new Refusal('invalid_request', 'PKCE is needed: code_challenge with code_challenge_method S256')
  const scopes = readScopes(one(form, 'scope'))
  const [state, nonce, boundTo] = ['state', 'nonce', 'dpop_jkt'].map((name) => short(form, name))
  const launch = readLaunch(sealer, { launch: one(form, 'launch'), app: known.app, scopes })
  return {
    ...known,
    scopes,
    challenge,
    signedInAfter: signedInAfter(form, now),
    ...(state ? { state } : {}),
    ...(nonce ? { nonce } : {}),
    ...(boundTo ? { boundTo } : {}),
    ...(launch ? { launch } : {}),
  }
}

function short(form: URLSearchParams, name: string): string {
  const value = one(form, name)
  if (value.length > 1000) throw new Refusal('invalid_request', `${name} is too long`)
  return value
}

function readScopes(list: string): string[] {
  const scopes = [...new Set(list.split(' ').filter(Boolean))]
  const strange = scopes.filter(
    (text) => !isWordScope(text) && text !== 'launch/encounter' && !parseScope(text),
  )
  if (scopes.length === 0 || scopes.length > maxScopes || strange.length > 0)
    throw new Refusal('invalid_scope', 'scope must list SMART scopes, such as patient/Communication.rs')
  return scopes
}

/** OpenID Connect Core §3.1.2.1. A person is always asked for consent, so nothing can be had without a page. */
function signedInAfter(form: URLSearchParams, now: number): number {
  const prompts = one(form, 'prompt').split(' ')
  if (prompts.includes('none')) throw new Refusal('login_required', 'The person has to be asked')
  const age = one(form, 'max_age')
  if (!/^\d{0,9}$/.test(age)) throw new Refusal('invalid_request', 'max_age must be seconds')
  if (prompts.includes('login') || prompts.includes('select_account')) return now
  return age === '' ? 0 : now - Number(age) * 1000
}

/** Where the person goes back to, with the app's state and whose answer it is (RFC 9207). */
export function answerTo(
  { redirectUri, state }: Pick<AuthorizationRequest, 'redirectUri' | 'state'>,
  issuer: string,
  answer: Record<string, string>,
): string {
  const query = new URLSearchParams({ ...answer, ...(state ? { state } : {}), iss: issuer })
  return `${redirectUri}${redirectUri.includes('?') ? '&' : '?'}${query}`
}
