import type { Audit, AuditEntry } from '#core/act.ts'
import type { Caller, Interaction } from '#core/caller.ts'
import type { CommitUnit, NewDelivery, Nonce, ResourceWrite } from '#core/commit.ts'
import type { Access } from '#core/decision.ts'
import type { ExportTold, StoredExport } from '#core/export.ts'
import type { Issue } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import type { Artifacts, Clock, Ids, Store } from '#core/ports.ts'
import type { Resource } from '#core/resource.ts'
import type { Preferences } from './negotiate.ts'
import type { Trail } from './trail.ts'

/** What the FHIR server works with. */
export interface FhirPorts {
  store: Store
  access: Access
  audit: Audit
  validator: {
    check(resource: Resource, profile?: string): readonly Issue[]
    /** Codes by system of a value set that can be listed here, for `:in`. */
    codesOf(valueSet: string): Readonly<Record<string, readonly string[]>> | undefined
  }
  clock: Clock
  ids: Ids
  /** A keyed id from parts (vault): the id under which a conditional create is made, so that two of them collide. */
  deriveId(...parts: string[]): string
  /** Seals the position in a search, so that a next link says nothing and cannot be made up. `open` throws. */
  cursorKey: { seal(text: string): string; open(text: string): string }
  /** A client as one who calls, with what is registered now; undefined where it may not call. */
  callerOf(clientId: string): Promise<Caller | undefined>
  /** The code tables in force and the profiles: served as definitions. The same value while nothing changed. */
  artifacts(): Promise<Pick<Artifacts, 'conceptMaps' | 'profiles'>>
  /** Is told of faults of ours that no request waits for. */
  report?(fault: unknown): void
  /** The clinic's IANA zone, in which its days end; UTC where not given. */
  timeZone?: string
  /** Absolute FHIR base, without slash at the end. */
  base: string
  /** Operations at the base that other rooms answer, for the CapabilityStatement. */
  systemOperations?: readonly { name: string; definition: string }[]
  /** Types served; all that search-parameters knows where not given. */
  types?: readonly string[]
  /** Canonicals of the profiles that each type is checked against, for the CapabilityStatement. */
  profiles?: Readonly<Record<string, readonly string[]>>
}

/** One request, routed: path parts that the route has no place for are empty. */
export interface Call {
  ports: FhirPorts
  request: DoorRequest
  kind: Interaction
  type: string
  id: string
  version: string
  prefer: Preferences
  /** Where a create goes, when that was settled before (transaction). */
  assigned?: { id: string; version: number }
  /** What the audit will tell; filled on the way. */
  trail: Trail
}

/** What an interaction wants to answer, and to have stored before it does. */
export interface Answer extends Pick<CommitUnit, 'ledger' | 'expects' | 'remembered' | 'receipt'> {
  response: DoorResponse
  writes?: ResourceWrite[]
  /** What is to go out because of it. */
  deliveries?: NewDelivery[]
  nonces?: Nonce[]
  exports?: StoredExport[]
  told?: ExportTold
  /** Audit entries beside the request's own. */
  entries?: AuditEntry[]
  /** What to do when another request took the version first; without it that is a 412. */
  retry?: () => Promise<Answer>
}

export type Interact = (call: Call) => Promise<Answer>
