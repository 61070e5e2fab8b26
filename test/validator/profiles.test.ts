import { describe, expect, it } from 'vitest'
import type { Resource } from '#core/resource.ts'
import { errorsOf, readFolder, validatorWith } from './examples.ts'

const usCore = readFolder('fixtures/third-party/us-core-6.1.0')
const pcfProfiles = readFolder('fixtures/third-party/ihe-pcf/definitions')
const pcfConsents = readFolder('fixtures/third-party/ihe-pcf/examples')
const validator = validatorWith(
  ...[...usCore.values()].filter((one) => one.resourceType === 'StructureDefinition'),
  ...pcfProfiles.values(),
)
const own = (id: string) => `https://postern.health/fhir/StructureDefinition/${id}`
const usCoreMedicationRequest = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-medicationrequest'

const issuesOf = (resource: unknown, profile: string) =>
  errorsOf(validator.check(resource, profile)).map((issue) => `${issue.expression}: ${issue.text}`)

type Json = Record<string, unknown>

function without(resource: Json, path: string): Json {
  const [first = '', ...rest] = path.split('.')
  const { [first]: value, ...others } = resource
  if (rest.length === 0) return others
  const inner = [value].flat().map((item) => without(item as Json, rest.join('.')))
  return { ...others, [first]: Array.isArray(value) ? inner : inner[0] }
}

const message: Json = {
  resourceType: 'Communication',
  language: 'en',
  extension: [
    {
      url: own('message-thread'),
      valueIdentifier: { system: 'https://sender.example/threads', value: 't-1' },
    },
  ],
  identifier: [{ system: 'https://sender.example/messages', value: 'm-1' }],
  inResponseTo: [{ reference: 'Communication/0' }],
  status: 'completed',
  priority: 'routine',
  subject: { reference: 'Patient/1' },
  sent: '2025-03-01T10:00:00+01:00',
  recipient: [{ reference: 'Practitioner/1' }],
  sender: { reference: 'Patient/1' },
  payload: [{ contentString: 'Hello' }, { contentAttachment: { url: 'https://sender.example/files/1' } }],
}

const pricing = {
  url: own('pricing-disclosure'),
  extension: [
    { url: 'url', valueUrl: 'https://clinic.example/pricing' },
    { url: 'version', valueString: '2025-01' },
    { url: 'shown', valueInstant: '2025-03-01T09:55:00Z' },
    {
      url: 'component',
      extension: [
        { url: 'kind', valueCode: 'consultation' },
        { url: 'amount', valueMoney: { value: 29, currency: 'EUR' } },
      ],
    },
  ],
}
const outcome = { url: own('eligibility-outcome'), extension: [{ url: 'result', valueCode: 'eligible' }] }
const screening: Json = {
  resourceType: 'QuestionnaireResponse',
  extension: [outcome, pricing],
  identifier: { system: 'https://sender.example/screenings', value: 's-1' },
  questionnaire: 'https://postern.health/fhir/Questionnaire/weight-management-screening|1.0.0',
  status: 'completed',
  subject: { reference: 'Patient/1' },
  authored: '2025-03-01T10:00:00Z',
  item: [{ linkId: 'about', item: [{ linkId: 'adult', answer: [{ valueBoolean: true }] }] }],
}

const prescription: Json = {
  resourceType: 'MedicationRequest',
  extension: [
    {
      url: own('source-attestation'),
      extension: [
        { url: 'by', valueReference: { reference: 'Practitioner/1' } },
        { url: 'at', valueInstant: '2025-03-01T10:00:00Z' },
        { url: 'method', valueCode: 'digital-signature' },
        { url: 'reference', valueIdentifier: { system: 'https://sender.example/signatures', value: 'x' } },
      ],
    },
  ],
  identifier: [{ system: 'https://sender.example/items', value: 'i-1' }],
  status: 'active',
  intent: 'order',
  medicationCodeableConcept: { text: 'Amoxicillin 500 mg capsules' },
  subject: { reference: 'Patient/1' },
  authoredOn: '2025-03-01',
  requester: { reference: 'Practitioner/1' },
  groupIdentifier: { system: 'https://sender.example/prescriptions', value: 'p-1' },
  dosageInstruction: [{ text: 'One capsule three times a day' }],
  dispenseRequest: { performer: { reference: 'Organization/1' }, numberOfRepeatsAllowed: 0 },
  substitution: { allowedCodeableConcept: { text: 'unspecified' } },
}

describe('the profiles themselves', () => {
  it.each([...readFolder('profiles')])('%s is valid FHIR R4', (_file, resource) => {
    expect(validator.check(resource)).toEqual([])
  })
  it('that build on one that is not there stop the start', () => {
    const orphan = {
      ...usCore.get('StructureDefinition-us-core-medicationrequest.json'),
      baseDefinition: own('Nothing'),
    }
    expect(() => validatorWith(orphan as Resource)).toThrow('is not loaded')
  })
  it('are looked for by canonical, and an unknown one is said to be unknown', () => {
    expect(issuesOf(message, `${own('SecureMessage')}|0.1.0`)).toEqual([])
    expect(issuesOf(message, own('Nothing'))).toEqual([expect.stringContaining('not known here')])
    expect(issuesOf(message, own('Prescription'))).toEqual([expect.stringContaining('for MedicationRequest')])
  })
  it('that a resource claims in meta.profile hold without being asked for', () => {
    const claimed = { ...without(message, 'sender'), meta: { profile: [own('SecureMessage')] } }
    expect(validator.check(claimed).map((issue) => issue.expression)).toEqual(['Communication.sender'])
  })
})

describe('SecureMessage', () => {
  it('holds for a whole message', () => expect(issuesOf(message, own('SecureMessage'))).toEqual([]))
  it.each(['identifier', 'identifier.system', 'subject', 'sent', 'sender', 'recipient', 'payload'])(
    'asks for %s',
    (path) => {
      expect(issuesOf(without(message, path), own('SecureMessage'))).toEqual([
        expect.stringContaining('is required'),
      ])
    },
  )
  it('is about a patient, not a group', () => {
    const group = { ...message, subject: { reference: 'Group/1' } }
    expect(issuesOf(group, own('SecureMessage'))).toEqual([
      expect.stringContaining('Refer to one of: Patient.'),
    ])
  })
  it('names one thread, by identifier', () => {
    const [thread] = message.extension as unknown[]
    expect(issuesOf({ ...message, extension: [thread, thread] }, own('SecureMessage'))).toHaveLength(1)
    const text = { url: own('message-thread'), valueString: 't-1' }
    expect(issuesOf({ ...message, extension: [text] }, own('SecureMessage'))).toEqual([
      expect.stringContaining('must be of type Identifier'),
    ])
  })
})

describe('EligibilityResult', () => {
  const check = (extension: unknown[]) => issuesOf({ ...screening, extension }, own('EligibilityResult'))
  it('holds for a whole screening', () => expect(issuesOf(screening, own('EligibilityResult'))).toEqual([]))
  it.each(['identifier', 'questionnaire', 'subject', 'authored'])('asks for %s', (path) => {
    expect(issuesOf(without(screening, path), own('EligibilityResult'))).toEqual([
      expect.stringContaining('is required'),
    ])
  })
  it('asks for an outcome of its own list', () => {
    expect(check([pricing])).toEqual([expect.stringContaining('extension:outcome must appear 1..1')])
    const guess = { ...outcome, extension: [{ url: 'result', valueCode: 'perhaps' }] }
    expect(check([guess])).toEqual([expect.stringContaining('eligible, ineligible, pending, needs-review')])
  })
  it('takes no half disclosure of the price', () => {
    const part = (index: number) => ({
      ...pricing,
      extension: pricing.extension.filter((_part, at) => at !== index),
    })
    for (const index of [0, 1, 2]) expect(check([outcome, part(index)])).not.toEqual([])
    expect(check([outcome, part(3)])).toEqual([])
    const more = { ...pricing, extension: [...pricing.extension, { url: 'discount', valueString: 'x' }] }
    expect(check([outcome, more])).toEqual([expect.stringContaining('closed slicing')])
  })
})

describe('Prescription', () => {
  const both = (resource: unknown) => [
    ...issuesOf(resource, own('Prescription')),
    ...issuesOf(resource, usCoreMedicationRequest),
  ]
  it('holds for a whole prescription, which is valid as US Core too', () =>
    expect(both(prescription)).toEqual([]))
  it.each([
    'identifier',
    'status',
    'intent',
    'subject',
    'medicationCodeableConcept',
    'requester',
    'authoredOn',
    'dosageInstruction',
    'dosageInstruction.text',
    'substitution',
    'substitution.allowedCodeableConcept',
    'groupIdentifier',
  ])('is refused without %s (R3)', (path) => {
    expect(issuesOf(without(prescription, path), own('Prescription'))).not.toEqual([])
  })
  it('is not something that was only reported (R9)', () => {
    expect(issuesOf({ ...prescription, reportedBoolean: true }, own('Prescription'))).toHaveLength(1)
    expect(issuesOf({ ...prescription, reportedBoolean: false }, own('Prescription'))).toEqual([])
  })
  it("US Core's own examples are clean by US Core", () => {
    for (const [file, resource] of usCore) {
      if (file.startsWith('MedicationRequest'))
        expect(issuesOf(resource, usCoreMedicationRequest)).toEqual([])
    }
  })
})

describe('ConsentDirective', () => {
  it("holds for each of IHE PCF's own consents, and they for their own profiles", () => {
    expect(pcfConsents.size).toBeGreaterThan(15)
    for (const [file, consent] of pcfConsents)
      expect([file, ...issuesOf(consent, own('ConsentDirective'))]).toEqual([file])
  })

  const consent = pcfConsents.get('Consent-ex-consent-advanced-normal-focused-psy.json') as unknown as Json
  it.each([
    'patient',
    'dateTime',
    'performer',
    'organization',
    'provision',
    'provision.type',
    'provision.provision.type',
  ])('asks for %s', (path) =>
    expect(issuesOf(without(consent, path), own('ConsentDirective'))).toContainEqual(
      expect.stringContaining('is required'),
    ),
  )
  it('holds nothing that cannot be decided', () => {
    const provision = consent.provision as Json
    const withPart = (part: Json) =>
      issuesOf({ ...consent, provision: { ...provision, ...part } }, own('ConsentDirective'))
    expect(withPart({ action: [{ text: 'access' }] })).toEqual([expect.stringContaining('may not be given')])
    expect(withPart({ provision: [{ type: 'deny', provision: [{ type: 'permit' }] }] })).toEqual([
      expect.stringContaining('may not be given'),
    ])
    expect(
      withPart({ actor: [{ role: { text: 'anybody' }, reference: { reference: 'Practitioner/1' } }] }),
    ).not.toEqual([])
  })
})
