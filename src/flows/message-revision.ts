import type { Communication } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { Identified, Resource } from '#core/resource.ts'

/**
 * The next version of a message whose sender tells of it again. With content it is taken as it is told now; what is left
 * out stays as it was (an empty field says nothing), above all its labels. Without content only its status changes. What
 * was withdrawn stays so: throws Failure `conflict` for new content of it.
 */
export function reviseMessage(standing: Identified, incoming: Identified): Resource {
  if (standing.resourceType !== 'Communication' || incoming.resourceType !== 'Communication') return standing
  if (standing.status === 'entered-in-error') {
    if (incoming.status === 'entered-in-error') return standing
    throw new Failure(
      'conflict',
      'It was withdrawn or replaced before: send it anew, with a number of its own',
    )
  }
  if (!incoming.payload) return { ...standing, ...statusOf(incoming) }
  const { statusReason: _reason, ...kept } = standing
  return { ...kept, ...incoming, meta: { ...incoming.meta, ...labelsOf(standing, incoming) } }
}

function statusOf({ status, statusReason }: Communication): Pick<Communication, 'status' | 'statusReason'> {
  return { status, ...(statusReason ? { statusReason } : {}) }
}

/** Labels given to it since, here or by its sender, are not lost with a message that gives none. */
function labelsOf(standing: Communication, incoming: Communication): Communication['meta'] {
  const security = incoming.meta?.security ?? standing.meta?.security
  return security ? { security } : {}
}
