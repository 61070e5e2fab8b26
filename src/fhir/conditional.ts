import type { Answer, Call } from './call.ts'
import { freePlace } from './create-unless-found.ts'
import { deleteResource } from './delete.ts'
import { findOnly } from './find-only.ts'
import { readIncoming } from './incoming.ts'
import { absent } from './show.ts'
import { updateFound } from './update.ts'
import { prepareWrite } from './write.ts'

/** How often another request may win. */
const maxTries = 8

/**
 * https://hl7.org/fhir/R4/http.html#cond-update: updates the one resource that the query finds, else makes it. Two that
 * run side by side make one, as with a conditional create.
 */
export async function conditionalUpdate(call: Call, tries = 1): Promise<Answer> {
  const incoming = readIncoming(call)
  const found = await findOnly(call, call.request.query, 'A conditional update')
  const retry = tries < maxTries ? { retry: () => conditionalUpdate(call, tries + 1) } : {}
  if (found) {
    const { id } = found.stored
    return { ...(await updateFound({ ...call, id }, { ...incoming, id: incoming.id ?? id })), ...retry }
  }
  const condition = new URLSearchParams(call.request.query)
  condition.sort()
  return { ...(await prepareWrite(call, incoming, await freePlace(call, condition.toString()))), ...retry }
}

/** https://hl7.org/fhir/R4/http.html#3.1.0.7.1: deletes the one resource that the query finds; several are refused. */
export async function conditionalDelete(call: Call): Promise<Answer> {
  const found = await findOnly(call, call.request.query, 'A conditional delete')
  if (!found) throw absent()
  return deleteResource({ ...call, id: found.stored.id })
}
