import type { Caller, Interaction } from '#core/caller.ts'
import type { Reference } from '#core/resource.ts'

/** Something that happened at a door, to be told as AuditEvents (IHE BALP): what every door hands to `audit`. */
export interface Act {
  kind:
    | Interaction
    | 'ingest'
    | 'sign'
    | 'view'
    | 'token'
    | 'sign-in'
    | 'sign-out'
    | 'disclosure'
    | 'configuration'
    | 'transmission'
    | 'export'
    | 'erase'
    | 'alert'
    | 'start'
  outcome: 'success' | 'denied' | 'failed'
  /** Why not, in words without patient data. */
  outcomeText?: string
  /** Milliseconds since the epoch. */
  at: number
  requestId: string
  caller?: Caller
  /** Address of the other side, where no caller is known. */
  network?: string
  /** Patients concerned: one event each (BALP Patient… profiles); none makes one event without patient. */
  patients: readonly Reference[]
  /** Resources touched, version-specific for writes (`Communication/1/_history/2`). */
  entities: readonly string[]
  /** For a search or a token request: the raw request. Stored sealed, never in the clear. */
  query?: string
  /** Consents that decided, and the rules by name. */
  consents?: readonly Reference[]
  reasons?: readonly string[]
  /** For a disclosure: the recipient of what was sent. */
  recipient?: { name: string; reference?: Reference; address: string }
}

/** One AuditEvent ready for the log. */
export interface AuditEntry {
  id: string
  /** Milliseconds since the epoch; equals AuditEvent.recorded. */
  recorded: number
  /** When it came into the log, where another system recorded it before: the log's own time goes on from leaf to leaf. */
  received?: number
  /** The AuditEvent as JSON text. */
  json: string
  /** What it can be found by. */
  patient?: Reference
  entities: readonly string[]
  /** Client id of the agent. */
  agent?: string
}

export interface Audit {
  /** One entry per patient of the act; at least one. */
  record(act: Act): AuditEntry[]
}
