import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPartner } from './mllp-partner.ts'
import { fieldsOf, type MllpSocket } from './mllp-socket.ts'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

/*
 * What an interface must not do to an order: take a part of it and leave the rest in silence, take it twice, or refuse to
 * take it back. Over the wire, as a practice's system that is no party of the patient sends it.
 */

let scene: Scene
let practice: MllpSocket
let engine: MllpSocket
beforeAll(async () => {
  scene = await openScene()
  const { northside, elsewhere } = scene.organizations
  practice = await openPartner(scene, 'practice', {
    role: 'ehr',
    organization: elsewhere,
    address: '127.0.0.1',
  })
  engine = await openPartner(scene, 'engine', {
    role: 'platform',
    organization: northside,
    address: '127.0.0.3',
  })
})
afterAll(() => {
  practice.end()
  engine.end()
  return scene.clinic.close()
})

interface Changes {
  control?: string
  processing?: string
  patient?: string
  ORC?: string
  /** RXE-1, -3, -4 and -22. */
  timing?: string
  dose?: string
  most?: string
  per?: string
  /** What follows the RXE. */
  under?: string[]
}

let count = 0
function order(number: string, changes: Changes = {}): string {
  count += 1
  const { control = `HOSTILE-${count}`, processing = 'P', patient = 'MRN-4711', timing = '' } = changes
  const { dose = '2.50', most = '', per = '', under = ['TQ1|1||QD', 'RXR|PO^Oral^HL70162'] } = changes
  const {
    ORC = `ORC|NW|${number}^NORTHSIDE^2.16.840.1.113883.19.6.1^ISO|||||||20260105091500-0600|||1306847203^BRANDT^MARIA^J^^DR^MD^^NPI&2.16.840.1.113883.4.6&ISO^L^^^NPI`,
  } = changes
  const rxe = `${timing}|308136^amLODIPine 2.5 MG Oral Tablet^RXNORM|${dose}|${most}|mg^milligram^UCUM||^As told||1|90|TAB^tablet|3||||||||||${per}||||||||||||||||||1234567893^Main Street Pharmacy^NPI`
  return [
    `MSH|^~\\&|RXWRITER|ELSEWHERE|POSTERN|HUB|20260105091530-0600||RDE^O11^RDE_O11|${control}|${processing}|2.5.1`,
    `PID|1||${patient}^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^MR||OKAFOR^ADA||19870314|F`,
    ...(ORC ? [ORC] : []),
    `RXE|${rxe}`,
    ...under,
  ].join('\r')
}

async function answer(socket: MllpSocket, text: string) {
  socket.send(text)
  const said = await socket.next()
  return { code: fieldsOf(said, 'MSA')[1], place: fieldsOf(said, 'ERR')[2], text: said }
}

/** As the pharmacy that has to fill them sees them. */
async function ordersOf(number: string) {
  const value = encodeURIComponent(`urn:oid:2.16.840.1.113883.19.6.1|${number}`)
  return resourcesOf(
    (await scene.pharmacy.request('GET', `/fhir/MedicationRequest?identifier=${value}`)).body,
  )
}

async function saidOf(number: string): Promise<string[]> {
  const [found] = await ordersOf(number)
  return (found.dosageInstruction[0].additionalInstruction ?? []).map(({ text }: { text: string }) => text)
}

describe('an order that its sender is no party of but for having placed it', () => {
  it('is taken back by its sender, and by nobody else who is none', async () => {
    expect((await answer(practice, order('RX-H1', { patient: 'MRN-NEW' }))).code).toBe('AA')
    const cancel = (control: string) =>
      order('RX-H1', { patient: 'MRN-NEW', control })
        .replace('ORC|NW', 'ORC|CA')
        .replace(/(\rORC[^\r]*)/, '$1||||DUP^Prescribed twice^99NORTH')
    const other = await scene.ehr.request('POST', '/ingest/hl7v2', cancel('H1-OTHER'), {
      'content-type': 'application/hl7-v2',
    })
    expect(other.text).toContain('MSA|AE|H1-OTHER')
    expect(await answer(practice, cancel('H1-OWN'))).toMatchObject({ code: 'AA' })
    const [{ id }] = await ordersOf('RX-H1')
    const tasks = await scene.pharmacy.request('GET', `/fhir/Task?focus=MedicationRequest/${id}&code=abort`)
    expect(resourcesOf(tasks.body)).toMatchObject([{ status: 'requested' }])
  })

  it('is not placed twice under one number, in one message or in two', async () => {
    expect((await answer(practice, order('RX-H2'))).code).toBe('AA')
    expect(await answer(practice, order('RX-H2'))).toMatchObject({ code: 'AR', place: 'ORC^1^2' })
    expect(await ordersOf('RX-H2')).toHaveLength(1)
    const [, , ...further] = order('RX-H3').split('\r')
    const twice = await answer(practice, [order('RX-H3'), ...further].join('\r'))
    expect(twice).toMatchObject({ code: 'AR', place: 'ORC^2^2' })
    expect(await ordersOf('RX-H3')).toEqual([])
  })
})

describe('of an order nothing is left out in silence', () => {
  it.each<[string, Changes, string]>([
    ['a dose behind an empty repetition', { dose: '~5' }, 'RXE^1^3'],
    ['a most without a least', { dose: '', most: '5' }, 'RXE^1^3'],
    ['a most below the least', { dose: '10', most: '9.5' }, 'RXE^1^4'],
    [
      'two routes in one field',
      { under: ['TQ1|1||QD', 'RXR|PO^Oral^HL70162~SL^Sublingual^HL70162'] },
      'RXR^1^1',
    ],
    ['two starts', { under: ['TQ1|1||QD||||20260106~20260206'] }, 'TQ1^1^7'],
    ['another timing in RXE-1 than in TQ1', { timing: '^BID' }, 'RXE^1^1'],
    ['another dose in RXE-1 than in TQ1', { timing: '2^QD', under: ['TQ1|1|1|QD'] }, 'RXE^1^1'],
    ['no ORC', { ORC: '' }, 'ORC^1'],
    ['an ORC that says nothing', { ORC: 'ORC||RX-H4^NORTHSIDE' }, 'ORC^1^1'],
  ])('%s is refused with the place', async (_what, changes, place) => {
    expect(await answer(practice, order('RX-H4', changes))).toMatchObject({ code: 'AE', place })
    expect(await ordersOf('RX-H4')).toEqual([])
  })

  it('a dispense that names no order by an ORC is refused where that is missing', async () => {
    const [header, patient, , dispensed] = fixture('dispense/us-dispensed.in.hl7').split('\r')
    const alone = await scene.pharmacy.request(
      'POST',
      '/ingest/hl7v2',
      [header, patient, dispensed].join('\r'),
      { 'content-type': 'application/hl7-v2' },
    )
    expect(fieldsOf(alone.text, 'ERR').slice(2, 4)).toEqual(['ORC^1', '101^Required field missing^HL70357'])
  })

  it('the same timing in RXE-1 and TQ1 is taken, whatever the digits', async () => {
    const changes = { timing: '1.0^QD^^20260106', under: ['TQ1|1|1|QD||||202601060800-0600'] }
    expect((await answer(practice, order('RX-H5', changes))).code).toBe('AA')
  })

  it.each<[string, Changes, string[]]>([
    ['RX-H6', { under: ['TQ1|1||BID~QHS'] }, ['as sent (TQ1-3): QHS']],
    ['RX-H7', { under: ['TQ1|1||^DW^1^^7^D'] }, ['as sent (TQ1-3): ^DW^1^^7^D']],
    ['RX-H8', { under: ['TQ1|1||QD|8am'] }, ['at 8am']],
    ['RX-H9', { under: ['TQ1|1||QAM~QHS'] }, []],
    ['RX-H10', { under: ['TQ1|1|2^{tbl}|QD'] }, ['quantity each time (TQ1-2): 2 {tbl}']],
    ['RX-H11', { per: 'H8' }, ['per H8']],
    [
      'RX-H12',
      { under: ['TQ1|1||QD', 'RXR|PO^Oral^HL70162', 'RXR|SL^Sublingual^HL70162|UT^Under tongue'] },
      ['or Sublingual, Under tongue'],
    ],
  ])('%s: what no element holds is said to the pharmacy in words', async (number, changes, words) => {
    expect((await answer(practice, order(number, changes))).code).toBe('AA')
    expect(await saidOf(number)).toEqual(words)
  })

  it('one of an archive is nobody’s to fill', async () => {
    for (const mode of ['A', 'R', 'I'])
      expect(await answer(practice, order('RX-H13', { processing: `P^${mode}` }))).toMatchObject({
        code: 'AR',
        place: 'MSH^1^11',
      })
    expect((await answer(practice, order('RX-H13', { processing: 'P^T' }))).code).toBe('AA')
  })
})

describe('what is large, alone or unreadable', () => {
  it('is a batch of one: its message is taken as it would be outside of it', async () => {
    const batch = ['FHS|^~\\&|A|B', 'BHS|^~\\&|A|B', order('RX-H14'), 'BTS|1', 'FTS|1'].join('\r')
    expect((await answer(practice, batch)).code).toBe('AA')
    expect(await ordersOf('RX-H14')).toHaveLength(1)
  })

  it('is a file of two million characters in a document, and it comes back whole', async () => {
    const data = 'QUJD'.repeat(500_000)
    const document = fixture('document-message/note-with-file.in.hl7')
      .replace('MDM-20260110-0001', 'MDM-LARGE')
      .replace(/Base64\^[A-Za-z0-9+/=]+/, `Base64^${data}`)
    expect(await answer(engine, document)).toMatchObject({ code: 'AA' })
    const found = await scene.ehr.request('GET', `/fhir/Communication?patient=${scene.patient}`)
    const [{ payload }] = resourcesOf(found.body)
    const file = payload.find((each: object) => 'contentAttachment' in each).contentAttachment
    expect(file.data === data).toBe(true)
  })

  it('is in a character set that nobody here reads, and its sender learns which message that was', async () => {
    const unread = order('RX-H16', { control: 'H16' }).replace('|P|2.5.1', '|P|2.5.1||||||KLINGON')
    const { text, place } = await answer(practice, unread)
    expect(fieldsOf(text, 'MSA').slice(1, 3)).toEqual(['AR', 'H16'])
    expect(place).toBe('MSH^1^18')
  })

  it('is a message with more in it than may be mapped, which is told so and not to send it again', async () => {
    const directions = Array.from({ length: 10_500 }, () => '^As told').join('~')
    const refused = await answer(practice, order('RX-H15').replace('^As told', directions))
    expect(refused).toMatchObject({ code: 'AE' })
    expect(refused.text).toContain('send it in parts')
    expect(refused.text).not.toContain('207^')
  })
})
