import type { Consent } from 'fhir/r4'
import { checkLabelSystems, needsReading, opens, restricts } from '#access/consent-activation.ts'
import { type ReviewKind, reviewTask } from '#access/review.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import { type CarePorts, type Change, type Consequences, writeOf } from './change.ts'

/**
 * A consent that comes into force must be one that can be carried out, or somebody must be told that it cannot: it is
 * kept, refuses everything, and waits for a privacy officer. Throws Failure `invalid` for labels of unknown systems.
 */
export async function consentConsequences({ ids }: CarePorts, change: Change): Promise<Consequences> {
  const issues = checkLabelSystems(change.resource as Identified<Consent>)
  if (issues.length > 0) throw new Failure('invalid', issues)
  const kept = change.told ? keptAsTold(change) : { resource: change.resource }
  const consent = kept.resource as Identified<Consent>
  const result = writeOf({ ...change, resource: consent })
  const patient = patientOf(consent)
  const isFlagged = change.previous !== undefined && needsReading(change.previous as Consent)
  const kind = !isFlagged && needsReading(consent) ? 'consent-not-computable' : kept.review
  if (!patient || !kind) return { result, writes: [result] }
  const focus = referenceTo(consent)
  const { at } = change
  const task = reviewTask({ id: ids.random(), kind, patient, focus, at })
  return { result, writes: [result, { resource: task, version: 1, updated: at }] }
}

/**
 * A message tells of a consent; by itself it opens nothing (docs/access.md). What would permit is proposed, unless its
 * sender has the grant `consent-source`; what refuses now goes on refusing; what is told as refused, or as withdrawn
 * without having been known, permits and refuses nothing. In each of these a privacy officer is asked.
 */
function keptAsTold({ resource, previous, caller }: Change): { resource: Identified; review?: ReviewKind } {
  const consent = resource as Identified<Consent>
  const review = 'consent-to-confirm'
  if (previous && restricts(previous as Consent) && !restricts(consent)) {
    return { resource: { ...previous, meta: consent.meta } as Identified, review }
  }
  if (opens(consent) && !caller.grants.includes('consent-source'))
    return { resource: { ...consent, status: 'proposed' }, review }
  const isPrivacy = consent.scope.coding?.some(({ code }) => code === 'patient-privacy')
  const isUnknown = consent.status === 'inactive' && !previous
  return { resource, ...(isPrivacy && (consent.status === 'rejected' || isUnknown) ? { review } : {}) }
}
