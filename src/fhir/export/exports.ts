import type { Act } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import type { Call, FhirPorts, Interact } from '#fhir/call.ts'
import { readPreferences } from '#fhir/negotiate.ts'
import { auditOf, committed, refusedOnRecord } from '#fhir/on-record.ts'
import { createTrail } from '#fhir/trail.ts'
import { exportFile } from './file.ts'
import { kickOff } from './kick-off.ts'
import { cancelExport, exportStatus } from './status.ts'

interface ExportRoute {
  methods: readonly string[]
  /** As OpenAPI writes it. */
  template: string
  summary: string
  /** Named slots: `type`, `id`, `part`. */
  path: RegExp
  interact: Interact
  /** What the log is told; a file tells of each patient by itself. */
  kind: Act['kind']
  /** Its answer is not JSON, whatever the client would like. */
  ndjson?: true
}

const definitions = 'http://hl7.org/fhir/uv/bulkdata/OperationDefinition'

/** What the CapabilityStatement lists, by type; `` for the system. */
export const exportOperations: Readonly<Record<string, { name: string; definition: string }>> = {
  '': { name: 'export', definition: `${definitions}/export` },
  Patient: { name: 'export', definition: `${definitions}/patient-export` },
  Group: { name: 'export', definition: `${definitions}/group-export` },
}

/** Bulk export as its specification cuts it: https://hl7.org/fhir/uv/bulkdata/STU2/export.html */
export const exportRoutes: readonly ExportRoute[] = [
  {
    template: '$export',
    summary: 'Begin an export of all that one may see',
    methods: ['GET', 'POST'],
    path: /^\$export$/,
    interact: kickOff,
    kind: 'export',
  },
  {
    template: 'Patient/$export',
    summary: 'Begin an export of what is about patients',
    methods: ['GET', 'POST'],
    path: /^(?<type>Patient)\/\$export$/,
    interact: kickOff,
    kind: 'export',
  },
  {
    template: 'Group/{id}/$export',
    summary: 'Begin an export of what is about the members of a group',
    methods: ['GET', 'POST'],
    path: /^(?<type>Group)\/(?<id>[A-Za-z0-9.-]{1,64})\/\$export$/,
    interact: kickOff,
    kind: 'export',
  },
  {
    template: '$export-status/{id}',
    summary: 'How far an export is; its manifest when it is done',
    methods: ['GET'],
    path: /^\$export-status\/(?<id>[0-9a-f-]{36})$/,
    interact: exportStatus,
    kind: 'read',
  },
  {
    template: '$export-status/{id}',
    summary: 'Drop an export',
    methods: ['DELETE'],
    path: /^\$export-status\/(?<id>[0-9a-f-]{36})$/,
    interact: cancelExport,
    kind: 'delete',
  },
  {
    template: '$export-file/{id}/{part}',
    summary: 'A file of an export (application/fhir+ndjson)',
    methods: ['GET'],
    path: /^\$export-file\/(?<id>[0-9a-f-]{36})\/(?<part>\d{1,6})$/,
    interact: exportFile,
    kind: 'search',
    ndjson: true,
  },
]

export function isExport({ path }: DoorRequest): boolean {
  return exportRoutes.some((route) => route.path.test(path))
}

/** Answers a request of a bulk export, on record before it leaves. */
export async function answerExport(ports: FhirPorts, request: DoorRequest): Promise<DoorResponse> {
  const trail = createTrail()
  let kind: Act['kind'] = 'read'
  try {
    const fitting = exportRoutes.filter((route) => route.path.test(request.path))
    kind = fitting[0]?.kind ?? kind
    const route = fitting.find((each) => each.methods.includes(request.method))
    if (!route) throw new Failure('not-allowed', 'An export does not take this method here.')
    kind = route.kind
    const { type = '', id = '', part = '' } = route.path.exec(request.path)?.groups ?? {}
    const wanted = route.ndjson ? { ...request, header: () => undefined } : request
    const prefer = readPreferences(wanted)
    const call: Call = { ports, request, kind: 'read', type, id, version: part, prefer, trail }
    const answer = await route.interact(call)
    return await committed(ports, answer, (more) => [
      ...auditOf(ports, request, trail, { kind, outcome: 'success' }),
      ...more,
    ])
  } catch (cause) {
    return refusedOnRecord(ports, request, trail, { kind, cause })
  }
}
