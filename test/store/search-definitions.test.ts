import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { defined } from '#store/search-definitions.ts'
import { searchParameters } from '#store/search-parameters.ts'

interface Definition {
  code: string
  base: string[]
}

describe('parameters compiled from their SearchParameter definitions', () => {
  it.each([
    ['Communication', 'patient', { kind: 'reference', paths: ['subject'], targets: ['Patient'] }],
    ['Consent', 'date', { kind: 'date', paths: ['dateTime'] }],
    ['Consent', 'source-reference', { paths: ['sourceReference'] }],
    ['DetectedIssue', 'identified', { paths: ['identifiedDateTime', 'identifiedPeriod'] }],
    ['MedicationRequest', 'medication', { paths: ['medicationReference'], targets: ['Medication'] }],
    ['Patient', 'death-date', { kind: 'date', paths: ['deceasedDateTime'] }],
    ['Patient', 'phone', { kind: 'token', paths: ['telecom'], system: 'phone' }],
    ['Patient', 'deceased', { present: true, paths: ['deceasedBoolean', 'deceasedDateTime'] }],
    ['Organization', 'name', { kind: 'string', paths: ['name', 'alias'] }],
    ['QuestionnaireResponse', 'questionnaire', { kind: 'uri', canonical: true }],
    ['Task', 'focus', { kind: 'reference', paths: ['focus'] }],
  ])('%s %s', (type, name, expected) => {
    expect(defined(type, name)).toMatchObject(expected)
  })

  it('takes the parts of a composite from their own definitions', () => {
    const parts = defined('Questionnaire', 'context-type-quantity').components
    expect(parts).toMatchObject([
      { name: 'context-type', kind: 'token', paths: ['code'] },
      { name: 'context-quantity', kind: 'quantity', paths: ['valueQuantity', 'valueRange'] },
    ])
  })

  it('a parameter that nobody defined stops the start', () => {
    expect(() => defined('Patient', 'shoe-size')).toThrow(
      'no definition of the search parameter Patient.shoe-size',
    )
  })

  it('serves every definition that is held, but those that are left out on purpose', () => {
    const file: { parameters: Definition[] } = JSON.parse(
      readFileSync('profiles/base/search-parameters.json', 'utf8'),
    )
    const unserved = file.parameters.flatMap(({ code, base }) =>
      base
        .filter((type) => !searchParameters[type]?.some(({ name }) => name === code))
        .map((type) => `${type}.${code}`),
    )
    expect(unserved.sort()).toEqual([
      // Strings about who did what, and addresses, of the log: an audit row has no index of them.
      'AuditEvent.address',
      'AuditEvent.agent-name',
      'AuditEvent.altid',
      'AuditEvent.entity-name',
      'AuditEvent.policy',
      'AuditEvent.source',
      // Bar codes, looked up by `identifier`.
      'Device.udi-carrier',
      'Device.udi-di',
      // How a Subscription is sent and to whom is its client's own.
      'Subscription.contact',
      'Subscription.payload',
    ])
  })
})
