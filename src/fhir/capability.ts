import type { CapabilityStatement, CapabilityStatementRestResource } from 'fhir/r4'
import type { Interaction } from '#core/caller.ts'
import { topicUrls } from '#core/subscription.ts'
import { generalParameters, type SearchParameter, searchParameters } from '#store/search-parameters.ts'
import type { FhirPorts } from './call.ts'
import { exportOperations } from './export/exports.ts'
import { isOffered, offeredRoutes, routes } from './routes.ts'
import { includesOf, revincludesOf } from './search/include-table.ts'

/** What is served, from the tables that serve it: https://hl7.org/fhir/R4/capabilitystatement.html (F11) */
export function capabilityStatement(ports: FhirPorts, types: readonly string[]): CapabilityStatement {
  return {
    resourceType: 'CapabilityStatement',
    url: `${ports.base}/CapabilityStatement/postern`,
    name: 'Postern',
    title: 'Postern, a gateway for confidential patient messaging',
    status: 'active',
    date: new Date(ports.clock.now()).toISOString(),
    kind: 'instance',
    software: { name: 'Postern' },
    implementation: { description: 'Postern, a gateway for confidential patient messaging', url: ports.base },
    instantiates: ['http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data'],
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'application/json'],
    patchFormat: ['application/json-patch+json', 'application/fhir+json'],
    rest: [
      {
        mode: 'server',
        security: {
          cors: false,
          service: [
            {
              coding: [
                {
                  system: 'http://terminology.hl7.org/CodeSystem/restful-security-service',
                  code: 'SMART-on-FHIR',
                },
              ],
            },
          ],
          description: 'Access tokens of SMART Backend Services; see .well-known/smart-configuration.',
        },
        interaction: [{ code: 'transaction' }, { code: 'batch' }],
        ...filled('operation', [...exportOf(''), ...(ports.systemOperations ?? [])]),
        resource: types.map((type) => resourceOf(type, ports.profiles?.[type])),
      },
    ],
  }
}

function resourceOf(type: string, profiles: readonly string[] = []): CapabilityStatementRestResource {
  const kinds = [...new Set(routes.map((route) => route.kind))].filter((kind) => isOffered(type, kind))
  const writes = isOffered(type, 'update')
  const keepsVersions = isOffered(type, 'vread')
  return {
    type: type as CapabilityStatementRestResource['type'],
    ...filled('extension', type === 'Subscription' ? topicUrls.map(topicOf) : []),
    ...(profiles.length > 0 ? { supportedProfile: [...profiles] } : {}),
    ...filled('interaction', [
      ...kinds.map((kind) => ({ code: codes[kind] })),
      ...(writes ? [{ code: 'patch' } as const] : []),
      ...(isOffered(type, 'history') ? [{ code: 'history-type' } as const] : []),
    ]),
    ...filled('operation', operationsOf(type)),
    versioning: writes ? 'versioned-update' : keepsVersions ? 'versioned' : 'no-version',
    readHistory: keepsVersions,
    updateCreate: writes,
    // An event is told apart by its own id: whoever reports may not search the log.
    conditionalCreate: type !== 'AuditEvent' && isOffered(type, 'create'),
    conditionalRead: isOffered(type, 'read') ? 'full-support' : 'not-supported',
    conditionalUpdate: writes,
    conditionalDelete: isOffered(type, 'delete') ? 'single' : 'not-supported',
    referencePolicy: ['literal', 'logical'],
    ...(isOffered(type, 'search') ? searchOf(type) : {}),
  }
}

function searchOf(type: string): Partial<CapabilityStatementRestResource> {
  return {
    ...filled('searchInclude', includesOf(type)),
    ...filled('searchRevInclude', revincludesOf(type)),
    searchParam: [
      { name: '_id', type: 'token' },
      { name: '_lastUpdated', type: 'date' },
      ...[...(searchParameters[type] ?? []), ...generalParameters].map(parameterOf),
    ],
  }
}

/** FHIR has no empty lists. */
function filled<Name extends string, Item>(name: Name, list: Item[]) {
  return list.length > 0 ? { [name]: list } : {}
}

function operationsOf(type: string) {
  const named = new Map(
    offeredRoutes(type).flatMap(({ operation }) => (operation ? [[operation.name, operation]] : [])),
  )
  return [...named.values(), ...exportOf(type)]
}

/** https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-capabilitystatement-subscriptiontopic-canonical.html */
function topicOf(valueCanonical: string) {
  const backport = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition'
  return { url: `${backport}/capabilitystatement-subscriptiontopic-canonical`, valueCanonical }
}

function exportOf(type: string) {
  return Object.hasOwn(exportOperations, type)
    ? [exportOperations[type]].filter((each) => each !== undefined)
    : []
}

function parameterOf(parameter: SearchParameter) {
  const { name, definition, kind, canonical, perPatient, opened } = parameter
  const documentation = perPatient
    ? 'Searched within one patient: needs the patient parameter.'
    : opened && 'Looked at in opened candidates: needs a parameter that names few, such as identifier.'
  return {
    name,
    ...(definition ? { definition } : {}),
    type: canonical ? ('reference' as const) : kind,
    ...(documentation ? { documentation } : {}),
  }
}

type InteractionCode = NonNullable<CapabilityStatementRestResource['interaction']>[number]['code']

/** https://hl7.org/fhir/R4/valueset-type-restful-interaction.html */
const codes: Readonly<Record<Interaction, InteractionCode>> = {
  read: 'read',
  vread: 'vread',
  history: 'history-instance',
  search: 'search-type',
  create: 'create',
  update: 'update',
  delete: 'delete',
}
