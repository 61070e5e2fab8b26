import { describe, expect, it } from 'vitest'
import { evaluate } from '#access/consent.ts'
import { readConsent } from '#access/consent-rule.ts'
import type { Resource } from '#core/resource.ts'

const datum = { resourceType: 'Communication', id: '1', status: 'completed', sent: '2026-02-01' } as Resource
const request = {
  actors: ['Practitioner/p', 'Organization/o'] as const,
  now: Date.parse('2026-03-01'),
  reads: true,
}
const instance = [{ meaning: 'instance', reference: { reference: 'Communication/1' } }]
const types = [{ system: 'http://hl7.org/fhir/resource-types', code: 'Communication' }]
const actor = (reference: string) => [{ role: { coding: [{ code: 'IRCP' }] }, reference: { reference } }]

let count = 0
function consent(provision: object, dateTime = '2026-01-01') {
  const scope = { coding: [{ code: 'patient-privacy' }] }
  return readConsent({ id: String(++count), status: 'active', scope, dateTime, provision })
}

function say(consents: ReturnType<typeof consent>[], purpose = 'TREAT') {
  return evaluate(consents, { ...request, purpose }, datum).statement
}

describe('several consents', () => {
  const permit = { type: 'permit' }
  const deny = { type: 'deny' }

  it('of the same weight: the refusal', () => expect(say([consent(permit), consent(deny)])).toBe('deny'))

  it('otherwise the same: the later', () => {
    expect(say([consent(permit, '2026-02-01'), consent(deny)])).toBe('permit')
    expect(say([consent(permit), consent(deny, '2026-02-01')])).toBe('deny')
  })

  it('naming the actor more closely before the later', () => {
    const person = consent({ ...permit, actor: actor('Practitioner/p') })
    expect(say([person, consent({ ...deny, actor: actor('Organization/o') }, '2026-02-01')])).toBe('permit')
  })

  it('naming the data more closely before the actor', () => {
    const person = consent({ ...permit, actor: actor('Practitioner/p') })
    expect(say([person, consent({ ...deny, data: instance })])).toBe('deny')
  })
})

describe('exceptions', () => {
  it('of a permit do not reach purposes that the permit does not', () => {
    const psy = consent({
      type: 'permit',
      purpose: [{ code: 'TREAT' }],
      class: [{ system: types[0]?.system, code: 'Task' }],
      provision: [{ type: 'permit', actor: actor('Practitioner/p'), class: types }],
    })
    expect(say([psy])).toBe('permit')
    expect(say([psy], 'HMARKT')).toBe('none')
  })

  it('that refuse below a refusal leave it as strong as it was', () => {
    const strong = { type: 'deny', data: instance }
    const broad = consent({ type: 'permit', class: types })
    expect(say([consent(strong), broad])).toBe('deny')
    expect(say([consent({ ...strong, provision: [{ type: 'deny' }] }), broad])).toBe('deny')
  })

  it('that permit win against one that refuses only by a closer actor', () => {
    const both = (permits: string, refuses: string) =>
      consent({
        type: 'deny',
        provision: [
          { type: 'permit', actor: actor(permits) },
          { type: 'deny', actor: actor(refuses) },
        ],
      })
    expect(say([both('Practitioner/p', 'Organization/o')])).toBe('permit')
    expect(say([both('Organization/o', 'Practitioner/p')])).toBe('deny')
    expect(say([both('Organization/o', 'Organization/o')])).toBe('deny')
  })
})

describe('purposes', () => {
  it('that are refused are refused with all below them; permits never include emergencies', () => {
    const refused = consent({ type: 'deny', purpose: [{ code: 'TREAT' }] })
    const permitted = consent({ type: 'permit', purpose: [{ code: 'TREAT' }] })
    for (const purpose of ['TREAT', 'COC', 'ETREAT', 'BTG']) expect(say([refused], purpose)).toBe('deny')
    expect(say([permitted], 'COC')).toBe('permit')
    for (const purpose of ['ETREAT', 'BTG', 'HMARKT']) expect(say([permitted], purpose)).toBe('none')
  })
})

describe('what cannot be understood', () => {
  it.each([
    ['no type', {}],
    ['a nested provision without type', { type: 'permit', provision: [{}] }],
    ['a third level', { type: 'permit', provision: [{ type: 'deny', provision: [{ type: 'permit' }] }] }],
    ['an actor without reference', { type: 'permit', actor: [{ reference: { display: 'Dr X' } }] }],
    ['an unknown label system', { type: 'permit', securityLabel: [{ system: 'x', code: 'N' }] }],
    ['an unreadable period', { type: 'permit', period: { end: 'soon' } }],
    ['a modifier', { type: 'permit', modifierExtension: [{ url: 'x' }] }],
    ['an empty list', { type: 'permit', purpose: [] }],
    ['data by text', { type: 'deny', code: [{ text: 'that thing' }] }],
  ])('refuses: %s', (_, provision) => {
    expect(evaluate([consent(provision)], { ...request, purpose: 'TREAT' }, datum)).toMatchObject({
      statement: 'deny',
      reasons: ['consent:not-computable'],
    })
  })
})
