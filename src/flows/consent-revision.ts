import type { Consent } from 'fhir/r4'
import type { Identified } from '#core/resource.ts'

/**
 * What a CON that comes again does to the Consent it made before. ADT repeats it with every message, and meanwhile a
 * privacy officer may have decided: the same decision told again changes nothing, nor does an older one. A newer
 * decision, a refusal and a withdrawal do; what of them comes into force is for care to say (care/consent-change).
 */
export function reviseConsent(standing: Identified, incoming: Identified): Identified {
  if (standing.resourceType !== 'Consent' || incoming.resourceType !== 'Consent') return standing
  const before = Date.parse(standing.dateTime ?? '')
  const told = Date.parse(incoming.dateTime ?? '')
  if (told < before) return standing
  const isNewer = told > before
  return isNewer || ends(incoming) !== ends(standing) ? changedBy(standing, incoming) : standing
}

function ends({ status }: Consent): boolean {
  return status === 'inactive' || status === 'rejected'
}

/** One that was ended here is not begun again by the decision that came before it. */
function changedBy(standing: Identified<Consent>, incoming: Identified<Consent>): Identified {
  const isNewer = Date.parse(incoming.dateTime ?? '') > Date.parse(standing.dateTime ?? '')
  return ends(standing) && !isNewer ? standing : incoming
}
