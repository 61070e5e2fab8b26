import type { Answer, Call } from './call.ts'
import { createUnlessFound } from './create-unless-found.ts'
import { readIncoming } from './incoming.ts'
import { reportEvent } from './report-event.ts'
import { prepareWrite } from './write.ts'

/** https://hl7.org/fhir/R4/http.html#create: the server gives the id. */
export async function create(call: Call): Promise<Answer> {
  const incoming = readIncoming(call)
  if (incoming.resourceType === 'AuditEvent') return reportEvent(call, incoming)
  if (call.assigned) return prepareWrite(call, incoming, call.assigned)
  const condition = call.request.header('if-none-exist')
  if (condition !== undefined) return createUnlessFound(call, incoming, condition)
  return prepareWrite(call, incoming, { id: call.ports.ids.random(), version: 1 })
}
