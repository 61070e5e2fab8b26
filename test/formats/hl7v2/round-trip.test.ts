import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeText, encodeText } from '#formats/hl7v2/charset.ts'
import { type Delimiters, standardDelimiters } from '#formats/hl7v2/delimiters.ts'
import { escapeText, unescapeText } from '#formats/hl7v2/escape.ts'
import {
  lastField,
  type Message,
  rawField,
  readMessage,
  type Segment,
  value,
  writeMessage,
} from '#formats/hl7v2/message.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'
import { sourceTree } from '#formats/hl7v2/source.ts'

const folder = join(import.meta.dirname, '../../../fixtures/third-party/hl7v2')
const files = readdirSync(folder, { recursive: true, encoding: 'utf-8' }).filter((name) =>
  name.endsWith('.hl7'),
)

/** Byte order mark off, terminators to CR: all that may change. */
function normalised(bytes: Uint8Array): Uint8Array {
  const start = bytes[0] === 0xef ? 3 : 0
  const text = Buffer.from(bytes.subarray(start))
    .toString('latin1')
    .replace(/\r\n?|\n/g, '\r')
  return Uint8Array.from(Buffer.from(text.replace(/^[\r\s]+/, ''), 'latin1'))
}

function read(file: string): { bytes: Uint8Array; charset: string; parts: string[]; messages: Message[] } {
  const bytes = new Uint8Array(readFileSync(join(folder, file)))
  const { text, charset } = decodeText(bytes)
  const payload = splitPayload(text)
  const messages = messagesOf(payload).map((message) => readMessage(message, charset))
  const written = payload.parts.map((part) =>
    part.kind === 'message' ? writeMessage(readMessage(part.text, charset)) : part.text,
  )
  return { bytes, charset, parts: written, messages }
}

describe('third-party messages', () => {
  // 720 files of shared collections and 8 with prescriptions; batches among them hold several messages each.
  it('are all here', () => {
    const messages = files.flatMap((file) => read(file).messages)
    expect([files.length, messages.length]).toEqual([728, 772])
  })

  it('are byte-identical after reading and writing, but for terminators', () => {
    const changed = files.filter((file) => {
      const { bytes, charset, parts } = read(file)
      return Buffer.compare(encodeText(parts.join(''), charset), normalised(bytes)) !== 0
    })
    expect(changed).toEqual([])
  })

  it('come together again from their fields, repetitions, components and sub-components', () => {
    for (const file of files) {
      for (const message of read(file).messages) {
        for (const segment of message.segments) expect(rebuilt(segment), file).toBe(segment.text)
      }
    }
  })

  it('stand in the source tree segment by segment, each once', () => {
    const refused: string[] = []
    for (const file of files) {
      for (const message of read(file).messages) {
        try {
          const places = placesIn(sourceTree(message)).sort((a, b) => a - b)
          expect(places, file).toEqual(message.segments.map((segment) => segment.position))
        } catch (error) {
          refused.push(`${file}: ${(error as Error).message}`)
        }
      }
    }
    const ofTwoPatients =
      /(?:adt_a17|adt_a24|adt_a37|ADT-A40-02|BAR-P02-02)\.hl7: A message may speak of one patient/
    const annotated = /annotated_for_transformation\.hl7: Line 6 does not begin with a segment name/
    expect(refused.filter((text) => !ofTwoPatients.test(text) && !annotated.test(text))).toEqual([])
    expect(refused).toHaveLength(6)
  })
})

function rebuilt(segment: Segment): string {
  const { field } = segment.message.delimiters
  const header = segment.name === 'MSH'
  const fields: string[] = [segment.name]
  for (let n = header ? 2 : 1; n <= lastField(segment); n++) fields.push(rawField(segment, n))
  return fields.join(field)
}

function placesIn(node: unknown): number[] {
  if (Array.isArray(node)) return node.flatMap(placesIn)
  if (node === null || typeof node !== 'object') return []
  const own = 'at' in node && typeof node.at === 'number' ? [node.at] : []
  return [...own, ...Object.values(node).flatMap(placesIn)]
}

const signs = fc
  .uniqueArray(fc.constantFrom(...'|^~\\&#*!@$%/:;+=<>?_-'), { minLength: 6, maxLength: 6 })
  .map((all): Delimiters => {
    const [field = '', component = '', repetition = '', sign = '', subcomponent = '', truncation = ''] = all
    return { field, component, repetition, escape: sign, subcomponent, truncation }
  })
const anyText = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom(...'|^~\\&#*!@$ FSTREX.br0Dé\r\n\t\u000b\u001c') }),
)

describe('any text', () => {
  it('survives escaping and unescaping under any delimiters', () => {
    fc.assert(
      fc.property(anyText, signs, (text, delimiters) => {
        expect(unescapeText(escapeText(text, delimiters), delimiters)).toBe(text)
      }),
      { numRuns: 2000 },
    )
  })

  it('holds, escaped, no delimiter and nothing that ends a segment or a frame', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the point
        expect(escapeText(text, standardDelimiters)).not.toMatch(/[|^~&\r\n\u000b\u001c]/)
      }),
    )
  })

  it('is read back from the place it was written to, under any delimiters', () => {
    fc.assert(
      fc.property(anyText, signs, (text, d) => {
        const written = escapeText(text, d)
        const encoding = d.component + d.repetition + d.escape + d.subcomponent + d.truncation
        const field = ['a', ['b', ['c', written].join(d.subcomponent)].join(d.component)].join(d.repetition)
        const message = readMessage(`MSH${d.field}${encoding}${d.field}X\rZZZ${d.field}${field}\r`)
        const segment = message.segments[1] as Segment
        expect(value(segment, 1, 2, 2, 2)).toBe(text)
        expect(value(segment, 1, 2, 2)).toBe('c')
        expect(value(segment, 1)).toBe('a')
      }),
      { numRuns: 2000 },
    )
  })
})
