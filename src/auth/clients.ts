import * as z from 'zod'
import { intersect, parseScope, scopesOfRole } from '#access/scopes.ts'
import type { Audit } from '#core/act.ts'
import { type Caller, type ClientRegistration, roles } from '#core/caller.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import { checkClientKeys, type KeyOptions } from './client-keys.ts'
import { checkKeyUrl } from './remote-keys.ts'

/** Who registers, and when: told in the audit event. */
export interface Registrar {
  requestId: string
  /** Milliseconds since the epoch. */
  at: number
  caller?: Caller
  /** Options of the key check, for installations that must take published keys in tests of their own. */
  keys?: KeyOptions
}

const webhookForm =
  'must be https and name a public host (or http on this machine), without credentials or a query'

function isWebhookAddress(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || url.search || url.hash || url.username || url.password) return false
  const isHere = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname)
  return (isHere && /^https?:$/.test(url.protocol)) || checkKeyUrl(text) === undefined
}

const line = z.string().min(1).max(200)
const code = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)
const schema = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  name: line,
  role: z.enum(roles),
  organization: z
    .string()
    .regex(/^Organization\/[A-Za-z0-9.-]{1,64}$/)
    .optional(),
  scopes: z.array(line).min(1).max(200),
  purposes: z.array(code).min(1).max(20),
  grants: z.array(code).max(20),
  jwks: z.looseObject({ keys: z.array(z.record(z.string(), z.unknown())) }),
  jwksUrl: z.string().max(500).optional(),
  senderConstrained: z.boolean().optional(),
  unknownPatient: z.enum(['stub', 'queue']).optional(),
  active: z.boolean(),
  webhooks: z
    .strictObject({
      addresses: z.array(z.string().max(500).refine(isWebhookAddress, webhookForm)).min(1).max(20),
      secret: z
        .string()
        .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, 'must be whsec_ and 24 to 64 bytes in base64'),
    })
    .optional(),
  hl7v2: z
    .strictObject({
      addresses: z
        .array(z.union([z.ipv4(), z.ipv6()]))
        .max(50)
        .optional(),
      certificates: z
        .array(z.string().regex(/^[0-9a-f]{64}$/, 'the SHA-256 of a certificate, 64 hex digits'))
        .max(50)
        .optional(),
      timeZone: line.refine(isTimeZone, 'is not an IANA time zone').optional(),
    })
    .optional(),
})

/** Roles that see patients' data on an organization's behalf: without one no relation could ever hold. */
const organized = ['ehr', 'pharmacy', 'clinician', 'prescriber', 'pharmacist']

/**
 * Registers a system client, or replaces its registration (rotation, deactivation: `active` false ends its tokens at
 * once). Throws Failure `invalid` with every issue found; resolves with what was stored, its scopes expanded.
 */
export async function registerClient(
  store: Store,
  audit: Audit,
  registration: unknown,
  by: Registrar,
): Promise<ClientRegistration> {
  const read = schema.safeParse(registration)
  if (!read.success) {
    throw new Failure(
      'invalid',
      read.error.issues.map(({ path, message }) => ({
        text: `${path.join('.')}: ${message}`,
        expression: path.join('.'),
      })),
    )
  }
  const client = { ...read.data, organization: read.data.organization as Reference | undefined }
  const issues = [...checkKeys(client, by.keys), ...checkScopes(client), ...checkOrganization(client)]
  if (issues.length > 0) throw new Failure('invalid', issues)
  const stored: ClientRegistration = {
    ...client,
    scopes: intersect(client.scopes, scopesOfRole(client.role, 'system')),
  }
  const entries = audit.record({
    kind: 'configuration',
    outcome: 'success',
    outcomeText: `client ${stored.id} ${stored.active ? 'registered' : 'deactivated'}`,
    at: by.at,
    requestId: by.requestId,
    patients: [],
    entities: [],
    ...(by.caller ? { caller: by.caller } : {}),
  })
  await store.commit({
    audit: entries,
    registrations: [{ kind: 'client', id: stored.id, json: JSON.stringify(stored) }],
  })
  return stored
}

export async function clientOf(store: Store, id: string): Promise<ClientRegistration | undefined> {
  const json = await store.findRegistration('client', id)
  return json === undefined ? undefined : (JSON.parse(json) as ClientRegistration)
}

/** A client as one who calls: with a token's session, or as a peer that is known by its connection. */
export function callerOf(
  client: ClientRegistration,
  session: Partial<Pick<Caller, 'scopes' | 'purpose' | 'tokenId' | 'network' | 'breakGlass'>>,
): Caller {
  const { id, name, role, organization, scopes, purposes, grants } = client
  return {
    clientId: id,
    name,
    role,
    scopes,
    actors: organization ? [organization] : [],
    purpose: purposes[0] ?? '',
    grants,
    ...session,
  }
}

/** A partner that only ever connects over MLLP, by address or certificate, asks for no token and needs no key. */
function checkKeys(
  { jwks, jwksUrl, hl7v2 }: Pick<ClientRegistration, 'jwks' | 'jwksUrl' | 'hl7v2'>,
  options?: KeyOptions,
): Issue[] {
  const problem = jwksUrl === undefined ? undefined : checkKeyUrl(jwksUrl)
  if (problem) return [{ text: `jwksUrl: ${problem}`, expression: 'jwksUrl' }]
  const overMllp = hl7v2?.addresses?.length || hl7v2?.certificates?.length
  if (jwks.keys.length === 0 && (overMllp || jwksUrl)) return []
  return checkClientKeys(jwks, options)
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined
  } catch {
    return false
  }
}

function checkOrganization({ role, organization }: { role: string; organization?: Reference }): Issue[] {
  if (organization || !organized.includes(role)) return []
  return [
    {
      text: `organization: a client with role ${role} needs the Organization it acts for`,
      expression: 'organization',
    },
  ]
}

/** What is registered is what the role allows, letter by letter; `*` means all of that. */
function checkScopes({ role, scopes }: Pick<ClientRegistration, 'role' | 'scopes'>): Issue[] {
  const allowed = scopesOfRole(role, 'system')
  return scopes.flatMap((text) => {
    const scope = parseScope(text)
    const problem = !scope
      ? 'is not a SMART v2 scope'
      : scope.context !== 'system'
        ? 'is not for a system client: it must begin with system/'
        : scope.query !== undefined
          ? 'has a query, which is not supported'
          : scope.type !== '*' && !isWithin(text, scope.letters, allowed)
            ? `is more than the role ${role} may do`
            : undefined
    return problem
      ? [{ text: `scopes: ${JSON.stringify(text.slice(0, 80))} ${problem}`, expression: 'scopes' }]
      : []
  })
}

function isWithin(text: string, letters: string, allowed: readonly string[]): boolean {
  const [granted = ''] = intersect([text], allowed)
  return granted.endsWith(`.${letters}`)
}
