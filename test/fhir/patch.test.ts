import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { applyFhirpathPatch } from '#fhir/patch/fhirpath-patch.ts'
import { applyJsonPatch } from '#fhir/patch/json-patch.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'
import { type OpenFhir, openFhir } from './open-fhir.ts'

/** https://www.rfc-editor.org/rfc/rfc6902#appendix-A, and what the appendix leaves out. */
describe('JSON Patch', () => {
  it.each([
    ['A.1', { foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { baz: 'qux', foo: 'bar' }],
    [
      'A.2',
      { foo: ['bar', 'baz'] },
      [{ op: 'add', path: '/foo/1', value: 'qux' }],
      { foo: ['bar', 'qux', 'baz'] },
    ],
    ['A.3', { baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
    ['A.4', { foo: ['bar', 'qux', 'baz'] }, [{ op: 'remove', path: '/foo/1' }], { foo: ['bar', 'baz'] }],
    [
      'A.5',
      { baz: 'qux', foo: 'bar' },
      [{ op: 'replace', path: '/baz', value: 'boo' }],
      { baz: 'boo', foo: 'bar' },
    ],
    [
      'A.6',
      { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
      [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
      { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
    ],
    [
      'A.7',
      { foo: ['all', 'grass', 'cows', 'eat'] },
      [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
      { foo: ['all', 'cows', 'eat', 'grass'] },
    ],
    [
      'A.8',
      { baz: 'qux', foo: ['a', 2, 'c'] },
      [
        { op: 'test', path: '/baz', value: 'qux' },
        { op: 'test', path: '/foo/1', value: 2 },
      ],
      { baz: 'qux', foo: ['a', 2, 'c'] },
    ],
    [
      'A.10',
      { foo: 'bar' },
      [{ op: 'add', path: '/child', value: { grandchild: {} } }],
      { foo: 'bar', child: { grandchild: {} } },
    ],
    [
      'A.11',
      { foo: 'bar' },
      [{ op: 'add', path: '/baz', value: 'qux', xyz: 123 }],
      { foo: 'bar', baz: 'qux' },
    ],
    ['A.14', { '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: 10 }], { '/': 9, '~1': 10 }],
    [
      'A.16',
      { foo: ['bar'] },
      [{ op: 'add', path: '/foo/-', value: ['abc', 'def'] }],
      { foo: ['bar', ['abc', 'def']] },
    ],
    [
      'copy',
      { a: { b: 1 } },
      [
        { op: 'copy', from: '/a', path: '/c' },
        { op: 'replace', path: '/c/b', value: 2 },
      ],
      { a: { b: 1 }, c: { b: 2 } },
    ],
    ['null', { a: 1 }, [{ op: 'replace', path: '/a', value: null }], { a: null }],
  ])('%s', (_, document, patch, expected) => {
    const before = structuredClone(document)
    expect(applyJsonPatch(document, patch)).toEqual(expected)
    expect(document).toEqual(before)
  })

  it.each([
    ['A.9', { baz: 'qux' }, [{ op: 'test', path: '/baz', value: 'bar' }], 'invalid'],
    ['A.12', { foo: 'bar' }, [{ op: 'add', path: '/baz/bat', value: 'qux' }], 'invalid'],
    ['A.15', { '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: '10' }], 'invalid'],
    ['past the end', { a: [1] }, [{ op: 'add', path: '/a/2', value: 1 }], 'invalid'],
    ['leading zero', { a: [1, 2] }, [{ op: 'remove', path: '/a/01' }], 'invalid'],
    ['into itself', { a: { b: 1 } }, [{ op: 'move', from: '/a', path: '/a/b/c' }], 'invalid'],
    ['inherited', {}, [{ op: 'test', path: '/constructor', value: 1 }], 'invalid'],
    ['no list', {}, { op: 'add' }, 'malformed'],
    ['no op', {}, [{ op: 'merge', path: '/a' }], 'malformed'],
    ['no value', {}, [{ op: 'add', path: '/a' }], 'malformed'],
    ['no pointer', {}, [{ op: 'add', path: 'a', value: 1 }], 'malformed'],
    ['prototype', {}, [{ op: 'add', path: '/__proto__', value: { x: 1 } }], 'malformed'],
  ])('%s is refused', (_, document, patch, kind) => {
    expect(() => applyJsonPatch(document, patch)).toThrow(expect.objectContaining({ kind }))
  })

  it('keeps the digits of numbers that it does not touch', () => {
    const document = parseJson('{"a":1.50,"b":[2.0]}')
    const patch = parseJson('[{"op":"test","path":"/a","value":1.5},{"op":"add","path":"/c","value":3.10}]')
    expect(stringifyJson(applyJsonPatch(document, patch))).toBe('{"a":1.50,"b":[2.0],"c":3.10}')
  })
})

type Part = Record<string, unknown>
function operation(type: string, path: string, more: Record<string, Part> = {}) {
  const parts = Object.entries(more).map(([name, value]) => ({ name, ...value }))
  return {
    resourceType: 'Parameters',
    parameter: [
      {
        name: 'operation',
        part: [{ name: 'type', valueCode: type }, { name: 'path', valueString: path }, ...parts],
      },
    ],
  }
}

describe('FHIRPath Patch', () => {
  const patient = {
    resourceType: 'Patient',
    birthDate: '1920-01-01',
    deceasedBoolean: false,
    name: [
      { use: 'old', family: 'A', given: ['x', 'y', 'z'] },
      { use: 'official', family: 'B' },
    ],
    contact: [{ gender: 'male' }],
  }
  it.each([
    [
      'add',
      operation('add', 'Patient', { name: { valueString: 'active' }, value: { valueBoolean: true } }),
      { active: true },
    ],
    [
      'add to a list',
      operation('add', 'Patient', {
        name: { valueString: 'telecom' },
        value: { valueContactPoint: { value: '1' } },
      }),
      { telecom: [{ value: '1' }] },
    ],
    [
      'add a choice',
      operation('add', 'Patient', { name: { valueString: 'multipleBirth' }, value: { valueInteger: 2 } }),
      { multipleBirthInteger: 2 },
    ],
    [
      'add deeper',
      operation('add', 'Patient.contact[0]', {
        name: { valueString: 'name' },
        value: { valueHumanName: { text: 'n' } },
      }),
      { contact: [{ gender: 'male', name: { text: 'n' } }] },
    ],
    [
      'add an anonymous element',
      operation('add', 'Patient', {
        name: { valueString: 'contact' },
        value: { part: [{ name: 'gender', valueCode: 'female' }] },
      }),
      { contact: [{ gender: 'male' }, { gender: 'female' }] },
    ],
    [
      'replace',
      operation('replace', 'Patient.birthDate', { value: { valueDate: '1930-01-01' } }),
      { birthDate: '1930-01-01' },
    ],
    [
      'replace what a condition picks',
      operation('replace', "Patient.name.where(use = 'official').family", { value: { valueString: 'C' } }),
      { name: [patient.name[0], { use: 'official', family: 'C' }] },
    ],
    [
      'replace a choice by another type',
      operation('replace', 'Patient.deceased', { value: { valueDateTime: '2020' } }),
      { deceasedBoolean: undefined, deceasedDateTime: '2020' },
    ],
    ['delete', operation('delete', 'Patient.birthDate'), { birthDate: undefined }],
    ['delete the last of a list', operation('delete', 'Patient.contact[0]'), { contact: undefined }],
    ['delete what is not there', operation('delete', 'Patient.maritalStatus'), {}],
    [
      'insert',
      operation('insert', 'Patient.name[0].given', {
        index: { valueInteger: 1 },
        value: { valueString: 'i' },
      }),
      { name: [{ ...patient.name[0], given: ['x', 'i', 'y', 'z'] }, patient.name[1]] },
    ],
    [
      'move',
      operation('move', 'Patient.name[0].given', {
        source: { valueInteger: 2 },
        destination: { valueInteger: 0 },
      }),
      { name: [{ ...patient.name[0], given: ['z', 'x', 'y'] }, patient.name[1]] },
    ],
  ])('%s', (_, patch, change) => {
    expect(applyFhirpathPatch(patient, patch)).toEqual({ ...patient, ...change })
  })

  it.each([
    ['several places', operation('delete', 'Patient.name'), 'invalid'],
    ['no place', operation('replace', 'Patient.gender', { value: { valueCode: 'male' } }), 'invalid'],
    [
      'a child that is none',
      operation('add', 'Patient', { name: { valueString: 'colour' }, value: { valueString: 'red' } }),
      'invalid',
    ],
    [
      'what is there already',
      operation('add', 'Patient', { name: { valueString: 'birthDate' }, value: { valueDate: '2000' } }),
      'invalid',
    ],
    ['no value', operation('add', 'Patient', { name: { valueString: 'active' } }), 'malformed'],
    ['no path', operation('delete', 'Patient.('), 'malformed'],
    [
      'a function that could take its time',
      operation('delete', "Patient.name.where(family.matches('(a+)+$'))"),
      'malformed',
    ],
    ['an unknown operation', operation('explode', 'Patient.name'), 'malformed'],
    ['nothing', { resourceType: 'Parameters' }, 'malformed'],
  ])('%s is refused', (_, patch, kind) => {
    expect(() => applyFhirpathPatch(patient, patch)).toThrow(expect.objectContaining({ kind }))
  })
})

describe('PATCH', () => {
  let open: OpenFhir
  beforeEach(async () => {
    open = await openFhir()
    const body =
      '{"resourceType":"Patient","id":"ehr.1","identifier":[{"system":"urn:a","value":"1"}],"name":[{"family":"A"}],"extension":[{"url":"http://x.test/d","valueDecimal":1.50}]}'
    await open.ask('PUT', 'Patient/ehr.1', { body })
  })
  afterEach(() => open.close())
  const json = { 'content-type': 'application/json-patch+json' }
  const rename = [{ op: 'replace', path: '/name/0/family', value: 'B' }]

  it('changes a resource by either kind of patch, digits kept', async () => {
    const one = await open.ask('PATCH', 'Patient/ehr.1', { body: rename, headers: json })
    expect([one.status, one.headers.ETag, one.json.name[0].family]).toEqual([200, 'W/"2"', 'B'])
    expect(one.body).toContain('"valueDecimal":1.50')
    const body = operation('add', 'Patient', {
      name: { valueString: 'active' },
      value: { valueBoolean: true },
    })
    const two = await open.ask('PATCH', 'Patient/ehr.1', { body })
    expect([two.status, two.json.active]).toEqual([200, true])
    expect(
      (await open.ask('PATCH', 'Patient?identifier=urn:a|1', { body: rename, headers: json })).status,
    ).toBe(200)
    expect(
      (await open.ask('PATCH', 'Patient?identifier=urn:a|2', { body: rename, headers: json })).status,
    ).toBe(404)
  })

  it('obeys If-Match, and applies side by side to what the other left', async () => {
    const headers = { ...json, 'if-match': 'W/"7"' }
    expect((await open.ask('PATCH', 'Patient/ehr.1', { body: rename, headers })).status).toBe(412)
    const add = (value: string) => [{ op: 'add', path: '/name/-', value: { family: value } }]
    const answers = await Promise.all(
      ['C', 'D', 'E'].map((value) => open.ask('PATCH', 'Patient/ehr.1', { body: add(value), headers: json })),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    const { name } = (await open.ask('GET', 'Patient/ehr.1')).json
    expect(name.map(({ family }: { family: string }) => family).sort()).toEqual(['A', 'C', 'D', 'E'])
  })

  it('is refused when what is left is not valid, changes its identity, or is no patch', async () => {
    const ask = (body: unknown, headers = json) => open.ask('PATCH', 'Patient/ehr.1', { body, headers })
    expect((await ask([{ op: 'add', path: '/colour', value: 'red' }])).status).toBe(422)
    expect((await ask([{ op: 'replace', path: '/id', value: 'other' }])).status).toBe(422)
    expect((await ask([{ op: 'replace', path: '', value: 'x' }])).status).toBe(422)
    expect((await ask(rename, { 'content-type': 'application/fhir+json' })).status).toBe(415)
    expect((await open.ask('GET', 'Patient/ehr.1')).headers.ETag).toBe('W/"1"')
  })

  it('reaches nothing that its caller does not see', async () => {
    open.policy.fields.set('Patient', ['name'])
    const test = [{ op: 'test', path: '/identifier/0/value', value: '1' }]
    const wrong = [{ op: 'test', path: '/identifier/0/value', value: '2' }]
    const answers = await Promise.all(
      [test, wrong].map((body) => open.ask('PATCH', 'Patient/ehr.1', { body, headers: json })),
    )
    expect(answers[0]?.status).toBe(422)
    expect(answers[0]?.body).toBe(answers[1]?.body)
    expect((await open.ask('PATCH', 'Patient/ehr.1', { body: rename, headers: json })).status).toBe(200)
    open.policy.fields.clear()
    const { json: whole } = await open.ask('GET', 'Patient/ehr.1')
    expect([whole.name[0].family, whole.identifier[0].value]).toEqual(['B', '1'])
  })
})
