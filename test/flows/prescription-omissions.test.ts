import { readFileSync } from 'node:fs'
import type { MedicationRequest } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import { prescription } from '#flows/prescription.ts'
import { prescriptionOrder } from '#flows/prescription-order.ts'
import { readArtifacts } from '#intake/artifact-folder.ts'
import { createValidator } from '#validator/validator.ts'
import { type Expected, readFixture, replay } from './replay.ts'

const root = new URL('../../', import.meta.url).pathname
const profile = 'https://postern.health/fhir/StructureDefinition/Prescription'
const validator = createValidator({
  base: JSON.parse(readFileSync(`${root}profiles/base/r4.json`, 'utf8')),
  profiles: readArtifacts(root).profiles,
})
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const encode = (text: string) => new TextEncoder().encode(text)
const attested = () => decode(readFixture('prescription', 'active-attested.in.json'))
const rde = () => decode(readFixture('prescription-order', 'us-simple.in.hl7'))
const given = { grants: ['order-source'] }
const fromJson = (text: string) => replay(prescription, encode(text), given)
const fromRde = (text: string) => replay(prescriptionOrder, encode(text), given)

function ordersOf(result: Expected): MedicationRequest[] {
  const resources = (result.resources ?? []) as { resourceType: string }[]
  return resources.filter(({ resourceType }) => resourceType === 'MedicationRequest') as MedicationRequest[]
}

/** R3: what every order that is issued has. */
const required = [
  ['status'],
  ['intent'],
  ['subject'],
  ['medicationCodeableConcept', 'medicationReference'],
  ['requester'],
  ['authoredOn'],
  ['dosageInstruction'],
  ['substitution'],
  ['identifier'],
  ['groupIdentifier'],
] as const

describe('an issued order (R3)', () => {
  it.each([
    ['JSON', () => fromJson(attested())],
    ['RDE^O11', () => fromRde(rde())],
  ])(
    'from %s has all that is required, and without any of it the profile refuses it',
    async (_door, send) => {
      const [order] = ordersOf(await send())
      if (!order) throw new Error('no order was made')
      const errors = (resource: MedicationRequest) =>
        validator.check(resource, profile).filter(({ severity = 'error' }) => severity === 'error')
      expect([order.status, errors(order)]).toEqual(['active', []])
      expect(order.dosageInstruction?.every(({ text }) => text)).toBe(true)
      for (const names of required) {
        expect(
          names.some((name) => name in order),
          names.join(),
        ).toBe(true)
        const less = Object.fromEntries(
          Object.entries(order).filter(([name]) => !names.some((each) => each === name)),
        )
        expect(errors(less as unknown as MedicationRequest), names.join()).not.toEqual([])
      }
      const silent = {
        ...order,
        dosageInstruction: order.dosageInstruction?.map(({ text: _, ...rest }) => rest) ?? [],
      }
      expect(errors(silent)).not.toEqual([])
      expect(errors({ ...order, substitution: {} as never })).not.toEqual([])
    },
  )

  it.each(['id', 'patient', 'prescriber', 'drug', 'dosage', 'quantity', 'repeats', 'authoredOn'])(
    'is not made of JSON without its %s',
    async (name) => {
      const { [name]: _, ...rest } = JSON.parse(attested())
      expect(await fromJson(JSON.stringify(rest))).toMatchObject({ refused: { kind: 'invalid' } })
    },
  )

  it.each([
    ['the patient', /PID\|[^\r]*\r/],
    ['the drug', /(?<=RXE\|[^|]*\|)[^|]+/],
    ['the encoded order', /RXE\|[^\r]*\r/],
  ])('is not made of RDE^O11 without %s', async (_name, part) => {
    expect(rde()).toMatch(part)
    expect(await fromRde(rde().replace(part, ''))).toMatchObject({ refused: {} })
  })
})
