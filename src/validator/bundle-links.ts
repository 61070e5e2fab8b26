import { textOf } from './probe.ts'
import { isRecord } from './report.ts'

/** Types of a Bundle's resources by their fullUrl, for references that resolve within it. */
export function collectEntries(bundle: Record<string, unknown>): ReadonlyMap<string, string> {
  const entries = new Map<string, string>()
  for (const entry of Array.isArray(bundle.entry) ? bundle.entry : []) {
    if (!isRecord(entry) || typeof entry.fullUrl !== 'string' || !isRecord(entry.resource)) continue
    entries.set(entry.fullUrl, textOf(entry.resource, 'resourceType') ?? '')
  }
  return entries
}

/** Such Bundles go to others whole, who could not find a `urn:uuid:` elsewhere: https://hl7.org/fhir/R4/bundle.html#references */
export function isClosed(bundle: Record<string, unknown>): boolean {
  return closedTypes.has(textOf(bundle, 'type') ?? '')
}

const closedTypes = new Set(['document', 'message', 'transaction', 'batch'])
