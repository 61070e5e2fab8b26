import { Failure } from '#core/failure.ts'
import type { Stored } from '#core/ports.ts'
import type { Answer, Call } from './call.ts'
import { notModified, shownResponse } from './respond.ts'
import { absent, requireDeletedVisible, requireVisible } from './show.ts'
import { rememberedOf } from './signing/given.ts'

/** https://hl7.org/fhir/R4/http.html#read, with conditional read */
export async function read(call: Call): Promise<Answer> {
  const stored = await call.ports.store.read(call.type, call.id)
  if (!stored) throw absent()
  if (stored.deleted) {
    await requireDeletedVisible(call, stored)
    throw new Failure('gone', 'This resource was deleted.')
  }
  const shown = await requireVisible(call, stored)
  if (isUnchanged(call, stored)) return { response: notModified(stored) }
  return { response: shownResponse(call, shown), ...rememberedOf(call, shown) }
}

/** If-None-Match decides where it is sent; If-Modified-Since, in whole seconds, only without it (RFC 9110 §13.2.2). */
function isUnchanged(call: Call, stored: Stored): boolean {
  const tags = call.request.header('if-none-match')
  if (tags !== undefined) {
    return tags
      .split(',')
      .some((tag) => ['*', `W/"${stored.version}"`, `"${stored.version}"`].includes(tag.trim()))
  }
  const since = Date.parse(call.request.header('if-modified-since') ?? '')
  return Number.isFinite(since) && Math.floor(stored.updated / 1000) * 1000 <= since
}
