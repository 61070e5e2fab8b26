import type { AuditEntry } from '#core/act.ts'
import { patientOf } from '#core/compartment.ts'
import type { ExportTold } from '#core/export.ts'
import { Failure } from '#core/failure.ts'
import type { Reference } from '#core/resource.ts'
import type { Answer, Call } from '#fhir/call.ts'
import { viewed } from '#fhir/search/view.ts'
import { absent, type Shown } from '#fhir/show.ts'
import { type ExportFile, type ExportJob, requireExport } from './job.ts'
import { walk } from './walk.ts'

/**
 * https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-output-file-request: one resource a line. A file is written
 * when it is fetched, from the snapshot and for who fetches it now: nothing decrypted lies anywhere, and a consent taken
 * back, a role narrowed or a resource deleted since the preparation counts. Each patient shown is told of once an export
 * and type, in the commit that lets the file out.
 */
export async function exportFile(call: Call): Promise<Answer> {
  const { stored, job } = await requireExport(call, call.id)
  const file = stored.state === 'complete' ? job.files[Number(call.version)] : undefined
  if (!file) throw absent()
  if (!call.ports.access.gate(call.request.caller, 'search', file.type).permit) {
    throw new Failure('forbidden', `This token does not allow search of ${file.type}.`)
  }
  call.trail.query = queryOf(job, file)
  const lines: string[] = []
  const shown: Shown[] = []
  for await (const rows of walk(call, job, file)) {
    for (const row of rows) {
      if (!row.shown) continue
      lines.push(file.deletions ? deletionOf(row.shown) : viewed(viewOf(job, file), row.shown))
      shown.push({ ...row.shown, text: '' })
    }
  }
  const { told, entries } = await tell(call, file, shown)
  const headers = {
    'Content-Type': 'application/fhir+ndjson',
    'Cache-Control': 'no-store',
    Expires: new Date(stored.expires).toUTCString(),
  }
  const body = lines.map((line) => `${line}\n`).join('')
  return { response: { status: 200, headers, body }, told, entries }
}

/** What the log says was asked: this type of the export, as it was kicked off. */
function queryOf(job: ExportJob, { type }: ExportFile): string {
  return `${type}/$export${job.query === '' ? '' : `?${job.query}`}`
}

function viewOf({ elements }: ExportJob, { type }: ExportFile) {
  const wanted = elements && [...(elements['*'] ?? []), ...(elements[type] ?? [])]
  return wanted && wanted.length > 0 ? { elements: wanted } : {}
}

/** https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status, `deleted`. */
function deletionOf({ stored: { type, id } }: Shown): string {
  const entry = [{ request: { method: 'DELETE', url: `${type}/${id}` } }]
  return JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry })
}

/** An event for each patient not told of yet, with the consents that decided about that patient and no other's. */
async function tell(
  call: Call,
  { type }: ExportFile,
  shown: readonly Shown[],
): Promise<{ told: ExportTold; entries: AuditEntry[] }> {
  const { store, audit, clock } = call.ports
  const byPatient = new Map<Reference, { consents: Set<Reference>; reasons: Set<string> }>()
  for (const { resource, decision } of shown) {
    const patient = patientOf(resource)
    if (!patient) continue
    const known = byPatient.get(patient) ?? { consents: new Set(), reasons: new Set() }
    for (const consent of decision.consents) known.consents.add(consent as Reference)
    for (const reason of decision.reasons) known.reasons.add(reason)
    byPatient.set(patient, known)
  }
  const keyOf = (patient: Reference) => `${type} ${patient}`
  const all = { export: call.id, keys: [...byPatient.keys()].map(keyOf) }
  const known = await store.findTold(all)
  const { caller, requestId } = call.request
  const at = clock.now()
  const entries = [...byPatient].flatMap(([patient, { consents, reasons }]) =>
    known.has(keyOf(patient))
      ? []
      : audit.record({
          kind: 'search',
          outcome: 'success',
          at,
          requestId,
          caller,
          patients: [patient],
          entities: [],
          query: call.trail.query ?? '',
          consents: [...consents],
          reasons: [...reasons],
        }),
  )
  return { told: { ...all, keys: all.keys.filter((key) => !known.has(key)) }, entries }
}
