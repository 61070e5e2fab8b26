import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Resource } from '#core/resource.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'
import { base, errorsOf, readFolder, validatorWith } from './examples.ts'
import { eachMutant, faults } from './mutants.ts'

const validator = validatorWith()
const official = readFolder('fixtures/third-party/hl7-r4-examples')
/** Wrong in the standard's own examples: items of a questionnaire without linkId. */
const knownWrong = ['Questionnaire-qs1.json']

const communication = {
  resourceType: 'Communication',
  status: 'completed',
  subject: { reference: 'Patient/1' },
  payload: [{ contentString: 'Hello' }],
}

const textsOf = (resource: unknown) =>
  validator.check(resource).map((issue) => `${issue.expression}: ${issue.text}`)

describe("the standard's own examples", () => {
  it('are clean, but for those that are truly wrong', () => {
    const flagged = [...official].filter(([, resource]) => errorsOf(validator.check(resource)).length > 0)
    expect(official.size).toBeGreaterThan(170)
    expect(flagged.map(([file]) => file)).toEqual(knownWrong)
  })

  it.each(faults)('with a single fault are found: %s', (fault) => {
    let made = 0
    const missed: string[] = []
    for (const [file, resource] of official) {
      if (knownWrong.includes(file)) continue
      let here = 0
      eachMutant(base, resource, fault, (where) => {
        // A spread of places is enough: the first ones of each file, then every 29th.
        if (here++ > 20 && here % 29 !== 0) return
        made++
        if (errorsOf(validator.check(resource)).length === 0) missed.push(`${file}: ${where}`)
      })
    }
    expect(made).toBeGreaterThan(100)
    expect(missed.length / made, missed.slice(0, 20).join('\n')).toBeLessThanOrEqual(0.05)
  })

  it('are whole again after the mutants were made of them', () => {
    const again = readFolder('fixtures/third-party/hl7-r4-examples')
    for (const [file, resource] of official) {
      expect(JSON.parse(stringifyJson(resource))).toEqual(JSON.parse(stringifyJson(again.get(file))))
    }
  })
})

describe('an issue', () => {
  it('names the place, the rule and what would satisfy it', () => {
    expect(textsOf({ ...communication, status: 'sent' })).toEqual([
      expect.stringMatching(/^Communication\.status: .*event-status: preparation, in-progress/),
    ])
    expect(textsOf({ ...communication, payload: [{ contentString: 'a' }, {}] })).toEqual([
      expect.stringMatching(/^Communication\.payload\[1\]: .*empty/),
    ])
    expect(textsOf({ ...communication, subject: { reference: 'Practitioner/1' } })).toEqual([
      expect.stringMatching(/^Communication\.subject: .*Patient, Group/),
    ])
    expect(
      textsOf({ ...communication, payload: [{ contentString: 'a', contentReference: { display: 'b' } }] }),
    ).toEqual([expect.stringMatching(/^Communication\.payload\[0\]\.content: .*one type only/)])
  })

  it('never repeats a value, nor a name that is none of an element', () => {
    const secret = 'Jane-Doe-1980'
    const issues = validator.check({
      ...communication,
      status: secret,
      priority: [secret],
      [secret]: secret,
      sent: secret,
      subject: { reference: secret, [secret]: 1 },
      sender: { reference: `${secret}/1` },
      contained: [{ resourceType: secret, id: secret }],
      meta: { profile: [`http://x/${secret}`], lastUpdated: secret },
    })
    expect(issues.length).toBeGreaterThan(5)
    expect(JSON.stringify(issues)).not.toContain(secret)
  })

  it('is one of a hundred at most', () => {
    const payload = Array.from({ length: 5000 }, () => ({ contentString: '', foo: 1 }))
    expect(validator.check({ ...communication, payload })).toHaveLength(100)
  })
})

describe('anything at all', () => {
  it('is answered with issues, never with an exception', () => {
    const names = Object.keys(base.types)
    const resource = fc
      .tuple(fc.constantFrom(...names), fc.dictionary(fc.string(), fc.jsonValue()))
      .map(([type, rest]) => ({
        ...rest,
        resourceType: type,
      }))
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), resource), (value) => {
        for (const issue of validator.check(
          value,
          'https://postern.health/fhir/StructureDefinition/SecureMessage',
        )) {
          expect(issue.text).not.toBe('')
        }
      }),
    )
  })

  it('put in the place of any element is answered with issues', () => {
    const places: [Resource, string][] = [...official.values()].flatMap((resource) =>
      Object.keys(resource).map((key): [Resource, string] => [resource, key]),
    )
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.jsonValue({ maxDepth: 5 }), ([resource, key], value) => {
        expect(Array.isArray(validator.check({ ...resource, [key]: value }))).toBe(true)
        validator.restoreDecimals({ ...resource, [key]: value })
      }),
      { numRuns: 500 },
    )
  })

  it('and so is an object that will not be text', () => {
    const stubborn = { toString: '' }
    expect(
      validator.check({ ...communication, contained: [{ resourceType: 'Patient', id: stubborn }] }),
    ).not.toEqual([])
    expect(
      validator.check({ ...communication, category: [{ coding: [{ system: stubborn, code: stubborn }] }] }),
    ).not.toEqual([])
    expect(validator.restoreDecimals({ resourceType: stubborn })).toEqual({ resourceType: stubborn })
  })

  it('however deep it nests', () => {
    let extension: unknown = { url: 'http://x', valueString: 'x' }
    for (let level = 0; level < 10_000; level++) extension = { url: 'http://x', extension: [extension] }
    expect(validator.check({ ...communication, extension: [extension] })).toHaveLength(1)
  })

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'a type called %s is no resource type',
    (name) => {
      expect(validator.check({ resourceType: name })).not.toHaveLength(0)
      expect(
        validator.check({ ...communication, contained: [{ resourceType: name, id: 'a' }] }),
      ).not.toHaveLength(0)
    },
  )
})

describe('contained resources', () => {
  const medication = { resourceType: 'Medication', id: 'm' }
  const order = {
    resourceType: 'MedicationRequest',
    contained: [medication],
    status: 'active',
    intent: 'order',
    medicationReference: { reference: '#m' },
    subject: { reference: 'Patient/1' },
  }
  it('are found by their id and type', () => {
    expect(textsOf(order)).toEqual([])
    expect(textsOf({ ...order, medicationReference: { reference: '#n' } }).join()).toMatch(/ref-1.*dom-3/s)
    expect(textsOf({ ...order, contained: [{ resourceType: 'Patient', id: 'm' }] }).join()).toContain(
      'Medication',
    )
  })
  it('may point back at what contains them instead of being pointed at', () => {
    const target = [{ reference: '#' }]
    const agent = [{ who: { display: 'x' } }]
    const provenance = {
      resourceType: 'Provenance',
      id: 'p',
      target,
      recorded: '2025-01-01T00:00:00Z',
      agent,
    }
    expect(textsOf({ ...order, contained: [medication, provenance] })).toEqual([])
    const elsewhere = { ...provenance, target: [{ reference: 'Patient/1' }] }
    expect(
      textsOf({ ...order, contained: [medication, provenance, { ...elsewhere, id: 'q' }] }).join(),
    ).toContain('dom-3')
  })
  it('have an id, no version and contain nothing', () => {
    expect(textsOf({ ...order, contained: [{ ...medication, contained: [medication] }] }).join()).toContain(
      'dom-2',
    )
    expect(textsOf({ ...order, contained: [{ ...medication, meta: { versionId: '1' } }] }).join()).toContain(
      'dom-4',
    )
    expect(textsOf({ ...order, contained: [{ resourceType: 'Medication' }] }).join()).toContain(
      'must have an id',
    )
  })
})

describe('extensions', () => {
  const withExtension = (extension: unknown) => textsOf({ ...communication, extension: [extension] })
  it('that nobody here knows survive', () => {
    expect(withExtension({ url: 'http://example.org/x', valueCoding: { code: 'a' } })).toEqual([])
    expect(
      withExtension({ url: 'http://example.org/x', extension: [{ url: 'y', valueDecimal: 1 }] }),
    ).toEqual([])
  })
  it('have a url, and a value or nested ones', () => {
    expect(withExtension({ valueString: 'a' })).toHaveLength(1)
    expect(withExtension({ url: 'http://example.org/x' })).toEqual([expect.stringContaining('ext-1')])
    expect(
      withExtension({ url: 'http://x', valueString: 'a', extension: [{ url: 'y', valueString: 'b' }] }),
    ).toEqual([expect.stringContaining('ext-1')])
  })
  it('of primitives stand beside them, item by item', () => {
    const absent = {
      extension: [
        { url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' },
      ],
    }
    expect(textsOf({ ...communication, status: undefined, _status: absent })).toEqual([])
    const patient = (name: unknown) => textsOf({ resourceType: 'Patient', name: [name] })
    expect(patient({ given: ['A', null], _given: [null, absent] })).toEqual([])
    expect(patient({ given: ['A', null], _given: [absent, null] })).toHaveLength(1)
    expect(patient({ given: ['A', 'B'], _given: [absent] })).toHaveLength(1)
    expect(patient({ _given: [null] })).toHaveLength(1)
    expect(patient({ _period: absent })).toHaveLength(1)
  })
})

describe('decimals', () => {
  it('that a mapping carried as strings become numbers with the same digits', () => {
    const mapped = {
      resourceType: 'MedicationRequest',
      contained: [
        { resourceType: 'Medication', id: 'm', amount: { numerator: { value: '1.0', unit: 'mL' } } },
      ],
      extension: [
        { url: 'http://x', valueDecimal: '0.50' },
        { url: 'http://y', valueString: '0.50' },
      ],
      dosageInstruction: [{ text: '1.50', doseAndRate: [{ doseQuantity: { value: '1.50', unit: '2.20' } }] }],
      dispenseRequest: { quantity: { value: '30.0' }, numberOfRepeatsAllowed: 3 },
    }
    const text = stringifyJson(validator.restoreDecimals(mapped))
    expect(text).toContain('"doseQuantity":{"value":1.50,"unit":"2.20"}')
    expect(text).toContain('"numerator":{"value":1.0,')
    expect(text).toContain('"valueDecimal":0.50')
    expect(text).toContain('"valueString":"0.50"')
    expect(text).toContain('"text":"1.50"')
    expect(text).toContain('"quantity":{"value":30.0}')
  })

  it('are valid as kept numbers and not as text; what has none is shared', () => {
    const quantity = (value: string) =>
      parseJson(
        `{"resourceType":"Coverage","status":"active","beneficiary":{"reference":"Patient/1"},"payor":[{"display":"x"}],
          "costToBeneficiary":[{"valueQuantity":{"value":${value}}}]}`,
      )
    expect(textsOf(quantity('1.50'))).toEqual([])
    expect(textsOf(quantity('15'))).toEqual([])
    expect(textsOf(quantity('"1.50"'))).toHaveLength(1)
    expect(validator.restoreDecimals(communication)).toBe(communication)
  })

  it('are refused where a whole number belongs', () => {
    const order = [...official.values()].find((one) => one.resourceType === 'MedicationRequest')
    const text = stringifyJson({ ...order, dispenseRequest: { numberOfRepeatsAllowed: 3 } })
    expect(
      textsOf(parseJson(text.replace('"numberOfRepeatsAllowed":3', '"numberOfRepeatsAllowed":3.0'))),
    ).toHaveLength(1)
  })
})

describe('references', () => {
  const subject = (reference: string) => textsOf({ ...communication, subject: { reference } })
  it.each([
    'Patient/1',
    'Patient/1/_history/2',
    'https://ehr.example/fhir/Patient/1',
    'urn:uuid:2f5cbb5c-1f5a-4d5e-9b0e-0d1c2b3a4f5e',
    'https://ehr.example/patients?id=1',
  ])('%s is one', (reference) => expect(subject(reference)).toEqual([]))
  it.each([
    'Patient',
    '1',
    'Patient/',
    'Nobody/1',
    'https://ehr.example/fhir/Practitioner/1',
    '#x',
    'Patient?identifier=1',
  ])('%s is none to a patient', (reference) => expect(subject(reference)).toHaveLength(1))
})
