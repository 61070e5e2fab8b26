import fc from 'fast-check'
import type { Condition, MedicationRequest, Observation } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { prescriptionOrder } from '#flows/prescription-order.ts'
import { numeral } from '#formats/hl7v2/compose.ts'
import { findSegment, readMessage, value } from '#formats/hl7v2/message.ts'
import { type OrderControl, type OrderValues, writeOrderMessage } from '#formats/hl7v2/order-message.ts'
import { replay } from '../../flows/replay.ts'
import { wholeOrders } from './generated-orders.ts'

const ucum = 'http://unitsofmeasure.org'
const tablet = { unit: 'tablet', code: '{tablet}', system: ucum }
const why: Condition = {
  resourceType: 'Condition',
  id: 'why',
  subject: { reference: 'Patient/p1' },
  code: { text: 'CANARY-condition' },
}
const seen: Observation = {
  resourceType: 'Observation',
  id: 'seen',
  status: 'final',
  code: { text: 'CANARY-seen' },
}
const order: MedicationRequest = {
  resourceType: 'MedicationRequest',
  id: 'mr1',
  status: 'active',
  intent: 'order',
  subject: { reference: 'Patient/p1' },
  authoredOn: '2026-01-05T09:00:00-05:00',
  medicationCodeableConcept: {
    coding: [
      { system: 'http://www.nlm.nih.gov/research/umls/rxnorm', code: '197361', display: 'Amlodipine 5 MG' },
    ],
  },
  dosageInstruction: [
    {
      text: 'Take 1 tablet up to 3 times a day',
      timing: { repeat: { frequency: 1, frequencyMax: 3, period: 1, periodUnit: 'd' } },
      doseAndRate: [{ doseQuantity: { value: 1, ...tablet } }],
      maxDosePerLifetime: { value: 100, ...tablet },
    },
  ],
  note: [{ text: 'CANARY-note', authorString: 'Dr. Grey' }],
  reasonCode: [{ text: 'CANARY-reason' }],
  reasonReference: [{ reference: '#why', display: 'CANARY-why' }],
  statusReason: { text: 'CANARY-status' },
  extension: [{ url: 'https://elsewhere.example/renal', valueString: 'CANARY-extension' }],
  contained: [why, seen],
}

const write = (
  more: Partial<Hl7v2Dialect> = {},
  audience: OrderValues['audience'] = 'ehr',
  given = order,
  control?: OrderControl,
) =>
  writeOrderMessage({
    order: given,
    ...(control ? { control } : {}),
    patient: { resourceType: 'Patient', id: 'p', identifier: [{ value: '1' }], name: [{ family: 'x' }] },
    requester: { resourceType: 'Practitioner', identifier: [{ value: '7' }], name: [{ family: 'y' }] },
    audience,
    dialect: {
      sending: { application: 'POSTERN', facility: 'HUB' },
      receiving: { application: 'RX', facility: '1' },
      ...more,
    },
    controlId: 'C1',
    at: 0,
  })

async function read(text: string) {
  const made = await replay(prescriptionOrder, new TextEncoder().encode(text), { grants: ['order-source'] })
  const found = (made.resources as MedicationRequest[] | undefined)?.find(
    ({ resourceType }) => resourceType === 'MedicationRequest',
  )
  return { refused: made.refused, order: found }
}

const notesOf = (text: string) =>
  readMessage(text)
    .segments.filter(({ name }) => name === 'NTE')
    .map((segment) => value(segment, 3))

describe('what has no field', () => {
  it('is told to a pharmacist in sentences, and nothing of why or of what was said (R10)', () => {
    const text = write({}, 'pharmacy')
    expect(notesOf(text)).toEqual(['Timing: 1 to 3 times per day', 'At most 100 tablet in a lifetime'])
    expect(text).not.toContain('CANARY')
  })

  it('is told to an EHR with its reasons, once for people and once for machines', async () => {
    const text = write()
    expect(notesOf(text)).toEqual(
      expect.arrayContaining([
        'CANARY-note',
        'Reason: CANARY-why',
        'Reason: CANARY-condition',
        'Reason of the status: CANARY-status',
        'renal: CANARY-extension',
        'Note 1 is by Dr. Grey',
      ]),
    )
    // Findings beside an order stay in the record they are of.
    expect(text).not.toContain('CANARY-seen')
    const back = (await read(text)).order
    expect(back).toMatchObject({
      dosageInstruction: order.dosageInstruction,
      note: order.note,
      extension: order.extension,
      reasonReference: order.reasonReference,
      contained: [{ resourceType: 'Condition', id: 'why' }],
    })
  })

  it('is all in notes for a partner who takes no Z-segments: each value of the order is somewhere', () => {
    fc.assert(
      fc.property(wholeOrders, fc.constantFrom('2.3.1', '2.5.1', '2.8'), (given, version) => {
        const text = write({ rest: 'notes', version }, 'ehr', given)
        expect(text).not.toContain('ZFH')
        const told = readMessage(text)
          .segments.flatMap(({ text: line }) => line.split('|'))
          .join('\n')
        for (const { path, value: each } of clinicalValues(given)) expect(told, path).toContain(each)
      }),
      { numRuns: 100 },
    )
  }, 60_000)

  it.each(['CA', 'DC', 'HD', 'RL'] as const)(
    'goes along with what is asked about an order too: %s',
    (control) => {
      const text = write({}, 'ehr', order, control)
      expect(text).toContain('"maxDosePerLifetime"')
      expect(notesOf(text)).toContain('At most 100 tablet in a lifetime')
      // Why is the reason of what is asked; of a new order it would be what the order is for.
      expect(findSegment(readMessage(text), 'ORC')?.text).toContain('|^CANARY-status')
      expect(write({}, 'pharmacy', order, control)).not.toContain('CANARY')
    },
  )

  it('goes along without a Z-segment where nothing is left', () => {
    const { id, status, intent, subject, resourceType, medicationCodeableConcept } = order
    const plain = { id, status, intent, subject, resourceType, medicationCodeableConcept }
    expect(write({}, 'ehr', plain as MedicationRequest)).not.toMatch(/^(?:ZFH|NTE)/m)
  })
})

/** Amounts and words that no table translates (RXE-19 is of a day, RXE-22 and TQ-3 have a letter for it); what is escaped is left to the other properties. */
function clinicalValues(given: MedicationRequest): { path: string; value: string }[] {
  const found: { path: string; value: string }[] = []
  const walk = (each: unknown, path: string) => {
    if (/(?:(?:maxDosePerPeriod|rateRatio)\.denominator|boundsDuration)\.unit$/.test(path)) return
    if (JSON.isRawJSON(each)) found.push({ path, value: numeral(each) })
    else if (typeof each === 'string' && /\.(?:text|display|unit|valueString)$/.test(path)) {
      if (/^[\w ]+$/.test(each)) found.push({ path, value: each })
    } else if (typeof each === 'object' && each !== null)
      for (const [name, item] of Object.entries(each)) walk(item, `${path}.${name}`)
  }
  const { dosageInstruction, dispenseRequest, note, reasonCode, courseOfTherapyType, extension } = given
  walk({ dosageInstruction, dispenseRequest, note, reasonCode, courseOfTherapyType, extension }, '')
  return found
}

describe('a copy (ZFH)', () => {
  it.each([
    ['another dose', /^(RXE\|\|[^|]*\|)1\|/m, '$12|', 'RXE-3'],
    ['other directions', 'Take 1 tablet up', 'Take 2 tablets up', 'RXE-7'],
    ['another route', 'RXR|""', 'RXR|PO^Oral^HL70162', 'RXR'],
    ['another timing', /^TQ1\|1$/m, 'TQ1|1||QID', 'TQ1'],
  ])('beside fields that say %s is refused, with the place', async (_, found, instead, place) => {
    const text = write().replaceAll('\r', '\n')
    const changed = text.replace(found, instead)
    expect(changed).not.toBe(text)
    const { refused } = await read(changed.replaceAll('\n', '\r'))
    expect(refused).toMatchObject({ kind: 'invalid' })
    expect(JSON.stringify(refused)).toContain(place)
    expect(JSON.stringify(refused)).toContain('ZFH[1]-3')
  })

  it.each([
    ['{"status":"active"}'],
    ['{"subject":{"display":"somebody else"}}'],
    ['{"modifierExtension":[{"url":"http://x","valueBoolean":true}]}'],
    ['{"dosageInstruction":[{"modifierExtension":[{"url":"http://x","valueBoolean":true}]}]}'],
    ['{"contained":[{"resourceType":"Medication","id":"medication","code":{"text":"other"}}]}'],
    ['{"dosageInstruction":'],
    ['{"extension":[{"url":"https://postern.health/fhir/StructureDefinition/source-attestation"}]}'],
    ['[]'],
  ])('of %s is refused', async (json) => {
    const text = write().replace(/(ZFH\|[^|]*\|[^|]*\|)[^|\r]*/, (_all, before) => before + json)
    expect((await read(text)).refused).toMatchObject({ kind: 'invalid' })
  })

  it('of somebody else, in a segment of the same name, says nothing to us', async () => {
    const text = write().replace('https://postern.health/hl7v2/zfh', 'TOTAL')
    const { order: made } = await read(text)
    expect(made?.dosageInstruction?.[0]?.maxDosePerLifetime).toBeUndefined()
    // Then the notes are all that tells it, and they are kept.
    expect(JSON.stringify(made?.note)).toContain('At most 100 tablet in a lifetime')
  })

  it('keeps what others have noted on the way', async () => {
    const { order: made } = await read(write().replace('TQ1|1', 'NTE|99||Called the ward\rTQ1|1'))
    expect(made?.note?.map(({ text }) => text)).toEqual(['CANARY-note', 'Called the ward'])
  })
})
