import type { MedicationRequest, Resource } from 'fhir/r4'
import { canonicalJson } from './canonical-json.ts'

/** Names the canonical form and the list below. A change of either is a new form, and the old one is still verified. */
export const orderForm = 'postern-order/1'

/**
 * What a signature covers (R19): what a pharmacy may see of an order (access/roles), and the extensions of its
 * primitives. Not what changes after it was signed (status and its reason, meta) nor how it is told (text, language), nor
 * whether it was only reported, since what was is not signed at all. The id is in it, so that a signature made for one
 * order is none for another of the same words.
 */
export const signedElements = [
  'resourceType',
  'id',
  'implicitRules',
  'modifierExtension',
  'identifier',
  'intent',
  'category',
  'priority',
  'doNotPerform',
  'medicationCodeableConcept',
  'medicationReference',
  'subject',
  'authoredOn',
  'requester',
  'performer',
  'performerType',
  'groupIdentifier',
  'courseOfTherapyType',
  'dosageInstruction',
  'dispenseRequest',
  'substitution',
  'priorPrescription',
] as const

/**
 * The text that is signed, as UTF-8: `{"form":"postern-order/1","order":{…}}` in one spelling (care/canonical-json). Of
 * the contained resources it holds those that what is signed refers to. The order must have been read with its digits
 * (formats/json).
 */
export function signedText(order: MedicationRequest): string {
  const record = order as unknown as Record<string, unknown>
  const names = signedElements.flatMap((name) => [name, `_${name}`])
  const signed = Object.fromEntries(
    names.flatMap((name) => (record[name] === undefined ? [] : [[name, record[name]] as const])),
  )
  const contained = reachable(signed, order.contained ?? [])
  return canonicalJson({
    form: orderForm,
    order: contained.length > 0 ? { ...signed, contained } : signed,
  })
}

/** In the order in which they stand. */
function reachable(from: unknown, contained: readonly Resource[]): Resource[] {
  const reached = new Set<Resource>()
  const walk = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return
    for (const item of Object.values(value)) {
      const found =
        typeof item === 'string' && item.startsWith('#')
          ? contained.find(({ id }) => id === item.slice(1))
          : undefined
      if (found && !reached.has(found)) {
        reached.add(found)
        walk(found)
      }
      walk(item)
    }
  }
  walk(from)
  return contained.filter((resource) => reached.has(resource))
}
