type Json = Record<string, unknown>

/** Changes that break one constraint of an element each, by its type or its path in the definition. */
const byPlace: Record<string, Record<string, (value: Json) => Json>> = {
  Period: {
    'per-1': (period) => ({ ...period, start: '2020-05-02', end: '2020-05-01' }),
    'per-1 in time': (period) => ({
      ...period,
      start: '2020-05-01T10:00:00+02:00',
      end: '2020-05-01T07:59:59Z',
    }),
  },
  Quantity: { 'qty-3': ({ system: _, ...quantity }) => ({ ...quantity, value: 1, code: 'mg' }) },
  ContactPoint: { 'cpt-2': ({ system: _, ...point }) => ({ ...point, value: '1' }) },
  Attachment: {
    'att-1': ({ contentType: _, ...attachment }) => ({ ...attachment, data: 'AAAA' }),
    size: (attachment) => ({ ...attachment, contentType: 'text/plain', data: 'AAAA', size: 4 }),
  },
  Ratio: { 'rat-1': ({ denominator: _, ...ratio }) => ({ ...ratio, numerator: { value: 1 } }) },
  Range: { 'rng-2': (range) => ({ ...range, low: { value: 2 }, high: { value: 1 } }) },
  Reference: { 'ref-1': () => ({ reference: '#nowhere-in-here' }) },
  Extension: {
    'ext-1': (extension) => ({ ...extension, valueString: 'x', extension: [{ url: 'y', valueString: 'y' }] }),
    'ext-1 of none': ({ url }) => ({ url }),
  },
  CodeableConcept: { 'ele-1': () => ({}) },
  'Timing.repeat': {
    'tim-1': () => ({ duration: 1 }),
    'tim-2': () => ({ period: 1 }),
    'tim-4': () => ({ duration: -1, durationUnit: 'h' }),
    'tim-5': () => ({ period: -1, periodUnit: 'h' }),
    'tim-6': () => ({ periodMax: 1 }),
    'tim-7': () => ({ durationMax: 1 }),
    'tim-8': () => ({ countMax: 1 }),
    'tim-9': () => ({ offset: 10, when: ['CM'] }),
    'tim-9 without when': () => ({ offset: 10 }),
    'tim-10': () => ({ timeOfDay: ['10:00:00'], when: ['MORN'] }),
  },
  'Patient.contact': { 'pat-1': () => ({ relationship: [{ text: 'mother' }] }) },
  'Organization.telecom': { 'org-3': (telecom) => ({ ...telecom, use: 'home' }) },
  'Organization.address': { 'org-2': (address) => ({ ...address, use: 'home' }) },
  'AuditEvent.entity': { 'sev-1': (entity) => ({ ...entity, name: 'x', query: 'AAAA' }) },
  'Bundle.entry': {
    'bdl-5': () => ({ fullUrl: 'urn:uuid:2f5cbb5c-1f5a-4d5e-9b0e-0d1c2b3a4f5e' }),
    'bdl-8': (entry) => ({ ...entry, fullUrl: 'https://ehr.example/Patient/1/_history/2' }),
    'bdl-3': (entry) => (entry.request ? withoutKey(entry, 'request') : { ...entry, request: get }),
    fullUrl: (entry) => ({ ...entry, fullUrl: 'Patient/1' }),
  },
  'Questionnaire.item': {
    'que-1 group': (item) => ({ linkId: item.linkId, type: 'group' }),
    'que-1 display': () => ({
      linkId: 'broken-1',
      type: 'display',
      item: [{ linkId: 'broken-2', type: 'string' }],
    }),
    'que-2': (item) => ({
      linkId: item.linkId,
      type: 'group',
      item: [{ linkId: item.linkId, type: 'string' }],
    }),
    'que-3': (item) => ({ linkId: item.linkId, type: 'display', code: [{ code: 'x' }] }),
    'que-4': (item) => ({ ...choice(item), answerValueSet: 'http://x.example/vs' }),
    'que-5': (item) => ({ ...choice(item), type: 'boolean' }),
    'que-6': (item) => ({ linkId: item.linkId, type: 'display', required: true }),
    'que-8': (item) => ({ linkId: item.linkId, type: 'display', initial: [{ valueString: 'x' }] }),
    'que-9': (item) => ({ linkId: item.linkId, type: 'display', readOnly: true }),
    'que-10': (item) => ({ linkId: item.linkId, type: 'date', maxLength: 3 }),
    'que-11': (item) => ({ ...choice(item), initial: [{ valueString: 'x' }] }),
    'que-12': (item) => ({ linkId: item.linkId, type: 'string', enableWhen: [asked, asked, asked] }),
    'que-13': (item) => ({
      linkId: item.linkId,
      type: 'string',
      initial: [{ valueString: 'x' }, { valueString: 'y' }],
    }),
  },
  'Questionnaire.item.enableWhen': {
    'que-7': () => ({ question: 'x', operator: 'exists', answerString: 'x' }),
  },
  'QuestionnaireResponse.item': {
    'qrs-1': (item) => ({ ...item, answer: [{ valueString: 'x' }], item: [{ linkId: 'x' }] }),
  },
  'ValueSet.compose.include': {
    'vsd-1': () => ({ concept: [{ code: 'x' }] }),
    'vsd-3': (include) => ({
      ...include,
      system: 'http://x.example',
      concept: [{ code: 'x' }],
      filter: [{ property: 'p', op: '=', value: 'v' }],
    }),
    system: () => ({ system: '#local' }),
  },
  'ConceptMap.group.element.target': { 'cmd-1': () => ({ code: 'x', equivalence: 'narrower' }) },
  'CapabilityStatement.rest.resource': {
    'cpb-12': (resource) => ({ ...resource, searchParam: [parameter, parameter] }),
  },
  'ElementDefinition.type': { 'eld-17': () => ({ code: 'string', targetProfile: ['http://x.example/p'] }) },
  'Parameters.parameter': {
    'inv-1': () => ({ name: 'x', valueString: 'x', part: [{ name: 'y', valueString: 'y' }] }),
  },
}

const get = { method: 'GET', url: 'Patient' }
const asked = { question: 'x', operator: '=', answerString: 'x' }
const parameter = { name: 'code', type: 'token' }

function choice(item: Json): Json {
  return { linkId: item.linkId, type: 'choice', answerOption: [{ valueString: 'x' }] }
}

function withoutKey(value: Json, key: string): Json {
  const { [key]: _, ...rest } = value
  return rest
}

/** Each constraint that can be broken at a place, with the value that breaks it. */
export function* breaks(path: string, type: string, value: unknown): Generator<[string, Json]> {
  if (typeof value !== 'object' || value === null) return
  for (const [rule, change] of Object.entries(byPlace[path] ?? byPlace[type] ?? {})) {
    yield [rule, change(value as Json)]
  }
}
