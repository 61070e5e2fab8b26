import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { charsetName, decodeText, encodeText } from '#formats/hl7v2/charset.ts'
import { type Delimiters, encodingCharacters } from '#formats/hl7v2/delimiters.ts'
import { escapeText } from '#formats/hl7v2/escape.ts'
import { readMessage, repetitions, type Segment, value, writeMessage } from '#formats/hl7v2/message.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'
import { type SourceSegment, sourceTree } from '#formats/hl7v2/source.ts'

/** WHATWG labels with a text of characters that each of them can write. */
const charsets: Record<string, string> = {
  'utf-8': 'aé漢😀Ж ',
  'windows-1252': 'aéßÿ€ ',
  'iso-8859-2': 'ačřž ',
  'iso-8859-5': 'aЖд ',
  'iso-8859-7': 'aλω ',
  'iso-8859-15': 'aé€ ',
  gb18030: 'a中文é ',
  big5: 'a中文 ',
  'euc-kr': 'a한글 ',
  'utf-16be': 'aé漢Ж ',
}

const delimiters = fc
  .uniqueArray(fc.constantFrom(...'|^~\\&#*!@$%/:;+=<>?_-'), { minLength: 6, maxLength: 6 })
  .map(([field = '', component = '', repetition = '', sign = '', subcomponent = '', last = '']) => ({
    field,
    component,
    repetition,
    escape: sign,
    subcomponent,
    truncation: last,
  }))

/** A value as it goes over the wire, and what it says. */
interface Written {
  wire: string
  says: string
}

function writtenText(characters: string, d: Delimiters): fc.Arbitrary<Written> {
  const e = d.escape
  // Delimiters, signs that look like codes, and control characters, beside the letters of the character set.
  const plain = fc
    .string({ unit: fc.constantFrom(...characters, ...'|^~\\&#FSTREXHN.br0D\t\n\u000b\u001c'), maxLength: 8 })
    .map((says): Written => ({ wire: escapeText(says, d), says }))
  const escaped = fc.constantFrom<Written>(
    { wire: `${e}H${e}bold${e}N${e}`, says: 'bold' },
    { wire: `${e}.br${e}`, says: '\n' },
    { wire: `${e}.sp2${e}`, says: '\n\n' },
    { wire: `${e}.in4${e}`, says: '' },
    { wire: `${e}Z12${e}`, says: `${e}Z12${e}` },
    { wire: `${e}C2842${e}`, says: `${e}C2842${e}` },
    { wire: `${e}E${e}`, says: e },
  )
  return fc
    .array(fc.oneof({ weight: 4, arbitrary: plain }, escaped), { maxLength: 3 })
    .map((parts) => ({ wire: parts.map((p) => p.wire).join(''), says: parts.map((p) => p.says).join('') }))
}

const randomMessage = fc
  .tuple(fc.constantFrom(...Object.keys(charsets)), delimiters)
  .chain(([charset, d]) => {
    const text = writtenText(charsets[charset] ?? 'a', d)
    const nested = fc.array(
      fc.array(fc.array(text, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
      {
        minLength: 1,
        maxLength: 3,
      },
    )
    const segment = fc.record({
      name: fc.constantFrom('PV1', 'NTE', 'OBX', 'ZPD', 'Z99', 'RXR', 'NK1'),
      fields: fc.array(nested, { minLength: 1, maxLength: 4 }),
    })
    return fc.record({
      charset: fc.constant(charset),
      delimiters: fc.constant(d),
      segments: fc.array(segment, { minLength: 1, maxLength: 5 }),
    })
  })

function wireOf({ charset, delimiters: d, segments }: RandomMessage): string {
  const header = [
    'MSH',
    encodingCharacters(d),
    'A',
    ...Array(13).fill(''),
    '',
    escapeText(charsetName(charset), d),
  ]
  const lines = segments.map(({ name, fields }) => {
    const texts = fields.map((field) =>
      field
        .map((repetition) =>
          repetition
            .map((component) => component.map(({ wire }) => wire).join(d.subcomponent))
            .join(d.component),
        )
        .join(d.repetition),
    )
    return [name, ...texts].join(d.field)
  })
  return [header.join(d.field), ...lines].map((line) => `${line}\r`).join('')
}

interface RandomMessage {
  charset: string
  delimiters: Delimiters
  segments: { name: string; fields: Written[][][][] }[]
}

describe('any message', () => {
  it('is the same bytes after reading and writing, whatever its delimiters and character set', () => {
    fc.assert(
      fc.property(randomMessage, (random) => {
        const bytes = encodeText(wireOf(random), random.charset)
        const { text, charset } = decodeText(bytes)
        expect(charset).toBe(random.charset)
        const written = messagesOf(splitPayload(text)).map((each) => writeMessage(readMessage(each, charset)))
        expect(encodeText(written.join(''), charset)).toEqual(bytes)
      }),
      { numRuns: 500 },
    )
  })

  it('gives every sub-component back from where it was put', () => {
    fc.assert(
      fc.property(randomMessage, (random) => {
        const message = readMessage(wireOf(random), random.charset)
        for (const [s, { fields }] of random.segments.entries()) {
          const segment = message.segments[s + 1] as Segment
          for (const [f, field] of fields.entries()) {
            if (repetitions(segment, f + 1) > 0) expect(repetitions(segment, f + 1)).toBe(field.length)
            eachValue(field, (says, r, c, sub) => {
              expect(value(segment, f + 1, r, c, sub)).toBe(says)
            })
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('says in its tree what its places say', () => {
    fc.assert(
      fc.property(randomMessage, (random) => {
        const tree = sourceTree(readMessage(wireOf(random), random.charset))
        const found = new Map(segmentsIn(tree).map((segment) => [segment.at, segment]))
        for (const [s, { name, fields }] of random.segments.entries()) {
          const segment = found.get(s + 2)
          expect(segment?._).toBe(name)
          for (const [f, field] of fields.entries()) {
            const inTree = (segment?.[`${name}_${f + 1}`] ?? []) as Record<string, string>[]
            eachValue(field, (says, r, c, sub) => {
              const key = sub === 1 ? `_${c}` : `_${c}_${sub}`
              // What formats and says nothing (an indent) is there in the tree, and empty.
              expect(inTree[r - 1]?.[key] ?? '').toBe(says)
            })
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})

function eachValue(
  field: Written[][][],
  look: (says: string, r: number, c: number, s: number) => void,
): void {
  for (const [r, repetition] of field.entries()) {
    for (const [c, component] of repetition.entries()) {
      for (const [s, { says }] of component.entries()) look(says, r + 1, c + 1, s + 1)
    }
  }
}

function segmentsIn(node: unknown): SourceSegment[] {
  if (Array.isArray(node)) return node.flatMap(segmentsIn)
  if (node === null || typeof node !== 'object') return []
  const own = 'at' in node ? [node as SourceSegment] : []
  return [...own, ...Object.values(node).flatMap(segmentsIn)]
}
