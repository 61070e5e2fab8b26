import fc from 'fast-check'
import type { CodeableConcept, Medication, MedicationDispense } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { dispense } from '#flows/dispense.ts'
import { writeDispenseMessage } from '#formats/hl7v2/dispense-message.ts'
import { replay } from '../../flows/replay.ts'
import { drug, quantity, words } from './generated-orders.ts'
import { plain, pruned, type Tree, withoutNoted } from './noted.ts'

const ucum = 'http://unitsofmeasure.org'
const v2 = (table: string) => `http://terminology.hl7.org/CodeSystem/v2-${table}`

/** Pairs that our tables hold: what was dispensed of the order, and what was done instead. */
const type = fc
  .constantFrom(['FFC', 'N'], ['FFP', 'P'], ['RFC', 'R'], ['RFP', 'Q'], ['TB', 'T'], ['TF', 'B'])
  .map(([act, code]) => ({
    coding: [
      { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: act },
      { system: v2('0484'), code },
    ],
  }))
const substitution = fc
  .constantFrom([true, 'G', 'G'] as const, [true, 'TE', 'T'] as const, [false, 'N', 'N'] as const)
  .map(([wasSubstituted, act, code]) => ({
    wasSubstituted,
    type: {
      coding: [
        { system: 'http://terminology.hl7.org/CodeSystem/v3-substanceAdminSubstitution', code: act },
        { system: v2('0167'), code },
      ],
    },
  }))

const dispenses: fc.Arbitrary<MedicationDispense> = fc
  .record(
    {
      drug,
      quantity,
      when: fc.constantFrom<Partial<MedicationDispense>>(
        { status: 'completed', whenHandedOver: '2026-01-07T16:15:00-06:00' },
        { status: 'completed', whenHandedOver: '2026-01-07' },
        { status: 'in-progress', whenPrepared: '2026-01-07T16:15:00.250-06:00' },
        { status: 'preparation', whenPrepared: '2026-01-07T16:15:00-06:00' },
      ),
      type,
      substitution,
      fill: fc.option(fc.integer({ min: 1, max: 98 })),
      daily: fc.option(quantity),
      location: fc.constantFrom(undefined, { display: 'Main | Street' }),
      note: fc.array(words, { maxLength: 2 }).map((all) => all.map((text) => ({ text }))),
    },
    { requiredKeys: ['drug', 'quantity', 'when', 'fill', 'daily', 'location', 'note'] },
  )
  .map(({ drug: given, when, fill, daily, location, note, ...rest }) => ({
    resourceType: 'MedicationDispense' as const,
    id: 'md1',
    status: 'completed' as const,
    subject: { reference: 'Patient/p' },
    identifier: [
      { type: { coding: [{ system: v2('0203'), code: 'FILL' }] }, system: 'urn:oid:1.8', value: 'F|1' },
      ...(fill === null
        ? []
        : [
            {
              type: { text: 'prescription number and dispense' },
              system: 'https://postern.health/fhir/sid/v2/MAINST/prescription-number',
              value: `RX-1/${fill}`,
            },
          ]),
    ],
    authorizingPrescription: [
      {
        identifier: {
          type: { coding: [{ system: v2('0203'), code: 'PLAC' }] },
          system: 'https://clinic.example/orders',
          value: 'A-1',
        },
      },
    ],
    ...when,
    ...given,
    ...rest,
    ...(daily
      ? {
          dosageInstruction: [
            {
              maxDosePerPeriod: {
                numerator: daily,
                denominator: { value: 1, unit: 'day', system: ucum, code: 'd' },
              },
            },
          ],
        }
      : {}),
    ...(location ? { location } : {}),
    ...(note.length > 0 ? { note } : {}),
  }))

const write = (given: MedicationDispense, more: Partial<Hl7v2Dialect>) =>
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

async function there(text: string): Promise<MedicationDispense> {
  const { resources, refused } = await replay(dispense, new TextEncoder().encode(text))
  const made = (resources ?? []) as { resourceType: string }[]
  const found = made.find(({ resourceType }) => resourceType === 'MedicationDispense')
  if (!found) throw new Error(`no dispense: ${JSON.stringify(refused)}\n${text.replaceAll('\r', '\n')}`)
  return found as MedicationDispense
}

const codings = (concept: CodeableConcept | undefined) =>
  concept?.coding?.map(({ system, code }) => `${system} ${code}`).toSorted()

/**
 * The differences by rule: persons, ids and the reference to the order are found anew; RXD-7 and RXD-1 make a number where
 * none was; codes without display get that of our tables; the strength of the product is an ingredient that is the product; a Medication of which
 * nothing but the drug is said is the drug; what has no field is told in notes, each of which is looked up and taken out.
 */
function meant(tree: Tree): unknown {
  const given = tree as unknown as MedicationDispense
  const inside = given.contained?.find((each): each is Medication => each.resourceType === 'Medication')
  const drugCode = given.medicationCodeableConcept ?? inside?.code
  return pruned({
    number: given.identifier?.filter(({ type: kind }) => kind?.coding),
    fill: given.identifier?.find(({ type: kind }) => kind?.text)?.value,
    order: given.authorizingPrescription?.[0]?.identifier,
    status: given.status,
    when: [given.whenHandedOver, given.whenPrepared],
    drug: [drugCode?.text, codings(drugCode)],
    form: inside?.form,
    ingredient: inside?.ingredient?.map(({ itemCodeableConcept, ...rest }) =>
      rest.extension ? { itemCodeableConcept, ...rest } : rest,
    ),
    quantity: given.quantity,
    type: codings(given.type),
    substituted: given.substitution?.wasSubstituted,
    instead: codings(given.substitution?.type),
    daily: given.dosageInstruction?.[0]?.maxDosePerPeriod,
    location: given.location,
    note: given.note?.map(({ text }) => text).filter((text) => !text.startsWith('FHIR ')),
  })
}

describe.each<[string, Partial<Hl7v2Dialect>]>([
  ['2.5.1', {}],
  ['2.8', { version: '2.8' }],
])('a dispense that goes out as RDS^O13 of %s', (_, more) => {
  it('comes back the same, digit for digit, or a note says what has no field', async () => {
    await fc.assert(
      fc.asyncProperty(dispenses, async (given) => {
        const back = plain(await there(write(given, more))) as Tree
        const notes = ((back.note ?? []) as { text: string }[]).map(({ text }) => text)
        const left = withoutNoted(
          plain(given) as Tree,
          notes.filter((text) => text.startsWith('FHIR ')),
        )
        expect(meant(back)).toEqual(meant(left))
      }),
      { numRuns: 100 },
    )
  }, 60_000)
})
