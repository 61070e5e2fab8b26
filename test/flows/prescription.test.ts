import fc from 'fast-check'
import type { MedicationRequest } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import { prescription } from '#flows/prescription.ts'
import { prescriptionOrder } from '#flows/prescription-order.ts'
import { stringifyJson } from '#formats/json.ts'
import { type Expected, readFixture, replay } from './replay.ts'

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const encode = (text: string) => new TextEncoder().encode(text)
const json = () => decode(readFixture('prescription', 'draft-substitution-allowed.in.json'))
const attested = () => decode(readFixture('prescription', 'active-attested.in.json'))
const rde = () => decode(readFixture('prescription-order', 'us-simple.in.hl7'))
const placed = () => decode(readFixture('prescription-order', 'us-placed-and-encoded.in.hl7'))
const orderSource = { grants: ['order-source'] }

function orders(result: Expected): MedicationRequest[] {
  const resources = (result.resources ?? []) as { resourceType: string }[]
  return resources.filter(({ resourceType }) => resourceType === 'MedicationRequest') as MedicationRequest[]
}

const fromJson = async (text: string, given?: Expected['given']) => replay(prescription, encode(text), given)
const fromRde = async (text: string, given?: Expected['given']) =>
  replay(prescriptionOrder, encode(text), given)

describe('decimals keep their digits (R2)', () => {
  const decimals = fc
    .tuple(fc.integer({ min: 0, max: 99_999 }), fc.stringMatching(/^[0-9]{1,8}$/))
    .map(([whole, fraction]) => `${whole}.${fraction}`)
    .filter((text) => /[1-9]/.test(text))

  it('from JSON, as numbers and as strings', async () => {
    await fc.assert(
      fc.asyncProperty(decimals, fc.boolean(), async (digits, quoted) => {
        const value = quoted ? `"${digits}"` : digits
        const text = json().replace('"value": 28', `"value": ${value}`)
        expect(stringifyJson(orders(await fromJson(text))[0]?.dispenseRequest?.quantity)).toContain(
          `"value":${digits},`,
        )
      }),
      { numRuns: 60 },
    )
  })

  it('from RDE^O11', async () => {
    await fc.assert(
      fc.asyncProperty(decimals, async (digits) => {
        const text = rde().replace('|2.50||mg', `|${digits}||mg`)
        expect(stringifyJson(orders(await fromRde(text))[0]?.dosageInstruction)).toContain(
          `"value":${digits},`,
        )
      }),
      { numRuns: 30 },
    )
  })

  it('codes of 17 digits are texts', async () => {
    const text = json().replace('308136', '39732311000001104')
    expect(orders(await fromJson(text))[0]?.medicationCodeableConcept?.coding?.[0]?.code).toBe(
      '39732311000001104',
    )
  })
})

describe('substitution is always said and never defaulted (R4)', () => {
  const unspecified = { allowedCodeableConcept: { text: 'unspecified' } }

  it.each([
    ['"allowed": true', { allowedBoolean: true }],
    ['"allowed": false', { allowedBoolean: false }],
    ['"allowed": "unspecified"', unspecified],
  ])('JSON %s', async (said, expected) => {
    const [order] = orders(await fromJson(json().replace('"allowed": true', said)))
    expect(order?.substitution).toMatchObject(expected)
  })

  it('JSON without a word of it', async () => {
    const { substitution: _, ...rest } = JSON.parse(json())
    expect(orders(await fromJson(JSON.stringify(rest)))[0]?.substitution).toMatchObject(unspecified)
  })

  it.each([
    ['0', unspecified],
    ['', unspecified],
    ['1', { allowedBoolean: false }],
    ['2', { allowedBoolean: true }],
    ['5', { allowedBoolean: true }],
    ['7', { allowedBoolean: false }],
    ['G', { allowedCodeableConcept: { coding: [{ code: 'G' }, { code: 'G' }] } }],
    ['N', { allowedCodeableConcept: { coding: [{ code: 'N' }, { code: 'N' }] } }],
  ])('RXE-9 = %s', async (code, expected) => {
    const text = rde().replace('once daily||1|90', `once daily||${code}|90`)
    expect(orders(await fromRde(text))[0]?.substitution).toMatchObject(expected)
  })

  it.each([
    ['G', { allowedCodeableConcept: { coding: [{ code: 'G' }, { code: 'G' }] } }],
    ['T', { allowedCodeableConcept: { coding: [{ code: 'TE' }, { code: 'T' }] } }],
    ['', unspecified],
  ])('RXO-9 = %s', async (code, expected) => {
    const text = placed().replace('for fever||G||40', `for fever||${code}||40`)
    expect(orders(await fromRde(text))[0]?.substitution).toMatchObject(expected)
  })
})

describe('orders authorised elsewhere (ACC15)', () => {
  const withoutAttestation = () => {
    const { attestation: _, ...rest } = JSON.parse(attested())
    return JSON.stringify(rest)
  }
  const withoutProvider = () => rde().replace(/\|1306847203\^BRANDT[^|]*\|/, '|^BRANDT^MARIA|')

  it.each([
    ['JSON, attested, from an order source', () => fromJson(attested(), orderSource), 'active'],
    ['JSON, attested, from anybody else', () => fromJson(attested()), 'draft'],
    [
      'JSON without attestation, from an order source',
      () => fromJson(withoutAttestation(), orderSource),
      'draft',
    ],
    ['JSON without attestation, from anybody else', () => fromJson(withoutAttestation()), 'draft'],
    ['RDE with ORC-12, from an order source', () => fromRde(rde(), orderSource), 'active'],
    ['RDE with ORC-12, from anybody else', () => fromRde(rde()), 'draft'],
    [
      'RDE whose ORC-12 has no identifier, from an order source',
      () => fromRde(withoutProvider(), orderSource),
      'draft',
    ],
  ])('%s', async (_what, send, status) => {
    const result = await send()
    expect(orders(result).map((order) => order.status)).toEqual([status])
    const types = (result.resources as { resourceType: string }[]).map(({ resourceType }) => resourceType)
    expect(types.includes('Task')).toBe(status === 'active')
  })

  it('Provenance keeps who authorised, how, and the signature as it came', async () => {
    const { resources } = await fromJson(attested(), orderSource)
    const { attestation } = JSON.parse(attested())
    expect((resources as unknown[]).at(-1)).toMatchObject({
      resourceType: 'Provenance',
      signature: [{ who: { reference: 'Practitioner/1306847203' }, data: btoa(attestation.signature) }],
    })
  })
})

describe('what an order is made of', () => {
  it('of RXO and RXE each becomes a request, the second based on the first, and one Task', async () => {
    const result = await fromRde(placed(), orderSource)
    const [original, filler] = orders(result)
    expect([original?.intent, filler?.intent]).toEqual(['original-order', 'filler-order'])
    expect(filler?.basedOn?.[0]?.reference).toBe(`MedicationRequest/${original?.id}`)
    expect(original?.dosageInstruction?.[0]?.doseAndRate?.[0]).toHaveProperty('doseRange')
    expect(filler?.dosageInstruction?.[0]?.doseAndRate?.[0]).toHaveProperty('doseQuantity')
    expect(result.resources).toHaveLength(4)
  })

  it('a pharmacy is performer of the order it fills only, so that nothing is dispensed twice', async () => {
    const text = placed().replace('|4^&g\r', '|4^&g|||||||||1234567893^Main Street Pharmacy^NPI\r')
    const [original, filler] = orders(await fromRde(text, orderSource))
    expect(original?.dispenseRequest?.performer).toBeUndefined()
    expect(original?.supportingInformation).toEqual([{ reference: 'Organization/1234567893' }])
    expect(filler?.dispenseRequest?.performer).toEqual({ reference: 'Organization/1234567893' })
  })

  it('what is written for staff is nowhere in what is made (R10)', async () => {
    expect(json()).toContain('CANARY-STAFF-NOTE')
    const result = await fromJson(json())
    expect(JSON.stringify(result.resources)).not.toContain('CANARY')
  })

  it('repeats count as FHIR counts them, 0 to 98 (R5)', async () => {
    const refills = async (n: number) => fromRde(rde().replace('|TAB^tablet|3|', `|TAB^tablet|${n}|`))
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 98 }), async (n) => {
        expect(orders(await refills(n))[0]?.dispenseRequest?.numberOfRepeatsAllowed).toBe(n)
      }),
      { numRuns: 20 },
    )
    expect(await refills(99)).toMatchObject({ refused: { kind: 'invalid' } })
  })

  it('a unit that is no UCUM leaves as text without a code (R7)', async () => {
    for (const [unit, code] of [
      ['mcg', 'ug'],
      ['TAB', '{tablet}'],
      ['ea', '{each}'],
      ['{tablet}', '{tablet}'],
      ['glug', undefined],
    ]) {
      const text = rde().replace('|2.50||mg^milligram^UCUM|', `|2.50||${unit}|`)
      const dose = orders(await fromRde(text))[0]?.dosageInstruction?.[0]?.doseAndRate?.[0]?.doseQuantity
      expect([dose?.unit, dose?.code, dose?.system]).toEqual([
        unit,
        code,
        code && 'http://unitsofmeasure.org',
      ])
    }
  })

  it.each(['CA', 'DC', 'HD', 'RF', 'XO', 'QQ'])(
    'order control %s is refused with AR and the reason',
    async (control) => {
      expect(await fromRde(rde().replace('ORC|NW|', `ORC|${control}|`))).toMatchObject({
        refused: { kind: 'unsupported', issues: [expect.stringMatching(/^ORC\[1\]-1: /)] },
      })
    },
  )
})
