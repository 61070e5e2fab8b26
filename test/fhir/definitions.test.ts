import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { definitionTypes } from '#core/unstored.ts'
import { type OpenFhir, openFhir, validator } from './open-fhir.ts'

interface Definition {
  resourceType: string
  id: string
  url: string
}

let open: OpenFhir
beforeAll(async () => {
  open = await openFhir()
})
afterAll(() => open.close())

async function all(query: string): Promise<Definition[]> {
  const found: Definition[] = []
  for (let url: string | undefined = query; url; ) {
    const { status, json } = await open.ask('GET', url)
    expect(status, query).toBe(200)
    found.push(...(json.entry ?? []).map(({ resource }: { resource: Definition }) => resource))
    url = json.link.find(({ relation }: { relation: string }) => relation === 'next')?.url
  }
  return found
}
const urlsOf = async (query: string) => (await all(query)).map(({ url }) => url)

describe('what the gateway works by', () => {
  it.each(definitionTypes)('is told as %s, each one valid, page by page', async (type) => {
    const found = await all(`${type}?_count=20`)
    expect(found.length).toBeGreaterThan(0)
    expect(new Set(found.map(({ id }) => id)).size).toBe(found.length)
    const faults = found.flatMap((each) => validator.check(each as never).map((issue) => [each.id, issue]))
    expect(faults).toEqual([])
  })

  it('has every profile and search parameter that the CapabilityStatement names of its own', async () => {
    const { json } = await open.ask('GET', 'metadata')
    const [{ resource }] = json.rest
    const named: string[] = resource.flatMap(
      ({ searchParam = [] }: { searchParam?: { definition?: string }[] }) =>
        searchParam.flatMap(({ definition }) => definition ?? []),
    )
    const urls = await urlsOf('SearchParameter?_count=200')
    expect([...new Set(named)].filter((url) => !urls.includes(url))).toEqual([])
    expect(urls.length).toBe(new Set(named).size)
  })

  it('is found by its parameters, alone and together, in order', async () => {
    const base = 'https://postern.health/fhir'
    const prescription = `${base}/StructureDefinition/Prescription`
    expect(await urlsOf(`StructureDefinition?url=${prescription}`)).toEqual([prescription])
    expect(await urlsOf(`StructureDefinition?url=${prescription}x`)).toEqual([])
    expect(await urlsOf('StructureDefinition?name=prescr&kind=resource')).toEqual([prescription])
    expect(await urlsOf('StructureDefinition?name=prescr&kind=logical')).toEqual([])
    expect(await urlsOf('StructureDefinition?_id=Prescription,SecureMessage&_sort=name')).toEqual([
      prescription,
      `${base}/StructureDefinition/SecureMessage`,
    ])
    expect(await urlsOf('ConceptMap?source-code=PO')).toContain(`${base}/ConceptMap/route`)
    expect(await urlsOf('ConceptMap?status:not=active')).toEqual([])
    expect(await urlsOf('SearchParameter?base=Encounter&code=class')).toEqual([
      'http://hl7.org/fhir/SearchParameter/Encounter-class',
    ])
    expect(await urlsOf('ValueSet?_lastUpdated=lt2020-01-01')).toEqual([])
    expect((await urlsOf('CodeSystem?_sort=-_lastUpdated&_count=3')).length).toBeGreaterThan(5)
  })

  it('keeps its version while it does not change, so that a conditional read is answered 304', async () => {
    const first = await open.ask('GET', 'ConceptMap/route')
    const etag = first.headers.ETag ?? ''
    const again = await open.ask('GET', 'ConceptMap/route', { headers: { 'if-none-match': etag } })
    expect([first.status, again.status]).toEqual([200, 304])
    expect(first.json.meta.versionId).toBe(/\d+/.exec(etag)?.[0])
  })

  it('checks what travels and is kept nowhere', async () => {
    const body = {
      resourceType: 'Bundle',
      type: 'message',
      entry: [{ resource: { resourceType: 'Patient' } }],
    }
    const { status, json } = await open.ask('POST', 'Bundle/$validate', { body })
    expect(status).toBe(200)
    expect(json.issue.map(({ diagnostics }: { diagnostics: string }) => diagnostics).join()).toContain(
      'bdl-12',
    )
  })
})
