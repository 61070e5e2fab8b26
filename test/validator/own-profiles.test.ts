import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Resource } from '#core/resource.ts'
import { createValidator } from '#validator/validator.ts'
import { base, errorsOf, readFolder, validatorWith } from './examples.ts'

const pcf = readFolder('fixtures/third-party/ihe-pcf/definitions')
const usCore = readFolder('fixtures/third-party/us-core-6.1.0')
const validator = validatorWith(
  ...[...usCore.values()].filter(({ resourceType }) =>
    ['StructureDefinition', 'ValueSet'].includes(resourceType),
  ),
  ...pcf.values(),
)
const plainR4 = createValidator({ base, profiles: [] })
const own = (id: string) => `https://postern.health/fhir/StructureDefinition/${id}`
const usCoreMedicationRequest = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-medicationrequest'

const names = readdirSync(new URL('../../fixtures/profiles/', import.meta.url))
const profiles = [...readFolder('profiles').values()].filter(
  (one) =>
    one.resourceType === 'StructureDefinition' && one.kind === 'resource' && one.publisher === 'Postern',
)

const errors = (resource: unknown, profile?: string) =>
  errorsOf(validator.check(resource, profile)).map((issue) => `${issue.expression}: ${issue.text}`)

it('every profile of ours has examples, good and bad', () => {
  expect(names.sort()).toEqual(profiles.map((profile) => profile.id).sort())
  for (const name of names) {
    const files = [...readFolder(`fixtures/profiles/${name}`).keys()]
    expect(files.filter((file) => file.startsWith('good-')).length).toBeGreaterThan(1)
    expect(files.filter((file) => file.startsWith('bad-')).length).toBeGreaterThan(4)
  }
})

describe.each(names)('%s', (name) => {
  const examples = [...readFolder(`fixtures/profiles/${name}`)]
  const good = examples.filter(([file]) => file.startsWith('good-'))
  const bad = examples.filter(([file]) => file.startsWith('bad-'))

  it.each(good)('holds for %s, without a warning', (_file, resource) => {
    expect(resource.meta?.profile).toEqual([own(name)])
    expect(validator.check(resource, own(name))).toEqual([])
  })

  it.each(bad)('does not hold for %s, which plain R4 would let pass', (_file, resource) => {
    const { meta: _meta, ...plain } = resource
    expect(errorsOf(plainR4.check(plain))).toEqual([])
    expect(errors(plain, own(name))).not.toEqual([])
    expect(errors(resource)).toEqual(errors(plain, own(name)))
  })
})

describe('a Patient that an ADT makes', () => {
  const made = [...readFolder('fixtures/patient-record')].flatMap(([file, golden]) =>
    ((golden as unknown as { resources?: Resource[] }).resources ?? [])
      .filter(({ resourceType }) => resourceType === 'Patient')
      .map((patient) => [file, patient] as const),
  )
  it.each(made)('is a US Core Patient: %s', (_file, patient) => {
    expect(errors(patient, 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient')).toEqual([])
  })
})

describe('a Prescription', () => {
  it.each([...readFolder('fixtures/profiles/Prescription')].filter(([file]) => file.startsWith('good-')))(
    'is a US Core MedicationRequest too: %s',
    (_file, resource) => expect(errors(resource, usCoreMedicationRequest)).toEqual([]),
  )
})

describe('a ConsentDirective', () => {
  const good = [...readFolder('fixtures/profiles/ConsentDirective')].filter(([file]) =>
    file.startsWith('good-'),
  )
  const pcfConsent = (level: string) =>
    `https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent${level}`

  it.each(good)('is an intermediate Consent of IHE PCF too: %s', (_file, resource) =>
    expect(errors(resource, pcfConsent('Intermediate'))).toEqual([]),
  )

  it('without exceptions is a basic one', () => {
    const basic = good.filter(([, resource]) => errors(resource, pcfConsent('Basic')).length === 0)
    expect(basic.map(([file]) => file)).toEqual(['good-deny-all.json', 'good-permit-to-treat.json'])
  })

  const published = [...readFolder('fixtures/third-party/ihe-pcf/examples')]
  it.each(published.filter(([file]) => /basic|intermediate/.test(file)))(
    'can be what IHE gives as an example: %s',
    (_file, resource) => expect(errors(resource, own('ConsentDirective'))).toEqual([]),
  )
})
