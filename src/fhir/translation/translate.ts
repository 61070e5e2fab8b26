import type { ConceptMap, Parameters, ParametersParameter } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { Stored } from '#core/ports.ts'
import type { Answer, Call } from '#fhir/call.ts'
import { ok } from '#fhir/respond.ts'
import { absent, requireVisible } from '#fhir/show.ts'
import { readAsked } from './asked.ts'
import { isCounterpart, type Match, matchesIn, type Wanted } from './matches.ts'

/** More tables than there are. */
const maxMaps = 500

/**
 * https://hl7.org/fhir/R4/conceptmap-operation-translate.html by the code tables in force: by one of them (its id in the
 * path, or its `url`), or by all that know the system of the code. As with a message that comes in, rows that a table has
 * for the caller alone go before those for everybody.
 */
export async function translate(call: Call): Promise<Answer> {
  const asked = readAsked(call)
  const { conceptMaps } = await call.ports.artifacts()
  const maps = await mapsOf(call, asked)
  const matches = asked.concepts.flatMap((wanted) =>
    maps.flatMap((map) => {
      const own = conceptMaps.get(`${map.id}@${call.request.caller.clientId}`) as ConceptMap | undefined
      return translated(map, own, wanted)
    }),
  )
  return { response: ok(JSON.stringify(toParameters(matches))) }
}

/** Throws what the translation would for how it is asked. */
export function requireTranslate(call: Call): void {
  readAsked(call)
}

function translated(common: ConceptMap, own: ConceptMap | undefined, wanted: Wanted): Match[] {
  const first = own ? matchesIn(own, wanted) : []
  if (wanted.reverse) return [...first, ...matchesIn(common, wanted)]
  return first.length > 0 ? first : matchesIn(common, wanted)
}

/** Throws Failure `not-found` for a map that is not here. */
async function mapsOf(call: Call, { url, version }: ReturnType<typeof readAsked>): Promise<ConceptMap[]> {
  const { store } = call.ports
  if (call.id !== '') {
    const stored = await store.read('ConceptMap', call.id)
    if (!stored) throw absent()
    return [await shown(call, stored)]
  }
  const criteria = url === undefined ? [] : [{ kind: 'token' as const, param: 'url', values: [url] }]
  const found = await store.search({ type: 'ConceptMap', criteria, limit: maxMaps })
  const maps: ConceptMap[] = []
  for (const { stored } of found) maps.push(await shown(call, stored))
  const fitting = maps.filter((map) => version === undefined || map.version === version)
  if (fitting.length === 0)
    throw new Failure('not-found', 'There is no ConceptMap with this url and version.')
  return fitting
}

async function shown(call: Call, stored: Stored): Promise<ConceptMap> {
  return (await requireVisible(call, stored)).resource as ConceptMap
}

function toParameters(matches: readonly Match[]): Parameters {
  const result = matches.some(isCounterpart)
  const message = matches.length === 0 ? 'No table knows this code.' : 'There is no counterpart, on purpose.'
  const parameter: ParametersParameter[] = [{ name: 'result', valueBoolean: result }]
  if (!result) parameter.push({ name: 'message', valueString: message })
  for (const { equivalence, concept, source } of matches) {
    const part: ParametersParameter[] = [{ name: 'equivalence', valueCode: equivalence }]
    if (concept) part.push({ name: 'concept', valueCoding: concept })
    parameter.push({ name: 'match', part: [...part, { name: 'source', valueUri: source }] })
  }
  return { resourceType: 'Parameters', parameter }
}
