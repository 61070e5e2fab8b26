import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAccess } from '#access/authorize.ts'
import { findGrant, type Letter, table } from '#access/roles.ts'
import { type Caller, type Role, roles } from '#core/caller.ts'
import type { Reference, Resource } from '#core/resource.ts'
import { versioned } from '#core/resource.ts'
import { carriedTypes, definitionTypes } from '#core/unstored.ts'
import { isServed, routes, servedTypes } from '#fhir/routes.ts'
import { searchParameters } from '#store/search-parameters.ts'
import { type OpenFhir, openFhir } from '../fhir/open-fhir.ts'

/*
 * ACC13: every cell of role × type × interaction is tried at the FHIR door, with a resource the caller has to do with
 * and with one of another patient it has nothing to do with; then every element that a cell hides, by every way that
 * could tell of it.
 */

const at = Date.parse('2026-02-01T08:00:00Z')
const coded = (system: string, code: string) => ({ coding: [{ system, code }] })
const to = (reference: string) => ({ reference })

/** One of each served type about a patient, with the organizations that deal with that patient. */
function resourcesOf(patient: string, clinic: string, pharmacy: string): Record<string, object> {
  const subject = to(`Patient/${patient}`)
  const drug = coded('http://www.nlm.nih.gov/research/umls/rxnorm', '308136')
  return {
    Communication: {
      status: 'completed',
      subject,
      sender: to(clinic),
      recipient: [subject],
      sent: '2026-02-01T08:00:00Z',
      payload: [{ contentString: 'x' }],
    },
    QuestionnaireResponse: { status: 'completed', subject, author: to(clinic), authored: '2026-02-01' },
    MedicationRequest: {
      identifier: [{ system: 'urn:o', value: patient }],
      status: 'active',
      intent: 'order',
      subject,
      requester: to(clinic),
      encounter: to('Encounter/hidden'),
      reasonCode: [{ text: 'hidden' }],
      note: [{ text: 'hidden' }],
      medicationCodeableConcept: drug,
      authoredOn: '2026-02-01',
      dosageInstruction: [{ text: 'one daily' }],
      dispenseRequest: { performer: to(pharmacy) },
    },
    MedicationDispense: {
      status: 'completed',
      subject,
      medicationCodeableConcept: drug,
      performer: [{ actor: to(pharmacy) }],
      authorizingPrescription: [to(`MedicationRequest/${patient}`)],
      whenHandedOver: '2026-02-01T08:00:00Z',
    },
    MedicationAdministration: {
      status: 'completed',
      subject,
      medicationCodeableConcept: drug,
      effectiveDateTime: '2026-02-01T08:00:00Z',
      performer: [{ actor: to(`Practitioner/of-${patient}`) }],
      request: to(`MedicationRequest/${patient}`),
    },
    Patient: {
      active: true,
      managingOrganization: to(clinic),
      generalPractitioner: [to(`Practitioner/of-${patient}`)],
      link: [{ other: to('RelatedPerson/hidden'), type: 'seealso' }],
      name: [{ family: 'x' }],
    },
    RelatedPerson: { patient: subject, active: true },
    CareTeam: { status: 'active', subject, managingOrganization: [to(clinic)] },
    Task: {
      status: 'requested',
      intent: 'order',
      for: subject,
      requester: to(clinic),
      owner: to(pharmacy),
      encounter: to('Encounter/hidden'),
      note: [{ text: 'hidden' }],
      authoredOn: '2026-02-01',
    },
    Group: { type: 'person', actual: true, managingEntity: to(clinic), member: [{ entity: subject }] },
    Subscription: {
      status: 'off',
      reason: 'x',
      criteria: 'Task?status=requested',
      channel: { type: 'rest-hook', endpoint: `https://${clinic.slice('Organization/'.length)}.example/in` },
      extension: [
        {
          url: 'https://postern.health/fhir/StructureDefinition/subscriber',
          valueIdentifier: { value: clinic },
        },
      ],
    },
    Consent: {
      status: 'inactive',
      scope: coded('http://terminology.hl7.org/CodeSystem/consentscope', 'patient-privacy'),
      category: [coded('http://loinc.org', '59284-0')],
      patient: subject,
      policyRule: coded('http://terminology.hl7.org/CodeSystem/v3-ActCode', 'OPTIN'),
    },
    DetectedIssue: { status: 'final', patient: subject, implicated: [to(`MedicationRequest/${patient}`)] },
    Provenance: {
      target: [subject],
      recorded: '2026-02-01T08:00:00Z',
      agent: [{ who: to(clinic) }],
    },
    Practitioner: { active: true },
    PractitionerRole: { active: true },
    Organization: { active: true, name: 'x' },
    Medication: { status: 'active', code: drug },
    Device: { status: 'active' },
    Questionnaire: { status: 'active', url: 'http://example.org/q' },
    CommunicationRequest: { status: 'active', subject, sender: to(clinic), recipient: [subject] },
    Encounter: {
      status: 'finished',
      class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'VR' },
      subject,
      serviceProvider: to(clinic),
    },
    EpisodeOfCare: { status: 'active', patient: subject, managingOrganization: to(clinic) },
    Coverage: { status: 'active', beneficiary: subject, payor: [to('Organization/payer')] },
    Flag: { status: 'active', code: { text: 'x' }, subject, author: to(clinic) },
    DocumentReference: {
      status: 'current',
      subject,
      author: [to(clinic)],
      content: [{ attachment: { contentType: 'text/plain', data: 'eA==' } }],
    },
    Binary: { contentType: 'text/plain', securityContext: subject, data: 'eA==' },
    Endpoint: {
      status: 'active',
      connectionType: {
        system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type',
        code: 'hl7-fhir-rest',
      },
      payloadType: [{ text: 'x' }],
      address: 'https://ehr.example/fhir',
      header: ['Authorization: hidden'],
    },
  }
}

const own = resourcesOf('own', 'Organization/clinic', 'Organization/pharmacy')
const others = resourcesOf('others', 'Organization/elsewhere', 'Organization/other-pharmacy')

const actors: Partial<Record<Role, Reference>> = {
  pharmacy: 'Organization/pharmacy',
  pharmacist: 'Organization/pharmacy',
  patient: 'Patient/own',
  proxy: 'RelatedPerson/own',
}

function callerOf(role: Role): Caller {
  const actor = actors[role] ?? 'Organization/clinic'
  const session = { scopes: ['system/*.cruds'], actors: [actor], purpose: 'TREAT', grants: [] }
  // Subscriptions are a client's own.
  return { clientId: 'Organization/clinic', name: role, role, ...session }
}

let open: OpenFhir
let events: Record<'own' | 'others', string>

beforeAll(async () => {
  open = await openFhir({ access: (store, clock) => createAccess({ store, clock }) })
  for (const [id, resources] of [
    ['own', own],
    ['others', others],
  ] as const) {
    for (const [type, body] of Object.entries(resources)) await put(type, id, body)
  }
  const webhooks = { addresses: ['https://clinic.example/'], secret: 'whsec_' }
  const client = { id: 'Organization/clinic', grants: [], webhooks }
  await open.store.commit({
    audit: [],
    registrations: [{ kind: 'client', id: client.id, json: JSON.stringify(client) }],
  })
  await put('Consent', 'proxy', {
    ...own.Consent,
    status: 'active',
    provision: {
      type: 'permit',
      actor: [{ role: { coding: [{ code: 'IRCP' }] }, reference: to('RelatedPerson/own') }],
    },
  })
  // Two reads leave two audit events.
  for (const id of ['own', 'others']) await open.ask('GET', `Patient/${id}`, { caller: callerOf('platform') })
  const [first, second] = await open.store.search({ type: 'AuditEvent', criteria: [], limit: 2 })
  events = { own: first?.stored.id ?? '', others: second?.stored.id ?? '' }
})
afterAll(() => open.close())

async function put(type: string, id: string, body: object): Promise<void> {
  const resource = { resourceType: type, ...body } as unknown as Resource
  await open.store.commit({
    audit: [],
    writes: [{ resource: versioned(resource, id, 1, at), version: 1, updated: at }],
  })
}

const unstored: readonly string[] = [...definitionTypes, ...carriedTypes]
const storedTypes = servedTypes.filter((type) => !unstored.includes(type))
const has = (type: string, kind: 'vread' | 'history') =>
  routes.some((route) => route.kind === kind && isServed(type, route))

const idOf = (type: string, which: 'own' | 'others') => (type === 'AuditEvent' ? events[which] : which)
const may = (role: Role, type: string, letter: Letter) => findGrant(role, type, letter)
/** The samples are no reviews, so a cell of reviews shows none of them. */
const isReviews = (role: Role, type: string, letter: Letter) =>
  may(role, type, letter)?.condition === 'review'
const isOpen = (role: Role, type: string, letter: Letter) => may(role, type, letter)?.condition === 'any'

describe('the role table', () => {
  it('is this, and a change to it is a change to this', () => {
    const written = Object.fromEntries(
      roles.map((role) => [
        role,
        servedTypes
          .map((type) => [type, [...'cruds'].filter((letter) => may(role, type, letter as Letter)).join('')])
          .filter(([, letters]) => letters)
          .map((cell) => cell.join('.'))
          .join(' '),
      ]),
    )
    const published =
      'StructureDefinition.rs SearchParameter.rs ValueSet.rs CodeSystem.rs ConceptMap.rs CapabilityStatement.rs ' +
      'Bundle.r MessageHeader.r OperationOutcome.r'
    const catalogues = (letters: string) =>
      `Practitioner.${letters} PractitionerRole.${letters} Organization.${letters} Medication.${letters}`
    const team = (orders: string, tasks: string, administrations = 'rs') =>
      `Communication.crus QuestionnaireResponse.rs MedicationRequest.${orders} MedicationDispense.rs ` +
      `MedicationAdministration.${administrations} Patient.rs ` +
      `RelatedPerson.rs ${catalogues('rs')} CareTeam.rs Subscription.cruds Group.rs Task.${tasks} Consent.rs Provenance.rs DetectedIssue.rs ` +
      'CommunicationRequest.crus Encounter.rs EpisodeOfCare.rs Coverage.rs Flag.crus DocumentReference.crus ' +
      `Binary.cr Endpoint.rs Questionnaire.rs ${published}`
    const pharmacy =
      `MedicationRequest.rs MedicationDispense.crus MedicationAdministration.crs Patient.rs ${catalogues('rs')} ` +
      `Subscription.cruds Task.crus Endpoint.rs ${published}`
    expect(written).toEqual({
      ehr: team('crs', 'crus', 'crs').replace('DetectedIssue.rs', 'DetectedIssue.rs AuditEvent.c'),
      clinician: team('rs', 'crus'),
      prescriber: team('crus', 'crus'),
      pharmacy,
      pharmacist: pharmacy,
      platform:
        'Communication.c QuestionnaireResponse.c MedicationRequest.c Patient.cruds RelatedPerson.cruds ' +
        `${catalogues('cruds')} CareTeam.cruds Group.cruds Task.c Consent.cruds AuditEvent.c CommunicationRequest.c ` +
        'Encounter.cruds EpisodeOfCare.cruds Coverage.cruds Flag.c DocumentReference.c Binary.c Endpoint.cruds ' +
        `Questionnaire.cruds ${published}`,
      patient:
        'Communication.crs QuestionnaireResponse.crs MedicationRequest.rs MedicationDispense.rs MedicationAdministration.rs Patient.rs ' +
        `RelatedPerson.rs ${catalogues('rs')} CareTeam.rs Task.crs Consent.crus CommunicationRequest.rs Encounter.rs ` +
        `EpisodeOfCare.rs Coverage.rs DocumentReference.rs Binary.r Endpoint.rs Questionnaire.rs ${published}`,
      proxy:
        'Communication.rs QuestionnaireResponse.rs MedicationRequest.rs MedicationDispense.rs MedicationAdministration.rs Patient.rs ' +
        `${catalogues('rs')} Task.rs CommunicationRequest.rs DocumentReference.rs Binary.r Endpoint.rs ` +
        `Questionnaire.rs ${published}`,
      operator: `${catalogues('cruds')} Device.cruds Endpoint.cruds Questionnaire.cruds ${published}`,
      auditor: `AuditEvent.rs ${published}`,
      'privacy-officer': `Task.rus Consent.crus AuditEvent.rs ${published}`,
    })
  })
})

describe.each([...roles])('%s', (role) => {
  const caller = callerOf(role)

  it.each(storedTypes)('on %s does what its cells say and nothing else', async (type) => {
    const reads = [
      (id: string) => `${type}/${id}`,
      ...(has(type, 'vread') ? [(id: string) => `${type}/${id}/_history/1`] : []),
      ...(has(type, 'history') ? [(id: string) => `${type}/${id}/_history`] : []),
    ]
    for (const path of reads) {
      const ask = async (which: 'own' | 'others') =>
        (await open.ask('GET', path(idOf(type, which)), { caller })).status
      const inside = isReviews(role, type, 'r') ? 404 : 200
      const expected = may(role, type, 'r') ? inside : 403
      expect(await ask('own'), path('own')).toBe(expected)
      const outside = isOpen(role, type, 'r') ? 200 : 404
      expect(await ask('others'), path('others')).toBe(may(role, type, 'r') ? outside : 403)
    }

    for (const which of ['own', 'others'] as const) {
      const { status, json } = await open.ask('GET', `${type}?_id=${idOf(type, which)}`, { caller })
      expect(status, 'search').toBe(may(role, type, 's') ? 200 : 403)
      if (status !== 200) continue
      const seen = (which === 'own' && !isReviews(role, type, 's')) || isOpen(role, type, 's')
      expect(json.entry?.length ?? 0, `search ${which}`).toBe(seen ? 1 : 0)
    }
  })

  it.each(storedTypes.filter((type) => type !== 'AuditEvent'))('writes %s as its cells say', async (type) => {
    const drafted = type === 'MedicationRequest' ? { status: 'draft' } : {}
    for (const [which, bodies] of [
      ['own', own],
      ['others', others],
    ] as const) {
      const body = { resourceType: type, ...bodies[type], ...drafted }
      const { status } = await open.ask('POST', type, { caller, body })
      const made = may(role, type, 'c') && (which === 'own' || isOpen(role, type, 'c'))
      expect(status, `create ${which}`).toBe(made ? 201 : 403)
    }
    for (const letter of ['u', 'd'] as const) {
      for (const [which, bodies] of [
        ['own', own],
        ['others', others],
      ] as const) {
        const id = `${letter}-${role}-${which}`
        await put(type, id, { ...bodies[type], ...drafted })
        const body = { resourceType: type, id, ...bodies[type], ...drafted }
        const asked = letter === 'u' ? { body, headers: { 'if-match': 'W/"1"' } } : {}
        const { status } = await open.ask(letter === 'u' ? 'PUT' : 'DELETE', `${type}/${id}`, {
          caller,
          ...asked,
        })
        const done = letter === 'u' ? 200 : 204
        const outside = isOpen(role, type, letter) ? done : 404
        const expected = which === 'own' && !isReviews(role, type, letter) ? done : outside
        expect(status, `${letter} ${which}`).toBe(may(role, type, letter) ? expected : 403)
      }
    }
  })
})

describe('what is kept in no table', () => {
  it.each(roles)('is read by %s as the gateway works by it, and written by nobody', async (role) => {
    const caller = callerOf(role)
    for (const type of definitionTypes) {
      const { status, json } = await open.ask('GET', `${type}?_count=1`, { caller })
      expect([status, json.entry?.length], type).toEqual([200, 1])
      const place = `${type}/${json.entry[0].resource.id}`
      expect((await open.ask('GET', place, { caller })).json, place).toEqual(json.entry[0].resource)
      const body = json.entry[0].resource
      for (const [method, path] of [
        ['POST', type],
        ['PUT', place],
        ['DELETE', place],
        ['GET', `${place}/_history`],
      ] as const) {
        expect((await open.ask(method, path, { caller, body })).status, `${method} ${path}`).toBe(405)
      }
    }
    for (const type of carriedTypes) {
      expect((await open.ask('GET', `${type}/own`, { caller })).status, type).toBe(405)
      expect((await open.ask('GET', type, { caller })).status, type).toBe(405)
    }
  })
})

/** Every cell that shows a part only. */
const narrowed = roles.flatMap((role) =>
  table[role].flatMap(({ types, fields }) => (fields ? types.map((type) => ({ role, type, fields })) : [])),
)

describe.each(narrowed)('what $role does not see of $type', ({ role, type, fields }) => {
  const caller = callerOf(role)
  const hidden = Object.keys(own[type] ?? {}).filter((name) => !fields.includes(name))
  const telling = (searchParameters[type] ?? []).filter(({ paths }) =>
    paths.some((path) => !fields.includes(path.split('.')[0] ?? path)),
  )

  it('is in no answer', async () => {
    expect(hidden.length).toBeGreaterThan(0)
    for (const path of [`${type}/own`, `${type}/own/_history`, `${type}?_id=own`]) {
      const { status, body, json } = await open.ask('GET', path, { caller })
      expect(status).toBe(200)
      expect(body).not.toContain('hidden')
      const shown = json.entry?.[0].resource ?? json
      for (const name of hidden) expect(shown, path).not.toHaveProperty(name)
    }
  })

  it('finds nothing, counts nothing, orders nothing', async () => {
    for (const { name, kind } of telling) {
      const value = kind === 'date' ? 'ge2000-01-01' : valueAt(type, name)
      // Beside what names few, so that what is looked at in candidates is looked at.
      const within = type === 'Patient' ? '&_id=own' : '&patient=Patient/own'
      for (const query of [`${name}=${value}`, `${name}:not=x`, `${name}=${value}&_summary=count`]) {
        const { status, json } = await open.ask('GET', `${type}?${query}${within}`, { caller })
        expect([200, 400, 403], query).toContain(status)
        if (status === 200) expect([json.total ?? 0, json.entry ?? []], query).toEqual([0, []])
      }
      if (kind !== 'date') continue
      const sorted = await open.ask('GET', `${type}?_sort=${name}${within}`, { caller })
      expect(sorted.json.entry ?? [], `_sort=${name}`).toEqual([])
      expect([200, 403], `_sort=${name}`).toContain(sorted.status)
    }
  })

  it('brings nothing along', async () => {
    for (const { name, kind } of telling) {
      if (kind !== 'reference') continue
      const { json } = await open.ask('GET', `${type}?_id=own&_include=${type}:${name}`, { caller })
      const along = (json.entry ?? []).filter(
        (each: { search: { mode: string } }) => each.search.mode === 'include',
      )
      expect(along, name).toEqual([])
    }
  })

  it('stays as it is when the caller writes back what it sees, or something else', async () => {
    if (!may(role, type, 'u')) return
    const id = `kept-${role}`
    await put(type, id, own[type] ?? {})
    const seen = (await open.ask('GET', `${type}/${id}`, { caller })).json
    const forged = Object.fromEntries(
      hidden.map((name) => [name, (own[type] as Record<string, unknown>)[name]]),
    )
    const changed = JSON.parse(JSON.stringify(forged).replaceAll('hidden', 'forged'))
    const headers = { 'if-match': 'W/"1"' }
    const { status } = await open.ask('PUT', `${type}/${id}`, {
      caller,
      body: { ...seen, ...changed },
      headers,
    })
    expect(status).toBe(200)
    const stored = JSON.parse((await open.store.read(type, id))?.json ?? '{}')
    for (const name of hidden) expect(stored[name], name).toEqual(forged[name])
  })
})

/** What the parameter would find, were it looked at. */
function valueAt(type: string, name: string): string {
  const path = searchParameters[type]?.find((each) => each.name === name)?.paths[0] ?? ''
  let value: unknown = own[type]
  for (const step of path.split('.')) {
    const [first] = [value].flat() as Record<string, unknown>[]
    value = first?.[step]
  }
  const [found] = [value].flat() as ({ reference?: string } | string | undefined)[]
  return encodeURIComponent(typeof found === 'object' ? (found?.reference ?? 'x') : (found ?? 'x'))
}
