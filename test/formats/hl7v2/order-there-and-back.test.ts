import fc from 'fast-check'
import type { MedicationRequest } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import { prescription } from '#flows/prescription.ts'
import { prescriptionOrder } from '#flows/prescription-order.ts'
import { writeOrderMessage } from '#formats/hl7v2/order-message.ts'
import { type Expected, readFixture, replay } from '../../flows/replay.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const source = () =>
  JSON.parse(new TextDecoder().decode(readFixture('prescription', 'draft-substitution-allowed.in.json')))
const attested = () =>
  JSON.parse(new TextDecoder().decode(readFixture('prescription', 'active-attested.in.json')))

function orderOf(result: Expected): MedicationRequest {
  const resources = (result.resources ?? []) as { resourceType: string }[]
  const order = resources.find(({ resourceType }) => resourceType === 'MedicationRequest')
  if (!order) throw new Error(`no order was made: ${JSON.stringify(result.refused)}`)
  return order as MedicationRequest
}

async function fromJson(changes: object): Promise<Expected> {
  const body = { ...attested(), dosage: source().dosage, ...changes }
  return replay(prescription, encode(JSON.stringify(body)), { grants: ['order-source'] })
}

const write = (order: MedicationRequest) =>
  writeOrderMessage({
    order,
    patient: { resourceType: 'Patient', id: 'p', identifier: [{ value: '1' }], name: [{ family: 'x' }] },
    requester: {
      resourceType: 'Practitioner',
      identifier: [{ value: '1306847203' }],
      name: [{ family: 'y' }],
    },
    audience: 'pharmacy',
    dialect: {
      sending: { application: 'POSTERN', facility: 'HUB' },
      receiving: { application: 'RX', facility: '1' },
    },
    controlId: 'C1',
    at: 0,
  })
const fieldOf = (text: string, name: string, field: number) =>
  text
    .split('\r')
    .find((line) => line.startsWith(`${name}|`))
    ?.split('|')[field] ?? ''
const fromRde = (text: string) => replay(prescriptionOrder, encode(text), { grants: ['order-source'] })

describe('repeats (R5)', () => {
  it('are the same number in JSON, FHIR, RXE-12 and FHIR again: fills after the first', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 98 }), async (repeats) => {
        const there = orderOf(await fromJson({ repeats }))
        expect(there.dispenseRequest?.numberOfRepeatsAllowed).toBe(repeats)
        const text = write(there)
        expect(fieldOf(text, 'RXE', 12)).toBe(String(repeats))
        expect(orderOf(await fromRde(text)).dispenseRequest?.numberOfRepeatsAllowed).toBe(repeats)
      }),
      { numRuns: 15 },
    )
  })

  it('that are no whole number from 0 to 98 are refused', async () => {
    const wrong = fc.oneof(
      fc.integer({ min: 99, max: 100_000 }),
      fc.integer({ min: -100_000, max: -1 }),
      fc.double({ min: 0.1, max: 97.9, noInteger: true }),
    )
    await fc.assert(
      fc.asyncProperty(wrong, async (repeats) => {
        expect(await fromJson({ repeats })).toMatchObject({ refused: { kind: 'invalid' } })
      }),
      { numRuns: 25 },
    )
  })
})

describe('substitution (R4)', () => {
  /** What the prescriber said → FHIR → RXE-9 → FHIR. Silence is said as silence each time. */
  const unspecified = { allowedCodeableConcept: { text: 'unspecified' } }
  it.each([
    [true, { allowedBoolean: true }, 'G', { allowedCodeableConcept: { coding: [{ code: 'G' }, {}] } }],
    [false, { allowedBoolean: false }, 'N', { allowedCodeableConcept: { coding: [{ code: 'N' }, {}] } }],
    ['unspecified', unspecified, '0', unspecified],
    [undefined, unspecified, '0', unspecified],
  ])('%s goes there and back', async (allowed, stored, code, back) => {
    const order = orderOf(await fromJson({ substitution: allowed === undefined ? undefined : { allowed } }))
    expect(order.substitution).toMatchObject(stored)
    const text = write(order)
    expect(fieldOf(text, 'RXE', 9).split('^')[0]).toBe(code)
    expect(orderOf(await fromRde(text)).substitution).toMatchObject(back)
  })
})

describe('a unit (R7)', () => {
  it.each([
    ['mcg', 'ug', false],
    ['ea', '{each}', false],
    ['TAB', '{tablet}', false],
    ['{tablet}', '{tablet}', false],
    ['glug', undefined, true],
  ])('%s is kept as it was written and leaves with the code %s', async (unit, code, warned) => {
    const result = await fromJson({ quantity: { value: '30', unit, code: unit } })
    const { quantity } = orderOf(result).dispenseRequest ?? {}
    expect([quantity?.unit, quantity?.code]).toEqual([unit, code])
    expect(quantity?.system).toBe(code && 'http://unitsofmeasure.org')
    expect((result.warnings ?? []).some((text) => text.includes('quantity.code'))).toBe(warned)
    const sent = fieldOf(write(orderOf(result)), 'RXE', 11)
    if (code === undefined) expect(sent).not.toContain('UCUM')
    if (code !== undefined) expect(sent.split('^')[0]).toBe(code)
  })
})

describe('what was only reported (R9)', () => {
  it.each([{ reportedBoolean: true }, { reportedReference: { reference: 'Patient/p' } }])(
    'goes to no pharmacy: %j',
    async (reported) => {
      const order = orderOf(await fromJson({}))
      expect(() => write({ ...order, ...reported })).toThrow('reported')
    },
  )
})
