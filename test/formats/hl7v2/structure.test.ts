import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decodeText } from '#formats/hl7v2/charset.ts'
import { headerOf } from '#formats/hl7v2/header.ts'
import { lastField, rawField, readMessage } from '#formats/hl7v2/message.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'
import { componentElement, fieldElement, groupsOf, segmentTitle } from '#formats/hl7v2/structure.ts'

const folder = join(import.meta.dirname, '../../../fixtures/third-party/hl7v2')

describe('the table of names', () => {
  it('calls a field what the version of the message calls it', () => {
    expect(fieldElement('2.2', 'RXD', 2)).toEqual({ name: 'Dispense / give code', type: 'CE' })
    expect(fieldElement('2.5.1', 'RXE', 2)).toEqual({ name: 'Give Code', type: 'CE' })
    expect(fieldElement('2.8', 'RXE', 2)).toEqual({ name: 'Give Code', type: 'CWE' })
    expect(componentElement('2.5.1', 'XCN', 9)).toEqual({ name: 'Assigning Authority', type: 'HD' })
  })

  it('P24: names what senders use before their version has it, and after it has gone', () => {
    expect(fieldElement('2.5.1', 'PRT', 5)).toEqual({ name: 'Participation Person', type: 'XCN' })
    expect(fieldElement('2.5.1', 'CON', 11)?.name).toBe('Consent Status')
    expect(groupsOf('2.8', 'ORM_O01', 'RXO')).toEqual(['ORDER/ORDER_DETAIL'])
    expect(groupsOf('2.7.1', 'ADT_A39', 'MRG')).toEqual(['PATIENT'])
    expect(fieldElement('2.5.1', 'PRT', 24)?.name).toBe('Contact Identifiers')
  })

  it('knows in which groups a segment may stand', () => {
    expect(groupsOf('2.5.1', 'RDE_O11', 'RXE')).toEqual(['ORDER'])
    expect(groupsOf('2.5.1', 'RDE_O11', 'MSH')).toEqual([''])
    expect(groupsOf('2.5.1', 'RDE_O11', 'NTE')?.length).toBeGreaterThan(2)
    expect(groupsOf('2.5.1', 'RDE_O11', 'ZRX')).toEqual([])
    expect(groupsOf('2.5.1', 'QBP_Q11', 'QPD')).toBeUndefined()
  })

  it('knows nothing of Z-segments and of fields that nobody defined', () => {
    expect(segmentTitle('ZPD')).toBeUndefined()
    expect(fieldElement('2.5.1', 'PID', 99)).toBeUndefined()
    expect(fieldElement('2.5.1', 'constructor', 1)).toBeUndefined()
  })

  it('names 99 of 100 populated fields of all third-party messages', () => {
    let named = 0
    let populated = 0
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf-8' })) {
      if (!file.endsWith('.hl7')) continue
      const { text, charset } = decodeText(new Uint8Array(readFileSync(join(folder, file))))
      for (const message of messagesOf(splitPayload(text)).map((each) => readMessage(each, charset))) {
        const { version } = headerOf(message)
        for (const segment of message.segments) {
          for (let field = 1; field <= lastField(segment); field++) {
            if (rawField(segment, field) === '' || segment.name.startsWith('Z')) continue
            populated++
            if (fieldElement(version, segment.name, field)) named++
          }
        }
      }
    }
    expect(named / populated).toBeGreaterThan(0.99)
    expect(populated).toBeGreaterThan(50_000)
  })
})
