import * as z from 'zod'
import { scopesOfRole } from '#access/scopes.ts'
import type { Audit } from '#core/act.ts'
import type { Role } from '#core/caller.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'
import { checkClientKeys } from './client-keys.ts'
import type { Registrar } from './clients.ts'
import { checkKeyUrl } from './remote-keys.ts'

/** Roles that people have; a system proves itself to our own token endpoint. */
export const personRoles = [
  'clinician',
  'prescriber',
  'pharmacist',
  'patient',
  'proxy',
  'operator',
  'auditor',
  'privacy-officer',
] as const satisfies readonly Role[]
export type PersonRole = (typeof personRoles)[number]

const line = z.string().min(1).max(500)
const words = z.array(line).max(50)
const schema = z.strictObject({
  /** `iss` of its tokens, exactly. */
  issuer: z.url({ protocol: /^https$/ }).max(500),
  name: line,
  /** Where its public keys are, https; or the keys themselves, where it cannot be asked. */
  jwksUrl: line.optional(),
  jwks: z.looseObject({ keys: z.array(z.record(z.string(), z.unknown())) }).optional(),
  /** `aud` of its tokens, exactly: what it calls this gateway. */
  audience: line,
  /** `typ` that its access tokens have in their header. */
  types: z.array(z.enum(['at+jwt', 'JWT'])).min(1),
  /** The longest that its tokens may live, seconds. */
  lifetime: z.int().min(60).max(3600),
  /** Apps of it that may come here: `client_id`, or `azp` where that is missing. */
  apps: words.min(1),
  /** Who the person is: a claim that holds a reference (SMART `fhirUser`), or an identifier in a claim. */
  person: z.union([
    z.strictObject({ reference: line }),
    z.strictObject({
      identifier: line,
      system: line,
      type: z.enum(['Practitioner', 'Patient', 'RelatedPerson']),
    }),
  ]),
  /** What the person is here: always the same, or by the values of a claim, of which the first that is had counts. */
  role: z.union([
    z.enum(personRoles),
    z.strictObject({ claim: line, values: z.array(z.tuple([line, z.enum(personRoles)])).min(1) }),
  ]),
  /** `acr` and `amr` values that mean that two factors were asked for. */
  twoFactors: z.strictObject({ acr: words, amr: words }),
  /** `Organization/…` on whose behalf its people act. */
  organization: z
    .string()
    .regex(/^Organization\/[A-Za-z0-9.-]{1,64}$/)
    .optional(),
  /** Purposes of use; the first is the one of its sessions. */
  purpose: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  grants: z.array(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)).max(20),
  active: z.boolean(),
})

/** Somebody else's authorization server whose people are let in here, and how its tokens are read (ACC3). */
export type IssuerRegistration = z.infer<typeof schema> & { organization?: Reference | undefined }

/**
 * Registers an outside issuer, or replaces its registration (`active` false: its tokens are refused from the next
 * request on). Throws Failure `invalid` with every issue found.
 */
export async function registerIssuer(
  store: Store,
  audit: Audit,
  registration: unknown,
  by: Registrar,
): Promise<IssuerRegistration> {
  const read = schema.safeParse(registration)
  if (!read.success) {
    const issues = read.error.issues.map(({ path, message }) => {
      const expression = path.join('.')
      return { text: `${expression}: ${message}`, expression }
    })
    throw new Failure('invalid', issues)
  }
  const stored = read.data as IssuerRegistration
  const issues = checkKeys(stored, by)
  if (issues.length > 0) throw new Failure('invalid', issues)
  const entries = audit.record({
    kind: 'configuration',
    outcome: 'success',
    outcomeText: `issuer ${stored.name} ${stored.active ? 'registered' : 'deactivated'}`,
    at: by.at,
    requestId: by.requestId,
    patients: [],
    entities: [],
    ...(by.caller ? { caller: by.caller } : {}),
  })
  const json = JSON.stringify(stored)
  await store.commit({ audit: entries, registrations: [{ kind: 'issuer', id: stored.issuer, json }] })
  return stored
}

function checkKeys({ jwks, jwksUrl }: IssuerRegistration, { keys }: Registrar): Issue[] {
  if ((jwks === undefined) === (jwksUrl === undefined))
    return [
      { text: 'jwksUrl: give either the address of its keys or the keys (jwks)', expression: 'jwksUrl' },
    ]
  if (jwks) return checkClientKeys(jwks, keys)
  const problem = checkKeyUrl(String(jwksUrl))
  return problem ? [{ text: `jwksUrl: ${problem}`, expression: 'jwksUrl' }] : []
}

export async function issuerOf(store: Store, issuer: string): Promise<IssuerRegistration | undefined> {
  const json = await store.findRegistration('issuer', issuer)
  return json === undefined ? undefined : (JSON.parse(json) as IssuerRegistration)
}

/** What a person of this role may ask for at all: patients and who acts for them as such, staff as themselves. */
export function scopesOfPerson(role: PersonRole): string[] {
  return scopesOfRole(role, isStaff(role) ? 'user' : 'patient')
}

/** Who works here, and whose sign-in must be worth that (J11, ACC14). */
export function isStaff(role: Role): boolean {
  return role !== 'patient' && role !== 'proxy'
}

/** Who works here for patients, on behalf of an organization; the others hold offices of the clinic. */
export function treats(role: Role): boolean {
  return role === 'clinician' || role === 'prescriber' || role === 'pharmacist'
}
