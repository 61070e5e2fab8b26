import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { servedTypes } from '#fhir/routes.ts'
import { type OpenFhir, openFhir } from './open-fhir.ts'

/** What the servers of US Core and IPA offer for a type, by the guides' own CapabilityStatements. */
interface Offered {
  guide: string
  type: string
  searchParam: { name: string; type: string }[]
  searchInclude: string[]
  searchRevInclude: string[]
}

const all: Offered[] = JSON.parse(readFileSync('fixtures/third-party/guide-servers/search.json', 'utf8'))

describe('what the guides ask of a server, for the types that are served', () => {
  let open: OpenFhir
  // biome-ignore lint/suspicious/noExplicitAny: a CapabilityStatement as it was answered
  let claimed: any[]

  beforeAll(async () => {
    open = await openFhir()
    claimed = (await open.ask('GET', 'metadata')).json.rest[0].resource
  })
  afterAll(() => open.close())

  it.each(all.filter(({ type }) => servedTypes.includes(type)))('$guide $type', async (offered) => {
    const own = claimed.find(({ type }) => type === offered.type)
    for (const wanted of offered.searchParam) {
      expect(own.searchParam).toContainEqual(expect.objectContaining(wanted))
    }
    for (const include of offered.searchInclude) {
      const { status, body } = await open.ask('GET', `${offered.type}?_id=1&_include=${include}`)
      expect(status, body).toBe(200)
    }
    for (const include of offered.searchRevInclude) {
      expect(own.searchRevInclude).toContain(include)
    }
  })
})
