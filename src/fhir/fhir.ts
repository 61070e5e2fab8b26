import type { DoorRequest, DoorResponse } from '#core/http.ts'
import { takeBundle } from './bundle/take-bundle.ts'
import type { FhirPorts } from './call.ts'
import { capabilityStatement } from './capability.ts'
import { createDefinitions } from './definitions/definitions.ts'
import { withDefinitions } from './definitions/with-definitions.ts'
import { createExporter, type Exporter } from './export/exporter.ts'
import { answerExport, isExport } from './export/exports.ts'
import { answerOnRecord } from './on-record.ts'
import { indented, ok } from './respond.ts'
import { servedTypes } from './routes.ts'
import { createGatherer, type Gatherer } from './subscription/gatherer.ts'

export interface Fhir {
  /** Answers every request, refusals too; rejects only when nothing could be put on record (`unavailable`) or on a bug. */
  handle(request: DoorRequest): Promise<DoorResponse>
  /** The CapabilityStatement: public, so it takes no caller and leaves no audit event. */
  metadata(): object
  /** Prepares bulk exports. */
  exporter: Exporter
  /** Makes events of subscriptions. */
  gatherer: Gatherer
}

/** The FHIR R4 server: gate → store → decide → redact → one commit with the audit entries → answer. */
export function createFhir(given: FhirPorts): Fhir {
  const types = given.types ?? servedTypes
  const statement = capabilityStatement(given, types)
  const text = JSON.stringify(statement)
  const { artifacts, clock } = given
  const definitions = createDefinitions({ artifacts, statement, clock })
  const ports: FhirPorts = { ...given, store: withDefinitions(given.store, definitions) }

  async function handle(request: DoorRequest): Promise<DoorResponse> {
    if (request.method === 'GET' && request.path === 'metadata') return ok(text)
    if (isExport(request)) return answerExport(ports, request)
    const bundle = request.method === 'POST' && request.path === ''
    const response = await (bundle ? takeBundle : answerOnRecord)(ports, request, types)
    return request.query.get('_pretty') === 'true' ? indented(response) : response
  }

  return {
    handle,
    metadata: () => statement,
    exporter: createExporter(ports),
    gatherer: createGatherer(ports),
  }
}
