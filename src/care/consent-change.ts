import type { Consent } from 'fhir/r4'
import { checkLabelSystems, needsReading } from '#access/consent-activation.ts'
import { reviewTask } from '#access/review.ts'
import { patientOf } from '#core/compartment.ts'
import { Failure } from '#core/failure.ts'
import { type Identified, referenceTo } from '#core/resource.ts'
import { type CarePorts, type Change, type Consequences, writeOf } from './change.ts'

/**
 * A consent that comes into force must be one that can be carried out, or somebody must be told that it cannot: it is
 * kept, refuses everything, and waits for a privacy officer. Throws Failure `invalid` for labels of unknown systems.
 */
export async function consentConsequences({ ids }: CarePorts, change: Change): Promise<Consequences> {
  const consent = change.resource as Identified<Consent>
  const issues = checkLabelSystems(consent)
  if (issues.length > 0) throw new Failure('invalid', issues)
  const result = writeOf(change)
  const patient = patientOf(consent)
  const isFlagged = change.previous !== undefined && needsReading(change.previous as Consent)
  if (!patient || isFlagged || !needsReading(consent)) return { result, writes: [result] }
  const focus = referenceTo(consent)
  const { at } = change
  const task = reviewTask({ id: ids.random(), kind: 'consent-not-computable', patient, focus, at })
  return { result, writes: [result, { resource: task, version: 1, updated: at }] }
}
