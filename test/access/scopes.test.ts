import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { table } from '#access/roles.ts'
import { covers, intersect, parseScope, parseScopes, scopesOfRole } from '#access/scopes.ts'
import { roles } from '#core/caller.ts'

describe('SMART scopes', () => {
  it.each([
    ['system/Communication.rs', 'rs'],
    ['system/*.cruds', 'cruds'],
    ['user/Patient.r', 'r'],
    ['patient/Observation.rs?category=http://x|laboratory', 'rs'],
    ['system/Patient.read', 'rs'],
    ['system/Patient.write', 'cud'],
    ['system/*.*', 'cruds'],
  ])('%s is understood', (text, letters) => expect(parseScope(text)?.letters).toBe(letters))

  it.each([
    '',
    'openid',
    'launch/patient',
    'system/Communication',
    'system/Communication.',
    'system/Communication.sr',
    'system/Communication.rr',
    'system/Communication.x',
    'system/communication.r',
    'System/Communication.r',
    'system/Communication.r ',
    'system/Communication.r\n',
    'system/Communication.read?status=x',
    'system/Communication.r?',
    'system/Communication.r?status',
    'system/Communication.r?a=b&',
    'system//Communication.r',
    'admin/Communication.r',
    '__proto__',
  ])('%j is refused', (text) => expect(parseScope(text)).toBeUndefined())

  it('read covers vread and history, search only searches', () => {
    expect(covers(['system/Patient.r'], 'Patient', 'vread')).toBe(true)
    expect(covers(['system/Patient.r'], 'Patient', 'history')).toBe(true)
    expect(covers(['system/Patient.r'], 'Patient', 'search')).toBe(false)
    expect(covers(['system/*.c'], 'Patient', 'create')).toBe(true)
    expect(covers(['system/*.c'], 'Patient', 'update')).toBe(false)
  })

  it('a scope with a query opens nothing as long as the query is not applied', () => {
    expect(covers(['system/Task.rs?status=requested'], 'Task', 'read')).toBe(false)
    expect(intersect(['system/Task.rs?status=requested'], ['system/Task.rs'])).toEqual([])
  })

  it('granted scopes are never more than asked for, nor than registered', () => {
    const scope = fc
      .tuple(
        fc.constantFrom('system', 'user'),
        fc.constantFrom('*', 'Patient', 'Task', 'Consent'),
        fc.subarray(['c', 'r', 'u', 'd', 's'], { minLength: 1 }),
      )
      .map(([context, type, letters]) => `${context}/${type}.${letters.join('')}`)
    const interactions = ['create', 'read', 'update', 'delete', 'search'] as const
    fc.assert(
      fc.property(fc.array(scope), fc.array(scope), (asked, registered) => {
        const granted = intersect(asked, registered)
        for (const type of ['Patient', 'Task', 'Consent']) {
          for (const interaction of interactions) {
            if (!covers(granted, type, interaction)) continue
            expect(covers(asked, type, interaction) && covers(registered, type, interaction)).toBe(true)
          }
        }
        for (const text of granted) expect(parseScope(text)).toBeDefined()
      }),
      { numRuns: 500 },
    )
  })

  it('one unknown scope refuses the list', () => {
    expect(parseScopes('system/Patient.r system/Task.rs')).toHaveLength(2)
    expect(parseScopes('system/Patient.r openid')).toBeUndefined()
  })
})

describe('the role table', () => {
  it('has one row at the most for a role, a type and a letter, in the order of scopes', () => {
    for (const [role, rows] of Object.entries(table)) {
      const cells = rows.flatMap(({ types, may }) =>
        types.flatMap((type) => [...may].map((letter) => `${type}.${letter}`)),
      )
      expect(new Set(cells).size, role).toBe(cells.length)
      for (const { may } of rows)
        expect([...'cruds'].filter((letter) => may.includes(letter)).join('')).toBe(may)
    }
  })

  it('names every role', () => expect(Object.keys(table).sort()).toEqual([...roles].sort()))

  it('never lets a pharmacy write an order, nor see what was said', () => {
    for (const role of ['pharmacy', 'pharmacist'] as const) {
      const all = scopesOfRole(role, 'system')
      expect(all).toContain('system/MedicationRequest.rs')
      expect(all.join()).not.toMatch(/Communication|QuestionnaireResponse|Consent|AuditEvent/)
    }
  })

  it('shows operators and auditors nothing clinical', () => {
    const clinical = /Patient|Communication|QuestionnaireResponse|Medication(Request|Dispense)|Task|CareTeam/
    for (const role of ['operator', 'auditor'] as const) {
      expect(scopesOfRole(role, 'system').join()).not.toMatch(clinical)
    }
    // A privacy officer's Tasks are the gateway's own questions (activation.test.ts).
    const officer = scopesOfRole('privacy-officer', 'system').filter(
      (scope) => !scope.startsWith('system/Task'),
    )
    expect(officer.join()).not.toMatch(clinical)
  })
})
