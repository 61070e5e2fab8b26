import fc from 'fast-check'
import type { CodeableConcept, MedicationDispense } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { dispense } from '#flows/dispense.ts'
import { writeDispenseMessage } from '#formats/hl7v2/dispense-message.ts'
import { readMessage, value } from '#formats/hl7v2/message.ts'
import { replay } from '../../flows/replay.ts'
import { dispenses } from './generated-dispenses.ts'
import { plain, pruned, type Tree } from './noted.ts'
import { numRuns, timeoutMs } from './runs.ts'
import { hasNumbersOf, usual } from './same-order.ts'

const write = (given: MedicationDispense, more: Partial<Hl7v2Dialect> = {}) =>
  writeDispenseMessage({
    dispense: given,
    patient: { resourceType: 'Patient', id: 'p', identifier: [{ value: '1' }], name: [{ family: 'x' }] },
    dialect: {
      sending: { application: 'POSTERN', facility: 'MAINST' },
      receiving: { application: 'EHR', facility: '1' },
      ...more,
    },
    controlId: 'C1',
    at: 0,
  })

async function read(text: string) {
  const { resources, refused } = await replay(dispense, new TextEncoder().encode(text))
  const made = (resources ?? []) as { resourceType: string }[]
  const found = made.find(({ resourceType }) => resourceType === 'MedicationDispense')
  return { refused, found: found as MedicationDispense | undefined }
}

async function there(text: string): Promise<MedicationDispense> {
  const { refused, found } = await read(text)
  if (!found) throw new Error(`no dispense: ${JSON.stringify(refused)}\n${text.replaceAll('\r', '\n')}`)
  return found
}

/**
 * A dispense as it is compared, whole, but for what the way through fields adds by rule: persons, ids and the reference to
 * the order are found anew; a kind of supply and a substitution have a code of tables 0484 and 0167 beside their own, and what
 * a code of a table means.
 */
function comparable(given: MedicationDispense, like: MedicationDispense): unknown {
  const {
    id: _id,
    subject: _subject,
    performer: _performer,
    identifier: _numbers,
    authorizingPrescription: orders,
    contained,
    medicationReference,
    medicationCodeableConcept: code,
    type,
    substitution: instead,
    ...rest
  } = plain(given) as unknown as MedicationDispense
  const { id: _inside, ...medication } = (contained?.[0] ?? {}) as Tree
  return pruned(
    usual({
      ...rest,
      order: orders?.[0]?.identifier,
      medication: code ? { resourceType: 'Medication', code } : medication,
      display: medicationReference?.display,
      type: type && coded(type, like.type),
      substitution: instead && {
        ...instead,
        type: instead.type && coded(instead.type, like.substitution?.type),
      },
    }),
  )
}

/** The codes that were given, by themselves: what they are called is in our tables. */
function coded({ coding = [], text }: CodeableConcept, like: CodeableConcept | undefined): unknown {
  const wanted = (like?.coding ?? []).map(({ code }) => code)
  const codes = coding.filter(({ code }) => wanted.includes(code)).map(({ system, code }) => [system, code])
  return like && { codes, text }
}

describe.each<[string, Partial<Hl7v2Dialect>]>([
  ['2.5.1', {}],
  ['2.8', { version: '2.8' }],
  ['2.4', { version: '2.4' }],
  ['2.5.1 in the time of another zone', { timeZone: 'Asia/Tokyo' }],
])('a dispense that goes out as RDS^O13 of %s', (_, more) => {
  it(
    'comes back the same, digit for digit, whole',
    async () => {
      await fc.assert(
        fc.asyncProperty(dispenses, async (given) => {
          const text = write(given, more)
          const back = await there(text)
          expect(comparable(back, given), text.replaceAll('\r', '\n')).toEqual(comparable(given, given))
          expect(hasNumbersOf(back, given)).toBe(true)
        }),
        { numRuns },
      )
    },
    timeoutMs,
  )
})

const given: MedicationDispense = {
  resourceType: 'MedicationDispense',
  id: 'md1',
  status: 'completed',
  subject: { reference: 'Patient/p' },
  authorizingPrescription: [{ identifier: { system: 'urn:oid:1.2', value: 'A-1' } }],
  medicationCodeableConcept: { text: 'Amlodipine' },
  quantity: { value: 30, unit: 'tablet' },
  daysSupply: { value: 30, unit: 'days' },
  whenPrepared: '2026-01-06',
  whenHandedOver: '2026-01-07',
  receiver: [{ display: 'Her sister' }],
  performer: [{ function: { text: 'checker' }, actor: { reference: 'Practitioner/d', display: 'Dr. Grey' } }],
  dosageInstruction: [{ text: 'One a day', asNeededBoolean: true }],
}

describe('what has no field of a dispense', () => {
  it('is told to people in sentences', () => {
    const notes = readMessage(write(given, { rest: 'notes' }))
      .segments.filter(({ name }) => name === 'NTE')
      .map((segment) => value(segment, 3))
    expect(notes).toEqual([
      'Directions: One a day',
      'As needed',
      'To last: 30 days',
      'Prepared: 2026-01-06',
      'Given to: Her sister',
      'Given by: Dr. Grey, checker',
    ])
  })

  it.each([
    ['another amount', /\|30\|\^tablet/, '|60|^tablet', '{"quantity":{"value":30,"unit":"tablet"}}', 'RXD-4'],
    ['another time', '|20260107|', '|20260108|', undefined, 'RXD-3'],
    ['another route', 'RXR|""', 'RXR|PO^Oral^HL70162', undefined, 'RXR'],
    ['nothing of where it came from', 'ORC|RE', 'ORC|RE', forged('source-time'), 'only this system'],
    ['nothing of its status', 'ORC|RE', 'ORC|RE', '{"status":"cancelled"}', 'not copied'],
  ])('is refused as a copy (ZFH) beside fields that say %s', async (_, found, instead, json, reason) => {
    const whole = write(given)
    const text =
      json === undefined ? whole : whole.replace(/(ZFH\|[^|]*\|[^|]*\|)[^|\r]*/, (_all, head) => head + json)
    expect(JSON.stringify((await read(text.replace(found, instead))).refused)).toContain(reason)
    expect((await read(whole)).refused).toBeUndefined()
  })
})

function forged(name: string): string {
  const url = `https://postern.health/fhir/StructureDefinition/${name}`
  return JSON.stringify({ extension: [{ url, valueDateTime: '2026-01-01' }] })
}
