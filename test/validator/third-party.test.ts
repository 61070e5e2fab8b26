import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Resource } from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'
import { errorsOf, readFolder, validatorWith } from './examples.ts'

function readList<T>(path: string): T[] {
  const url = new URL(`../../fixtures/third-party/${path}`, import.meta.url)
  return parseJson(readFileSync(url), { maxBytes: 20_000_000 }) as T[]
}

interface Case {
  name: string
  /** What HL7's own validator says is wrong; empty for a valid resource. */
  errors: string[]
  resource: Resource
}

/** Valid by HL7's validator and not by ours, each with the reason why we stay with our answer. */
const explained: Record<string, string> = {}

describe("HL7's own validator cases", () => {
  const validator = validatorWith()
  const cases = readList<Case>('hl7-validator-tests-r4/cases.json')
  const flags = ({ resource }: Case) => errorsOf(validator.check(resource)).length > 0
  const invalid = cases.filter(({ errors }) => errors.length > 0)
  const valid = cases.filter(({ errors }) => errors.length === 0)

  it('find no fault with what is valid, but for what is explained here', () => {
    expect(valid.length).toBeGreaterThan(50)
    expect(valid.filter(flags).map(({ name }) => name)).toEqual(Object.keys(explained))
    expect(Object.keys(explained).length).toBeLessThanOrEqual(3)
  })

  it('find at least 70 % of what is invalid, terminology servers and package registries apart', () => {
    expect(invalid.length).toBeGreaterThan(40)
    const missed = invalid.filter((one) => !flags(one)).map(({ name }) => name)
    expect(1 - missed.length / invalid.length, missed.join('\n')).toBeGreaterThanOrEqual(0.7)
  })
})

describe.each(['us-core-6.1.0', 'us-core-8.0.0', 'ihe-balp', 'ihe-pcf', 'hl7-ipa'])('%s', (set) => {
  const definitions = readList<Resource>(`published-profiles/${set}/definitions.json`)
  const examples = readList<Resource>(`published-profiles/${set}/examples.json`)
  const validator = validatorWith(...definitions)
  const claimed = (resource: Resource) =>
    (resource.meta?.profile ?? []).filter((url) =>
      validator.profilesOf(resource.resourceType).includes(url.split('|')[0] ?? ''),
    )

  it('calls its own examples clean by the profiles that they claim', () => {
    const flagged = examples.flatMap((resource) =>
      errorsOf(validator.check(resource)).map((issue) => `${resource.id} ${issue.expression}: ${issue.text}`),
    )
    expect(flagged).toEqual([])
    expect(examples.filter((resource) => claimed(resource).length > 0).length).toBeGreaterThan(2)
  })

  it('finds that what a profile requires was taken out of its examples', () => {
    const missed: string[] = []
    let made = 0
    for (const resource of examples) {
      const before = errorsOf(plain.check(resource)).length
      for (const url of claimed(resource)) {
        for (const name of requiredBy(definitions, url)) {
          const { [name]: taken, ...rest } = resource as unknown as Record<string, unknown>
          if (taken === undefined || errorsOf(plain.check(rest)).length > before) continue
          made++
          if (errorsOf(validator.check(rest)).length === 0) missed.push(`${url} without ${name}`)
        }
      }
    }
    expect(made).toBeGreaterThan(0)
    expect(missed).toEqual([])
  })
})

/** Base R4 alone: what it finds is no merit of a profile. */
const plain = validatorWith()

/** Names of the elements at the top of a resource that a profile itself asks for. */
function requiredBy(definitions: readonly Resource[], canonical: string): string[] {
  const [url] = canonical.split('|')
  const profile = definitions.find((one) => one.resourceType === 'StructureDefinition' && one.url === url)
  if (profile?.resourceType !== 'StructureDefinition') return []
  return (profile.differential?.element ?? [])
    .filter(({ path, min, sliceName }) => (min ?? 0) > 0 && !sliceName && path.split('.').length === 2)
    .map(({ path }) => path.split('.')[1] ?? '')
    .filter((name) => !name.endsWith('[x]'))
}

describe('profiles with invariants of their own', () => {
  const validator = validatorWith(...readList<Resource>('published-profiles/us-core-6.1.0/definitions.json'))
  const patient = {
    resourceType: 'Patient',
    meta: { profile: ['http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient'] },
    identifier: [{ system: 'https://clinic.example/patients', value: '1' }],
    gender: 'unknown',
    name: [{ family: 'Doe' }],
  }
  it('are held by FHIRPath, with the words of the profile (us-core-6)', () => {
    expect(validator.check(patient)).toEqual([])
    expect(validator.check({ ...patient, name: [{ use: 'official' }] })).toEqual([
      expect.objectContaining({
        code: 'invariant',
        expression: 'Patient.name[0]',
        text: expect.stringContaining('us-core-6'),
      }),
    ])
  })
})

describe('the profiles of IHE PCF', () => {
  it("hold for our ConsentDirective's good examples as far as they are basic or intermediate", () => {
    const pcf = validatorWith(...readList<Resource>('published-profiles/ihe-pcf/definitions.json'))
    const profile = 'https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentBasic'
    for (const [file, consent] of readFolder('fixtures/profiles/ConsentDirective')) {
      if (file.startsWith('good-deny')) expect(errorsOf(pcf.check(consent, profile))).toEqual([])
    }
  })
})
