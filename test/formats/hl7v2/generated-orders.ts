import fc from 'fast-check'
import type { CodeableConcept, Dosage, MedicationRequest, Quantity } from 'fhir/r4'

/** Prescriptions as our profile allows them, with everything that a prescriber may say of how much, when and where. */

const rxnorm = 'http://www.nlm.nih.gov/research/umls/rxnorm'
const snomed = 'http://snomed.info/sct'
const ucum = 'http://unitsofmeasure.org'
const orderCategory = 'http://terminology.hl7.org/CodeSystem/medicationrequest-category'

/** Forms that a reader through a double would change. */
const exact = fc.constantFrom(
  '0.50',
  '1.0',
  '12345678901234567',
  '1234567890.12345678901234567',
  '0.000000000001',
  '1E3',
  '2.50e-1',
)

const decimalForm = fc
  .tuple(fc.integer({ min: 0, max: 9_999 }), fc.integer({ min: 0, max: 3 }), fc.nat(999))
  .map(
    ([whole, places, rest]) =>
      `${whole}${places > 0 ? `.${String(rest).padStart(3, '0').slice(0, places)}` : ''}`,
  )

const decimal = fc
  .oneof({ weight: 4, arbitrary: decimalForm }, { weight: 1, arbitrary: exact })
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
  fc.record({ frequency: fc.constant(2), period, periodMax: fc.constant(100), periodUnit: fc.constant('a') }),
  fc.record({ when: fc.constant(['AC', 'HS']), offset: fc.constant(30) }),
  fc.record({ dayOfWeek: weekdays, timeOfDay: fc.constant(['08:00:00']) }),
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
  fc.record({ count: fc.constant(2), countMax: fc.constant(5) }),
  fc.record({ duration: period, durationMax: fc.constant(100), durationUnit: fc.constant('min') }),
  fc.record({ duration: period, durationUnit: timeUnit }),
  fc.constant({
    boundsRange: {
      low: { value: 5, unit: 'days', system: ucum, code: 'd' },
      high: { value: 7, unit: 'days', system: ucum, code: 'd' },
    },
  }),
)
const timingCode = fc.constantFrom(
  {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation', code: 'BID' }],
    text: 'BID',
  },
  { text: 'at the change of shifts' },
)
const timing = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(rhythm, bounds).map(([a, b]) => ({ repeat: { ...a, ...b } })) },
  {
    weight: 1,
    arbitrary: fc.tuple(rhythm, timingCode).map(([repeat, code]) => ({ repeat, code })),
  },
  { weight: 1, arbitrary: timingCode.map((code) => ({ code })) },
  { weight: 1, arbitrary: fc.constant({ event: ['2026-01-05', '2026-02-05T08:00:00-05:00'] }) },
)

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
  quantity.map((rateQuantity) => [{ rateQuantity }]),
  fc.tuple(quantity, quantity, timeUnit).map(([doseQuantity, numerator, code]) => [
    {
      type: { text: 'calculated' },
      doseQuantity,
      rateRatio: { numerator, denominator: { value: 1, unit: code, system: ucum, code } },
    },
  ]),
  fc.tuple(quantity, quantity).map(([numerator, denominator]) => [{ rateRatio: { numerator, denominator } }]),
  unit.map((named) => [
    {
      rateRange: { low: { value: 1, ...named, system: ucum }, high: { value: 2, ...named, system: ucum } },
    },
  ]),
)

const place = fc.record(
  {
    route: fc.constant(concept(snomed, '26643006', 'Oral route')),
    site: fc.constant(concept(snomed, '181220002', 'Entire oral cavity')),
    method: fc.constant(concept(snomed, '421521009', 'Swallow')),
  },
  { requiredKeys: [] },
)

export const single: fc.Arbitrary<Dosage[]> = fc
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
          [{ text: 'shake well' }, concept(snomed, '311504000', 'With or after food')],
        ),
        maxDosePerPeriod: fc.tuple(quantity, fc.constantFrom('d', 'wk')).map(([numerator, code]) => ({
          numerator,
          denominator: { value: 1, unit: code === 'd' ? 'day' : 'week', system: ucum, code },
        })),
        maxDosePerAdministration: quantity,
        maxDosePerLifetime: quantity,
        extension: fc.constant<Dosage['extension'] & object>([
          { url: 'https://elsewhere.example/renal', valueBoolean: true },
        ]),
        sequence: fc.constant(7),
      },
      { requiredKeys: ['text'] },
    ),
    asNeeded,
    place,
  )
  .map(([dosage, needed, where]) => [{ ...dosage, ...needed, ...where }])

export const several: fc.Arbitrary<Dosage[]> = fc
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
    ...(formed ? { amount: { numerator: { value: 10, unit: 'ml' }, denominator: { value: 1 } } } : {}),
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
        strength: {
          numerator,
          denominator: index === 1 ? { value: 100, unit: 'ml', system: ucum, code: 'mL' } : { value: 1 },
        },
        ...(index === 2 ? { isActive: true } : {}),
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
  { allowedBoolean: false, reason: { text: 'patient request' } },
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

const days = (value: number) => ({ value, unit: 'days', system: ucum, code: 'd' })
const dispenseRequest = fc.record(
  {
    quantity,
    numberOfRepeatsAllowed: fc.integer({ min: 0, max: 98 }),
    validityPeriod: fc.constantFrom(
      { start: '2026-01-05' },
      { start: '2026-01-05', end: '2026-07-05' },
      { end: '2026-07-05' },
    ),
    expectedSupplyDuration: fc.constant(days(30)),
    dispenseInterval: fc.constantFrom(days(28), { value: 4, unit: 'weeks', system: ucum, code: 'wk' }),
    initialFill: fc.record({ quantity, duration: fc.constant(days(5)) }, { requiredKeys: ['quantity'] }),
    performer: fc.constant({ display: 'Main Street Pharmacy' }),
  },
  { requiredKeys: [] },
)

const extension = {
  url: 'https://elsewhere.example/unknown',
  valueDecimal: JSON.rawJSON('1.10') as unknown as number,
}

/** What an order says beside drug, dose and supply, to everybody. */
const beside: fc.Arbitrary<Partial<MedicationRequest>> = fc.record(
  {
    courseOfTherapyType: words.map((text) => ({ text })),
    category: fc.constantFrom(
      [{ coding: [{ system: orderCategory, code: 'outpatient' }] }],
      [{ coding: [{ system: orderCategory, code: 'community', display: 'Community' }], text: 'Community' }],
      [{ text: 'first' }, { text: 'second' }],
    ),
    priorPrescription: fc.constantFrom(
      { identifier: { system: 'urn:oid:1.2.3', value: 'OLD-1' } },
      { identifier: { system: 'urn:oid:1.2.3', value: 'OLD-1' }, display: 'the one before' },
      { reference: 'MedicationRequest/old', display: 'the one before' },
    ),
    performerType: fc.constant({ text: 'community nurse' }),
    performer: fc.constant({ display: 'Nurse Smith' }),
    _authoredOn: fc.constant({
      extension: [{ url: 'https://elsewhere.example/how', valueString: 'by phone' }],
    }),
  },
  { requiredKeys: [] },
)

/** What an order says to those who may know why, and not to a pharmacy. */
const told: fc.Arbitrary<Partial<MedicationRequest>> = fc.record(
  {
    reasonCode: fc.constantFrom<CodeableConcept[]>(
      [concept('http://hl7.org/fhir/sid/icd-10-cm', 'I10', 'Essential hypertension')],
      [{ text: 'high blood pressure' }, { text: 'headache' }],
    ),
    reasonReference: fc.constant([{ type: 'Condition', display: 'Hypertension' }]),
    note: fc.array(fc.tuple(words, fc.boolean()), { minLength: 1, maxLength: 3 }).map((all) =>
      all.map(([text, signed]) => ({
        ...(signed ? { authorString: 'Dr. Ж', time: '2026-01-05T09:00:00.500Z' } : {}),
        text,
      })),
    ),
    extension: fc.constant([extension]),
  },
  { requiredKeys: [] },
)

const numbers = fc.subarray([
  { system: 'urn:oid:2.16.840.1.113883.4.814', value: 'AB1234563', use: 'secondary' as const },
  { type: { text: 'prescription number' }, system: 'urn:oid:1.7', value: 'RX 7' },
  {
    type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'FILL' }] },
    system: 'urn:oid:1.8',
    value: 'F|1',
  },
])

const plainOrders: fc.Arbitrary<MedicationRequest> = fc
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
    numbers,
  )
  .map(([given, dosageInstruction, allowed, dispense, priority, system, more]) => ({
    resourceType: 'MedicationRequest' as const,
    id: 'mr1',
    identifier: [{ system, value: 'A|1' }, ...more],
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
  }))

/** As a pharmacy is shown orders. */
export const prescriptions = fc.tuple(plainOrders, beside).map(([order, more]) => ({ ...order, ...more }))

/** As an EHR is. */
export const wholeOrders = fc.tuple(prescriptions, told).map(([order, more]) => ({ ...order, ...more }))
