import type { Parameters, ParametersParameter } from 'fhir/r4'
import { Failure } from '#core/failure.ts'
import type { Call } from '#fhir/call.ts'
import { requireJsonBody } from '#fhir/negotiate.ts'
import { parseJson } from '#formats/json.ts'
import type { Wanted } from './matches.ts'

/** What `$translate` was asked. */
export interface Asked {
  /** Canonical of the map, and its version where that matters. */
  url?: string
  version?: string
  /** Each by itself: the codings of a CodeableConcept are several. */
  concepts: Wanted[]
}

/** In the address: what has more than one part is posted. */
export const translateQuery = [
  'url',
  'conceptMapVersion',
  'code',
  'system',
  'targetsystem',
  'reverse',
] as const
const posted = [...translateQuery, 'coding', 'codeableConcept']

/**
 * By GET, or by POST of Parameters: https://hl7.org/fhir/R4/conceptmap-operation-translate.html. Value sets as source or
 * target, maps sent along and dependencies are not offered: `unsupported`. `malformed` where there is no code.
 */
export function readAsked({ request }: Call): Asked {
  const values = request.method === 'POST' ? ofBody(parameterList(request)) : ofQuery(request.query)
  const text = (name: string) => values.get(name) as string | undefined
  const reverse = values.get('reverse') === true || values.get('reverse') === 'true'
  const targetSystem = text('targetsystem')
  const codings = codingsOf(values).filter((each) => typeof each?.code === 'string' && each.code !== '')
  if (codings.length === 0) {
    throw new Failure('malformed', 'Say what to translate: code with system, coding or codeableConcept.')
  }
  const concepts = codings.map(({ code = '', system }) => ({
    code,
    ...(system ? { system } : {}),
    ...(targetSystem ? { targetSystem } : {}),
    reverse,
  }))
  const [url, version] = (text('url') ?? '').split('|')
  const wanted = text('conceptMapVersion') ?? version
  return { ...(url ? { url } : {}), ...(wanted ? { version: wanted } : {}), concepts }
}

type Values = ReadonlyMap<string, unknown>

function codingsOf(values: Values): { code?: string; system?: string }[] {
  const concept = values.get('codeableConcept') as { coding?: { code?: string }[] } | undefined
  const coding = values.get('coding') as { code?: string } | undefined
  if (concept) return Array.isArray(concept.coding) ? concept.coding : []
  if (coding) return [coding]
  return [{ code: values.get('code') as string, system: values.get('system') as string }]
}

function ofQuery(query: URLSearchParams): Values {
  const values = new Map<string, unknown>()
  for (const [name, text] of query) {
    if (name === '_format' || name === '_pretty') continue
    requireKnown(name, translateQuery)
    values.set(name, text)
  }
  return values
}

function ofBody(parameters: readonly ParametersParameter[]): Values {
  const values = new Map<string, unknown>()
  for (const parameter of parameters) {
    requireKnown(parameter?.name, posted)
    const value = Object.entries(parameter).find(([name]) => name.startsWith('value'))?.[1]
    const isStructured = ['coding', 'codeableConcept'].includes(parameter.name)
    const isFlag = parameter.name === 'reverse' && typeof value === 'boolean'
    if (isStructured ? typeof value !== 'object' : typeof value !== 'string' && !isFlag) {
      throw new Failure('malformed', `The parameter ${parameter.name} has no value of its type.`)
    }
    values.set(parameter.name, value)
  }
  return values
}

function requireKnown(name: unknown, known: readonly string[]): void {
  if (known.some((each) => each === name)) return
  throw new Failure('unsupported', `A translation takes the parameters ${known.join(', ')}.`)
}

function parameterList(request: Call['request']): ParametersParameter[] {
  requireJsonBody(request)
  const body = parseJson(request.body) as Partial<Parameters> | null
  if (body?.resourceType !== 'Parameters' || !Array.isArray(body.parameter)) {
    throw new Failure('malformed', 'What is posted to $translate is Parameters, with a list of them.')
  }
  return body.parameter
}
