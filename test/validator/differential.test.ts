import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Resource } from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'
import { base, errorsOf, readFolder, validatorWith } from './examples.ts'
import { eachMutant, type Fault, faults } from './mutants.ts'
import { medplumPeer, schemaPeer } from './peers.ts'

const validator = validatorWith()
const official = readFolder('fixtures/third-party/hl7-r4-examples')
const cases = parseJson(
  readFileSync(new URL('../../fixtures/third-party/hl7-validator-tests-r4/cases.json', import.meta.url)),
  { maxBytes: 20_000_000 },
) as { name: string; errors: string[]; resource: Resource }[]

/** What they refuse and we do not, each with the reason. */
const onlyThey: Record<string, string> = {
  'schema mr-covid-bnd1':
    'a Measure in a Bundle: its type is not served, and what is not served is not looked into',
}

/** What we refuse and they do not: classes of faults that a peer does not look for, or not everywhere, and why. */
const onlyWe: Record<string, Partial<Record<Fault, string>>> = {
  schema: {
    'required element removed': 'the schema requires few elements, and none of a primitive type',
    'single element repeated': 'types of R4 that it leaves open take anything, narrative among them',
    'bad primitive': 'dates of no calendar, control characters and blank text match its patterns',
    'wrong type': 'it lets types pass that it leaves open',
    'two types of a choice': 'it does not say that only one may be there',
    'empty value': 'it allows empty lists, objects and text',
    'reference of another type': 'it knows no targets',
    'bad narrative': 'it does not look into narrative',
    'broken invariant': 'it has no invariants',
  },
  medplum: {
    'unknown element': 'it lets numbers pass that are named like a choice of type',
    'bad primitive': 'it does not check the form of ids and texts',
    'bad code': 'it does not look at required bindings',
    'two types of a choice': 'it takes one of them and passes over the other',
    'empty value': 'it does not mind empty lists, objects and text',
    'reference of another type': 'it does not look at targets',
    'bad narrative': 'it does not look into narrative',
    'broken invariant': 'it holds the invariants of elements, not those of types',
  },
}

describe.each([
  ['schema', schemaPeer()],
  ['medplum', medplumPeer()],
] as const)("the validator beside a peer's: %s", (name, peer) => {
  const differs = (resource: unknown) => {
    const ours = errorsOf(validator.check(resource)).length > 0
    const theirs = peer(resource).length > 0
    return ours === theirs ? undefined : ours ? 'only we' : 'only they'
  }

  // A Bundle may hold everything, so the first one takes the peer through all of FHIR.
  beforeAll(() => {
    expect(peer({ resourceType: 'Bundle', type: 'collection' })).toEqual([])
  }, 120_000)

  it("refuses what the peer refuses of HL7's cases; where it refuses more, HL7's own validator does too", () => {
    const missed = cases
      .filter(({ resource }) => differs(resource) === 'only they')
      .map((each) => `${name} ${each.name}`)
    expect(missed).toEqual(Object.keys(onlyThey).filter((each) => each.startsWith(name)))
    const more = cases.filter(({ resource }) => differs(resource) === 'only we')
    expect(more.filter(({ errors }) => errors.length === 0).map((each) => each.name)).toEqual([])
    expect(more.length).toBeGreaterThan(15)
  })

  it("agrees on the standard's examples, but for linkIds that are missing in one", () => {
    const found = [...official]
      .filter(([, resource]) => differs(resource) !== undefined)
      .map(([file]) => file)
    expect(found).toEqual(name === 'schema' ? ['Questionnaire-qs1.json'] : [])
  })

  it.each(faults)('misses no single fault that the peer finds: %s', (fault) => {
    const missed: string[] = []
    let made = 0
    let more = 0
    for (const [file, resource] of official) {
      let here = 0
      eachMutant(base, resource, fault, (where) => {
        if (here++ % 59 !== 0 || here > 60) return
        made++
        const difference = differs(resource)
        if (difference === 'only they') missed.push(`${file}: ${where}`)
        if (difference === 'only we') more++
      })
    }
    expect(missed).toEqual([])
    expect(made).toBeGreaterThan(20)
    expect(more > 0, `${more} of ${made} are found by us alone`).toBe(onlyWe[name]?.[fault] !== undefined)
  })
})
