import type { MedicationRequest, Patient } from 'fhir/r4'
import { expect, it } from 'vitest'
import { Failure } from '#core/failure.ts'
import { requireProduction } from '#formats/hl7v2/header.ts'
import { readMessage } from '#formats/hl7v2/message.ts'
import { writeOrderMessage } from '#formats/hl7v2/order-message.ts'
import { sourceTree } from '#formats/hl7v2/source.ts'

const decimal = (text: string) => JSON.rawJSON(text) as unknown as number
const patient: Patient = {
  resourceType: 'Patient',
  id: 'p1',
  identifier: [{ system: 'urn:oid:1.2.3', value: 'MR|7', type: { coding: [{ code: 'MR' }] } }],
  name: [{ family: 'O^Neil', given: ['Zoë', 'B'] }],
  birthDate: '1980-06',
  gender: 'female',
}
const order: MedicationRequest = {
  resourceType: 'MedicationRequest',
  id: 'mr1',
  status: 'active',
  intent: 'order',
  subject: { reference: 'Patient/p1' },
  authoredOn: '2025-01-02T10:00:00-05:00',
  medicationCodeableConcept: {
    coding: [
      { system: 'http://hl7.org/fhir/sid/ndc', code: '0093' },
      { system: 'http://www.nlm.nih.gov/research/umls/rxnorm', code: '197361', display: 'Amlodipine & co' },
    ],
  },
  note: [{ text: 'CANARY-note' }],
  reasonCode: [{ text: 'CANARY-reason' }],
  statusReason: { text: 'CANARY-status' },
  supportingInformation: [{ display: 'CANARY-support' }],
  dosageInstruction: [
    {
      text: 'One tablet twice a day',
      timing: { repeat: { frequency: 2, period: 1, periodUnit: 'd' } },
      doseAndRate: [
        {
          doseQuantity: {
            value: decimal('1.50'),
            unit: 'mg',
            code: 'mg',
            system: 'http://unitsofmeasure.org',
          },
        },
      ],
    },
  ],
  dispenseRequest: { quantity: { value: decimal('30.0'), unit: 'tablet' }, numberOfRepeatsAllowed: 3 },
}

const write = (change: Partial<MedicationRequest> = {}) =>
  writeOrderMessage({
    order: { ...order, ...change },
    patient,
    requester: {
      resourceType: 'Practitioner',
      identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: '1234567893' }],
      name: [{ family: 'Grey', given: ['M'] }],
    },
    audience: 'pharmacy',
    dialect: {
      sending: { application: 'POSTERN', facility: 'HUB' },
      receiving: { application: 'RX', facility: '1' },
    },
    controlId: 'C1',
    at: 0,
  })
const treeOf = (text: string) => {
  const message = readMessage(text)
  requireProduction(message)
  return sourceTree(message)
}

it('an order is read back as it was, digit for digit', () => {
  const tree = treeOf(write())
  expect(tree).toMatchObject({
    type: 'RDE',
    trigger: 'O11',
    controlId: 'C1',
    MSH: { MSH_9: [{ _3: 'RDE_O11' }], MSH_18: [{ _1: 'UNICODE UTF-8' }] },
    PID: {
      PID_3: [{ _1: 'MR|7', _4_2: '1.2.3', _4_3: 'ISO', _5: 'MR' }],
      PID_5: [{ _1: 'O^Neil', _2: 'Zoë', _3: 'B' }],
      PID_7: [{ _1: '198006' }],
      PID_8: [{ _1: 'F' }],
    },
    orders: [
      {
        ORC: {
          ORC_1: [{ _1: 'NW' }],
          ORC_2: [{ _1: 'mr1', _2: 'POSTERN' }],
          ORC_9: [{ _1: '20250102100000-0500' }],
          ORC_12: [{ _1: '1234567893', _2: 'Grey', _3: 'M', _9_2: '2.16.840.1.113883.4.6', _13: 'NPI' }],
        },
        RXE: {
          RXE_2: [{ _1: '197361', _2: 'Amlodipine & co', _3: 'RXNORM', _4: '0093', _6: 'NDC' }],
          RXE_3: [{ _1: '1.50' }],
          RXE_5: [{ _1: 'mg', _3: 'UCUM' }],
          RXE_7: [{ _2: 'One tablet twice a day' }],
          RXE_9: [{ _1: '0' }],
          RXE_10: [{ _1: '30.0' }],
          RXE_12: [{ _1: '3' }],
          TQ1: [{ TQ1_3: [{ _1: 'BID' }] }],
          RXR: [{ _null: ['1'] }],
        },
      },
    ],
  })
})

it('no note, reason or supporting text leaves (R10)', () => {
  expect(write()).not.toContain('CANARY')
})

it.each([
  [
    { identifier: [{ value: 'X' }, { value: 'P|1', type: { coding: [{ code: 'PLAC' }] } }] },
    'ORC|NW|P\\F\\1|',
  ],
  [{ substitution: { allowedBoolean: false } }, '||N|30.0'],
  [{ substitution: { allowedBoolean: true } }, '||G|30.0'],
  [{ status: 'cancelled' }, 'ORC|CA|'],
  [{ status: 'stopped' }, 'ORC|DC|'],
  [{ dispenseRequest: { numberOfRepeatsAllowed: 0 } }, '|||0|'],
] as [Partial<MedicationRequest>, string][])('%j is written %s', (change, expected) => {
  expect(write(change)).toContain(expected)
})

it.each([
  [{ frequency: 1, period: 8, periodUnit: 'h' }, 'Q8H'],
  [{ frequency: 1, period: 1, periodUnit: 'd' }, 'Q1D'],
  [{ frequency: 6, period: 1, periodUnit: 'd' }, '6ID'],
  [{ frequency: 1, period: 2, periodUnit: 'wk' }, 'Q2W'],
  [{ when: ['ACM', 'HS'] }, 'ACM~QHS'],
] as const)('%j is the repeat pattern %s', (repeat, pattern) => {
  expect(write({ dosageInstruction: [{ timing: { repeat: repeat as never } }] })).toContain(
    `TQ1|1||${pattern}`,
  )
})

it.each([
  ['invalid', { status: 'draft' }],
  ['invalid', { intent: 'proposal' }],
  ['invalid', { reportedBoolean: true }],
  ['invalid', { doNotPerform: true }],
  ['invalid', { medicationCodeableConcept: undefined }],
  [
    'unsupported',
    { dosageInstruction: [{ timing: { repeat: { frequency: 3, period: 1, periodUnit: 'wk' } } }] },
  ],
  ['unsupported', { dosageInstruction: [{ maxDosePerLifetime: { value: 1 } }] }],
  ['unsupported', { dispenseRequest: { quantity: { value: decimal('1e200') } } }],
  ['unsupported', { substitution: { allowedCodeableConcept: { text: 'perhaps' } } }],
] as [string, Partial<MedicationRequest>][])('%s: %j is not sent', (kind, change) => {
  expect(() => write(change)).toThrow(Failure)
  expect(() => write(change)).toThrow(expect.objectContaining({ kind }))
})

it('a dosage without a route beside one with a route does not ask for the route to be deleted', () => {
  const [first] = order.dosageInstruction ?? []
  const oral = { coding: [{ system: 'http://snomed.info/sct', code: '26643006', display: 'Oral route' }] }
  const text = write({
    dosageInstruction: [
      { ...first, sequence: 1, route: oral },
      { ...first, sequence: 2 },
    ],
  })
  expect(text.match(/^RXR.*$/gm)).toEqual(['RXR|26643006^Oral route^SCT'])
})
