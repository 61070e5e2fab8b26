import type { Coding, Meta } from 'fhir/r4'
import type { Resource } from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'
import type { Call } from './call.ts'
import type { Shown } from './show.ts'

/**
 * What a caller is not shown it cannot change: elements that are hidden from it, wholly or in part, stay as they are
 * when it sends back what it saw, and the tag that told it so is not stored.
 */
export function withHidden(call: Call, shown: Shown, incoming: Resource): Resource {
  if (shown.text === shown.stored.json) return incoming
  const whole = parseJson(shown.stored.json) as Resource
  const seen: Partial<Record<string, unknown>> = { ...call.ports.access.redact(shown.decision, whole) }
  const kept = Object.entries(whole).filter(([name, value]) => name !== 'meta' && seen[name] !== value)
  const meta = withHiddenMeta(whole.meta, seen.meta as Meta | undefined, incoming.meta)
  return { ...incoming, meta, ...Object.fromEntries(kept) } as Resource
}

function withHiddenMeta(whole: Meta = {}, seen: Meta = {}, incoming: Meta = {}): Meta {
  const kept = Object.entries(whole).filter(([name]) => !(name in seen))
  const { tag, ...rest } = incoming
  const tags = (tag ?? []).filter((each) => !isSubsetted(each) || whole.tag?.some(isSubsetted))
  return { ...rest, ...(tags.length > 0 ? { tag: tags } : {}), ...Object.fromEntries(kept) }
}

function isSubsetted({ system, code }: Coding): boolean {
  return system === 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue' && code === 'SUBSETTED'
}
