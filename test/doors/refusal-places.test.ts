import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fieldElement } from '#formats/hl7v2/structure.ts'
import { openPartner } from './mllp-partner.ts'
import type { MllpSocket } from './mllp-socket.ts'
import { orderScene } from './order-scene.ts'
import { fixture, openScene, type Scene } from './scene.ts'

/*
 * Whatever is missing from a message, or is in no table: who sent it is told which segment and field that is, or it is
 * taken. Over the wire, for every message type that is taken.
 */

let scene: Scene
let engine: MllpSocket
let pharmacy: MllpSocket
let stranger: MllpSocket
beforeAll(async () => {
  scene = await openScene()
  const { northside, mainStreet, elsewhere } = scene.organizations
  await orderScene(scene).order('RX-88001')
  engine = await openPartner(scene, 'engine', {
    role: 'platform',
    organization: northside,
    address: '127.0.0.3',
  })
  pharmacy = await openPartner(scene, 'dispensary', {
    role: 'pharmacy',
    organization: mainStreet,
    address: '127.0.0.2',
  })
  stranger = await openPartner(scene, 'stranger', {
    role: 'ehr',
    organization: elsewhere,
    address: '127.0.0.5',
  })
})
afterAll(() => {
  for (const socket of [engine, pharmacy, stranger]) socket.end()
  return scene.clinic.close()
})

interface Sent {
  /** What was done to the fixture. */
  what: string
  text: string
}

let count = 0

/** A message of its own, which speaks of a number of its own where it places something. */
function sent(what: string, lines: readonly string[], number: string): Sent {
  count += 1
  const [header = '', ...rest] = lines
  const fields = header.split('|')
  fields[9] = `PLACE-${count}`
  // One answer to each: the original mode.
  fields[14] = ''
  fields[15] = ''
  return { what, text: [fields.join('|'), ...rest].join('\r').replaceAll(/RX-\d+/g, number) }
}

const linesOf = (path: string) =>
  fixture(`${path}.in.hl7`)
    .trim()
    .split(/[\r\n]+/)

function withoutEach(path: string, number: (count: number) => string): Sent[] {
  const lines = linesOf(path)
  return lines.slice(1).map((line, index) =>
    sent(
      `without ${line.slice(0, 3)} (${index + 2})`,
      lines.filter((_line, at) => at !== index + 1),
      number(count),
    ),
  )
}

const coded = ['CE', 'CWE', 'CNE', 'ID', 'IS', 'CF', 'DTM', 'TS', 'DT', 'TM', 'NM', 'SI', 'CQ']

/** Each populated field of a coded type, a time or a number, with what no table has, and what is no time or number. */
function unknownInEach(path: string, number: (count: number) => string): Sent[] {
  const lines = linesOf(path)
  return lines.flatMap((line, at) => {
    const [name = '', ...fields] = line.split('|')
    if (name === 'MSH') return []
    return fields.flatMap((value, index) => {
      const type = fieldElement('2.5.1', name, index + 1)?.type ?? ''
      if (value === '' || !coded.includes(type)) return []
      const changed = fields.with(index, 'ZZ9^Unheard of^99ZZZ')
      const all = lines.with(at, [name, ...changed].join('|'))
      return [sent(`${name}-${index + 1} unknown`, all, number(count))]
    })
  })
}

interface Answer {
  code: string
  /** ERR-2 of each ERR. */
  places: string[]
  text: string
}

async function answerTo(socket: MllpSocket, messages: readonly Sent[]): Promise<Answer[]> {
  for (const { text } of messages) socket.send(text)
  const answers: Answer[] = []
  for (const { what } of messages) {
    const text = await socket.next()
    const code = /\rMSA\|(\w\w)/.exec(text)?.[1] ?? ''
    const places = [...text.matchAll(/\rERR\|([^|\r]*)\|?([^|\r]*)/g)].map(
      ([, old = '', own = '']) => own || old,
    )
    answers.push({ code, places, text: `${what}: ${text.slice(text.indexOf('\rMSA'))}` })
  }
  return answers
}

const nowhere = (answers: readonly Answer[]) =>
  answers
    .filter(({ code }) => code !== 'AA')
    .filter(
      ({ places }) => places.length === 0 || places.some((place) => !/^[A-Z][A-Z0-9]{2}\^\d/.test(place)),
    )
    .map(({ text }) => text)

const own = (number: number) => `RX-P${number}`
const standing = () => 'RX-88001'

describe('what is missing or in no table is refused with its place, if it is refused', () => {
  it.each<[string, 'engine' | 'pharmacy', (count: number) => string]>([
    ['prescription-order/us-placed-and-encoded', 'engine', own],
    ['prescription-order/us-with-context', 'engine', own],
    ['medication-order/us-omp', 'engine', own],
    ['medication-order/us-orm-old-timing', 'engine', own],
    ['order-request/us-cancel', 'engine', standing],
    ['order-answer/us-accepted', 'pharmacy', standing],
    ['order-notice/us-status-completed', 'pharmacy', standing],
    ['renewal-request/us-renewal', 'pharmacy', standing],
    ['refill-request/us-refill', 'pharmacy', standing],
    ['dispense-answer/us-taken', 'pharmacy', standing],
    ['dispense/us-compound', 'pharmacy', standing],
    ['give/us-two-gives', 'pharmacy', standing],
    ['administration/us-given', 'pharmacy', standing],
    ['document-message/note-with-file', 'engine', own],
    ['observation-result/phq-9', 'engine', own],
    ['patient-record/consents', 'engine', own],
    ['patient-merge/two-groups', 'engine', own],
    ['appointment/with-words-of-both-sides', 'engine', own],
    ['schedule-block/lunch-blocked', 'engine', own],
    ['referral/story-1-referred', 'engine', own],
    ['referral/story-2-accepted', 'engine', own],
  ])('in %s', async (path, by, number) => {
    const messages = [...withoutEach(path, number), ...unknownInEach(path, number)]
    const answers = await answerTo({ engine, pharmacy }[by], messages)
    expect(nowhere(answers)).toEqual([])
    // What is taken is taken in spite of it; a message that is refused whatever it says would show nothing.
    expect(new Set(answers.map(({ code }) => code)).size).toBeGreaterThan(1)
  })
})

const placesOf = async (socket: MllpSocket, lines: readonly string[], number = 'RX-PLACE') => {
  const [answer] = await answerTo(socket, [sent('', lines, number)])
  return [answer?.code, ...(answer?.places ?? [])]
}
const order = () => linesOf('prescription-order/us-placed-and-encoded')
const changed = (lines: readonly string[], from: string | RegExp, to: string) => {
  const text = lines.join('\r')
  expect(text.replace(from, to)).not.toBe(text)
  return text.replace(from, to).split('\r')
}

describe('where what is refused was read from', () => {
  it('is the field that the element of FHIR was made of', async () => {
    const noTime = changed(order(), 'TQ1|1||PRNQ6H', 'TQ1|1||PRNQ6H|2599')
    expect(await placesOf(engine, noTime)).toEqual(['AE', 'TQ1^1^4'])
    const long = changed(
      changed(linesOf('document-message/note-with-file'), 'DOC-77', 'DOC-LONG'),
      /(\rOBX\|1\|TX\|[^|]*\|[^|]*\|)[^|\r]*/,
      `$1${'long '.repeat(210_000)}`,
    )
    expect(await placesOf(engine, long)).toEqual(['AE', 'OBX^1^5'])
  })

  it('is the segment that asks for what its sender may not do', async () => {
    expect(await placesOf(stranger, linesOf('document-message/reply-after-order'))).toEqual(['AR', 'TXA^1'])
    expect(await placesOf(stranger, linesOf('observation-result/phq-9'))).toEqual(['AR', 'OBR^1'])
    expect(await placesOf(pharmacy, linesOf('document-message/note-with-file'))).toEqual(['AR', 'MSH^1^9'])
  })

  it('is MSH-10 of another message under the same control id', async () => {
    const [header = '', ...rest] = linesOf('patient-record/new-patient')
    for (const place of [[], ['MSH^1^10']]) {
      engine.send([header, ...rest, ...(place.length > 0 ? ['NTE|1||Other'] : [])].join('\r'))
      const text = await engine.next()
      expect([...text.matchAll(/\rERR\|\|([^|]*)\|205/g)].map(([, found]) => found)).toEqual(place)
    }
  })

  it('is the first message too many of a batch', async () => {
    const [header = ''] = order()
    engine.send(['BHS|^~\\&|A', ...Array.from({ length: 501 }, () => header), 'BTS|501'].join('\r'))
    expect(await engine.next()).toContain('\rERR||MSH^501|')
  })

  it.each(['give/us-two-gives', 'administration/us-given'])('is the ORC that %s lacks', async (path) => {
    const lines = linesOf(path).filter((line) => !line.startsWith('ORC'))
    const [, first] = await placesOf(pharmacy, lines)
    expect(first).toBe('ORC^1')
  })
})

describe('an amount of nobody knows what', () => {
  it.each<[string, 'engine' | 'pharmacy', RegExp, string]>([
    ['prescription-order/us-simple', 'engine', /(\rRXE(?:\|[^|\r]*){4})\|[^|\r]*\|[^|\r]*/, 'RXE^1^5'],
    [
      'prescription-order/us-placed-and-encoded',
      'engine',
      /(\rRXO(?:\|[^|\r]*){3})\|[^|\r]*\|[^|\r]*/,
      'RXO^1^4',
    ],
    ['dispense/us-dispensed', 'pharmacy', /(\rRXD(?:\|[^|\r]*){4})\|[^|\r]*\|[^|\r]*/, 'RXD^1^5'],
    ['give/us-two-gives', 'pharmacy', /(\rRXG(?:\|[^|\r]*){6})\|[^|\r]*\|[^|\r]*/, 'RXG^1^7'],
    ['administration/us-given', 'pharmacy', /(\rRXA(?:\|[^|\r]*){6})\|[^|\r]*\|[^|\r]*/, 'RXA^1^7'],
  ])('is refused at its unit, in %s', async (path, by, unit, place) => {
    const lines = changed(linesOf(path), unit, '$1||')
    expect(await placesOf({ engine, pharmacy }[by], lines, 'RX-88001')).toEqual(['AE', place])
  })

  it('is a count where the form says of what', async () => {
    const lines = changed(order(), '|2||TAB^tablet|', '|2|||TAB^tablet')
    expect(await placesOf(engine, lines, 'RX-COUNT')).toEqual(['AA'])
  })
})
