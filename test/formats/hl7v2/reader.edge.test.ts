import { describe, expect, it } from 'vitest'
import { decodeText, encodeText } from '#formats/hl7v2/charset.ts'
import { explainMessage, explanationText } from '#formats/hl7v2/explain.ts'
import { readMessage, type Segment, value, writeMessage } from '#formats/hl7v2/message.ts'
import { sourceTree } from '#formats/hl7v2/source.ts'

const header = 'MSH|^~\\&|A|B|C|D|20250101120102||RDE^O11^RDE_O11|1|P|2.5.1'

describe('the v2 reader in workerd', () => {
  it.each([
    ['UNICODE UTF-8', 'utf-8', 'é漢😀'],
    ['8859/1', 'windows-1252', 'é€'],
    ['8859/5', 'iso-8859-5', 'Ж'],
    ['GB 18030-2000', 'gb18030', '中'],
    ['BIG-5', 'big5', '中'],
    ['KS X 1001', 'euc-kr', '한'],
    ['UNICODE UTF-16', 'utf-16be', 'é漢'],
  ])('reads and writes %s byte for byte', (name, label, note) => {
    const text = `${header}||||||${name}\rNTE|1||${note}\r`
    const bytes = encodeText(text, label)
    const decoded = decodeText(bytes)
    const message = readMessage(decoded.text, decoded.charset)
    expect(value(message.segments[1] as Segment, 3)).toBe(note)
    expect(encodeText(writeMessage(message), decoded.charset)).toEqual(bytes)
  })

  it('reads Japanese by escape sequences', () => {
    const start = new TextEncoder().encode(`${header}||||||~ISO IR87\rNTE|1||`)
    const kanji = [0x1b, 0x24, 0x42, 0x34, 0x41, 0x1b, 0x28, 0x42]
    const { text, charset } = decodeText(Uint8Array.from([...start, ...kanji, 13]))
    expect(value(readMessage(text, charset).segments[1] as Segment, 3)).toBe('漢')
  })

  it('makes trees and names what is in them', () => {
    const message = readMessage(`${header}\rPID|1||1^^^H&1.2.3&ISO\rORC|NW\rRXE||1|1.50`)
    expect(sourceTree(message).orders[0]?.RXE?.RXE_3).toEqual([{ _: '1.50', _1: '1.50' }])
    expect(explanationText(explainMessage(message))).toContain('RXE-3     Give Amount - Minimum (NM): 1.50')
  })
})
