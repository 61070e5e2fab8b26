import { Failure } from '#core/failure.ts'
import { outcomeOf } from '#core/outcome.ts'
import type { Answer, Call } from '#fhir/call.ts'
import { fhirJson } from '#fhir/negotiate.ts'
import { readAsked } from './ask.ts'
import { type ExportJob, requireSystem } from './job.ts'
import { keptMs } from './prepare.ts'

/** Exports of one client that are being prepared at a time. */
const maxAtATime = 3
/** A write that began before the moment of the export is on record by then, and so in it. */
const settleMs = 1_000

/**
 * https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-kick-off-request: notes what is asked and answers 202; the
 * preparation goes on behind. Throws Failure `too-many` while the client has others under way.
 */
export async function kickOff(call: Call): Promise<Answer> {
  const { store, clock, ids, base } = call.ports
  const { caller, requestId } = call.request
  requireSystem(caller)
  const asked = await readAsked(call)
  if ((await store.countExports(caller.clientId)) >= maxAtATime) {
    const text = `At most ${maxAtATime} exports are prepared at a time: wait for one, or delete it.`
    throw new Failure('too-many', text, { retryAfterSeconds: 10 })
  }
  const id = ids.random()
  const at = clock.now()
  const { clientId, name, role, scopes, actors, purpose, grants } = caller
  const job: ExportJob = {
    ...asked,
    caller: { clientId, name, role, scopes, actors, purpose, grants },
    requestId,
    request: `${base}/${call.request.path}${asked.query === '' ? '' : `?${asked.query}`}`,
    at,
    progress: { part: 0 },
    files: [],
    faults: 0,
  }
  const stored = {
    id,
    revision: 1,
    client: clientId,
    state: 'preparing',
    lease: at + settleMs,
    expires: at + keptMs,
    json: JSON.stringify(job),
  } as const
  const told = {
    severity: 'information',
    text: 'The export is being prepared; ask at Content-Location.',
  } as const
  return {
    response: {
      status: 202,
      headers: {
        'Content-Location': `${base}/$export-status/${id}`,
        'Content-Type': `${fhirJson}; charset=utf-8`,
        'Cache-Control': 'no-store',
      },
      body: JSON.stringify(outcomeOf([told], 'informational')),
    },
    exports: [stored],
  }
}
