import type { Subscription } from 'fhir/r4'
import type { Role } from '#core/caller.ts'
import type { Identified, Reference } from '#core/resource.ts'
import type { Payload, StoredEvent } from '#core/subscription.ts'

/** A system that receives from us. Stored sealed as registration `destination`; that of a subscriber is made of its Subscription. */
export interface Destination {
  id: string
  name: string
  role: Role
  /** The organization behind it: consent and treating-party rules are asked for it, at send time. */
  organization: Reference
  purpose: string
  active: boolean
  /** Where it may see less than its role: a subscriber's registered scopes. */
  scopes?: readonly string[]
  /** Of a pharmacy: how its requests for renewal are answered. */
  renewals?: RenewalSettings
  channel: FhirChannelSettings | MllpChannelSettings | RestHookSettings
}

/** Each where absent as care/renewal-policy says. */
export interface RenewalSettings {
  /** Hours after which the clinic is reminded of a request. */
  remindAfterHours?: number
  /** Hours within which the pharmacy wants an answer. */
  answerWithinHours?: number
  /** What it is answered when nobody did. */
  unanswered?: 'denied' | 'pending'
  /** It takes no approval after `pending`. */
  pendingIsFinal?: boolean
  /** What it calls reasons of a refusal: code of v3 ActReason → `CODE^text^SYSTEM` of its own (ORC-16). */
  refusals?: Record<string, string>
}

/** One notification of a subscriber. */
export interface RestHookSettings {
  kind: 'rest-hook'
  address: string
  timeoutMs?: number
  headers: Record<string, string>
  /** Key of the signature, `whsec_` and base64. */
  secret: string
  /** FHIR base of ours. */
  base: string
  subscription: Identified<Subscription>
  about: 'handshake' | 'heartbeat' | 'event'
  payload: Payload
  event?: StoredEvent
  /** Events since the subscription began, with this one. */
  count: number
}

export interface FhirChannelSettings {
  kind: 'fhir'
  /** FHIR base of the receiver. */
  address: string
  timeoutMs?: number
  /** SMART Backend Services at the receiver's own token endpoint; none means no authentication. */
  token?: { url: string; clientId: string; scope: string; resource?: string; key: Record<string, unknown> }
}

/** Versions of HL7 v2 that are written (MSH-12), oldest first. */
export const writtenVersions = ['2.3.1', '2.4', '2.5', '2.5.1', '2.6', '2.7', '2.7.1', '2.8'] as const
export type WrittenVersion = (typeof writtenVersions)[number]

/** Names of table 0211 (MSH-18) that are written. */
export const writtenCharsets = [
  'ASCII',
  '8859/1',
  '8859/2',
  '8859/5',
  '8859/7',
  '8859/9',
  '8859/15',
  'UNICODE UTF-8',
] as const
export type WrittenCharset = (typeof writtenCharsets)[number]

/** How a partner wants its HL7 v2 messages. What is absent is as in `defaultDialect` of formats/hl7v2. */
export interface Hl7v2Dialect {
  /** MSH-3 and MSH-4 (ours), MSH-5 and MSH-6 (theirs). */
  sending: { application: string; facility: string }
  receiving: { application: string; facility: string }
  version?: WrittenVersion
  charset?: WrittenCharset
  /** IANA name: times are told as the clock shows them there, with its offset. As they came where absent. */
  timeZone?: string
  /** Orders as encoded (RDE^O11) or as placed (OMP^O09; ORM^O01 before 2.4). */
  orders?: 'RDE' | 'OMP'
  /** Whether files go along (OBX of type ED); a message with files is refused where they do not. */
  attachments?: boolean
  /**
   * Where what has no field of an order is told: in sentences (NTE) and exactly, for machines, in a segment of ours
   * (ZFH); or in notes alone, for who takes no Z-segments. `segment` where absent.
   */
  rest?: 'segment' | 'notes'
  /** MSH-15 and MSH-16: `AL` in enhanced mode, empty in original mode. */
  acknowledgement?: 'original' | 'enhanced'
  /** What the partner calls our identifier systems: URI → assigning authority as HD, `HOSP` or `HOSP&1.2.3&ISO`. */
  authorities?: Record<string, string>
  /** What the partner calls questionnaires (OBR-4): canonical, with version or without → `44249-1^PHQ-9^LN`. */
  questionnaires?: Record<string, string>
}

export interface MllpChannelSettings extends Hl7v2Dialect {
  kind: 'mllp'
  host: string
  port: number
  /** TLS; PEM texts. Absent for a receiver on this machine or behind a tunnel. */
  tls?: { ca?: string; cert?: string; key?: string; servername?: string }
  timeoutMs?: number
  /** Connections at a time, 4 where absent; one patient's messages never overtake each other. */
  connections?: number
  /** Messages under way on one connection, 1 where absent. */
  pipeline?: number
}
