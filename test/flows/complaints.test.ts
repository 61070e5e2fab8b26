import type { MedicationRequest, Observation, Patient } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import { prescriptionOrder } from '#flows/prescription-order.ts'
import { supportedMessages } from '../fields/corpus.ts'
import { make } from './replay.ts'

/*
 * What users of other converters complain about (D1 to D32), and defects of the published tables (B), as far as no other
 * test speaks of it. docs/hl7v2.md has the whole list, with the test for each.
 */

const msh = 'MSH|^~\\&|RXWRITER|NORTH|POSTERN|HUB|20260105091530-0600||RDE^O11^RDE_O11|C-1|P|2.5.1'
const pid = 'PID|1||M1^^^NORTH^MR||DOE^JANE||19800101|F'
const orc =
  'ORC|NW|A1^NORTH|||||||20260105091500-0600|||1306847203^BRANDT^MARIA^^^^^^NPI&2.16.840.1.113883.4.6&ISO'
const rxe = 'RXE||308136^Amlodipine^RXNORM|2.5||mg||^Take one daily'
const rxr = 'RXR|PO^Oral^HL70162'

async function made(...segments: string[]) {
  const body = new TextEncoder().encode(`${segments.join('\r')}\r`)
  const found = await make(prescriptionOrder, body, { grants: ['order-source'] })
  const resources = found?.resources ?? []
  return {
    resources,
    orders: resources.filter((each) => each.resourceType === 'MedicationRequest') as MedicationRequest[],
    patient: found?.stubs.find((each) => each.resourceType === 'Patient') as Patient,
  }
}

async function order(...segments: string[]): Promise<MedicationRequest> {
  const [first] = (await made(...segments)).orders
  if (!first) throw new Error('No order was made')
  return first
}

function observationsOf({ contained = [] }: MedicationRequest): Observation[] {
  return contained.filter((each) => each.resourceType === 'Observation') as Observation[]
}

describe('complaints about other converters', () => {
  it('D2: a note after PID is a note of the order, and no diagnosis takes it', async () => {
    const dg1 = 'DG1|1||N18.3^Kidney disease^I10C'
    const { note, contained } = await order(msh, pid, 'NTE|1||Hard of hearing', dg1, orc, rxe, rxr)
    expect(note).toEqual([{ text: 'Hard of hearing' }])
    expect(JSON.stringify(contained)).not.toContain('Hard of hearing')
  })

  it('D7: an order without numbers has an identifier all the same, of its message', async () => {
    const { identifier } = await order(msh, pid, orc.replace('A1^NORTH', ''), rxe, rxr)
    expect(identifier).toEqual([{ system: expect.stringContaining('/platform'), value: 'C-1/0' }])
  })

  it('D12: a note belongs to the observation before it, never to an earlier or a later one', async () => {
    const segments = [
      'OBX|1|NM|1^Weight||70',
      'OBX|2|NM|2^Height||170',
      'NTE|1||In shoes',
      'OBX|3|NM|3^Age||46',
    ]
    const notes = observationsOf(await order(msh, pid, orc, rxe, rxr, ...segments)).map(({ note }) => note)
    expect(notes).toEqual([undefined, [{ text: 'In shoes' }], undefined])
  })

  it('D13: every repetition of PID-3 and PID-13 is kept', async () => {
    const repeated = 'PID|1||M1^^^NORTH^MR~V9^^^EAST^PI||DOE^JANE||||||||555-0001~555-0002^PRN^CP'
    const { patient } = await made(msh, repeated, orc, rxe, rxr)
    expect(patient.identifier?.map(({ value }) => value)).toEqual(['M1', 'V9'])
    expect(patient.telecom?.map(({ value }) => value)).toEqual(['555-0001', '555-0002'])
  })

  it('D16: an offset of two digits is one', async () => {
    const { authoredOn } = await order(msh, pid, orc.replace('-0600', '+00'), rxe, rxr)
    expect(authoredOn).toBe('2026-01-05T09:15:00+00:00')
  })

  it('D23, D26: CE and SN keep what they say, numbers their digits', async () => {
    const segments = ['OBX|1|CE|1^Smoking||N^Never^L', 'OBX|2|SN|2^eGFR||<^60', 'OBX|3|NM|3^Weight||70.50|kg']
    const [coded, structured, number] = observationsOf(await order(msh, pid, orc, rxe, rxr, ...segments))
    expect(coded?.valueCodeableConcept).toMatchObject({ coding: [{ code: 'N', display: 'Never' }] })
    expect(structured?.valueString).toBe('<60')
    expect(JSON.stringify(number?.valueQuantity)).toContain('"value":70.50')
  })

  it('D24: there is one now for all that a message makes', async () => {
    const pharmacy = `${rxe}${'|'.repeat(33)}1234567893^Main Street^NPI`
    const { resources } = await made(msh, pid, orc, pharmacy, rxr)
    const times = resources.flatMap((each) => {
      if (each.resourceType === 'Task') return [each.authoredOn, each.lastModified]
      return each.resourceType === 'Provenance' ? [each.recorded] : []
    })
    expect(times).toHaveLength(3)
    expect(new Set(times).size).toBe(1)
  })

  it('D28: a null given name and odd characters break nothing', async () => {
    const odd = 'PID|1||M1^^^NORTH^MR||O\'BRIEN \\T\\ <ŽÜ> "X"^""'
    const { patient } = await made(`${msh}||||||UNICODE UTF-8`, odd, orc, rxe, rxr)
    expect(patient.name).toEqual([{ family: 'O\'BRIEN & <ŽÜ> "X"' }])
  })
})

describe('defects of published tables', () => {
  it.each([
    ['OH', 'on-hold'],
    ['OR', 'active'],
    ['CR', 'cancelled'],
    ['OD', 'stopped'],
  ])(
    'B: ORC-5 empty and ORC-1 %s is no completed, revoked or unknown order in the table',
    async (code, status) => {
      const { default: table } = await import('../../mappings/order-status.json', { with: { type: 'json' } })
      const rows = table.group.flatMap(({ element }) => element)
      expect(rows.find((row) => row.code === code)?.target[0]?.code).toBe(status)
    },
  )

  it('B: the dose form is a form, not a route, and the route none', async () => {
    const { contained, dosageInstruction } = await order(
      msh,
      pid,
      orc,
      `RXE||308136^Amlodipine^RXNORM|2.5||mg|TAB^Tablet`,
    )
    expect(contained).toMatchObject([{ resourceType: 'Medication', form: { text: 'Tablet' } }])
    expect(dosageInstruction?.[0]).not.toHaveProperty('route')
  })

  it('B: how often in all (TQ1-14) is count, and never countMax alone', async () => {
    const { dosageInstruction } = await order(msh, pid, orc, rxe, 'TQ1|1||BID|||||||||||10', rxr)
    expect(dosageInstruction?.[0]?.timing?.repeat).toMatchObject({ count: 10, frequency: 2 })
    expect(dosageInstruction?.[0]?.timing?.repeat).not.toHaveProperty('countMax')
  })

  it('B: RXO-6, RXO-7 and RXO-20 are kept: to the pharmacist, the directions, the reason', async () => {
    const rxo =
      'RXO|308136^Amlodipine^RXNORM|2.5||mg||^Blister packs|^Take one daily|||||||||||||I10^Hypertension^I10C'
    expect(await order(msh, pid, orc, rxo, rxr)).toMatchObject({
      intent: 'original-order',
      note: [{ text: 'Blister packs' }],
      dosageInstruction: [{ text: 'Take one daily' }],
      reasonCode: [{ text: 'Hypertension' }],
    })
  })

  it('B: a dose a day is per UCUM day', async () => {
    const { dosageInstruction } = await order(msh, pid, orc, `${rxe}${'|'.repeat(12)}10^&mg`, rxr)
    expect(JSON.stringify(dosageInstruction?.[0]?.maxDosePerPeriod?.denominator)).toBe(
      '{"value":1,"unit":"day","system":"http://unitsofmeasure.org","code":"d"}',
    )
  })

  it('B: no third-party message gets an invented system, a code of a unit without one, or a status unknown of an order', async () => {
    const found: string[] = []
    for (const { file, flow, body } of supportedMessages()) {
      const result = await make(flow, body).catch(() => undefined)
      for (const each of result?.resources ?? []) {
        if ('status' in each && each.status === 'unknown') found.push(`${file}: status`)
        if (/"system":"(?:unknown|)"/.test(JSON.stringify(each))) found.push(`${file}: system`)
        found.push(...unitsWithoutSystem(each).map((place) => `${file}: ${place}`))
      }
    }
    expect(found).toEqual([])
  })
})

function unitsWithoutSystem(value: unknown, place = ''): string[] {
  if (typeof value !== 'object' || value === null) return []
  const here = 'unit' in value && 'code' in value && !('system' in value) ? [place] : []
  return [
    ...here,
    ...Object.entries(value).flatMap(([key, inner]) => unitsWithoutSystem(inner, `${place}.${key}`)),
  ]
}
