import type { Communication } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { Identified, Resource } from '#core/resource.ts'
import { extensionsOf, isOlder } from './source-time.ts'

/**
 * The next version of a message whose sender tells of it again. With content it is taken as it is told now; what is left
 * out stays as it was (an empty field says nothing), above all its labels. Without content only its status changes. What
 * was written before what stands changes nothing, but what is withdrawn is withdrawn, in whatever order that comes, and
 * stays so: throws Failure `conflict` for newer content of it.
 */
export function reviseMessage(standing: Identified, incoming: Identified): Resource {
  if (standing.resourceType !== 'Communication' || incoming.resourceType !== 'Communication') return standing
  const isWithdrawal = incoming.status === 'entered-in-error'
  if (standing.status === 'entered-in-error' && isWithdrawal) return standing
  if (!isWithdrawal && isOlder(incoming, standing)) return standing
  if (standing.status === 'entered-in-error')
    throw new Failure(
      'conflict',
      'It was withdrawn or replaced before: send it anew, with a number of its own',
    )
  const extension = extensionsOf(standing, incoming)
  const { statusReason: _reason, subject, ...kept } = standing
  if (!incoming.payload) {
    const meta = { ...standing.meta, ...labelsOf(standing, incoming) }
    return { ...kept, ...(subject ? { subject } : {}), ...statusOf(incoming), ...extension, meta }
  }
  return {
    ...kept,
    ...incoming,
    ...extension,
    // Its record's, though that was merged into another one since: nothing is moved (flows/patient-merge).
    ...(subject ? { subject } : {}),
    meta: { ...incoming.meta, ...labelsOf(standing, incoming) },
  }
}

function statusOf({ status, statusReason }: Communication): Pick<Communication, 'status' | 'statusReason'> {
  return { status, ...(statusReason ? { statusReason } : {}) }
}

/** Labels given to it since, here or by its sender, are not lost with a message that gives none. */
function labelsOf(standing: Communication, incoming: Communication): Communication['meta'] {
  const security = incoming.meta?.security ?? standing.meta?.security
  return security ? { security } : {}
}
