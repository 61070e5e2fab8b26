import type { Caller } from '#core/caller.ts'
import type { StoredExport, VersionPlace } from '#core/export.ts'
import { Failure } from '#core/failure.ts'
import type { Reference } from '#core/resource.ts'
import type { Call } from '#fhir/call.ts'
import { absent } from '#fhir/show.ts'

/** A bulk export: what was asked, and how far its preparation is. Kept sealed. */
export interface ExportJob {
  /** Who asked. Nobody else is shown the export, and what each file shows is decided anew for who fetches it. */
  caller: Pick<Caller, 'clientId' | 'name' | 'role' | 'scopes' | 'actors' | 'purpose' | 'grants'>
  requestId: string
  /** The kick-off request: address, and its parameters without it. */
  request: string
  query: string
  /** The moment that the export shows; milliseconds since the epoch. */
  at: number
  /** Only what changed after this. */
  since?: number
  types: string[]
  /** Only what is about a patient: Patient and Group level. */
  compartment: boolean
  /** Only these patients. */
  patients?: Reference[]
  /** Search queries by type, any of which lets a resource in. */
  filters: Record<string, string[]>
  /** Elements wanted, by type or of all (`*`). */
  elements?: Record<string, string[]>
  progress: Progress
  files: ExportFile[]
  /** How often the preparation broke off on a fault of ours. */
  faults: number
}

/** Stretches of the snapshot that are walked one after the other. */
export interface Part {
  type: string
  deletions: boolean
}

export interface Progress {
  /** Index of the part being walked. */
  part: number
  /** Where it goes on; inclusive. */
  from?: VersionPlace
  /** The file being filled. */
  open?: ExportFile & { count: number; size: number; rows: number }
}

/** A file is no bytes but a stretch: from the first resource shown in it to the last, both inclusive. */
export interface ExportFile extends Part {
  from: VersionPlace
  until: VersionPlace
}

export function partsOf({ types, since }: ExportJob): Part[] {
  const live = types.map((type) => ({ type, deletions: false }))
  return since === undefined ? live : [...live, ...types.map((type) => ({ type, deletions: true }))]
}

export function readJob(stored: StoredExport): ExportJob {
  return JSON.parse(stored.json) as ExportJob
}

/** The caller's own export that still stands. Throws the failure of absence for any other. */
export async function requireExport(
  call: Call,
  id: string,
): Promise<{ stored: StoredExport; job: ExportJob }> {
  const { store, clock } = call.ports
  const { caller } = call.request
  const stored = await store.findExport(id)
  if (!stored || stored.client !== caller.clientId || stored.state === 'cancelled') throw absent()
  if (stored.expires < clock.now()) throw absent()
  const job = readJob(stored)
  if (job.caller.actors.join(' ') !== caller.actors.join(' ')) throw absent()
  requireSystem(caller)
  return { stored, job }
}

/** Exports are for systems, by scopes of systems; broken glass shows one patient and no more. */
export function requireSystem({ scopes, breakGlass }: Caller): void {
  if (scopes.some((scope) => scope.startsWith('system/')) && !breakGlass) return
  throw new Failure('forbidden', 'An export needs a token with system scopes, for a purpose other than BTG.')
}
