import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OpenFhir, openFhir } from './open-fhir.ts'

const system = 'http://unitsofmeasure.org'
const kinds = 'http://terminology.hl7.org/CodeSystem/usage-context-type'

/** What is asked of one element as a whole: amounts, composites, value sets. */
describe('a search of what stands together', () => {
  let open: OpenFhir

  const contexts = {
    a: [
      { code: { system: kinds, code: 'age' }, valueQuantity: { value: 5.4, system, code: 'a', unit: 'yr' } },
    ],
    b: [{ code: { system: kinds, code: 'age' }, valueRange: { low: { value: 18, system, code: 'a' } } }],
    c: [
      { code: { system: kinds, code: 'focus' }, valueCodeableConcept: { coding: [{ code: 'flu' }] } },
      { code: { system: kinds, code: 'venue' }, valueCodeableConcept: { coding: [{ code: 'ward' }] } },
      { code: { system: kinds, code: 'task' }, valueCodeableConcept: { coding: [{ code: 'a$b' }] } },
    ],
    d: [{ code: { system: kinds, code: 'age' }, valueQuantity: { value: 60, system, code: 'mo' } }],
  }
  const all = '_id=ehr.a,ehr.b,ehr.c,ehr.d'

  beforeAll(async () => {
    open = await openFhir()
    for (const [id, useContext] of Object.entries(contexts)) {
      const jurisdiction =
        id === 'a'
          ? [{ coding: [{ system: 'http://hl7.org/fhir/administrative-gender', code: 'male' }] }]
          : []
      const other = id === 'b' ? [{ coding: [{ system: 'urn:other', code: 'male' }] }] : jurisdiction
      const more = other.length > 0 ? { jurisdiction: other } : {}
      const status = id === 'd' ? 'draft' : 'active'
      const body = { resourceType: 'Questionnaire', id: `ehr.${id}`, status, useContext, ...more }
      const { status: answered, body: text } = await open.ask('PUT', `Questionnaire/ehr.${id}`, { body })
      expect(answered, text).toBe(201)
    }
  })
  afterAll(() => open.close())

  async function ask(query: string): Promise<string> {
    const { status, json, body } = await open.ask('GET', `Questionnaire?${query}`)
    if (status !== 200) return `${status} ${json.issue[0].diagnostics}`
    expect(status, body).toBe(200)
    return (json.entry ?? [])
      .map(({ resource }: { resource: { id: string } }) => resource.id.slice(4))
      .join('')
  }

  it.each([
    ['5.4', 'a'],
    ['5', 'a'],
    ['6', ''],
    ['5.40', 'a'],
    ['5.41', ''],
    ['ne5.4', 'bd'],
    ['gt5.4', 'bd'],
    ['ge5.4', 'abd'],
    ['lt18', 'a'],
    ['le18', 'ab'],
    ['sa17', 'bd'],
    ['eb6', 'a'],
    ['ap5', 'a'],
    ['5.4|http://unitsofmeasure.org|a', 'a'],
    ['5.4||yr', 'a'],
    ['5.4||mo', ''],
    ['60||mo,5.4', 'ad'],
    ['gt1e1', 'bd'],
  ])('the amount %s finds %j', async (amount, ids) => {
    expect(await ask(`context-quantity=${amount}&${all}`)).toBe(ids)
  })

  it.each([
    ['context-type-value=focus$flu', 'c'],
    ['context-type-value=focus$ward', ''],
    [`context-type-value=${kinds}|venue$ward,focus$none`, 'c'],
    ['context-type-value=task$a\\$b', 'c'],
    ['context-type-quantity=age$gt5', 'abd'],
    ['context-type-quantity=venue$gt5', ''],
    ['context-quantity:missing=true', 'c'],
  ])('%s finds %j', async (query, ids) => {
    expect(await ask(`${query}&${all}`)).toBe(ids)
  })

  it('a value set is its codes, by their own system', async () => {
    const genders = 'http://hl7.org/fhir/ValueSet/administrative-gender'
    expect(await ask(`jurisdiction:in=${genders}`)).toBe('a')
    expect(await ask('status:in=http://hl7.org/fhir/ValueSet/publication-status')).toBe('abcd')
    expect(await ask(`status:in=${genders}`)).toBe('')
    expect(await ask('status:in=http://hl7.org/fhir/ValueSet/unheard-of')).toMatch(/^400 .*value sets/)
  })

  it.each([
    ['context-quantity=five', /^400/],
    ['context-type-value=focus', /^400 .*context-type\$context/],
    ['context-quantity:exact=5', /^400/],
    ['context-quantity=5&status=active', /^422/],
    ['url:below=http://example.org', /^422/],
    ['_sort=context-quantity', /^400/],
  ])('%s is refused with the reason', async (query, reason) => {
    const besides = /^_sort|status|below/.test(query) ? '' : `&${all}`
    expect(await ask(`${query}${besides}`)).toMatch(reason)
  })
})
