import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { searchParameters } from '#store/search-parameters.ts'
import { type OpenFhir, openFhir } from './open-fhir.ts'

/** What stands where the caller may not look; each world has another. */
interface Secret {
  word: string
  date: string
  gender: string
}

const planted: Secret = { word: 'Zerbrowski', date: '1971-03-04', gender: 'other' }
const different: Secret = { word: 'Quillfeather', date: '1988-11-30', gender: 'female' }

/** What stands beside the messages. */
const circumstances = [
  'Encounter',
  'EpisodeOfCare',
  'Coverage',
  'Flag',
  'DocumentReference',
  'CommunicationRequest',
  'Endpoint',
]

/**
 * One clinic three times over: with the secret, with another in its place, and with nothing there. Whatever is asked,
 * and however, the three must answer alike: then no question can tell them apart, and nothing was learned (F7).
 */
describe('searching for what one may not see gives nothing away', () => {
  let worlds: OpenFhir[]

  beforeAll(async () => {
    worlds = await Promise.all([openWorld(planted), openWorld(different), openWorld(undefined)])
  })
  afterAll(() => Promise.all(worlds.map((world) => world.close())))

  async function openWorld(secret: Secret | undefined): Promise<OpenFhir> {
    const open = await openFhir()
    const put = async (resource: { resourceType: string; id: string }) => {
      const { status, body } = await open.ask('PUT', `${resource.resourceType}/ehr.${resource.id}`, {
        body: { ...resource, id: `ehr.${resource.id}` },
      })
      expect(status, body).toBe(201)
    }
    for (const resource of openPart) await put(resource)
    // One element of what is seen is hidden itself.
    await put(order(secret ?? { word: 'Nobody', date: '2001-01-01', gender: 'male' }))
    for (const resource of secret ? hiddenPart(secret) : []) await put(resource as never)
    for (const type of ['Patient', 'Practitioner', 'Organization', 'Questionnaire', 'Group', 'Endpoint'])
      open.policy.hidden.add(`${type}/ehr.s`)
    open.policy.fields.set('MedicationRequest', ['status', 'intent', 'subject', 'medicationCodeableConcept'])
    open.clock.at = Date.parse('2026-04-01T00:00:00Z')
    return open
  }

  /** The answer without what is random in it. */
  async function answers(method: string, path: string, options = {}): Promise<string[]> {
    return Promise.all(
      worlds.map(async (world) => {
        world.clock.at = Date.parse('2026-04-01T00:00:00Z')
        const { status, body } = await world.ask(method, path, options)
        const told = body
          .replace(/"resourceType":"Bundle","id":"[^"]+"/, '')
          .replace(/"lastUpdated":"2026-04[^"]+"/g, '')
          .replace(/_cursor=[^"]+/g, '_cursor')
        return `${status} ${told}`
      }),
    )
  }

  async function expectAlike(method: string, path: string, options = {}): Promise<void> {
    const [one, ...others] = await answers(method, path, options)
    for (const other of others) expect(other, path).toBe(one)
    // The self link says what was asked.
    expect(one?.replace(/"url":"[^"]+"/g, ''), path).not.toContain(planted.word)
    expect(one, path).not.toMatch(/^500/)
  }

  const paths: string[] = []

  /** Side by side, since each answer waits for its audit entry to be on disk. */
  async function expectAllAlike(): Promise<void> {
    const asked = paths.splice(0)
    expect(asked.length).toBeGreaterThan(20)
    for (let from = 0; from < asked.length; from += 100)
      await Promise.all(asked.slice(from, from + 100).map((path) => expectAlike('GET', path)))
  }

  const people = ['Patient', 'Practitioner', 'Organization', 'Communication', 'Task', 'MedicationRequest']
  /** With amounts, composites and URIs. */
  const types = [...people, 'Questionnaire', 'Group', ...circumstances]
  const values = [
    planted.word,
    planted.word.slice(0, 3),
    `urn:s|${planted.word}`,
    planted.date,
    planted.gender,
    'Patient/ehr.s',
    'ehr.s',
    'http://hl7.org/fhir/ValueSet/administrative-gender',
  ]
  const modifiers = {
    token: ['', ':not', ':text', ':in'],
    reference: ['', ':identifier', ':Patient', ':text'],
    string: ['', ':exact', ':contains'],
    date: [''],
    uri: ['', ':above', ':below'],
    quantity: [''],
    composite: [''],
  }
  const more: Record<string, string[]> = {
    quantity: ['4711', 'gt4000', 'le4711.0|urn:unit|a'],
    composite: [`k$${planted.word}`, 'k$gt4000', `urn:s|k$urn:s|${planted.word}`],
    uri: [`https://${planted.word}.test/q/1/2`, `https://${planted.word}`],
  }
  const beside = ['', '&_id=ehr.1,ehr.s', '&patient=ehr.s', '&_count=1&_total=accurate', '&_summary=count']

  it.each(types)(
    'by any parameter of %s, any modifier and any page',
    async (type) => {
      for (const { name, kind } of searchParameters[type] ?? []) {
        for (const modifier of modifiers[kind])
          for (const value of [...values, ...(more[kind] ?? [])])
            paths.push(`${type}?${name}${modifier}=${value}&_id=ehr.1,ehr.s`)
        for (const more of beside) {
          paths.push(`${type}?${name}=${planted.word}${more}`)
          paths.push(`${type}?${name}:missing=true${more}`)
          paths.push(`${type}?${name}:missing=false${more}`)
        }
      }
      await expectAllAlike()
    },
    60_000,
  )

  it.each(types)(
    'by any order of %s',
    async (type) => {
      for (const { name } of [...(searchParameters[type] ?? []), { name: '_lastUpdated' }, { name: '_id' }]) {
        for (const sort of [name, `-${name}`, `${name},-_id`]) {
          paths.push(`${type}?_sort=${sort}&_count=1`)
          paths.push(`${type}?_sort=${sort}&_id=ehr.1,ehr.2,ehr.s&_total=accurate`)
        }
      }
      await expectAllAlike()
    },
    60_000,
  )

  it('by any chain, there and back, over one reference or two', async () => {
    for (const type of people) {
      for (const { name, kind } of searchParameters[type] ?? []) {
        if (kind !== 'reference') continue
        for (const end of ['name', 'identifier', '_id', 'organization.name']) {
          for (const target of ['', ':Patient', ':Practitioner']) {
            const value = end === '_id' ? 'ehr.s' : planted.word
            paths.push(`${type}?${name}${target}.${end}=${value}`)
            for (const other of people) paths.push(`${other}?_has:${type}:${name}:${end}=${value}`)
          }
        }
      }
    }
    await expectAllAlike()
  }, 60_000)

  it('by what goes along, histories, summaries and everything', async () => {
    for (const type of [...types, 'Binary']) {
      for (const source of people) {
        for (const { name } of (searchParameters[source] ?? []).filter(({ kind }) => kind === 'reference')) {
          paths.push(
            `${type}?_revinclude=${source}:${name}&_include:iterate=${source}:${name}&_total=accurate`,
          )
          paths.push(`${type}?_id=ehr.1,ehr.s&_revinclude:iterate=${source}:${name}`)
        }
      }
      for (const path of [
        '',
        '?_total=accurate',
        '?_summary=count',
        '?_elements=name,identifier',
        '/_history',
        '/ehr.s',
        '/ehr.s/_history',
        '/ehr.s/_history/1',
        '/ehr.s/$everything',
        '/ehr.1/$everything',
      ])
        paths.push(`${type}${path}`)
    }
    await expectAllAlike()
  }, 60_000)

  it('by anything of contents, which have no parameters of their own', async () => {
    const asked = ['_id=ehr.s', '_id=ehr.1,ehr.s', `_tag=urn:s|${planted.word}`, `_security=${planted.word}`]
    for (const query of [
      ...asked,
      `_profile=urn:${planted.word}`,
      '_lastUpdated=ge2026-01-01',
      '_id:missing=false',
    ])
      for (const more of beside) paths.push(`Binary?${query}${more}`)
    for (const sort of ['_lastUpdated', '-_lastUpdated', '_id', '-_id'])
      paths.push(`Binary?_sort=${sort}&_count=1`)
    for (const path of ['', '/_history/1', '/_history', '/$everything']) paths.push(`Binary/ehr.s${path}`)
    await expectAllAlike()
    for (const accept of ['text/plain', 'application/fhir+json', '*/*'])
      await expectAlike('GET', 'Binary/ehr.s', { headers: { accept } })
  }, 60_000)

  it('by any condition of a write', async () => {
    const headers = { 'content-type': 'application/json-patch+json' }
    const guess = [{ op: 'test', path: '/name/0/family', value: planted.word }]
    for (const type of ['Patient', 'Practitioner']) {
      for (const query of [`family=${planted.word}`, `identifier=urn:s|${planted.word}`, '_id=ehr.s']) {
        await expectAlike('DELETE', `${type}?${query}`)
        await expectAlike('PATCH', `${type}?${query}`, { body: guess, headers })
      }
      await expectAlike('PATCH', `${type}/ehr.s`, { body: guess, headers })
      await expectAlike('DELETE', `${type}/ehr.s`)
    }
    const test = [{ op: 'test', path: '/requester/display', value: planted.word }]
    await expectAlike('PATCH', 'MedicationRequest/ehr.1', { body: test, headers })
    const where = `MedicationRequest.where(requester.display = '${planted.word}').status`
    const parts = [
      { name: 'type', valueCode: 'replace' },
      { name: 'path', valueString: where },
      { name: 'value', valueCode: 'draft' },
    ]
    const body = { resourceType: 'Parameters', parameter: [{ name: 'operation', part: parts }] }
    await expectAlike('PATCH', 'MedicationRequest/ehr.1', { body })
  })
})

/** One of each, about a patient, with a word and a date in what it can be found by. */
function besides(id: string, patient: string, word: string, date: string) {
  const identifier = [{ system: 'urn:s', value: word }]
  const subject = { reference: patient }
  const concept = { coding: [{ system: 'urn:s', code: word, display: word }], text: word }
  const period = { start: date, end: date }
  const by = { reference: 'Practitioner/ehr.1', display: word }
  const url = `https://${word}.test/q`
  return [
    {
      resourceType: 'Encounter',
      id,
      identifier,
      status: 'finished',
      class: { system: 'urn:s', code: word },
      type: [concept],
      subject,
      period,
      participant: [{ type: [concept], individual: by }],
      reasonCode: [concept],
      hospitalization: { dischargeDisposition: concept },
    },
    {
      resourceType: 'EpisodeOfCare',
      id,
      identifier,
      status: 'active',
      type: [concept],
      patient: subject,
      period,
      careManager: by,
    },
    {
      resourceType: 'Coverage',
      id,
      identifier,
      status: 'active',
      type: concept,
      dependent: word,
      beneficiary: subject,
      payor: [{ reference: 'Organization/ehr.1', display: word }],
      class: [{ type: concept, value: word }],
    },
    { resourceType: 'Flag', id, identifier, status: 'active', code: concept, subject, period, author: by },
    {
      resourceType: 'DocumentReference',
      id,
      identifier,
      status: 'current',
      type: concept,
      category: [concept],
      subject,
      date: `${date}T00:00:00Z`,
      author: [by],
      description: word,
      securityLabel: [concept],
      content: [{ attachment: { contentType: `text/${word}`, url } }],
    },
    {
      resourceType: 'CommunicationRequest',
      id,
      identifier,
      status: 'active',
      category: [concept],
      subject,
      authoredOn: date,
      requester: by,
    },
    {
      resourceType: 'Binary',
      id,
      meta: { tag: [{ system: 'urn:s', code: word }], profile: [`urn:${word}`] },
      contentType: 'text/plain',
      securityContext: subject,
      data: btoa(word),
    },
    {
      resourceType: 'Endpoint',
      id,
      identifier,
      status: 'active',
      connectionType: { system: 'urn:s', code: word },
      name: word,
      payloadType: [concept],
      address: url,
    },
  ]
}

const openPart = [
  ...besides('1', 'Patient/ehr.1', 'Openly', '2020-01-01'),
  { resourceType: 'Questionnaire', id: '1', status: 'active', url: 'https://open.test/q' },
  { resourceType: 'Group', id: '1', type: 'person', actual: true },
  { resourceType: 'Organization', id: '1', name: 'Open House' },
  { resourceType: 'Practitioner', id: '1', name: [{ family: 'Open' }] },
  ...['1', '2'].map((id) => ({
    resourceType: 'Patient',
    id,
    name: [{ family: `Person${id}` }],
    birthDate: '1990-01-01',
    gender: 'male',
    managingOrganization: { reference: 'Organization/ehr.1' },
    generalPractitioner: [{ reference: 'Practitioner/ehr.1' }, { reference: 'Practitioner/ehr.s' }],
  })),
  ...['1', '2'].map((id) => ({
    resourceType: 'Communication',
    id,
    status: 'completed',
    subject: { reference: 'Patient/ehr.1' },
    sender: { reference: 'Practitioner/ehr.s' },
    recipient: [{ reference: 'Patient/ehr.s' }, { reference: 'Organization/ehr.s' }],
    sent: `2026-01-0${id}T00:00:00Z`,
  })),
  {
    resourceType: 'Task',
    id: '1',
    status: 'requested',
    intent: 'order',
    for: { reference: 'Patient/ehr.1' },
    requester: { reference: 'Practitioner/ehr.1' },
    owner: { reference: 'Organization/ehr.s' },
  },
]

/** Seen, but for its requester, its identifier and its date. */
function order({ word, date }: Secret) {
  return {
    resourceType: 'MedicationRequest',
    id: '1',
    status: 'draft',
    intent: 'order',
    subject: { reference: 'Patient/ehr.1' },
    medicationCodeableConcept: { text: 'x' },
    identifier: [{ system: 'urn:s', value: word }],
    authoredOn: date,
    requester: { reference: 'Practitioner/ehr.1', display: word },
  }
}

function hiddenPart({ word, date, gender }: Secret) {
  const identifier = [{ system: 'urn:s', value: word }]
  const address = [{ city: word, line: [word] }]
  const name = [{ family: word, given: [word] }]
  const person = { identifier, name, gender, address, telecom: [{ system: 'phone', value: word }] }
  const about = { reference: 'Patient/ehr.s' }
  const code = { system: 'urn:s', code: 'k' }
  const valueCodeableConcept = { coding: [{ system: 'urn:s', code: word }] }
  return [
    ...besides('s', 'Patient/ehr.s', word, date),
    {
      resourceType: 'Questionnaire',
      id: 's',
      status: 'active',
      url: `https://${word}.test/q`,
      title: word,
      useContext: [
        { code, valueCodeableConcept },
        { code, valueQuantity: { value: word.length === 10 ? 4711 : 1, system: 'urn:unit', code: 'a' } },
      ],
    },
    {
      resourceType: 'Group',
      id: 's',
      type: 'person',
      actual: true,
      identifier,
      characteristic: [{ code: { coding: [code] }, valueCodeableConcept, exclude: false }],
    },
    { resourceType: 'Organization', id: 's', identifier, name: word, address },
    { resourceType: 'Practitioner', id: 's', ...person },
    {
      resourceType: 'Patient',
      id: 's',
      ...person,
      birthDate: date,
      managingOrganization: { reference: 'Organization/ehr.1' },
    },
    {
      resourceType: 'Communication',
      id: 's',
      status: 'on-hold',
      subject: about,
      identifier,
      sent: date,
      sender: { reference: 'Practitioner/ehr.1' },
    },
    {
      resourceType: 'Task',
      id: 's',
      status: 'draft',
      intent: 'plan',
      for: about,
      identifier,
      requester: { reference: 'Organization/ehr.1' },
    },
  ]
}
