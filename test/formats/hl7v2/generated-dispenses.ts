import fc from 'fast-check'
import type { CodeableConcept, MedicationDispense } from 'fhir/r4'
import { drug, quantity, several, single, words } from './generated-orders.ts'

/** Dispenses as our profile allows them, with everything that a pharmacy may say of what was given. */

const ucum = 'http://unitsofmeasure.org'
const v2 = (table: string) => `http://terminology.hl7.org/CodeSystem/v2-${table}`
const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
const substitutes = 'http://terminology.hl7.org/CodeSystem/v3-substanceAdminSubstitution'

const supply = fc.constantFrom(
  ['FFC', 'N'],
  ['FFP', 'P'],
  ['RFC', 'R'],
  ['RFP', 'Q'],
  ['TB', 'T'],
  ['TF', 'B'],
)
const type = fc.oneof(
  supply.map(
    ([meant, code]): CodeableConcept => ({
      coding: [
        { system: act, code: meant ?? '' },
        { system: v2('0484'), code: code ?? '' },
      ],
    }),
  ),
  supply.map(([code]): CodeableConcept => ({ coding: [{ system: act, code: code ?? '' }] })),
  fc.constantFrom<CodeableConcept>(
    { coding: [{ system: act, code: 'FFC', display: 'First Fill - Complete' }], text: 'the first, whole' },
    { coding: [{ system: v2('0484'), code: 'S', display: 'Manufacturer Sample' }] },
    {
      coding: [
        { system: act, code: 'FFC' },
        { system: v2('0484'), code: 'R' },
      ],
    },
    { coding: [{ system: 'urn:oid:1.2.3.4', code: 'E', display: 'Emergency' }] },
    { text: 'Emergency supply' },
  ),
)
const instead = fc
  .constantFrom([true, 'G', 'G'] as const, [true, 'TE', 'T'] as const, [false, 'N', 'N'] as const)
  .map(([wasSubstituted, meant, code]) => ({
    wasSubstituted,
    type: {
      coding: [
        { system: substitutes, code: meant },
        { system: v2('0167'), code },
      ],
    },
  }))
const substitution = fc.oneof(
  instead,
  fc.constantFrom<NonNullable<MedicationDispense['substitution']>>(
    { wasSubstituted: false },
    { wasSubstituted: true },
    { wasSubstituted: true, type: { coding: [{ system: substitutes, code: 'E' }], text: 'equivalent' } },
    { wasSubstituted: true, type: { coding: [{ system: substitutes, code: 'F' }] } },
  ),
  instead.map((each) => ({
    ...each,
    reason: [{ text: 'out of stock' }],
    responsibleParty: [{ display: 'Dr. Grey' }],
  })),
)

const when = fc.constantFrom<Pick<MedicationDispense, 'status' | 'whenHandedOver' | 'whenPrepared'>>(
  { status: 'completed', whenHandedOver: '2026-01-07T16:15:00-06:00' },
  { status: 'completed', whenHandedOver: '2026-01-07' },
  { status: 'completed', whenPrepared: '2026-01-07' },
  { status: 'completed', whenPrepared: '2026-01-06', whenHandedOver: '2026-01-07T16:15:00.250-06:00' },
  { status: 'in-progress', whenPrepared: '2026-01-07T16:15:00.250-06:00' },
  { status: 'preparation', whenPrepared: '2026-01-07T16:15:00-06:00' },
  { status: 'preparation', whenHandedOver: '2026-01-07' },
  { status: 'on-hold', whenPrepared: '2026-01-07' },
  { status: 'stopped', whenPrepared: '2026-01-06', whenHandedOver: '2026-01-07' },
  { status: 'cancelled', whenHandedOver: '2026-01-07' },
)

const daily = quantity.map((numerator) => [
  {
    maxDosePerPeriod: { numerator, denominator: { value: 1, unit: 'day', system: ucum, code: 'd' } },
  },
])

const batched = fc.tuple(drug, fc.boolean()).map(([given, isBatch]) => {
  if (!('contained' in given) || !isBatch) return given
  const contained = given.contained.map((each) => ({
    ...each,
    manufacturer: { display: 'Maker & Sons' },
    batch: { lotNumber: 'LOT|7', expirationDate: '2027-06' },
    status: 'active' as const,
  }))
  return { ...given, contained }
})

const identifiers = fc.subarray([
  {
    type: { coding: [{ system: v2('0203'), code: 'FILL' }] },
    system: 'urn:oid:1.8',
    value: 'F|1',
  },
  { use: 'secondary' as const, type: { text: 'till' }, system: 'urn:oid:1.9', value: 'T-1' },
  {
    type: { text: 'prescription number and dispense' },
    system: 'https://postern.health/fhir/sid/v2/MAINST/prescription-number',
    value: 'RX-1/2',
  },
])

/** What is said beside drug, amount and time. */
const beside: fc.Arbitrary<Partial<MedicationDispense>> = fc.record(
  {
    type,
    substitution,
    category: fc.constantFrom<CodeableConcept>(
      { text: 'over the counter' },
      {
        coding: [
          {
            system: 'http://terminology.hl7.org/CodeSystem/medicationdispense-category',
            code: 'community',
            display: 'Community',
          },
        ],
      },
    ),
    statusReasonCodeableConcept: words.map((text) => ({ text })),
    daysSupply: fc.constantFrom(
      { value: 30, unit: 'days', system: ucum, code: 'd' },
      { value: JSON.rawJSON('3E1') as unknown as number, unit: 'days' },
    ),
    location: words.map((display) => ({ display })),
    destination: words.map((display) => ({ display })),
    receiver: fc.constantFrom([{ display: 'Her sister' }], [{ display: 'a' }, { display: 'b' }]),
    note: fc.array(fc.tuple(words, fc.boolean()), { minLength: 1, maxLength: 3 }).map((all) =>
      all.map(([text, signed]) => ({
        ...(signed ? { authorString: 'Ж', time: '2026-01-07T09:00:00.500Z' } : {}),
        text,
      })),
    ),
    dosageInstruction: fc.oneof(daily, single, several),
    extension: fc.constant([
      {
        url: 'https://elsewhere.example/unknown',
        valueDecimal: JSON.rawJSON('1.10') as unknown as number,
      },
    ]),
    _whenHandedOver: fc.constant({
      extension: [{ url: 'https://elsewhere.example/how', valueString: 'by courier' }],
    }),
  },
  { requiredKeys: [] },
)

export const dispenses: fc.Arbitrary<MedicationDispense> = fc
  .tuple(batched, quantity, when, identifiers, beside)
  .map(([given, amount, at, identifier, more]) => ({
    resourceType: 'MedicationDispense' as const,
    id: 'md1',
    subject: { reference: 'Patient/p' },
    ...(identifier.length > 0 ? { identifier } : {}),
    authorizingPrescription: [
      {
        identifier: {
          type: { coding: [{ system: v2('0203'), code: 'PLAC' }] },
          system: 'https://clinic.example/orders',
          value: 'A-1',
        },
      },
    ],
    quantity: amount,
    ...at,
    ...given,
    ...more,
  }))
