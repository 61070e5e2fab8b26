import type { Dosage, MedicationRequest } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import { prescriptionOrder } from '#flows/prescription-order.ts'
import { readFixture, replay } from './replay.ts'

const simple = new TextDecoder().decode(readFixture('prescription-order', 'us-simple.in.hl7'))

async function dosages(...tq1: string[]): Promise<Dosage[]> {
  const text = simple.replace(/TQ1\|[^\r]*\r/, tq1.map((line) => `${line}\r`).join(''))
  const { resources, refused } = await replay(prescriptionOrder, new TextEncoder().encode(text))
  expect(refused).toBeUndefined()
  const [order] = resources as [MedicationRequest]
  return JSON.parse(JSON.stringify(order.dosageInstruction ?? []))
}

describe('TQ1-3, the repeat pattern', () => {
  it.each([
    ['BID', { frequency: 2, period: 1, periodUnit: 'd' }],
    ['QID', { frequency: 4, period: 1, periodUnit: 'd' }],
    ['5ID', { frequency: 5, period: 1, periodUnit: 'd' }],
    ['Q8H', { frequency: 1, period: 8, periodUnit: 'h' }],
    ['Q2W', { frequency: 1, period: 2, periodUnit: 'wk' }],
    ['QOD', { frequency: 1, period: 2, periodUnit: 'd' }],
    ['QHS', { frequency: 1, period: 1, periodUnit: 'd', when: ['HS'] }],
    ['Q1J135', { frequency: 1, period: 1, periodUnit: 'wk', dayOfWeek: ['mon', 'wed', 'fri'] }],
    ['Once', { count: 1 }],
    ['AFTERMEALS', undefined],
  ])('%s', async (pattern, repeat) => {
    const [dosage] = await dosages(`TQ1|1||${pattern}`)
    expect(dosage?.timing?.repeat).toEqual(repeat)
    expect(dosage?.timing?.code?.coding?.at(-1)?.code).toBe(pattern)
  })

  it('PRN is as needed, with its pattern behind it', async () => {
    const [plain] = await dosages('TQ1|1||PRN')
    expect(plain).toMatchObject({ asNeededBoolean: true })
    const [timed] = await dosages('TQ1|1||PRNQ6H|||||||pain')
    expect(timed).toMatchObject({
      asNeededCodeableConcept: { text: 'pain' },
      timing: { repeat: { period: 6 } },
    })
  })

  it('a condition does not make a scheduled order one as needed', async () => {
    const [dosage] = await dosages('TQ1|1||BID|||||||with food')
    expect(dosage).not.toHaveProperty('asNeededCodeableConcept')
    expect(dosage?.additionalInstruction).toEqual([{ text: 'with food' }])
  })
})

describe('TQ1, the rest', () => {
  it('explicit times are times of day', async () => {
    const [dosage] = await dosages('TQ1|1||BID|0800~2030')
    expect(dosage?.timing?.repeat?.timeOfDay).toEqual(['08:00:00', '20:30:00'])
  })

  it('a duration bounds an order that has no dates', async () => {
    const [dosage] = await dosages('TQ1|1||BID|||10^D')
    expect(dosage?.timing?.repeat?.boundsDuration).toMatchObject({ value: 10, code: 'd' })
    const [dated] = await dosages('TQ1|1||BID|||10^D|20260106')
    expect(dated?.timing?.repeat).toMatchObject({ boundsPeriod: { start: '2026-01-06' } })
    expect(dated?.timing?.repeat).not.toHaveProperty('boundsDuration')
  })

  it('steps follow each other after S and stand together after A', async () => {
    const sequence = async (...tq1: string[]) => (await dosages(...tq1)).map((dosage) => dosage.sequence)
    expect(await sequence('TQ1|1||BID|||||||||S', 'TQ1|2||QD')).toEqual([1, 2])
    expect(await sequence('TQ1|1||BID|||||||||A', 'TQ1|2||QD|||||||||S', 'TQ1|3||QOD')).toEqual([1, 1, 2])
    expect(await sequence('TQ1|1||BID')).toEqual([undefined])
  })

  it('without TQ1 the directions stand alone', async () => {
    const [dosage] = await dosages()
    expect(dosage?.text).toBe('Take 1 tablet (2.50 mg) by mouth once daily')
    expect(dosage).not.toHaveProperty('timing')
  })
})
