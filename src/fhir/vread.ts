import { Failure } from '#core/failure.ts'
import type { Answer, Call } from './call.ts'
import { shownResponse } from './respond.ts'
import { absent, requireDeletedVisible, requireEarlier } from './show.ts'
import { rememberedOf } from './signing/given.ts'

/** https://hl7.org/fhir/R4/http.html#vread */
export async function vread(call: Call): Promise<Answer> {
  const version = Number(call.version)
  if (!/^[1-9]\d{0,9}$/.test(call.version)) throw absent()
  const stored = await call.ports.store.readVersion(call.type, call.id, version)
  if (!stored) throw absent()
  if (stored.deleted) {
    await requireDeletedVisible(call, stored)
    throw new Failure('gone', 'This version is a deletion.')
  }
  const shown = await requireEarlier(call, stored)
  return { response: shownResponse(call, shown), ...rememberedOf(call, shown) }
}
