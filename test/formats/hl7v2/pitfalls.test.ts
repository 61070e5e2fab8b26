import { describe, expect, it } from 'vitest'
import { fhirDateTime } from '#formats/hl7v2/date-time.ts'
import { readMessage, type Segment, value } from '#formats/hl7v2/message.ts'
import { sourceTree } from '#formats/hl7v2/source.ts'

/*
 * What converters are known to get wrong, as far as it is decided before any mapping: a letter and a number for each
 * line of the list of pitfalls that this reader was built against. Those of mappings stand with the flows
 * (test/doors), of acknowledgements in test/doors/hl7v2.test.ts.
 */

const header = 'MSH|^~\\&|A|B|C|D|20250101120102||RDE^O11^RDE_O11|1|P|2.5.1'
const tree = (...lines: string[]) => sourceTree(readMessage([header, ...lines, ''].join('\r')))

describe('pitfalls of converters', () => {
  it.each(['1.50', '0.10', '1e3', '12345678901234567890.10', '+5', '.5', '1,000', '10 mg'])(
    'E1: no value passes through a number: %s',
    (dose) => {
      expect(tree(`RXE||X|${dose}`).orders[0]?.RXE?.RXE_3).toEqual([{ _: dose, _1: dose }])
    },
  )

  it('E1: null deletes, empty changes nothing, and the two are told apart wherever they stand', () => {
    const pid = tree('PID|1||""|| A^""^|""|').PID
    expect(pid?._null).toEqual(['3', '5.2', '6'])
    expect(pid).not.toHaveProperty('PID_7')
    const { segments } = readMessage(`${header}\rPID|1||""\r`)
    expect([value(segments[1] as Segment, 3), value(segments[1] as Segment, 4)]).toEqual(['""', ''])
  })

  it.each(['America/New_York', 'Europe/Berlin', 'Asia/Kolkata', 'UTC'])(
    'E2: a time without offset is in the zone of the partner (%s), never in that of the server',
    (zone) => {
      const offsets: Record<string, string> = {
        'America/New_York': '-05:00',
        'Europe/Berlin': '+01:00',
        'Asia/Kolkata': '+05:30',
        UTC: '+00:00',
      }
      expect(fhirDateTime('202501011230', zone)).toBe(`2025-01-01T12:30:00${offsets[zone]}`)
    },
  )

  it('E3: seconds that FHIR demands are filled, digits and offsets that were sent are kept', () => {
    expect(fhirDateTime('202501011230-0330', 'UTC')).toBe('2025-01-01T12:30:00-03:30')
    expect(fhirDateTime('20250101123045.120-0500', 'UTC')).toBe('2025-01-01T12:30:45.120-05:00')
  })

  it('E4: a note belongs to the segment before it, a finding to where it stands', () => {
    const read = tree(
      'PID|1',
      'NTE|1||of the patient',
      'OBX|1||of the patient',
      'ORC|NW',
      'NTE|1||of the order',
      'RXE||1',
      'OBX|1||of the drug',
      'NTE|1||of the finding',
      'ORC|NW',
      'OBX|1||of the next order',
    )
    expect(read.PID).toMatchObject({ NTE: [{ at: 3 }], OBX: [{ at: 4 }] })
    expect(read.orders).toMatchObject([
      { ORC: { NTE: [{ at: 6 }] }, RXE: { OBX: [{ at: 8, NTE: [{ at: 9 }] }] } },
      { ORC: { OBX: [{ at: 11 }] } },
    ])
    expect(read.orders[0]?.RXE).not.toHaveProperty('NTE')
  })

  it('E7: what was ordered (RXO) and what was encoded (RXE) stay two, of which one order may have several', () => {
    const { orders } = tree('ORC|NW|1', 'RXO|A', 'RXE||B', 'RXO|C')
    expect(orders).toMatchObject([{ ORC: { at: 2 }, RXO: { at: 3 }, RXE: { at: 4 } }, { RXO: { at: 5 } }])
  })
})
