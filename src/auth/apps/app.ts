import * as z from 'zod'
import { parseScope } from '#access/scopes.ts'
import { checkClientKeys } from '#auth/client-keys.ts'
import type { Registrar } from '#auth/clients.ts'
import { personRoles } from '#auth/issuers.ts'
import { checkKeyUrl } from '#auth/remote-keys.ts'
import type { Audit } from '#core/act.ts'
import type { ClientRegistration } from '#core/caller.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Store } from '#core/ports.ts'

const line = z.string().min(1).max(200)
const schema = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  name: line,
  /** Where people are sent back to, letter by letter. */
  redirectUris: z.array(z.string().max(500)).min(1).max(20),
  /** What it may ask people for; `*` means all that they may do. */
  scopes: z.array(line).min(1).max(200),
  /** Who may use it. */
  roles: z.array(z.enum(personRoles)).min(1),
  /** A confidential app proves itself by private_key_jwt; without keys it is a public one. */
  jwks: z.looseObject({ keys: z.array(z.record(z.string(), z.unknown())) }).optional(),
  jwksUrl: z.string().max(500).optional(),
  active: z.boolean(),
})

/** An app through which people use this gateway (SMART App Launch). Stored sealed as registration `app`. */
export type App = z.infer<typeof schema>

/** What an app may ask for beside resources. */
export const wordScopes = [
  'openid',
  'fhirUser',
  'profile',
  'offline_access',
  'online_access',
  'launch',
  'launch/patient',
] as const
export type WordScope = (typeof wordScopes)[number]

export function isWordScope(text: string): text is WordScope {
  return (wordScopes as readonly string[]).includes(text)
}

/** Registers an app, or replaces its registration. Throws Failure `invalid` with every issue found. */
export async function registerApp(
  store: Store,
  audit: Audit,
  registration: unknown,
  by: Registrar,
): Promise<App> {
  const read = schema.safeParse(registration)
  if (!read.success) {
    const issues = read.error.issues.map(({ path, message }) => {
      const expression = path.join('.')
      return { text: `${expression}: ${message}`, expression }
    })
    throw new Failure('invalid', issues)
  }
  const app = read.data
  const issues = [...checkRedirects(app), ...checkScopes(app), ...checkKeys(app, by)]
  if (issues.length > 0) throw new Failure('invalid', issues)
  const entries = audit.record({
    kind: 'configuration',
    outcome: 'success',
    outcomeText: `app ${app.id} ${app.active ? 'registered' : 'deactivated'}`,
    at: by.at,
    requestId: by.requestId,
    patients: [],
    entities: [],
    ...(by.caller ? { caller: by.caller } : {}),
  })
  await store.commit({
    audit: entries,
    registrations: [{ kind: 'app', id: app.id, json: JSON.stringify(app) }],
  })
  return app
}

export async function appOf(store: Store, id: string): Promise<App | undefined> {
  const json = await store.findRegistration('app', id)
  return json === undefined ? undefined : (JSON.parse(json) as App)
}

export function isConfidential({ jwks, jwksUrl }: App): boolean {
  return jwks !== undefined || jwksUrl !== undefined
}

/** A confidential app as one that signs assertions, so that they are believed by the same rules as a system's. */
export function asserting(app: App): ClientRegistration {
  const { id, name, active, jwks = { keys: [] }, jwksUrl } = app
  const key = { jwks, ...(jwksUrl ? { jwksUrl } : {}) }
  return { id, name, role: 'patient', scopes: [], purposes: ['TREAT'], grants: [], active, ...key }
}

/** https, this machine itself (RFC 8252 §7.3), or a scheme of the app's own, which holds a dot (§7.1). */
function checkRedirects({ redirectUris }: App): Issue[] {
  return redirectUris.flatMap((text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const isHere = url?.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)
    const isOwn = url !== undefined && /^[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:$/.test(url.protocol)
    const isGood = url !== undefined && (url.protocol === 'https:' || isHere || isOwn)
    if (isGood && !url.hash && !url.username && !url.password && !/[\s;,'"]/.test(text)) return []
    const said = 'must be https, this machine or a scheme of the app’s own, without fragment or credentials'
    return [{ text: `redirectUris: ${said}`, expression: 'redirectUris' }]
  })
}

function checkScopes({ scopes }: App): Issue[] {
  return scopes
    .filter((text) => !isWordScope(text) && !/^(?:patient|user)$/.test(parseScope(text)?.context ?? ''))
    .map((text) => ({
      text: `scopes: ${JSON.stringify(text.slice(0, 80))} is no scope of a person's app`,
      expression: 'scopes',
    }))
}

function checkKeys({ jwks, jwksUrl }: App, { keys }: Registrar): Issue[] {
  const problem = jwksUrl === undefined ? undefined : checkKeyUrl(jwksUrl)
  if (problem) return [{ text: `jwksUrl: ${problem}`, expression: 'jwksUrl' }]
  return jwks ? checkClientKeys(jwks, keys) : []
}
