import { describe, expect, it } from 'vitest'
import { Failure } from '#core/failure.ts'
import { acknowledgements } from '#formats/hl7v2/ack.ts'
import { charsetName, decodeText, encodeText } from '#formats/hl7v2/charset.ts'
import { dtmText, fhirDate, fhirDateTime, fhirInstant } from '#formats/hl7v2/date-time.ts'
import { requireProduction } from '#formats/hl7v2/header.ts'
import {
  findSegment,
  readMessage,
  repetitions,
  type Segment,
  value,
  writeMessage,
} from '#formats/hl7v2/message.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'
import { sourceTree } from '#formats/hl7v2/source.ts'

const header = 'MSH|^~\\&|A|B|C|D|20250101120102||RDE^O11^RDE_O11|1|P|2.5.1'
const withLine = (line: string, head = header) => readMessage(`${head}\r${line}\r`)
const segment = (line: string, head = header) => withLine(line, head).segments[1] as Segment

describe('values stay as they were sent', () => {
  it.each([
    ['P1', 'ORC|20250101120000-0500', '20250101120000-0500'],
    ['P2', 'PID|1980', '1980'],
    ['P3', 'PID|20250101000000', '20250101000000'],
    ...['1.50', '007', '12345678901234567890', '10 mg', '1,000', '10-20', '0x10'].map((dose) => [
      'P4',
      `RXE|${dose}`,
      dose,
    ]),
    ['P6', 'NTE|l1\\.br\\l2', 'l1\nl2'],
    ['P7', 'NTE|a \\H\\bold\\N\\ b', 'a bold b'],
    ['P7', 'NTE|\\Z12\\x', '\\Z12\\x'],
    ['P7', 'NTE|C:\\temp\\x', 'C:\\temp\\x'],
    ['P7', 'NTE|\\C2842\\', '\\C2842\\'],
    ['P8', 'NTE|x\\M\\y and \\Medium\\', 'x\\M\\y and \\Medium\\'],
    ['P9', 'NTE|\\X0D\\', '\r'],
    ['', 'NTE|\\X414g\\', '\\X414g\\'],
    ['', 'NTE|\\F\\\\S\\\\T\\\\R\\\\E\\', '|^&~\\'],
    ['', 'NTE|\\E\\F\\E\\', '\\F\\'],
    ['', 'NTE|half \\F', 'half \\F'],
    ['P19', 'ZZZ|""', '""'],
    ['P19', 'ZZZ|', ''],
  ])('%s %s', (_trap, line, expected) => {
    expect(value(segment(line), 1)).toBe(expected)
    expect(writeMessage(withLine(line))).toBe(`${header}\r${line}\r`)
  })

  it('P5: sub-components can be read anywhere', () => {
    const obx = segment('OBX|1|CWE|x||A&B^C~D')
    expect([value(obx, 5), value(obx, 5, 1, 1, 2), value(obx, 5, 1, 2), value(obx, 5, 2)]).toEqual([
      'A',
      'B',
      'C',
      'D',
    ])
    expect(repetitions(obx, 5)).toBe(2)
  })

  it('P10: hexadecimal escapes are bytes of the message character set', () => {
    const { text, charset } = decodeText(
      Buffer.from(`${header}||||||8859/1\rNTE|caf\\XE9\\ \xe9\x80\r`, 'latin1'),
    )
    expect(value(readMessage(text, charset).segments[1] as Segment, 1)).toBe('café é€')
  })

  it('P11, P12: the delimiters are those of the message', () => {
    const own = segment('NTE#a|b^c&d!F!$e*f', 'MSH#*@!$#A')
    expect([value(own, 1), value(own, 1, 1, 1, 2), value(own, 1, 1, 2)]).toEqual(['a|b^c&d#', 'e', 'f'])
    const truncated = readMessage('MSH|^~\\&#|A\r')
    expect(value(truncated.segments[0] as Segment, 2)).toBe('^~\\&#')
    expect(writeMessage(truncated)).toBe('MSH|^~\\&#|A\r')
  })

  it.each(['\n', '\r\n', '\r', '\r\r'])('P13: segments end with %j', (end) => {
    expect(readMessage(`${header}${end}PID|1${end}`).segments.map(({ name }) => name)).toEqual(['MSH', 'PID'])
  })

  it.each([
    ['8859/1', 'latin1', 'é'],
    ['8859/1~UNICODE UTF-8', 'latin1', 'é'],
    ['UNICODE UTF-8', 'utf-8', 'é漢'],
    ['', 'utf-8', 'é漢'],
    ['', 'latin1', 'é'],
    ['ASCII', 'latin1', 'é'],
  ] as const)('P14: MSH-18 %s with %s bytes', (name, encoding, note) => {
    const whole = `${header}||||||${name}\rNTE|1||${note}\r`
    const bytes = new Uint8Array(Buffer.from(whole, encoding))
    const { text, charset } = decodeText(bytes)
    expect(text).toBe(whole)
    expect(encodeText(text, charset)).toEqual(bytes)
  })

  it.each([
    ['UNICODE UTF-16', 'utf-16be'],
    ['GB 18030-2000', 'gb18030'],
    ['BIG-5', 'big5'],
    ['KS X 1001', 'euc-kr'],
    ['8859/5', 'iso-8859-5'],
  ])('P14: %s is read and written', (name, label) => {
    const note = new TextDecoder(label).decode(Uint8Array.of(0xb1, 0xe0, 0xb8, 0xe0))
    const whole = `${header}||||||${name}\rNTE|1||${note}\r`
    const bytes = encodeText(whole, label)
    expect(decodeText(bytes)).toMatchObject({ text: whole, charset: label })
    expect(charsetName(label)).toBe(name)
  })

  it('P14: Japanese by escape sequences, whatever is named first', () => {
    const kanji = Buffer.from('1b244234411b2842', 'hex')
    const bytes = Buffer.concat([Buffer.from(`${header}||||||~ISO IR87\rNTE|1||`), kanji, Buffer.from('\r')])
    const { text, charset } = decodeText(bytes)
    expect(value(readMessage(text, charset).segments[1] as Segment, 3)).toBe('漢')
    expect(charset).toBe('iso-2022-jp')
  })

  it('a character set that nobody can read is refused', () => {
    const bytes = new TextEncoder().encode(`${header}||||||KLINGON\r`)
    expect(() => decodeText(bytes)).toThrow(
      expect.objectContaining({ kind: 'unsupported', message: 'The character set is not supported' }),
    )
  })

  it.each(['\uFEFF', '\n', '\u000b', '\r\n \n'])('P15: %j before MSH says nothing', (start) => {
    expect(messagesOf(splitPayload(`${start}${header}\rPID|1\r`))).toEqual([`${header}\rPID|1\r`])
  })

  it('P15: batches and several messages in one payload come apart', () => {
    const text = `FHS|^~\\&\nBHS|^~\\&\n${header}\nPID|1\n${header}\nPID|2\nBTS|2\nFTS|1\n`
    expect(messagesOf(splitPayload(text))).toEqual([`${header}\rPID|1\r`, `${header}\rPID|2\r`])
    expect(
      splitPayload(text)
        .parts.map((part) => part.text)
        .join(''),
    ).toBe(text.replaceAll('\n', '\r'))
  })

  it('P20: the nth segment of a name is found', () => {
    const message = readMessage(`${header}\rOBX|1\rOBX|2\rOBX|3\r`)
    expect(findSegment(message, 'OBX', 2)?.text).toBe('OBX|2')
    expect(findSegment(message, 'OBX', 4)).toBeUndefined()
  })

  it('P21: Z-segments and early notes do not end the grouping', () => {
    const lines = [
      header,
      'PID|1',
      'ZPI|1',
      'ORC|NW|1',
      'NTE|1||a',
      'TQ1|1',
      'RXO|1',
      'RXR|PO',
      'RXE||1',
      'NTE|1||b',
    ]
    const rest = [
      'TQ1|1',
      'RXR|IV',
      'RXC|B',
      'ZRX|1',
      'OBX|1',
      'NTE|1||c',
      'NTE|2||d',
      'ORC|NW|2',
      'RXE||2',
      'RXR|PO',
    ]
    const { PID, orders } = sourceTree(readMessage([...lines, ...rest].join('\r')))
    expect(Object.keys(PID ?? {})).toEqual(['_', 'at', 'PID_1', 'ZPI'])
    expect(orders).toMatchObject([
      {
        ORC: { NTE: [{ at: 5 }], TQ1: [{ at: 6 }] },
        RXO: { RXR: [{ at: 8 }] },
        RXE: {
          NTE: [{ at: 10 }],
          TQ1: [{ at: 11 }],
          RXR: [{ at: 12 }],
          RXC: [{ at: 13 }],
          ZRX: [{ at: 14 }],
          OBX: [{ at: 15, NTE: [{ at: 16 }, { at: 17 }] }],
        },
      },
      { ORC: { at: 18 }, RXE: { at: 19, RXR: [{ at: 20 }] } },
    ])
  })

  it('P22: a segment of an odd name is refused and pollutes nothing', () => {
    expect(() => sourceTree(withLine('__proto__|1'))).toThrow('does not begin with a segment name')
    expect(({} as Record<string, unknown>).at).toBeUndefined()
  })

  it('a null is told apart from nothing', () => {
    const { PID } = sourceTree(withLine('PID|""||1~""^x~||A^""'))
    expect(PID).toMatchObject({ _null: ['1', '3[2].1', '5.2'], PID_3: [{ _1: '1' }, { _2: 'x' }, {}] })
    expect(PID).not.toHaveProperty('PID_1')
  })
})

describe('times', () => {
  it.each([
    ['1980', '1980'],
    ['198006', '1980-06'],
    ['20250101', '2025-01-01'],
    ['202501011230', '2025-01-01T12:30:00-05:00'],
    ['20250101000000', '2025-01-01T00:00:00-05:00'],
    ['20250101120000-0500', '2025-01-01T12:00:00-05:00'],
    ['20250101120000.1230+00', '2025-01-01T12:00:00.1230+00:00'],
    ['20250701120000', '2025-07-01T12:00:00-04:00'],
    ['20250309023000', '2025-03-09T02:30:00-05:00'],
    ['20251102013000', '2025-11-02T01:30:00-04:00'],
    ['20251102033000', '2025-11-02T03:30:00-05:00'],
  ])('%s is %s in New York', (sent, expected) => {
    expect(fhirDateTime(sent, 'America/New_York')).toBe(expected)
  })

  it.each([
    '20250229',
    '2025013',
    '20251301',
    '2025010125',
    '1.1.2025',
    '20250101120000Z',
    '20250101120000+1500',
  ])('%s is refused', (sent) => {
    expect(() => fhirDateTime(sent, 'UTC')).toThrow(Failure)
  })

  it('a date is never moved into another zone, an instant must have a time', () => {
    expect(fhirDate('20250101233000-0800')).toBe('2025-01-01')
    expect(() => fhirInstant('20250101', 'UTC')).toThrow('A time is required')
    expect(fhirDateTime('', 'UTC')).toBeUndefined()
    expect(fhirDateTime('""', 'UTC')).toBeUndefined()
  })

  it.each(['1980', '1980-06', '2025-01-01', '2025-01-01T12:00:00.500-05:00'])(
    '%s comes back as it went',
    (fhir) => {
      expect(fhirDateTime(dtmText(fhir), 'UTC')).toBe(fhir)
    },
  )
})

describe('acknowledgements', () => {
  const own = { controlId: () => 'NEW', now: () => 0 }
  const ack = (head: string, failure?: Failure) =>
    acknowledgements(readMessage(`${head}\r`), { failure }, own)

  it('P18: have control ids of their own, each a new one', () => {
    let made = 0
    const counting = { controlId: () => `C${++made}`, now: () => 0 }
    const both = acknowledgements(readMessage(`${header}|||AL|AL\r`), {}, counting)
    expect(both.map((text) => text.split('|')[9])).toEqual(['C1', 'C2'])
  })

  it('P17: mirror the custom delimiters, the sides, the processing id and the version', () => {
    expect(ack('MSH#*@!$#A*x#B#C#D###ORM*O01#7!R!#P#2.3')).toEqual([
      'MSH#*@!$#C#D#A*x#B#19700101000000+0000##ACK*O01#NEW#P#2.3\rMSA#AA#7!R!\r',
    ])
  })

  it('name the place, the code and the severity of what is wrong', () => {
    const failure = new Failure('invalid', [
      { code: 'required', text: 'RXE-2 is | required', expression: 'RXE[2]-2.1' },
      { code: 'value', text: 'odd', expression: 'PID-3[2].4.1', severity: 'warning' },
    ])
    expect(ack(header, failure)[0]?.split('\r').slice(1)).toEqual([
      'MSA|AE|1|RXE-2 is \\F\\ required',
      'ERR||RXE^2^2^1^1|101^Required field missing^HL70357|E||||RXE-2 is \\F\\ required',
      'ERR||PID^1^3^2^4^1|102^Data type error^HL70357|W||||odd',
      '',
    ])
    expect(ack(header.replace('2.5.1', '2.3'), failure)[0]).toContain(
      'ERR|RXE^2^2^101&Required field missing&HL70357~PID^1^3^102&Data type error&HL70357\r',
    )
  })

  it.each([
    ['AL|AL', undefined, ['CA', 'AA']],
    ['AL|NE', undefined, ['CA']],
    ['NE|NE', undefined, []],
    ['NE|AL', undefined, ['AA']],
    ['ER|ER', undefined, []],
    ['SU|SU', undefined, ['CA', 'AA']],
    ['AL|AL', 'malformed', ['CR']],
    ['AL|AL', 'invalid', ['CE']],
    ['ER|', 'invalid', ['CE']],
    ['NE|ER', 'invalid', ['AE']],
    ['SU|SU', 'invalid', []],
    ['|', 'unsupported', ['AR']],
  ] as const)('MSH-15|16 %s and %s give %j', (wanted, kind, codes) => {
    const answers = ack(`${header}|||${wanted}`, kind && new Failure(kind, 'because'))
    expect(answers.map((text) => /MSA\|(..)/.exec(text)?.[1])).toEqual(codes)
  })

  function refusal(head: string): string | undefined {
    try {
      requireProduction(readMessage(`${head}\r`))
      return undefined
    } catch (error) {
      return ack(head, error as Failure)[0]
        ?.split('\r')
        .slice(1)
        .join(' ')
    }
  }

  it.each(['2.10', '3.0', '2', 'two', '2.5.1x'])(
    'P16: version %s is refused, not taken for another',
    (sent) => {
      expect(refusal(header.replace('2.5.1', sent))).toContain('ERR||MSH^1^12|203^')
    },
  )

  it('P23: a header without what the standard requires is refused with the field', () => {
    expect(refusal(header)).toBeUndefined()
    expect(refusal(header.replace('|1|P', '||P'))).toContain('ERR||MSH^1^10|101^')
    expect(refusal(header.replace('|P|', '||'))).toContain('ERR||MSH^1^11|101^')
    expect(refusal(header.replace('^~\\&', '^~\\\\&'))).toContain('Delimiters must differ')
    expect(refusal('MSH')).toContain('MSA|AR')
  })

  it('a message in training or debugging is refused with the field', () => {
    expect(refusal(header.replace('|P|', '|T|'))).toContain('MSA|AR|1|Only messages in production')
    expect(refusal(header.replace('|P|', '|D|'))).toContain('ERR||MSH^1^11|202^')
  })
})
