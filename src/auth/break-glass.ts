import { reviewTask } from '#access/review.ts'
import type { BreakGlass, ClientRegistration } from '#core/caller.ts'
import type { ResourceWrite } from '#core/commit.ts'
import type { Ids, Store } from '#core/ports.ts'
import type { Reference } from '#core/resource.ts'

/** Purpose of use that goes past a patient's ordinary wishes: http://terminology.hl7.org/CodeSystem/v3-ActReason#BTG */
export const breakGlassPurpose = 'BTG'
/** Whom the clinic lets do that: a grant of the registration, given on the command line. */
export const breakGlassGrant = 'break-glass'

/** What an assertion brings along under `extensions.postern-break-glass` to break the glass (CON9). */
export interface GlassRequest extends BreakGlass {
  /** In the asker's own words, which go to the sealed audit log and nowhere else. */
  reason: string
}

const minReason = 10
const maxReason = 500

/**
 * Reads the request of an emergency: one patient, a reason, by somebody who is of the group. Says what is missing
 * where it cannot be taken; the token it leads to lasts five minutes, so each renewal states its reason anew.
 */
export function readGlassRequest(
  extensions: unknown,
  { grants }: Pick<ClientRegistration, 'grants'>,
): GlassRequest | { problem: string } {
  if (!grants.includes(breakGlassGrant))
    return { problem: 'This client is not one of those that may break the glass' }
  const asked = (extensions as Record<string, unknown> | undefined)?.['postern-break-glass'] as
    | { patient?: unknown; reason?: unknown }
    | undefined
  const { patient, reason } = asked ?? {}
  if (typeof patient !== 'string' || !/^Patient\/[A-Za-z0-9.-]{1,64}$/.test(patient)) {
    return { problem: 'To break the glass, name one patient: postern-break-glass.patient, as Patient/id' }
  }
  const words = typeof reason === 'string' ? reason.trim() : ''
  if (words.length < minReason || words.length > maxReason) {
    return {
      problem: `To break the glass, say why in ${minReason} to ${maxReason} characters: postern-break-glass.reason`,
    }
  }
  return { patient: patient as Reference, reason: words }
}

/** The alert that is stored in the commit which grants the token; undefined where there is no such patient. */
export async function alertOf(
  { store, ids }: { store: Store; ids: Ids },
  { patient }: BreakGlass,
  { organization }: Pick<ClientRegistration, 'organization'>,
  at: number,
): Promise<ResourceWrite | undefined> {
  const stored = await store.read('Patient', patient.slice('Patient/'.length))
  if (!stored || stored.deleted) return undefined
  const about = { kind: 'break-glass', patient, focus: patient, at } as const
  const requester = organization ? { requester: organization } : {}
  return { resource: reviewTask({ id: ids.random(), ...about, ...requester }), version: 1, updated: at }
}
