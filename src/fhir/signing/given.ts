import { givenOut } from '#care/viewing.ts'
import type { Answer, Call } from '#fhir/call.ts'
import type { Shown } from '#fhir/show.ts'

/**
 * What a read leaves behind: that this version was given out whole to this sign-in. Not a row of a search, a page of a
 * history, an entry of a Bundle, a notification or a part of a version: of these nobody knows that a person saw the text.
 */
export function rememberedOf(call: Call, { stored, text }: Shown): Pick<Answer, 'remembered'> {
  const { request, ports } = call
  if (request.part || text !== stored.json) return {}
  const what = `${stored.type}/${stored.id}/_history/${stored.version}`
  const given = givenOut(request.caller, stored.type, what, ports.clock.now())
  return given ? { remembered: [given] } : {}
}
