import type { StructureDefinition } from 'fhir/r4'
import { expect, it } from 'vitest'
import base from '#profiles/base/r4.json' with { type: 'json' }
import { createValidator } from '#validator/validator.ts'

const url = 'https://postern.health/fhir/StructureDefinition/edge'
const profile: StructureDefinition = {
  resourceType: 'StructureDefinition',
  url,
  name: 'Edge',
  status: 'draft',
  kind: 'resource',
  abstract: false,
  type: 'MedicationDispense',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/MedicationDispense',
  derivation: 'constraint',
  differential: {
    element: [
      {
        path: 'MedicationDispense',
        constraint: [
          {
            key: 'edge-1',
            severity: 'error',
            human: 'More than nothing must be given',
            expression: "status != 'completed' or (quantity.value > 0 and %resource.id.exists())",
          },
        ],
      },
    ],
  },
}
const dispense = (value: unknown) => ({
  resourceType: 'MedicationDispense',
  id: 'd-1',
  status: 'completed',
  medicationCodeableConcept: { text: 'Amoxicillin' },
  quantity: { value },
})

it('FHIRPath runs on the edge, where nothing may be compiled from text', () => {
  const validator = createValidator({ base, profiles: [profile] })
  expect(validator.check(dispense(JSON.rawJSON('1.50')), url)).toEqual([])
  expect(validator.check(dispense(JSON.rawJSON('0.0')), url)).toEqual([
    expect.objectContaining({ code: 'invariant', text: 'More than nothing must be given (edge-1).' }),
  ])
})

it('constraints of the standard hold on the edge', () => {
  const { check } = createValidator({ base, profiles: [] })
  const definition = {
    ...profile,
    derivation: 'specialization',
    abstract: undefined,
    baseDefinition: undefined,
  }
  expect(JSON.stringify(check({ ...definition, abstract: false }))).toContain('sdf-4')
})
