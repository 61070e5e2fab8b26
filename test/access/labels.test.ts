import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createAccess } from '#access/authorize.ts'
import { evaluate } from '#access/consent.ts'
import { readConsent } from '#access/consent-rule.ts'
import { type LabelRules, labelRules } from '#access/label-rules.ts'
import { confidentialities, createLabeller, type Labels, sentLabels } from '#access/labels.ts'
import type { Resource } from '#core/resource.ts'
import { versioned } from '#core/resource.ts'
import { openStore } from '../open-store.ts'

const conf = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality'
const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode'
const rxnorm = 'http://www.nlm.nih.gov/research/umls/rxnorm'
const labelsOf = createLabeller(labelRules)

function say({ level, codes }: Labels): string {
  const sensitive = [...codes].filter((code) => code.startsWith(act)).map((code) => code.split('|')[1])
  return [confidentialities[level], ...sensitive.sort()].join(' ')
}

const order = (drug: object, more: object = {}): Resource =>
  ({
    resourceType: 'MedicationRequest',
    id: 'o',
    status: 'active',
    intent: 'order',
    subject: { reference: 'Patient/p' },
    medicationCodeableConcept: drug,
    ...more,
  }) as Resource
const rx = (code: string, display?: string) => ({
  coding: [{ system: rxnorm, code, ...(display ? { display } : {}) }],
})

const message = (more: object = {}): Resource => ({
  resourceType: 'Communication',
  id: 'm',
  status: 'completed',
  subject: { reference: 'Patient/p' },
  payload: [{ contentString: 'hello' }],
  ...more,
})

describe('labels', () => {
  it.each<[string, Resource, string]>([
    ['a message is free text, and restricted', message(), 'R'],
    [
      'a message that its sender labelled is what the sender says',
      message({ meta: { security: [{ system: conf, code: 'N' }] } }),
      'N',
    ],
    ['a plain drug is normal', order(rx('308136', 'amlodipine 2.5 MG Oral Tablet')), 'N'],
    ['an ingredient code shows it', order(rx('1819')), 'R OPIOIDUD'],
    [
      'a packed drug is known by its name',
      order(rx('351264', 'buprenorphine 2 MG / naloxone 0.5 MG Film')),
      'R OPIOIDUD',
    ],
    ['a name in text alone is read', order({ text: 'Dolutegravir 50 mg' }), 'R HIV'],
    [
      'a class of ATC shows it',
      order({ coding: [{ system: 'http://www.whocc.no/atc', code: 'N05AH02' }] }),
      'R PSY',
    ],
    [
      'a reason shows it',
      order(rx('308136'), {
        reasonCode: [{ coding: [{ system: 'http://hl7.org/fhir/sid/icd-10-cm', code: 'F11.20' }] }],
      }),
      'R OPIOIDUD',
    ],
    [
      'what is contained counts for the whole',
      order({}, { contained: [{ resourceType: 'Medication', id: 'm', code: rx('68244') }] }),
      'R HIV',
    ],
    ['a note makes an order free text', order(rx('308136'), { note: [{ text: 'call me' }] }), 'R'],
    [
      'a sender may say more than the codes do',
      order(rx('308136'), { meta: { security: [{ system: conf, code: 'V' }] } }),
      'V',
    ],
    [
      'but never less',
      order(rx('1819'), { meta: { security: [{ system: conf, code: 'L' }] } }),
      'R OPIOIDUD',
    ],
    [
      'a code of another system means nothing here',
      order({ coding: [{ system: 'http://example.org', code: '1819' }] }),
      'N',
    ],
    ['a patient is normal', { resourceType: 'Patient', id: 'p', name: [{ family: 'Lithiumson' }] }, 'N'],
  ])('%s', (_, resource, expected) => expect(say(labelsOf(resource))).toBe(expected))

  it('never fall below what was sent, whatever else is in it', () => {
    const anything = fc.object({ maxDepth: 4 })
    const sent = fc.subarray(confidentialities.slice())
    fc.assert(
      fc.property(anything, sent, (body, codes) => {
        const meta = { security: codes.map((code) => ({ system: conf, code })) }
        const resource = { ...body, resourceType: 'MedicationRequest', id: 'x', meta } as unknown as Resource
        const { level, codes: all } = labelsOf(resource)
        const before = sentLabels(resource)
        expect(level).toBeGreaterThanOrEqual(codes.length > 0 ? before.level : 0)
        for (const code of before.codes) expect(all.has(code)).toBe(true)
      }),
    )
  })
})

const consent = (provision: object): Resource =>
  ({
    resourceType: 'Consent',
    id: 'c',
    status: 'active',
    scope: { coding: [{ code: 'patient-privacy' }] },
    patient: { reference: 'Patient/p' },
    dateTime: '2026-01-01',
    provision,
  }) as Resource
const asked = { actors: [], purpose: 'TREAT', now: Date.parse('2026-03-01'), reads: true, labelsOf } as const
const decided = (provision: object, datum: Resource) =>
  evaluate([readConsent(consent(provision))], asked, datum).statement

describe('a consent by labels', () => {
  const deny = { type: 'deny', securityLabel: [{ system: act, code: 'OPIOIDUD' }] }
  it('that refuses a sensitivity refuses the drug that shows it, and no other drug', () => {
    expect(decided(deny, order(rx('1819')))).toBe('deny')
    expect(decided(deny, order(rx('308136')))).toBe('none')
  })

  it('that refuses a sensitivity refuses free text that nobody looked into', () => {
    expect(decided(deny, message())).toBe('deny')
    expect(decided(deny, message({ meta: { security: [{ system: conf, code: 'N' }] } }))).toBe('none')
  })

  it('that permits what is normal opens plain orders, and neither messages nor sensitive orders', () => {
    const permit = { type: 'permit', securityLabel: [{ system: conf, code: 'N' }] }
    expect(decided(permit, order(rx('308136')))).toBe('permit')
    expect(decided(permit, order(rx('1819')))).toBe('deny')
    expect(decided(permit, message())).toBe('deny')
  })
})

describe('a change of the label rules', () => {
  it('counts for what is stored already, from the next decision on, and the record says which rules decided', async () => {
    const open = await openStore()
    const at = Date.parse('2026-02-01T08:00:00Z')
    const stored = order(rx('308136'), { requester: { reference: 'Organization/clinic' } })
    const denial = consent({ type: 'deny', securityLabel: [{ system: act, code: 'PSY' }] })
    const writes = [stored, denial].map((resource) => ({
      resource: versioned(resource, String(resource.id), 1, at),
      version: 1,
      updated: at,
    }))
    await open.store.commit({ audit: [], writes })
    const stricter: LabelRules = {
      ...labelRules,
      version: 'postern-labels/test',
      codes: [...labelRules.codes, { system: rxnorm, sensitivity: 'PSY', codes: ['308136'] }],
    }
    const caller = {
      clientId: 'e',
      name: 'e',
      role: 'ehr',
      scopes: ['system/*.cruds'],
      actors: ['Organization/clinic'],
      purpose: 'TREAT',
      grants: [],
    } as const
    const clock = { now: () => Date.parse('2026-03-01') }
    const ask = { caller, interaction: 'read', type: 'MedicationRequest', stored } as const
    const before = await createAccess({ store: open.store, clock }).decide(ask)
    const after = await createAccess({ store: open.store, clock, labels: stricter }).decide(ask)
    expect([before.permit, after.permit]).toEqual([true, false])
    expect(before.rules).toContain(labelRules.version)
    expect(after.rules).toContain('postern-labels/test')
    await open.close()
  })
})
