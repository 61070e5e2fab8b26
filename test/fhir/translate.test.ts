import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ehr, type OpenFhir, openFhir, validator } from './open-fhir.ts'

const url = 'https://postern.health/fhir/ConceptMap/route'
const v2 = 'http://terminology.hl7.org/CodeSystem/v2-0162'
const snomed = 'http://snomed.info/sct'
const own = {
  resourceType: 'ConceptMap',
  url: `${url}-of-ehr`,
  group: [
    {
      source: v2,
      target: snomed,
      element: [{ code: 'PO', target: [{ code: '1', equivalence: 'narrower', comment: 'x' }] }],
    },
  ],
}
const strange = {
  resourceType: 'ConceptMap',
  url: 'urn:map',
  version: '2',
  status: 'active',
  group: [
    {
      source: 'urn:a',
      target: 'urn:b',
      element: [
        { code: 'wide', target: [{ code: 'x', equivalence: 'wider' }] },
        { code: 'none', target: [{ equivalence: 'unmatched' }] },
      ],
      unmapped: { mode: 'fixed', code: 'other' },
    },
    { source: 'urn:c', target: 'urn:b', element: [], unmapped: { mode: 'provided' } },
  ],
}

let open: OpenFhir
beforeAll(async () => {
  open = await openFhir({ conceptMaps: { 'route@acme': own, strange } })
})
afterAll(() => open.close())

type Part = {
  name: string
  valueCode?: string
  valueCoding?: { code: string; system?: string }
  valueUri?: string
}

/** `true: equivalence system|code by source, …` */
async function told(method: string, path: string, options: object = {}): Promise<string> {
  const { status, json, body } = await open.ask(method, path, options)
  if (status !== 200) return `${status} ${json.issue[0].code}`
  expect(validator.check(json), body).toEqual([])
  const [result, ...more] = json.parameter as { name: string; valueBoolean?: boolean; part?: Part[] }[]
  const matches = more.flatMap(({ part }) => {
    if (!part) return []
    const by = (name: string) => part.find((each) => each.name === name)
    const concept = by('concept')?.valueCoding
    const code = concept ? ` ${concept.system}|${concept.code}` : ''
    return `${by('equivalence')?.valueCode}${code} by ${by('source')?.valueUri}`
  })
  return `${result?.valueBoolean}: ${matches.join(', ')}`
}

const post = (...parameter: object[]) => ({ body: { resourceType: 'Parameters', parameter } })

describe('$translate', () => {
  const oral = `true: equivalent ${snomed}|26643006 by ${url}|1.0.0`

  it('asks one table, by its id or its url, in the address or posted', async () => {
    expect(await told('GET', `ConceptMap/route/$translate?code=PO&system=${v2}`)).toBe(oral)
    expect(await told('GET', `ConceptMap/$translate?url=${url}&code=PO&system=${v2}`)).toBe(oral)
    expect(await told('GET', `ConceptMap/$translate?url=${url}|1.0.0&code=PO`)).toBe(oral)
    const [code, system] = [
      { name: 'code', valueCode: 'PO' },
      { name: 'system', valueUri: v2 },
    ]
    expect(await told('POST', 'ConceptMap/route/$translate', post(code, system))).toBe(oral)
    const coding = { name: 'coding', valueCoding: { system: v2, code: 'PO' } }
    expect(await told('POST', 'ConceptMap/$translate', post(coding, { name: 'url', valueUri: url }))).toBe(
      oral,
    )
    const both = [
      { code: 'PO', system: v2 },
      { code: 'local', system: 'urn:local' },
    ]
    const concept = { name: 'codeableConcept', valueCodeableConcept: { coding: both } }
    expect(await told('POST', 'ConceptMap/route/$translate', post(concept))).toBe(oral)
  })

  it('asks all tables where none is named, and keeps to the systems that are', async () => {
    expect(await told('GET', `ConceptMap/$translate?code=PO&system=${v2}`)).toBe(oral)
    expect(await told('GET', `ConceptMap/$translate?code=PO&system=${v2}&targetsystem=urn:b`)).toBe('false: ')
    expect(await told('GET', 'ConceptMap/$translate?code=PO&system=urn:nowhere')).toBe('false: ')
  })

  it('goes the other way round with reverse, and so does the equivalence', async () => {
    const back = `ConceptMap/route/$translate?code=26643006&system=${snomed}&reverse=true`
    expect(await told('GET', back)).toBe(`true: equivalent ${v2}|PO by ${url}|1.0.0`)
    expect(await told('GET', 'ConceptMap/strange/$translate?code=x&system=urn:b&reverse=true')).toBe(
      'true: narrower urn:a|wide by urn:map|2',
    )
    const posted = post({ name: 'code', valueCode: 'x' }, { name: 'reverse', valueBoolean: true })
    expect(await told('POST', 'ConceptMap/strange/$translate', posted)).toBe(
      'true: narrower urn:a|wide by urn:map|2',
    )
  })

  it('says what stands for all others, and where a table knows that there is nothing', async () => {
    const strangely = (query: string) => told('GET', `ConceptMap/strange/$translate?${query}`)
    expect(await strangely('code=none&system=urn:a')).toBe('false: unmatched by urn:map|2')
    expect(await strangely('code=new&system=urn:a')).toBe('true: relatedto urn:b|other by urn:map|2')
    expect(await strangely('code=new&system=urn:c')).toBe('true: equal urn:b|new by urn:map|2')
  })

  it('lets the rows of one sender go before those of everybody, for that sender only', async () => {
    const acme = { ...ehr, clientId: 'acme' }
    const path = `ConceptMap/route/$translate?code=PO&system=${v2}`
    expect(await told('GET', path, { caller: acme })).toBe(`true: narrower ${snomed}|1 by ${url}-of-ehr`)
    expect(await told('GET', path)).toBe(oral)
    expect((await open.ask('GET', `ConceptMap?url=${own.url}`)).json.entry).toBeUndefined()
  })

  it('refuses what it does not know, and says what it takes', async () => {
    expect(await told('GET', 'ConceptMap/route/$translate?system=urn:a')).toBe('400 structure')
    expect(await told('GET', 'ConceptMap/route/$translate?code=PO&dependency=x')).toBe('400 not-supported')
    expect(await told('GET', 'ConceptMap/$translate?code=PO&url=urn:none')).toBe('404 not-found')
    expect(await told('GET', `ConceptMap/$translate?code=PO&url=${url}&conceptMapVersion=9`)).toBe(
      '404 not-found',
    )
    expect(await told('GET', 'ConceptMap/none/$translate?code=PO')).toBe('404 not-found')
    expect(await told('POST', 'ConceptMap/$translate', { body: { resourceType: 'Patient' } })).toBe(
      '400 structure',
    )
    expect(await told('POST', 'ConceptMap/$translate', post({ name: 'code', valueInteger: 1 }))).toBe(
      '400 structure',
    )
    const nothing = { name: 'codeableConcept', valueCodeableConcept: { coding: [null, 1, {}] } }
    expect(await told('POST', 'ConceptMap/$translate', post(nothing))).toBe('400 structure')
    expect(await told('GET', 'Patient/$translate?code=PO')).toBe('405 not-supported')
  })
})
