import { distinct, has, records, textOf } from './probe.ts'
import type { Rules } from './rule.ts'

type Bundle = Record<string, unknown>

const entries = (bundle: Bundle) => records(bundle, 'entry')
const typeOf = (bundle: Bundle) => textOf(bundle, 'type') ?? ''
const firstResource = (bundle: Bundle) => entries(bundle)[0]?.resource
const asked = new Set(['batch', 'transaction', 'history'])
const answered = new Set(['batch-response', 'transaction-response', 'history'])

/** https://hl7.org/fhir/R4/bundle.html#invs */
export const bundleRules: Rules = {
  'bdl-1': (bundle) => !has(bundle, 'total') || /^(?:searchset|history)$/.test(typeOf(bundle)),
  'bdl-2': (bundle) =>
    typeOf(bundle) === 'searchset' || !entries(bundle).some((entry) => has(entry, 'search')),
  'bdl-3': (bundle) => entries(bundle).every((entry) => has(entry, 'request') === asked.has(typeOf(bundle))),
  'bdl-4': (bundle) =>
    entries(bundle).every((entry) => has(entry, 'response') === answered.has(typeOf(bundle))),
  'bdl-5': (entry) => ['resource', 'request', 'response'].some((element) => has(entry, element)),
  'bdl-7': (bundle) =>
    typeOf(bundle) === 'history' ||
    distinct(
      entries(bundle)
        .filter((entry) => has(entry, 'fullUrl'))
        .map((entry) => {
          const [resource] = records(entry, 'resource')
          return `${entry.fullUrl} ${textOf(resource?.meta, 'versionId') ?? ''}`
        }),
    ),
  'bdl-8': (entry) => !textOf(entry, 'fullUrl')?.includes('/_history/'),
  'bdl-9': (bundle) => {
    const [identifier] = records(bundle, 'identifier')
    return typeOf(bundle) !== 'document' || (has(identifier, 'system') && has(identifier, 'value'))
  },
  'bdl-10': (bundle) => typeOf(bundle) !== 'document' || typeof bundle.timestamp === 'string',
  'bdl-11': (bundle) =>
    typeOf(bundle) !== 'document' || textOf(firstResource(bundle), 'resourceType') === 'Composition',
  'bdl-12': (bundle) =>
    typeOf(bundle) !== 'message' || textOf(firstResource(bundle), 'resourceType') === 'MessageHeader',
}
