import type { Reference } from '#core/resource.ts'

export const roles = [
  'ehr',
  'pharmacy',
  'platform',
  'clinician',
  'prescriber',
  'pharmacist',
  'patient',
  'proxy',
  'operator',
  'auditor',
  'privacy-officer',
] as const
export type Role = (typeof roles)[number]

/** Who asks, as proven by a token (HTTP), a peer identity (MLLP) or the command line. */
export interface Caller {
  clientId: string
  name: string
  role: Role
  /** SMART v2 scopes as granted, e.g. `system/Communication.rs`. */
  scopes: readonly string[]
  /** References that are this caller: its Organization first, then persons or devices it acts as. */
  actors: readonly Reference[]
  /** Purpose of use of this session, a code of http://terminology.hl7.org/CodeSystem/v3-ActReason. */
  purpose: string
  /**
   * Special permissions by registration, e.g. `order-source` (orders authorised elsewhere enter active) or `audit-source`
   * (tells the log of what happened at its side).
   */
  grants: readonly string[]
  /** `jti` of the access token, for the audit event. */
  tokenId?: string
  /** Network address the request came from. */
  network?: string
  /** The person who signed in, where one asks: nothing of this is there for systems. */
  signIn?: SignIn
  /** The one patient that a token with `patient/` scopes is about, where it is not the caller's own record. */
  inContext?: Reference
  /** An emergency was declared for one patient; the token is good for that patient's data only (CON9). */
  breakGlass?: BreakGlass
}

/** How a person came to be believed to be here. */
export interface SignIn {
  /** `Practitioner/…`, `Patient/…` or `RelatedPerson/…` */
  person: Reference
  /** When the person last proved it, milliseconds since the epoch. */
  at: number
  /** Kinds of proof that were asked for: 2 is what staff must have (J11). */
  factors: 1 | 2
}

/** Names one sign-in of one person at one application; undefined for systems. */
export function sessionOf({ clientId, signIn }: Caller): string | undefined {
  return signIn && `${clientId} ${signIn.at}`
}

export interface BreakGlass {
  patient: Reference
}

export type Interaction = 'read' | 'vread' | 'history' | 'search' | 'create' | 'update' | 'delete'

/** A registered system client: its keys, its role, and what it may ask for. Stored sealed as registration `client`. */
export interface ClientRegistration {
  id: string
  name: string
  role: Role
  /** `Organization/…` on whose behalf it acts. */
  organization?: Reference
  scopes: string[]
  /** Purposes of use it may assert; the first is the default. */
  purposes: string[]
  grants: string[]
  /** Public keys (RFC 7517 JWK Set); never private or symmetric members. */
  jwks: { keys: Record<string, unknown>[] }
  /** Where the client keeps its public keys itself: an https address, asked for keys that `jwks` does not hold. */
  jwksUrl?: string
  /** Its tokens are bound to a key that it proves to hold with each request (DPoP, RFC 9449). */
  senderConstrained?: boolean
  /** A message about a patient whom nobody knows makes a record (`stub`, where absent), or waits for a person. */
  unknownPatient?: 'stub' | 'queue'
  /** Effective on the next request. */
  active: boolean
  /** Where its subscriptions may be notified, at these addresses or below, and the key of the signatures (`whsec_…`). */
  webhooks?: { addresses: string[]; secret: string }
  /**
   * For HL7 v2: the addresses its MLLP connections come from, the certificates (hex SHA-256) it proves itself with over
   * TLS, and the IANA zone of times without offset.
   */
  hl7v2?: { addresses?: string[]; certificates?: string[]; timeZone?: string }
}
