import { readFileSync } from 'node:fs'
import type { Questionnaire, StructureDefinition } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import { issueRules } from '#validator/issue-rules.ts'
import { base, validatorWith } from './examples.ts'

/** Stands wherever a value is wrong: no issue may say it. */
const secret = 'Zerbrowski'

const url = 'https://clinic.example/StructureDefinition/strict'
const strict: StructureDefinition = {
  resourceType: 'StructureDefinition',
  url,
  name: 'Strict',
  status: 'active',
  kind: 'resource',
  abstract: false,
  type: 'Communication',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Communication',
  derivation: 'constraint',
  differential: {
    element: [
      {
        path: 'Communication',
        constraint: [
          { key: 'own-1', severity: 'error', human: 'Give a topic', expression: 'topic.exists()' },
          { key: 'own-2', severity: 'warning', human: 'Better give a note', expression: 'note.exists()' },
        ],
      },
      {
        path: 'Communication.identifier',
        slicing: { rules: 'closed', discriminator: [{ type: 'value', path: 'system' }] },
      },
      { path: 'Communication.identifier', sliceName: 'own', min: 1, max: '1', short: 'our number' },
      { path: 'Communication.identifier.system', fixedUri: 'urn:own' },
      { path: 'Communication.category', patternCodeableConcept: { text: 'letter' } },
      { path: 'Communication.priority', min: 1 },
      { path: 'Communication.medium', max: '0' },
      { path: 'Communication.payload.content[x]', type: [{ code: 'string' }], maxLength: 20 },
      { path: 'Communication.language', fixedCode: 'en' },
    ].map((element) => {
      const id =
        'sliceName' in element
          ? `${element.path}:own`
          : element.path.replace('identifier.', 'identifier:own.')
      return { id, ...element } as never
    }),
  },
}

const canonical = 'https://clinic.example/Questionnaire/q'
const questionnaire: Questionnaire = {
  resourceType: 'Questionnaire',
  url: canonical,
  status: 'active',
  item: [
    { linkId: 'needed', type: 'string', required: true },
    { linkId: 'short', type: 'string', maxLength: 3 },
    { linkId: 'shown', type: 'display' },
    { linkId: 'one', type: 'choice', answerOption: [{ valueCoding: { code: 'a' } }] },
  ],
}

const validator = validatorWith(strict, questionnaire)

type Part = Record<string, unknown>
const message = (rest: Part = {}): Part => ({ resourceType: 'Communication', status: 'completed', ...rest })
const held = (rest: Part = {}): Part => ({
  ...message({ meta: { profile: [url] }, identifier: [own], priority: 'routine', topic: { text: 'x' } }),
  note: [{ text: 'x' }],
  ...rest,
})
const own = { system: 'urn:own', value: '1' }
const answers = (...item: Part[]): Part => ({
  resourceType: 'QuestionnaireResponse',
  questionnaire: canonical,
  status: 'completed',
  item: [{ linkId: 'needed', answer: [{ valueString: 'x' }] }, ...item],
})
const bundle = (type: string, ...entry: Part[]): Part => ({ resourceType: 'Bundle', type, entry })
const contained = (part: Part): Part =>
  message({ contained: [{ resourceType: 'Patient', id: 'p', ...part }], subject: { reference: '#p' } })
const definition = (resourceType: string, rest: Part): Part => ({
  resourceType,
  status: 'active',
  name: 'N',
  ...rest,
})
const deep = (levels: number): Part => ({
  url: 'urn:x',
  ...(levels > 0 ? { extension: [deep(levels - 1)] } : { valueString: secret }),
})

interface Broken {
  at: string
  /** What the text says to do. */
  say: RegExp
  of: unknown
  profile?: string
}

/** For each rule something that breaks it. */
const broken: Record<keyof typeof issueRules, Broken> = {
  'resource-form': { at: 'Resource', say: /JSON object that names its resourceType/, of: secret },
  'resource-type': {
    at: 'Resource.resourceType',
    say: /must be a resource type/,
    of: { resourceType: secret },
  },
  'type-not-served': {
    at: 'Resource.resourceType',
    say: /CapabilityStatement lists/,
    of: { resourceType: 'Account' },
  },
  'object-form': {
    at: 'Communication.subject',
    say: /must be a JSON object/,
    of: message({ subject: secret }),
  },
  'unknown-element': {
    at: 'Communication',
    say: /defined are: .*subject/,
    of: message({ [`${secret} x`]: 1 }),
  },
  'element-id': {
    at: 'Communication.note[1].id',
    say: /must be unique/,
    of: message({ note: [secret, secret].map((id) => ({ id, text: 'x' })) }),
  },
  depth: { at: '', say: /flatten them/, of: message({ extension: [deep(90)] }) },
  'ele-1': {
    at: 'Communication.subject',
    say: /give it content or leave it out/,
    of: message({ subject: {} }),
  },
  'ext-1': {
    at: 'Communication.extension[0]',
    say: /one of them, not both/,
    of: message({
      extension: [{ url: 'urn:x', valueString: secret, extension: [{ url: 'a', valueString: 'x' }] }],
    }),
  },
  minimum: { at: 'Communication.status', say: /give one/, of: { resourceType: 'Communication' } },
  maximum: {
    at: 'Communication.medium',
    say: /leave it out/,
    of: held({ medium: [{ text: secret }] }),
    profile: url,
  },
  list: {
    at: 'Communication.category',
    say: /give it as a JSON array/,
    of: message({ category: { text: secret } }),
  },
  single: { at: 'Communication.status', say: /give it without \[ \]/, of: message({ status: [secret] }) },
  choice: {
    at: 'Communication.payload[0].content',
    say: /keep one/,
    of: message({ payload: [{ contentString: secret, contentReference: { reference: 'Media/1' } }] }),
  },
  'extension-list': {
    at: 'Communication.instantiatesUri',
    say: /one item for each repetition/,
    of: message({ instantiatesUri: ['urn:x'], _instantiatesUri: { id: secret } }),
  },
  type: {
    at: 'Communication.payload[0].content',
    say: /must be of type string/,
    of: held({ payload: [{ contentReference: { reference: 'Media/1', display: secret } }] }),
    profile: url,
  },
  form: { at: 'Communication.sent', say: /must be .*type dateTime/, of: message({ sent: secret }) },
  'max-length': {
    at: 'Communication.payload[0].content',
    say: /at most 20 characters/,
    of: held({ payload: [{ contentString: `${secret} ${secret} ${secret}` }] }),
    profile: url,
  },
  binding: {
    at: 'Communication.status',
    say: /from the value set .*: preparation/,
    of: message({ status: secret }),
  },
  'preferred-binding': {
    at: 'Patient.maritalStatus',
    say: /Use a code of the value set/,
    of: { resourceType: 'Patient', maritalStatus: { coding: [{ system: 'urn:x', code: secret }] } },
  },
  'code-form': {
    at: 'Communication.payload[0].content.contentType',
    say: /The code must be/,
    of: message({ payload: [{ contentAttachment: { contentType: secret, url: 'urn:x' } }] }),
  },
  fixed: { at: 'Communication.language', say: /must be "en"/, of: held({ language: 'de' }), profile: url },
  pattern: {
    at: 'Communication.category[0]',
    say: /must hold .*letter/,
    of: held({ category: [{ text: secret }] }),
    profile: url,
  },
  'closed-slicing': {
    at: 'Communication.identifier[1]',
    say: /Only these are allowed here: own/,
    of: held({ identifier: [own, { system: 'urn:other', value: secret }] }),
    profile: url,
  },
  'slice-minimum': {
    at: 'Communication.identifier',
    say: /identifier:own must appear 1..1 times.*our number/,
    of: held({ identifier: [{ system: 'urn:other', value: secret }] }),
    profile: url,
  },
  'slice-maximum': {
    at: 'Communication.identifier',
    say: /must appear 1..1 times/,
    of: held({ identifier: [own, { ...own, value: secret }] }),
    profile: url,
  },
  'reference-form': {
    at: 'Communication.subject.reference',
    say: /A reference is Type\/id/,
    of: message({ subject: { reference: secret } }),
  },
  'reference-type': {
    at: 'Communication.subject',
    say: /give one/,
    of: message({ subject: { reference: `${secret}/1` } }),
  },
  'reference-target': {
    at: 'Communication.subject',
    say: /Refer to one of: Patient/,
    of: message({ subject: { reference: 'Device/1', display: secret } }),
  },
  'reference-type-stated': {
    at: 'Communication.subject.type',
    say: /must be the type that the reference points at/,
    of: message({ subject: { reference: `Patient/${secret}`, type: 'Group' } }),
  },
  'reference-in-bundle': {
    at: 'Bundle.entry[0].resource.subject.reference',
    say: /add the entry/,
    of: bundle('transaction', {
      fullUrl: 'urn:uuid:7f1d6a2e-1111-4222-8333-0123456789ab',
      request: { method: 'POST', url: 'Communication' },
      resource: message({ subject: { reference: 'urn:uuid:7f1d6a2e-1111-4222-8333-0123456789ac' } }),
    }),
  },
  'ref-1': {
    at: 'Communication.subject.reference',
    say: /contain it/,
    of: message({ subject: { reference: `#${secret}` } }),
  },
  'contained-id': {
    at: 'Communication.contained[0]',
    say: /must have an id/,
    of: message({ contained: [{ resourceType: 'Patient', name: [{ family: secret }] }] }),
  },
  'dom-2': {
    at: 'Communication.contained[0]',
    say: /may not contain resources/,
    of: contained({ contained: [{ resourceType: 'Patient', id: secret }] }),
  },
  'dom-3': {
    at: 'Communication.contained[0]',
    say: /must refer to what it contains/,
    of: message({ contained: [{ resourceType: 'Patient', id: secret }] }),
  },
  'dom-4': {
    at: 'Communication.contained[0]',
    say: /may not have a version/,
    of: contained({ meta: { versionId: secret } }),
  },
  'dom-5': {
    at: 'Communication.contained[0]',
    say: /may not have a security label/,
    of: contained({ meta: { security: [{ system: 'urn:x', code: secret }] } }),
  },
  'txt-1': {
    at: 'Communication.text.div',
    say: /leave other elements out/,
    of: message({
      text: {
        status: 'generated',
        div: `<div xmlns="http://www.w3.org/1999/xhtml"><script>${secret}</script></div>`,
      },
    }),
  },
  'txt-2': {
    at: 'Communication.text.div',
    say: /must have some content/,
    of: message({ text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"/>' } }),
  },
  'profile-type': {
    at: 'Patient.meta',
    say: /is for Communication.*leave it out/,
    of: { resourceType: 'Patient', meta: { profile: [url] } },
  },
  'profile-unknown': { at: 'Communication.meta', say: /CapabilityStatement lists/, of: message() },
  'item-unknown': {
    at: 'QuestionnaireResponse.item[1].linkId',
    say: /give one that it has/,
    of: answers({ linkId: secret }),
  },
  'item-repeated': {
    at: 'QuestionnaireResponse.item',
    say: /once only/,
    of: answers(...[secret, 'y'].map((valueString) => ({ linkId: 'needed', answer: [{ valueString }] }))),
  },
  'item-unanswered': {
    at: 'QuestionnaireResponse',
    say: /answer it/,
    of: { ...answers(), item: [{ linkId: 'shown' }] },
  },
  'answer-unexpected': {
    at: 'QuestionnaireResponse.item[1].answer',
    say: /leave it out/,
    of: answers({ linkId: 'shown', answer: [{ valueString: secret }] }),
  },
  'answer-repeated': {
    at: 'QuestionnaireResponse.item[1].answer',
    say: /one answer only/,
    of: answers({ linkId: 'short', answer: [{ valueString: 'x' }, { valueString: 'y' }] }),
  },
  'answer-missing': {
    at: 'QuestionnaireResponse.item[0]',
    say: /give one/,
    of: { ...answers(), item: [{ linkId: 'needed' }] },
  },
  'answer-type': {
    at: 'QuestionnaireResponse.item[1].answer[0].value',
    say: /must be of type String/,
    of: answers({ linkId: 'short', answer: [{ valueInteger: 1 }] }),
  },
  'answer-option': {
    at: 'QuestionnaireResponse.item[1].answer[0].value',
    say: /one of those that the questionnaire offers/,
    of: answers({ linkId: 'one', answer: [{ valueCoding: { code: secret } }] }),
  },
  'answer-length': {
    at: 'QuestionnaireResponse.item[1].answer[0].value',
    say: /at most 3 characters/,
    of: answers({ linkId: 'short', answer: [{ valueString: secret }] }),
  },
  'attachment-size': {
    at: 'Communication.payload[0].content.size',
    say: /must be the number of bytes/,
    of: message({ payload: [{ contentAttachment: { data: 'AAAA', size: 9, contentType: 'text/plain' } }] }),
  },
  'bundle-links': {
    at: 'Bundle.link',
    say: /leave the others out/,
    of: {
      ...bundle('searchset'),
      entry: undefined,
      link: [1, 2].map(() => ({ relation: 'self', url: `urn:${secret}` })),
    },
  },
  'search-entry-id': {
    at: 'Bundle.entry',
    say: /must have an id/,
    of: bundle('searchset', { resource: message() }),
  },
  'search-outcome': {
    at: 'Bundle.entry',
    say: /must be an OperationOutcome/,
    of: bundle('searchset', { resource: message({ id: secret }), search: { mode: 'outcome' } }),
  },
  'full-url': {
    at: 'Bundle.entry[0].fullUrl',
    say: /must be an absolute URL/,
    of: bundle('collection', { fullUrl: secret, resource: message() }),
  },
  'supplement-content': {
    at: 'CodeSystem.content',
    say: /must have content `supplement`/,
    of: definition('CodeSystem', { content: 'complete', supplements: `urn:${secret}` }),
  },
  'property-distinct': {
    at: 'CodeSystem.property',
    say: /must have a code of its own/,
    of: definition('CodeSystem', {
      content: 'complete',
      property: [1, 2].map(() => ({ code: secret, type: 'code' })),
    }),
  },
  'canonical-url': {
    at: 'ValueSet.url',
    say: /must be absolute/,
    of: definition('ValueSet', { url: secret }),
  },
  'value-set-system': {
    at: 'ValueSet.compose.include[0].system',
    say: /must be the absolute URI/,
    of: definition('ValueSet', { compose: { include: [{ system: secret }] } }),
  },
  'coding-system': {
    at: 'Communication.topic.coding[0]',
    say: /should be the absolute URI/,
    of: message({ topic: { coding: [{ system: secret, code: 'x' }] } }),
  },
  ucum: {
    at: 'Group.characteristic[0].value',
    say: /UCUM unit such as/,
    of: {
      resourceType: 'Group',
      type: 'person',
      actual: true,
      characteristic: [
        {
          code: { text: 'x' },
          exclude: false,
          valueQuantity: { value: 1, system: 'http://unitsofmeasure.org', code: `${secret}!` },
        },
      ],
    },
  },
  'search-path': {
    at: 'SearchParameter.expression',
    say: /must begin with a type that base lists/,
    of: definition('SearchParameter', {
      url: 'urn:x',
      description: 'x',
      code: 'x',
      base: ['Patient'],
      type: 'token',
      expression: `Group.${secret}`,
    }),
  },
  fhirpath: {
    at: 'SearchParameter.expression',
    say: /must be FHIRPath/,
    of: definition('SearchParameter', {
      url: 'urn:x',
      description: 'x',
      code: 'x',
      base: ['Patient'],
      type: 'token',
      expression: `Patient.${secret}(`,
    }),
  },
}

const checked = (rule: string, resource: unknown) =>
  validator.check(resource, rule === 'profile-unknown' ? `urn:${secret}` : undefined)

describe('an issue says where, which rule, and what would satisfy it, and never the value:', () => {
  it.each(Object.entries(broken))('%s', (rule, { at, say, of, profile }) => {
    const issues = checked(rule, of)
    const [issue] = issues.filter((each) => each.rule === rule)
    expect(issue, JSON.stringify(issues)).toBeDefined()
    expect(issue?.text).toMatch(say)
    if (at) expect(issue?.expression).toBe(at)
    expect(issue?.expression).toBeTruthy()
    expect(issue?.profile).toBe(profile)
    for (const each of issues) {
      expect(each.rule, each.text).toBeTruthy()
      expect(each.expression, each.text).toBeTruthy()
      expect(each.text.replaceAll(`urn:${secret}`, secret), each.rule).not.toContain(secret)
    }
  })

  it('constraints of the standard and of profiles, by their keys', () => {
    const late = { start: '2025-01-02', end: '2025-01-01' }
    const resource = held({ topic: undefined, note: undefined, identifier: [{ ...own, period: late }] })
    expect(validator.check(resource)).toEqual([
      {
        severity: 'error',
        code: 'invariant',
        rule: 'per-1',
        text: 'If present, start SHALL have a lower value than end (per-1).',
        expression: 'Communication.identifier[0].period',
      },
      {
        severity: 'error',
        code: 'invariant',
        rule: 'own-1',
        text: 'Give a topic (own-1).',
        expression: 'Communication',
        profile: url,
      },
      {
        severity: 'warning',
        code: 'invariant',
        rule: 'own-2',
        text: 'Better give a note (own-2).',
        expression: 'Communication',
        profile: url,
      },
    ])
    for (const [key, { human }] of Object.entries(base.constraints))
      expect(human.length, key).toBeGreaterThan(5)
  })

  it('the page of documentation lists every rule', () => {
    const page = readFileSync(new URL('../../docs/validation.md', import.meta.url), 'utf8')
    for (const rule of Object.keys(issueRules)) expect(page).toContain(`\`${rule}\``)
  })
})
