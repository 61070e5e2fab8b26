import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Message as ClientMessage, type HL7Node } from 'node-hl7-client'
import { beforeAll, describe, expect, it } from 'vitest'
import { decodeText } from '#formats/hl7v2/charset.ts'
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

/*
 * npm `node-hl7-client`, the reader that changes least of those measured (docs/performance.md), reads every third-party
 * message too, down to its sub-components. Where it reads another value than we do, one of its traps must make just
 * that of what was sent. The counts say how much each trap explains: a new difference is a new count.
 */

const folder = join(import.meta.dirname, '../../../fixtures/third-party/hl7v2')

interface Place {
  sent: string
  theirs: string
  /** Nothing stands after it in the segment. */
  last: boolean
}

/** What each trap makes of a value. */
const traps: Record<string, (place: Place) => boolean> = {
  'spaces at the end of a segment are cut': ({ sent, theirs, last }) => last && theirs === sent.trimEnd(),
  'P6, P7: what stands between any two escape signs is an escape; those of FT stay, local ones are dropped':
    ({ sent, theirs }) => theirs === sent.replace(/\\[^\\]*\\/g, escapeOfTheirs),
}

const signs: Record<string, string> = {
  E: '\\',
  F: '|',
  R: '~',
  S: '^',
  T: '&',
  C: '',
  H: '',
  M: '',
  N: '',
  Z: '',
}

function escapeOfTheirs(sequence: string): string {
  return signs[sequence.charAt(1)] ?? sequence
}

describe('npm node-hl7-client as a third reader', () => {
  const found: { trap: string | undefined; file: string; place: string }[] = []
  const unlike: string[] = []
  const unread: string[] = []
  let messages = 0
  let compared = 0

  function compareAll(file: string, message: Message): void {
    const written = writeMessage(message)
    const theirs = new ClientMessage({ text: written })
    if (theirs.toString() !== written.trimEnd()) unlike.push(file)
    const segments = segmentsOf(theirs)
    if (!segments) {
      unread.push(file)
      return
    }
    expect(segments.map(({ name }) => name)).toEqual(message.segments.map(({ name }) => name))
    for (const { segment, field, path, sent } of placesIn(message)) {
      compared += 1
      const got = theirValue(segments[segment.position - 1], segment.name === 'MSH' ? field - 1 : field, path)
      if (got === value(segment, field, ...path)) continue
      const last = field === lastField(segment) && segment.text.endsWith(sent)
      const trap = Object.keys(traps).find((name) => traps[name]?.({ sent, theirs: got, last }))
      found.push({ trap, file, place: `${segment.name}-${field} ${JSON.stringify([sent, got])}` })
    }
  }

  beforeAll(() => {
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf-8' })) {
      if (!file.endsWith('.hl7')) continue
      const { text, charset } = decodeText(new Uint8Array(readFileSync(join(folder, file))))
      for (const each of messagesOf(splitPayload(text))) {
        const message = readMessage(each, charset)
        messages += 1
        if (rawField(message.segments[0] as Segment, 2).startsWith('^~\\&')) compareAll(file, message)
      }
    }
  }, 120_000)

  it('reads the same value at each of many thousand places, or falls into a trap we know', () => {
    expect(found.filter(({ trap }) => trap === undefined)).toEqual([])
    expect({ messages, compared }).toEqual({ messages: 772, compared: 351_472 })
  })

  it('falls into each of the traps as often as it is known to', () => {
    const counts = Object.keys(traps).map((name) => found.filter(({ trap }) => trap === name).length)
    expect(counts).toEqual([57, 26])
  })

  it('writes the same text, but for the spaces it cuts at the end', () => {
    expect(unlike).toEqual([])
  })

  it('P13: refuses a message with a blank line, which we keep', () => {
    expect(unread).toEqual([
      'CDCgov+trusted-intermediary/examples__TN__001_TN_ORU_R01_LRI_annotated_for_transformation.hl7',
    ])
  })
})

type Path = [repetition: number, component: number, subcomponent: number]

function* placesIn(message: Message) {
  for (const segment of message.segments) {
    for (let field = segment.name === 'MSH' ? 3 : 1; field <= lastField(segment); field++) {
      for (const [r, repetition] of rawField(segment, field).split('~').entries()) {
        for (const [c, component] of repetition.split('^').entries()) {
          for (const [s, sent] of component.split('&').entries())
            yield { segment, field, path: [r + 1, c + 1, s + 1] as Path, sent }
        }
      }
    }
  }
}

function segmentsOf(message: ClientMessage): HL7Node[] | undefined {
  try {
    return message.toArray()
  } catch {
    return undefined
  }
}

/** Their nodes by position, since their paths cannot name a repetition. */
function theirValue(segment: HL7Node | undefined, field: number, path: Path): string {
  let node = segment?.toArray()[field]
  for (const number of path) {
    const inner: HL7Node | undefined = node?.toArray()[number - 1]
    // What has no parts is its own first part.
    if (inner === undefined && number > 1) return ''
    node = inner ?? node
  }
  return node?.toString() ?? ''
}
