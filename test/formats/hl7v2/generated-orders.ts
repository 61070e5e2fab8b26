import fc from 'fast-check'
import type { CodeableConcept, Dosage, MedicationRequest, Quantity } from 'fhir/r4'

/** Prescriptions as our profile allows them, with everything that a prescriber may say of how much, when and where. */

const rxnorm = 'http://www.nlm.nih.gov/research/umls/rxnorm'
const snomed = 'http://snomed.info/sct'
const ucum = 'http://unitsofmeasure.org'

const decimal = fc
  .tuple(fc.integer({ min: 0, max: 9_999 }), fc.integer({ min: 0, max: 3 }), fc.nat(999))
  .map(
    ([whole, places, rest]) =>
      `${whole}${places > 0 ? `.${String(rest).padStart(3, '0').slice(0, places)}` : ''}`,
  )
  .map((text) => JSON.rawJSON(text) as unknown as number)

/** Words without numbers: directions that contradict the structure are refused by rule (R6). */
export const words = fc
  .array(
    fc.constantFrom('as', 'directed', 'with', 'food', '|', '^x', '~', '\\', '&', '\n', 'é', 'Ж', '日', '""'),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((all) => all.join(' ').trim() || 'as directed')

const unit = fc.constantFrom(
  { unit: 'mg', code: 'mg' },
  { unit: 'mcg', code: 'ug' },
  { unit: 'ml', code: 'mL' },
  { unit: 'IU', code: '[IU]' },
  { unit: 'tablet', code: '{tablet}' },
)
export const quantity: fc.Arbitrary<Quantity> = fc
  .tuple(decimal, unit)
  .map(([value, named]) => ({ value, ...named, system: ucum }))

const concept = (system: string, code: string, display: string) => ({
  coding: [{ system, code, display }],
  text: display,
})

const timeUnit = fc.constantFrom('s', 'min', 'h', 'd', 'wk', 'mo')
const period = fc
  .integer({ min: 1, max: 99 })
  .map((value) => JSON.rawJSON(String(value)) as unknown as number)
const weekdays = fc.subarray(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const, { minLength: 1 })
const rhythm = fc.oneof(
  fc.record({ frequency: fc.integer({ min: 1, max: 12 }), period, periodUnit: timeUnit }),
  fc.record({ frequency: fc.constant(1), period, periodUnit: fc.constant('wk'), dayOfWeek: weekdays }),
  fc.record({ when: fc.subarray(['ACM', 'PCD', 'HS', 'MORN', 'C', 'PHS'], { minLength: 1 }) }),
  fc.record({ timeOfDay: fc.constantFrom(['08:00:00'], ['07:30:15', '21:00:00']) }),
  fc.record({
    frequency: fc.constant(1),
    frequencyMax: fc.constant(3),
    period,
    periodUnit: timeUnit,
  }),
)
const bounds = fc.oneof(
  fc.constant({}),
  fc.record({ boundsPeriod: fc.constant({ start: '2026-01-05', end: '2026-02-05T08:00:00-05:00' }) }),
  fc.record({
    boundsDuration: fc.record({
      value: period,
      unit: fc.constant('days'),
      system: fc.constant(ucum),
      code: fc.constant('d'),
    }),
  }),
  fc.record({ count: fc.integer({ min: 1, max: 50 }) }),
)
const timing = fc.tuple(rhythm, bounds).map(([a, b]) => ({ repeat: { ...a, ...b } }))

const asNeeded = fc.constantFrom<Partial<Dosage>>(
  {},
  {},
  { asNeededBoolean: true },
  { asNeededCodeableConcept: { text: 'pain' } },
  { asNeededCodeableConcept: { coding: [{ system: snomed, code: '22253000', display: 'Pain' }] } },
)

const doseAndRate = fc.oneof(
  quantity.map((doseQuantity) => [{ doseQuantity }]),
  fc
    .tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 10, max: 99 }), unit)
    .map(([low, high, named]) => [
      {
        doseRange: {
          low: { value: low, ...named, system: ucum },
          high: { value: high, ...named, system: ucum },
        },
      },
    ]),
  fc.tuple(quantity, quantity).map(([a, b]) => [{ doseQuantity: a }, { doseQuantity: b }]),
)

const place = fc.record(
  {
    route: fc.constant(concept(snomed, '26643006', 'Oral route')),
    site: fc.constant(concept(snomed, '181220002', 'Entire oral cavity')),
    method: fc.constant(concept(snomed, '421521009', 'Swallow')),
  },
  { requiredKeys: [] },
)

const single: fc.Arbitrary<Dosage[]> = fc
  .tuple(
    fc.record(
      {
        text: words,
        patientInstruction: words,
        timing: timing as fc.Arbitrary<Dosage['timing']>,
        doseAndRate,
        additionalInstruction: fc.constantFrom<CodeableConcept[]>(
          [concept(snomed, '311504000', 'With or after food')],
          [{ text: 'shake well' }],
        ),
        maxDosePerPeriod: fc.tuple(quantity, fc.constantFrom('d', 'wk')).map(([numerator, code]) => ({
          numerator,
          denominator: { value: 1, unit: code === 'd' ? 'day' : 'week', system: ucum, code },
        })),
        maxDosePerLifetime: quantity,
      },
      { requiredKeys: ['text'] },
    ),
    asNeeded,
    place,
  )
  .map(([dosage, needed, where]) => [{ ...dosage, ...needed, ...where }])

const several: fc.Arbitrary<Dosage[]> = fc
  .tuple(
    fc.array(fc.tuple(words, quantity, timing as fc.Arbitrary<NonNullable<Dosage['timing']>>, fc.boolean()), {
      minLength: 2,
      maxLength: 4,
    }),
    place,
  )
  .map(([all, where]) => {
    let sequence = 0
    return all.map(([text, doseQuantity, when, beside]) => {
      if (sequence === 0 || !beside) sequence += 1
      return { sequence, text, timing: when, doseAndRate: [{ doseQuantity }], ...where }
    })
  })

const codings = fc.subarray(
  [
    { system: rxnorm, code: '197361', display: 'amlodipine 5 MG Oral Tablet' },
    { system: 'http://hl7.org/fhir/sid/ndc', code: '00093-0083-01', display: 'Amlodipine' },
    { system: snomed, code: '386864001', display: 'Amlodipine' },
    { system: 'urn:oid:1.2.3.4', code: 'AML5', display: 'local' },
  ],
  { minLength: 1 },
)

const named = fc.tuple(codings, fc.option(words)).map(([coding, text]) => ({
  coding,
  text: text ?? coding[0]?.display ?? '',
}))

const componentType = 'https://postern.health/fhir/StructureDefinition/component-type'
const medication = fc
  .tuple(
    named,
    fc.boolean(),
    fc.option(fc.tuple(quantity, fc.option(quantity))),
    fc.array(quantity, { maxLength: 3 }),
  )
  .map(([code, formed, strength, components]) => ({
    resourceType: 'Medication' as const,
    id: 'medication',
    code,
    ...(formed ? { form: concept(snomed, '385055001', 'Tablet') } : {}),
    ingredient: [
      ...(strength
        ? [
            {
              itemCodeableConcept: code,
              strength: { numerator: strength[0], denominator: strength[1] ?? { value: 1 } },
            },
          ]
        : []),
      ...components.map((numerator, index) => ({
        extension: [{ url: componentType, valueCode: index === 0 ? 'B' : 'A' }],
        itemCodeableConcept: concept(snomed, `38${index}`, `Component ${index}`),
        strength: { numerator, denominator: { value: 1 } },
      })),
    ],
  }))

export const drug = fc.oneof(
  named.map((medicationCodeableConcept) => ({ medicationCodeableConcept })),
  medication
    .filter(({ form, ingredient }) => form !== undefined || ingredient.length > 0)
    .map((each) => ({
      contained: [each],
      medicationReference: { reference: '#medication', display: each.code.text },
    })),
)

const substitution = fc.constantFrom<MedicationRequest['substitution'] & object>(
  { allowedBoolean: true },
  { allowedBoolean: false },
  {
    allowedCodeableConcept: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'unknown' }],
      text: 'unspecified',
    },
  },
  {
    allowedCodeableConcept: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-substanceAdminSubstitution', code: 'TE' }],
    },
  },
)

const dispenseRequest = fc.record(
  {
    quantity,
    numberOfRepeatsAllowed: fc.integer({ min: 0, max: 98 }),
    validityPeriod: fc.constantFrom({ start: '2026-01-05' }, { start: '2026-01-05', end: '2026-07-05' }),
    expectedSupplyDuration: fc.constant({ value: 30, unit: 'days', system: ucum, code: 'd' }),
    dispenseInterval: fc.constant({ value: 28, unit: 'days', system: ucum, code: 'd' }),
  },
  { requiredKeys: [] },
)

export const prescriptions: fc.Arbitrary<MedicationRequest> = fc
  .tuple(
    drug,
    fc.oneof(single, several),
    substitution,
    dispenseRequest,
    fc.constantFrom('routine', 'urgent', 'asap', 'stat'),
    fc.constantFrom(
      'urn:oid:1.2.3',
      'https://clinic.example/orders',
      'urn:uuid:6d6ad8c4-2a0f-4d5e-9d3c-0a4f0f2b1c11',
    ),
    fc.option(words),
  )
  .map(([given, dosageInstruction, allowed, dispense, priority, system, course]) => ({
    resourceType: 'MedicationRequest' as const,
    id: 'mr1',
    identifier: [{ system, value: 'A|1' }],
    groupIdentifier: { system, value: 'G^1' },
    status: 'active' as const,
    intent: 'order' as const,
    reportedBoolean: false,
    priority: priority as 'routine',
    subject: { reference: 'Patient/p' },
    requester: { reference: 'Practitioner/d' },
    authoredOn: '2026-01-05T09:00:00-05:00',
    ...given,
    dosageInstruction,
    dispenseRequest: dispense,
    substitution: allowed,
    ...(course ? { courseOfTherapyType: { text: course } } : {}),
  }))
