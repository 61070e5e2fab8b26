import { describe, expect, it } from 'vitest'
import { errorsOf, validatorWith } from './examples.ts'

const validator = validatorWith()
const errors = (resource: unknown) =>
  errorsOf(validator.check(resource)).map((issue) => `${issue.expression}: ${issue.text}`)
const warnings = (resource: unknown) =>
  validator
    .check(resource)
    .filter((issue) => issue.severity === 'warning')
    .map((issue) => `${issue.expression}: ${issue.text}`)

const patient = (rest: object) => ({ resourceType: 'Patient', ...rest })
const narrative = (inner: string) =>
  patient({ text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>` } })

describe('a narrative', () => {
  it.each([
    '<p class="a" style="color: red">A &amp; B&nbsp;<br/><b>bold</b></p>',
    '<table><tr><td colspan="2">1 &lt; 2</td></tr></table><!-- note -->',
    '<img src="data:image/png;base64,AAAA" alt="x"/>',
    '<a href="https://ehr.example/Patient/1">1</a>',
  ])('may hold %s', (inner) => expect(errors(narrative(inner))).toEqual([]))

  it.each([
    ['<script>go()</script>', 'basic formatting'],
    ['<p onmouseover="go()">x</p>', 'formatting attributes'],
    ['<a href=" javascript:go()">x</a>', 'no script'],
    ['<!DOCTYPE html>x', 'well-formed'],
    ['<![CDATA[x]]>', 'well-formed'],
    ['<p>x', 'well-formed'],
    ['<br/>', 'content'],
    ['AT&T', 'entity'],
  ])('may not hold %s, and says why', (inner, why) => {
    expect(errors(narrative(inner))).toEqual([expect.stringContaining(why)])
    expect(errors(narrative(inner)).join()).toMatch(/^Patient\.text\.div: .*txt-[12]/)
  })

  it('however long and broken, is judged at once', () => {
    for (const inner of [
      '<p '.repeat(50_000),
      `<p ${' a'.repeat(100_000)}>`,
      '<!--'.repeat(50_000),
      '&'.repeat(200_000),
    ]) {
      const start = performance.now()
      expect(errors(narrative(inner))).toHaveLength(1)
      expect(performance.now() - start).toBeLessThan(1000)
    }
  })
})

describe('a constraint', () => {
  it.each([
    [{ start: '2024', end: '2024' }, true],
    [{ start: '2024-05-01', end: '2024-06' }, true],
    [{ start: '2024-05-01T10:00:00+02:00', end: '2024-05-01T08:00:00Z' }, true],
    [{ start: '2024-05-01T10:00:00+02:00', end: '2024-05-01T07:59:59Z' }, false],
    [{ start: '2024-06', end: '2024-05-31' }, false],
    // To which precision they are told differs where they are equal: nobody can say that the start is first.
    [{ start: '2024-05-01', end: '2024-05-01T08:00:00Z' }, false],
  ])('of a period looks at time, not at letters: %j', (period, holds) => {
    const found = errors(patient({ address: [{ period }] }))
    expect(found.length === 0, found.join()).toBe(holds)
  })

  it.each([
    ['2026-01-02T10:00:00Z', '2026-01-02T12:00:00+02:00', true],
    ['2026-01-02T10:00:00Z', '2026-01-02T11:59:59+02:00', false],
    ['2026-01-02', '2026-01-01', false],
    ['2026-01-02T10:00:00Z', '2026-01-01', false],
    // The same day, once with and once without its time: nobody can say that the change came first.
    ['2026-01-02T10:00:00Z', '2026-01-02', true],
    ['2026-01-02', '2026-01-02T10:00:00Z', true],
    [undefined, '2026-01-01', true],
  ])(
    'of a Task that was authored at %s and changed at %s looks at time',
    (authoredOn, lastModified, holds) => {
      const task = { resourceType: 'Task', status: 'requested', intent: 'order', authoredOn, lastModified }
      expect(errors(JSON.parse(JSON.stringify(task)))).toEqual(
        holds ? [] : [expect.stringContaining('inv-1')],
      )
    },
  )

  it.each([
    [{ value: 5, unit: 'days', system: 'http://unitsofmeasure.org', code: 'd' }, []],
    [{ value: 5, unit: 'days' }, []],
    [{ value: 5, system: 'http://snomed.info/sct', code: '258703001' }, ['drt-1']],
    [{ system: 'http://unitsofmeasure.org', code: 'd' }, ['drt-1']],
    [{ value: 5, code: 'd' }, ['qty-3']],
  ])('of a duration asks for a unit of UCUM: %j', (expectedSupplyDuration, keys) => {
    const order = {
      resourceType: 'MedicationRequest',
      status: 'active',
      intent: 'order',
      medicationCodeableConcept: { text: 'x' },
      subject: { reference: 'Patient/1' },
      dispenseRequest: { expectedSupplyDuration },
    }
    expect(errors(order)).toEqual(keys.map((key) => expect.stringContaining(key)))
  })

  it('says the rule in words, and the key to look it up by', () => {
    expect(errors(patient({ telecom: [{ value: '1' }] }))).toEqual([
      'Patient.telecom[0]: A system is required if a value is provided (cpt-2).',
    ])
  })

  it('is held with decimals that keep their digits', () => {
    const dose = (low: string, high: string) => ({
      resourceType: 'MedicationRequest',
      status: 'active',
      intent: 'order',
      medicationCodeableConcept: { text: 'x' },
      subject: { reference: 'Patient/1' },
      dosageInstruction: [
        {
          doseAndRate: [
            { doseRange: { low: { value: JSON.rawJSON(low) }, high: { value: JSON.rawJSON(high) } } },
          ],
        },
      ],
    })
    expect(errors(dose('1.50', '10.0'))).toEqual([])
    expect(errors(dose('10.0', '9.5'))).toEqual([expect.stringContaining('rng-2')])
  })

  it('that only advises is a warning, and never stands in the way', () => {
    const definition = {
      resourceType: 'StructureDefinition',
      url: 'https://clinic.example/p',
      name: 'P',
      status: 'draft',
      kind: 'logical',
      abstract: true,
      type: 'x',
      differential: {
        element: [
          { id: 'x', path: 'x' },
          { id: 'x.1y', path: 'x.1y' },
        ],
      },
    }
    expect(errors(definition)).toEqual([])
    expect(warnings(definition)).toEqual([expect.stringContaining('eld-20')])
  })
})

describe('codes of other standards', () => {
  const message = (rest: object) => ({ resourceType: 'Communication', status: 'completed', ...rest })
  const attached = (contentType: string) =>
    message({ payload: [{ contentAttachment: { contentType, url: 'https://x.example' } }] })
  it.each(['en', 'de-CH', 'zh-Hant-TW', 'es-419', 'x-clinic'])('%s is a language', (language) =>
    expect(errors(message({ language }))).toEqual([]),
  )
  it.each(['english please', 'e', 'de_CH', '419'])('%s is none', (language) =>
    expect(errors(message({ language }))).toEqual([expect.stringContaining('BCP 47')]),
  )
  it.each(['text/plain', 'application/fhir+json; fhirVersion=4.0', 'text/plain;charset=utf-8'])(
    '%s is a media type',
    (type) => expect(errors(attached(type))).toEqual([]),
  )
  it.each(['pdf', 'text/', 'text/plain; charset'])('%s is none', (type) =>
    expect(errors(attached(type))).toEqual([expect.stringContaining('media type')]),
  )
  it('a currency is one of ISO 4217', () => {
    const coverage = (currency: string) => ({
      resourceType: 'Coverage',
      status: 'active',
      beneficiary: { reference: 'Patient/1' },
      payor: [{ display: 'x' }],
      costToBeneficiary: [{ valueMoney: { value: 1, currency } }],
    })
    expect(errors(coverage('EUR'))).toEqual([])
    expect(errors(coverage('EURO'))).toEqual([expect.stringContaining('ISO 4217')])
  })

  const dispense = (code: string) => ({
    resourceType: 'MedicationDispense',
    status: 'completed',
    medicationCodeableConcept: { text: 'x' },
    quantity: { value: 1, system: 'http://unitsofmeasure.org', code },
  })
  it.each(['mg', 'mg/mL', '{tablet}', '10*3/uL', 'mm[Hg]', 'kg.m-2', 'mL/min/{1.73_m2}', '/h', '%'])(
    '%s has the form of a UCUM unit',
    (code) => expect(validator.check(dispense(code))).toEqual([]),
  )
  it.each(['tablets a day', 'mg//mL', 'µg', 'mg/', 'tab(s)'])('%s has not: a warning, no refusal', (code) => {
    expect(errors(dispense(code))).toEqual([])
    expect(warnings(dispense(code))).toEqual([expect.stringContaining('UCUM')])
  })
  it('an extensible binding warns of a code that is not from the set, not of text', () => {
    const married = (maritalStatus: object) => warnings(patient({ maritalStatus }))
    const own = { coding: [{ system: 'https://clinic.example/codes', code: 'm' }] }
    expect(married(own)).toEqual([expect.stringContaining('marital-status')])
    expect(errors(patient({ maritalStatus: own }))).toEqual([])
    expect(married({ text: 'Married' })).toEqual([])
  })
})

describe('references in a Bundle', () => {
  const urn = 'urn:uuid:2f5cbb5c-1f5a-4d5e-9b0e-0d1c2b3a4f5e'
  const bundle = (type: string, resourceType: string, reference = urn) => ({
    resourceType: 'Bundle',
    type,
    entry: [
      { fullUrl: urn, resource: { resourceType, id: 'p' }, request: { method: 'POST', url: resourceType } },
      {
        fullUrl: 'urn:uuid:3f5cbb5c-1f5a-4d5e-9b0e-0d1c2b3a4f5e',
        resource: { resourceType: 'Communication', status: 'completed', subject: { reference } },
        request: { method: 'POST', url: 'Communication' },
      },
    ],
  })
  it('are followed to the type of what they name', () => {
    expect(errors(bundle('transaction', 'Patient'))).toEqual([])
    expect(errors(bundle('transaction', 'Location'))).toEqual([
      expect.stringContaining('Refer to one of: Patient, Group.'),
    ])
  })
  it('name an entry where only an entry can be meant', () => {
    const nowhere = 'urn:uuid:4f5cbb5c-1f5a-4d5e-9b0e-0d1c2b3a4f5e'
    expect(errors(bundle('transaction', 'Patient', nowhere))).toEqual([
      expect.stringContaining('add the entry'),
    ])
  })
})

describe('whoever wants to keep the validator busy', () => {
  it('gets a soon answer to thousands of elements, deep ones, and expressions without end', () => {
    const element = Array.from({ length: 4000 }, (_, at) => ({ id: `x.a${at}`, path: `x.a${at}`, max: '1' }))
    let item: object = { linkId: 'x', type: 'string' }
    for (let level = 0; level < 20_000; level++) item = { linkId: `x${level}`, type: 'group', item: [item] }
    const expression = '('.repeat(100_000)
    const start = performance.now()
    validator.check({
      resourceType: 'StructureDefinition',
      kind: 'logical',
      type: 'x',
      differential: { element },
    })
    validator.check({ resourceType: 'Questionnaire', status: 'draft', item: [item] })
    validator.check({ resourceType: 'SearchParameter', expression })
    expect(performance.now() - start).toBeLessThan(10_000)
  })
})
