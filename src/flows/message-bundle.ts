import type { FhirResource, MessageHeader } from 'fhir/r4'
import { decimalText, isDecimal } from '#core/decimal.ts'
import { Failure, type Issue } from '#core/failure.ts'
import { parseJson } from '#formats/json.ts'

/** A FHIR message as the flows look at it: https://hl7.org/fhir/R4/messaging.html. Decimals are texts with their digits. */
export interface MessageBundle {
  /** The value of Bundle.identifier, a UUID as a rule: by it the sender knows the message. */
  id: string
  header: MessageHeader
  /** In the order of the Bundle, each with its place: `Bundle.entry[2].resource`. */
  entries: readonly { fullUrl: string; place: string; resource: FhirResource }[]
}

const maxEntries = 200

/**
 * Reads a message and checks what holds it together (R48): an identifier, a MessageHeader first (bdl-12), each fullUrl once,
 * and every `urn:` reference to an entry. Throws Failure `malformed` or `invalid`.
 */
export function readMessageBundle(body: Uint8Array): MessageBundle {
  const bundle = texts(parseJson(body)) as Record<string, unknown> | null
  if (typeof bundle !== 'object' || bundle?.resourceType !== 'Bundle' || !Array.isArray(bundle.entry)) {
    throw new Failure('malformed', 'A message is a Bundle with entries.')
  }
  if (bundle.entry.length > maxEntries) throw new Failure('too-large', `Send at most ${maxEntries} entries.`)
  const entries = (bundle.entry as Record<string, unknown>[]).map((entry, at) => ({
    fullUrl: String(entry?.fullUrl ?? ''),
    place: `Bundle.entry[${at}].resource`,
    resource: (entry?.resource ?? {}) as FhirResource,
  }))
  const { value } = (bundle.identifier ?? {}) as { value?: unknown }
  const [first] = entries
  const urls = new Set(entries.map(({ fullUrl }) => fullUrl))
  require([
    [bundle.type === 'message', 'Bundle.type', 'must be message'],
    [isIdentifying(value), 'Bundle.identifier', 'must have a value of 1 to 200 characters without spaces'],
    [
      first?.resource.resourceType === 'MessageHeader',
      'Bundle.entry[0]',
      'must be the MessageHeader (bdl-12)',
    ],
    [!urls.has(''), 'Bundle.entry.fullUrl', 'is required in each entry'],
    [urls.size === entries.length, 'Bundle.entry.fullUrl', 'must be another one in each entry (bdl-7)'],
    ...entries.flatMap(({ resource, place }) =>
      [...urnsIn(resource)].map((urn): Need => [urls.has(urn), place, 'refers to what is in no entry']),
    ),
  ])
  return { id: String(value), header: first?.resource as MessageHeader, entries }
}

/** What must be, where, and what is said where it is not. */
type Need = readonly [boolean, string, string]

function require(needs: readonly Need[]): void {
  const issues = needs.flatMap(([holds, expression, text]): Issue[] =>
    holds ? [] : [{ code: 'invalid', text, expression }],
  )
  if (issues.length > 0) throw new Failure('invalid', issues)
}

function isIdentifying(value: unknown): boolean {
  return typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value)
}

function urnsIn(value: unknown): Set<string> {
  const found = new Set<string>()
  const walk = (part: unknown): void => {
    if (typeof part !== 'object' || part === null) return
    const { reference } = part as { reference?: unknown }
    if (typeof reference === 'string' && reference.startsWith('urn:')) found.add(reference)
    for (const item of Object.values(part)) walk(item)
  }
  walk(value)
  return found
}

function texts(value: unknown): unknown {
  if (isDecimal(value)) return decimalText(value)
  if (Array.isArray(value)) return value.map(texts)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, texts(item)]))
}
