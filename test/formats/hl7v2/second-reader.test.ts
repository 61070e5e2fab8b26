import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HL7Message } from 'hl7v2'
import { beforeAll, describe, expect, it } from 'vitest'
import { decodeText } from '#formats/hl7v2/charset.ts'
import { standardDelimiters } from '#formats/hl7v2/delimiters.ts'
import { lastField, type Message, rawField, readMessage, writeMessage } from '#formats/hl7v2/message.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'

/*
 * npm `hl7v2` reads every third-party message too. Where the two differ, the difference must be one of its known traps
 * (docs/hl7v2.md says why it carries no clinical value), and just what that trap makes of the value we read.
 */

const folder = join(import.meta.dirname, '../../../fixtures/third-party/hl7v2')

/** What each trap makes of a component. */
const traps: Record<string, (sent: string, theirs: string) => boolean> = {
  'P1 the sign of a negative offset is lost': (sent, theirs) =>
    /^\d{8,14}(?:\.\d+)?-\d{4}$/.test(sent) && isSameTime(sent.replace('-', ''), theirs, 4),
  'P2 precision is invented, P3 precision is lost': (sent, theirs) =>
    /^\d{2}:?\d{2}(?::?\d{2})?(?:\.\d+)?$|^\d{4,14}(?:\.\d+)?(?:\+\d{2,4})?$/.test(sent) &&
    isSameTime(sent, theirs, 0),
  'P4 texts become numbers': (sent, theirs) =>
    sent !== theirs && theirs === String(Number.parseFloat(sent.replace(/^\+/, ''))),
  'P5 what the dictionary calls primitive has no components': (sent, theirs) =>
    theirs === sent.replaceAll('^', '\\S\\').replaceAll('&', '\\T\\'),
  'P6, P7 escapes that format are escaped again or lose their signs': (sent, theirs) =>
    sent.includes('\\') && withoutEscapes(sent) === withoutEscapes(theirs),
}

interface Difference {
  file: string
  place: string
  trap: string | undefined
}

describe('npm hl7v2 as a second reader', () => {
  const differences: Difference[] = []
  const otherDelimiters: string[] = []
  let compared = 0

  beforeAll(() => {
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf-8' })) {
      if (!file.endsWith('.hl7')) continue
      const { text, charset } = decodeText(new Uint8Array(readFileSync(join(folder, file))))
      for (const each of messagesOf(splitPayload(text))) {
        const message = readMessage(each, charset)
        if (!hasStandardDelimiters(message)) otherDelimiters.push(file)
        else compared += compare(file, message, differences)
      }
    }
  }, 120_000)

  it('finds the same value at each of many thousand places, or falls into a trap we know', () => {
    expect(differences.filter(({ trap }) => trap === undefined)).toEqual([])
    expect(compared).toBeGreaterThan(40_000)
  })

  it('falls into each of the traps as often as it is known to', () => {
    const counts = Object.keys(traps).map((name) => differences.filter(({ trap }) => trap === name).length)
    expect(counts).toEqual([1979, 2290, 102, 351, 27])
  })

  it('P11, P12: cannot be asked about messages with delimiters of their own', () => {
    expect(otherDelimiters.length).toBeLessThan(20)
  })
})

/** Returns how many components were compared. */
function compare(file: string, message: Message, differences: Difference[]): number {
  const theirs = HL7Message.parse(writeMessage(message))
  expect(
    theirs.segments.map(({ segmentType }) => segmentType),
    file,
  ).toEqual(message.segments.map(({ name }) => name))
  let compared = 0
  for (const [index, segment] of message.segments.entries()) {
    const other = theirs.segments[index]
    const last = Math.max(lastField(segment), other?.fields.length ?? 0)
    for (let field = segment.name === 'MSH' ? 3 : 1; field <= last; field++) {
      const place = `${segment.name}-${field}`
      const found = other?.fields[field - 1]?.repetitions.map((each) => each.toHL7String()) ?? ['']
      for (const [n, sent] of rawField(segment, field).split('~').entries()) {
        compared += sent.split('^').length
        differences.push(
          ...differencesOf(sent, found[n] ?? '').map((trap) => ({ file, place: `${place} ${sent}`, trap })),
        )
      }
    }
  }
  return compared
}

function differencesOf(sent: string, theirs: string): (string | undefined)[] {
  const whole = trapOf(sent, theirs)
  if (sent === theirs || whole) return whole ? [whole] : []
  const others = theirs.split('^')
  return sent.split('^').flatMap((component, c) => {
    const other = others[c] ?? ''
    if (component === other) return []
    const trap = trapOf(component, other)
    if (trap) return [trap]
    const subs = other.split('&')
    return component.split('&').flatMap((sub, s) => (sub === subs[s] ? [] : [trapOf(sub, subs[s] ?? '')]))
  })
}

function trapOf(sent: string, theirs: string): string | undefined {
  if (sent === theirs) return undefined
  return Object.keys(traps).find((name) => traps[name]?.(sent, theirs))
}

/** The same digits but for zeros at the end of the time; `offset` digits of it are not part of the time. */
function isSameTime(sent: string, theirs: string, offset: number): boolean {
  const time = (text: string) => {
    const digits = text.replace(/[:.]/g, '')
    const [clock = '', zone = ''] =
      offset > 0 ? [digits.slice(0, -offset), digits.slice(-offset)] : digits.split('+')
    return `${clock.replace(/0+$/, '')}+${zone.replace(/0+$/, '')}`
  }
  // A time where the dictionary has a date loses its time.
  if (sent.length > 8 && theirs === sent.slice(0, 8)) return true
  // A year or a month becomes its first day.
  const filled = /^\d{4}$/.test(sent) ? `${sent}0101` : /^\d{6}$/.test(sent) ? `${sent}01` : sent
  return [sent, filled].some((text) => time(text) === time(theirs))
}

function withoutEscapes(text: string): string {
  return text.replace(/\\E\\/g, '\\').replaceAll('\\', '').toUpperCase()
}

function hasStandardDelimiters({ delimiters }: Message): boolean {
  const { truncation: _truncation, ...standard } = standardDelimiters
  return Object.entries(standard).every(
    ([name, sign]) => delimiters[name as keyof typeof delimiters] === sign,
  )
}
