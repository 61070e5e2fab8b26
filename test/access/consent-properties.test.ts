import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate } from '#access/consent.ts'
import { readConsent } from '#access/consent-rule.ts'
import type { Resource } from '#core/resource.ts'

const conf = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality'
const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
const people = ['Organization/a', 'Organization/b', 'Practitioner/p', 'CareTeam/t', 'Group/g']
const purposes = ['TREAT', 'HPAYMT', 'ETREAT', 'BTG', 'HMARKT', 'COC']
const date = fc.constantFrom('2020', '2021-06', '2022-01-01', '2023-05-05T10:00:00Z')
const period = fc.record({ start: date, end: date }, { requiredKeys: [] })
const some = <T>(values: readonly T[]) => fc.subarray([...values], { minLength: 1 })

const label = fc.oneof(
  fc.constantFrom('U', 'L', 'M', 'N', 'R', 'V').map((code) => ({ system: conf, code })),
  fc.constantFrom('PSY', 'HIV').map((code) => ({ system: act, code })),
)
const words = {
  purpose: some(purposes).map((codes) => codes.map((code) => ({ code }))),
  actor: some(people).map((all) =>
    all.map((reference) => ({ role: { coding: [{ code: 'IRCP' }] }, reference: { reference } })),
  ),
  period,
  dataPeriod: period,
  securityLabel: fc.array(label, { minLength: 1, maxLength: 2 }),
  data: fc
    .constantFrom('instance', 'authoredby')
    .map((meaning) => [
      { meaning, reference: { reference: meaning === 'instance' ? 'Communication/1' : 'Practitioner/p' } },
    ]),
}
const level = (type: fc.Arbitrary<string>) => fc.record({ type, ...words }, { requiredKeys: ['type'] })
const either = fc.constantFrom('permit', 'deny')
const withExceptions = (type: fc.Arbitrary<string>) =>
  fc
    .tuple(level(type), fc.array(level(either), { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([root, nested, has]) => (has ? { ...root, provision: nested } : root))
const consentOf = (provision: fc.Arbitrary<object>) =>
  fc.record({
    resourceType: fc.constant('Consent' as const),
    id: fc.constantFrom('1', '2', '3', '4', '5', '6', '7'),
    status: fc.constant('active'),
    scope: fc.constant({ coding: [{ code: 'patient-privacy' }] }),
    dateTime: date,
    provision,
  })
const consent = consentOf(withExceptions(either))
const refusal = consentOf(level(fc.constant('deny')))
const request = fc.record({
  actors: fc.subarray(people as `${string}/${string}`[]),
  purpose: fc.constantFrom(...purposes),
  now: fc.constantFrom('2020-06-01', '2022-01-01', '2024-01-01').map((text) => Date.parse(text)),
  reads: fc.boolean(),
})
const datum: fc.Arbitrary<Resource> = fc
  .record(
    {
      id: fc.constantFrom('1', '2'),
      sent: date,
      sender: fc.constantFrom({ reference: 'Practitioner/p' }, { reference: 'Practitioner/q' }),
      meta: fc.array(label, { maxLength: 2 }).map((security) => ({ security })),
    },
    { requiredKeys: ['id'] },
  )
  .map((record) => ({ resourceType: 'Communication', status: 'completed', ...record }) as Resource)

const runs = { numRuns: 2000 }

describe('consents of one patient', () => {
  it('permit no more when a refusal is added', () => {
    fc.assert(
      fc.property(
        fc.array(consent, { maxLength: 4 }),
        refusal,
        request,
        datum,
        (list, more, asked, about) => {
          const before = evaluate(list.map(readConsent), asked, about).statement
          const after = evaluate([...list, more].map(readConsent), asked, about).statement
          expect(rank(after)).toBeLessThanOrEqual(rank(before))
        },
      ),
      runs,
    )
  })

  it('permit no more when a refusing exception is added to one of them', () => {
    fc.assert(
      fc.property(
        fc.array(consent, { minLength: 1, maxLength: 4 }),
        level(fc.constant('deny')),
        request,
        datum,
        (list, exception, asked, about) => {
          const [first, ...rest] = list
          if (!first) return
          const root = first.provision as { provision?: object[] }
          const narrowed = {
            ...first,
            provision: { ...root, provision: [...(root.provision ?? []), exception] },
          }
          const before = evaluate(list.map(readConsent), asked, about).statement
          const after = evaluate([narrowed, ...rest].map(readConsent), asked, about).statement
          expect(rank(after)).toBeLessThanOrEqual(rank(before))
        },
      ),
      runs,
    )
  })

  it('decide alike in any order, of consents and of provisions', () => {
    fc.assert(
      fc.property(fc.array(consent, { maxLength: 5 }), request, datum, (list, asked, about) => {
        const turned = list.toReversed().map((each) => {
          const root = each.provision as { provision?: object[] }
          return root.provision
            ? { ...each, provision: { ...root, provision: root.provision.toReversed() } }
            : each
        })
        expect(evaluate(turned.map(readConsent), asked, about)).toEqual(
          evaluate(list.map(readConsent), asked, about),
        )
      }),
      runs,
    )
  })

  it('are as if absent when inactive, of another scope, or out of their period', () => {
    const spoilt = fc.constantFrom<object>(
      { status: 'inactive' },
      { status: 'entered-in-error' },
      { status: 'draft' },
      { scope: { coding: [{ code: 'research' }] } },
    )
    fc.assert(
      fc.property(
        fc.array(consent, { maxLength: 3 }),
        consent,
        spoilt,
        request,
        datum,
        (list, more, spoil, asked, about) => {
          expect(evaluate([...list, { ...more, ...spoil }].map(readConsent), asked, about)).toEqual(
            evaluate(list.map(readConsent), asked, about),
          )
          const over = { ...more, provision: { ...more.provision, period: { end: '2019' } } }
          expect(evaluate([...list, over].map(readConsent), asked, about)).toEqual(
            evaluate(list.map(readConsent), asked, about),
          )
        },
      ),
      runs,
    )
  })

  it('permit no more when the confidentiality of the data is raised', () => {
    const levels = ['U', 'L', 'M', 'N', 'R', 'V']
    fc.assert(
      fc.property(
        fc.array(consent, { maxLength: 4 }),
        request,
        datum,
        fc.nat(5),
        fc.nat(5),
        (list, asked, about, a, b) => {
          const at = (index: number) =>
            evaluate(list.map(readConsent), asked, {
              ...about,
              meta: { security: [{ system: conf, code: levels[index] }] },
            } as Resource).statement
          if (at(Math.max(a, b)) === 'permit') expect(at(Math.min(a, b))).toBe('permit')
        },
      ),
      runs,
    )
  })

  it('are evaluated whatever they hold', () => {
    fc.assert(
      fc.property(fc.anything(), request, datum, (anything, asked, about) => {
        evaluate([readConsent(anything)], asked, about)
        const shaped = {
          status: 'active',
          scope: { coding: [{ code: 'patient-privacy' }] },
          provision: anything,
        }
        const { statement } = evaluate([readConsent(shaped)], asked, about)
        expect(['deny', 'none']).toContain(statement)
      }),
      runs,
    )
  })
})

function rank(statement: string): number {
  return ['deny', 'none', 'permit'].indexOf(statement)
}
