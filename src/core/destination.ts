import type { Role } from '#core/caller.ts'
import type { Reference } from '#core/resource.ts'

/** A system that receives from us. Stored sealed as registration `destination`. */
export interface Destination {
  id: string
  name: string
  role: Extract<Role, 'ehr' | 'pharmacy'>
  /** The organization behind it: consent and treating-party rules are asked for it, at send time. */
  organization: Reference
  purpose: string
  active: boolean
  channel: FhirChannelSettings | MllpChannelSettings
}

export interface FhirChannelSettings {
  kind: 'fhir'
  /** FHIR base of the receiver. */
  address: string
  timeoutMs?: number
  /** SMART Backend Services at the receiver's own token endpoint; none means no authentication. */
  token?: { url: string; clientId: string; scope: string; resource?: string; key: Record<string, unknown> }
}

export interface MllpChannelSettings {
  kind: 'mllp'
  host: string
  port: number
  /** TLS; PEM texts. Absent for a receiver on this machine or behind a tunnel. */
  tls?: { ca?: string; cert?: string; key?: string; servername?: string }
  timeoutMs?: number
  /** MSH-3 and MSH-4 (ours), MSH-5 and MSH-6 (theirs). */
  sending: { application: string; facility: string }
  receiving: { application: string; facility: string }
}
