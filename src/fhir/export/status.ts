import { Failure } from '#core/failure.ts'
import { operationOutcome } from '#core/outcome.ts'
import type { Answer, Call } from '#fhir/call.ts'
import { fhirJson } from '#fhir/negotiate.ts'
import { type ExportFile, type ExportJob, partsOf, requireExport } from './job.ts'

/** Polls closer together than this are refused (429). */
const shortestPollMs = 1_000
const retryAfterSeconds = 2
const maxRemembered = 1_000

/** When each export was asked about last: forgotten with the process, which does no harm. */
const polled = new WeakMap<object, Map<string, number>>()

/**
 * https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-status-request: 202 while it is prepared, then 200 with the
 * manifest; 500 with an OperationOutcome when it failed.
 */
export async function exportStatus(call: Call): Promise<Answer> {
  const { stored, job } = await requireExport(call, call.id)
  if (stored.state === 'failed') return { response: failed() }
  if (stored.state === 'preparing') {
    requirePatience(call)
    const headers = {
      'X-Progress': `part ${job.progress.part + 1} of ${partsOf(job).length}`,
      'Retry-After': String(retryAfterSeconds),
      'Cache-Control': 'no-store',
    }
    return { response: { status: 202, headers, body: '' } }
  }
  const headers = {
    'Content-Type': 'application/json; charset=utf-8',
    'Cache-Control': 'no-store',
    Expires: new Date(stored.expires).toUTCString(),
  }
  return { response: { status: 200, headers, body: JSON.stringify(manifestOf(call, job)) } }
}

/** https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-delete-request: it is as if it had never been. */
export async function cancelExport(call: Call): Promise<Answer> {
  const { stored } = await requireExport(call, call.id)
  const cancelled = { ...stored, revision: stored.revision + 1, state: 'cancelled', json: '{}' } as const
  return {
    response: { status: 202, headers: { 'Cache-Control': 'no-store' }, body: '' },
    exports: [cancelled],
    // The preparation went a step on in between.
    retry: () => cancelExport(call),
  }
}

/** Without counts: what a file shows is decided when it is fetched, and may be less by then. */
function manifestOf(call: Call, { at, request, files }: ExportJob): object {
  const url = (file: ExportFile) => `${call.ports.base}/$export-file/${call.id}/${files.indexOf(file)}`
  return {
    transactionTime: new Date(at).toISOString(),
    request,
    requiresAccessToken: true,
    output: files.filter(({ deletions }) => !deletions).map((file) => ({ type: file.type, url: url(file) })),
    deleted: files.filter(({ deletions }) => deletions).map((file) => ({ type: 'Bundle', url: url(file) })),
    error: [],
  }
}

function requirePatience({ ports, id }: Call): void {
  const known = polled.get(ports) ?? new Map<string, number>()
  polled.set(ports, known)
  const now = ports.clock.now()
  const since = now - (known.get(id) ?? Number.NEGATIVE_INFINITY)
  known.delete(id)
  if (known.size >= maxRemembered) known.clear()
  known.set(id, now)
  if (since >= shortestPollMs) return
  throw new Failure('too-many', `Ask again after ${retryAfterSeconds} seconds.`, { retryAfterSeconds })
}

function failed(): Answer['response'] {
  const failure = new Failure('internal', 'The export could not be prepared; it was noted. Start it anew.')
  const headers = { 'Content-Type': `${fhirJson}; charset=utf-8`, 'Cache-Control': 'no-store' }
  return { status: 500, headers, body: JSON.stringify(operationOutcome(failure)) }
}
