import { type Check, isRecord, note, noteAt, type Report } from './report.ts'

/** What `#` alone refers to: the resource that contains this one. */
export const container = ''

const restful = /(?:^|\/)([A-Z][A-Za-z]{1,40})\/[A-Za-z0-9.-]{1,64}(?:\/_history\/[A-Za-z0-9.-]{1,64})?$/
const relative = /^[A-Z][A-Za-z]{1,40}\/[A-Za-z0-9.-]{1,64}(?:\/_history\/[A-Za-z0-9.-]{1,64})?(?:#\S+)?$/
const conditional = /^([A-Z][A-Za-z]{1,40})\?\S+$/
const absolute = /^[a-z][a-z0-9+.-]*:\S+$/

/**
 * Check of a Reference's form and of the types it may point at, as far as the reference itself tells:
 * https://hl7.org/fhir/R4/references.html#Reference. Without targets, any resource type will do.
 */
export function compileReference(
  targets: readonly string[] | undefined,
  resourceTypes: ReadonlySet<string>,
): Check {
  const allowed = targets && new Set(targets)
  const advice = targets?.length ? `Refer to one of: ${targets.join(', ')}.` : ''
  const checkType = (type: string, report: Report) => {
    if (!resourceTypes.has(type))
      note(report, 'reference-type', 'The reference names no FHIR R4 resource type; give one.')
    else if (allowed && !allowed.has(type))
      note(report, 'reference-target', `The reference is to a type not allowed here. ${advice}`)
  }
  return (value, report) => {
    if (!isRecord(value)) return
    const stated = typeof value.type === 'string' ? value.type : undefined
    if (stated && resourceTypes.has(stated)) checkType(stated, report)
    if (typeof value.reference !== 'string') return
    const type = typeOf(value.reference, report, resourceTypes)
    if (!type) return
    checkType(type, report)
    if (stated && resourceTypes.has(stated) && stated !== type) {
      noteAt(
        report,
        'type',
        'reference-type-stated',
        'Reference.type must be the type that the reference points at.',
      )
    }
  }
}

/** The type a reference points at; undefined where the text does not tell or is refused. */
function typeOf(reference: string, report: Report, resourceTypes: ReadonlySet<string>): string | undefined {
  if (reference.startsWith('#')) return containedType(reference.slice(1), report)
  const type = restful.exec(reference.split('#')[0] ?? '')?.[1]
  if (relative.test(reference)) return type
  const entry = report.entries.get(reference.split('#')[0] ?? '')
  if (entry !== undefined) return entry || undefined
  if (report.closed && /^urn:(?:uuid|oid):/.test(reference)) {
    const text = 'The reference is to a urn: that no entry of the Bundle has as fullUrl; add the entry.'
    noteAt(report, 'reference', 'reference-in-bundle', text)
    return undefined
  }
  // Absolute addresses may look like anything; only those of RESTful form, with a type of R4 in them, tell a type.
  if (absolute.test(reference))
    return type && /^https?:/.test(reference) && resourceTypes.has(type) ? type : undefined
  const query = conditional.exec(reference)
  if (query && report.inBundle) return query[1]
  // In a Bundle a relative reference may be the tail of another entry's fullUrl of any form.
  if (report.inBundle && /^\S+$/.test(reference)) return undefined
  const text = 'A reference is Type/id, an absolute URL, urn:uuid:… or #id of a contained resource.'
  noteAt(report, 'reference', 'reference-form', text)
  return undefined
}

function containedType(id: string, report: Report): string | undefined {
  report.referred.add(id)
  if (id === container) return undefined
  const type = report.contained.get(id)
  if (type === undefined) {
    noteAt(
      report,
      'reference',
      'ref-1',
      'The reference is to a contained resource that is not there; contain it (ref-1).',
    )
  }
  return type || undefined
}
