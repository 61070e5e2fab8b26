import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { patientOf } from '#core/compartment.ts'
import { type Identified, type Reference, versioned } from '#core/resource.ts'
import { parseJson, stringifyJson } from '#formats/json.ts'
import { openClinic, type TestClient, type TestClinic } from '../open-clinic.ts'
import { canonical, type Published, readPublished, withPatient } from './published.ts'

const somebody = 'Patient/somebody'
const readers = 'Organization/readers'
const dispensary = 'Organization/dispensary'

/** Types that the platform hands in under ids of the server, and that treating parties are shown. */
const handedIn = [
  'Communication',
  'CommunicationRequest',
  'QuestionnaireResponse',
  'MedicationRequest',
  'DocumentReference',
  'Flag',
  'Binary',
  'Task',
]
/** Written by the gateway alone: no role may. */
const written = ['Provenance', 'DetectedIssue']

const published = readPublished((resource) => asNew(withPatient(resource, somebody)))

/** What is refused, by what is wrong with it: the example, the place, and the rule. */
const wrong: readonly string[] = [
  // R51: what was handed over says when (us-core-20), in every country.
  ['au-core/medicationdispense-lipex.xml', 'MedicationDispense.whenHandedOver'],
  // https://hl7.org/fhir/R4/references.html#literal: an id alone, `Task/…/$accept?ac=…`, a URL in quotation marks
  ['gematik-api/erp_abrufen__10_response_taskGet.xml', 'Task.input[0].value.reference'],
  ['gematik-api/erp_bereitstellen__05_response_taskActivate.xml', 'Task.input[0].value.reference'],
  ['gematik-api/erp_communication__05_request_RezeptZuweisen.json', 'Communication.basedOn[0].reference'],
  ['gematik-api/erp_communication__07_response_GetMessages.json', 'Communication.basedOn[0].reference'],
  ['gematik-api/erp_steuerung_durch_le__04_response_taskActivate169.xml', 'Task.input[0].value.reference'],
  ['gematik-api/erp_versicherte__02_response_taskGetSingle.json', 'Task.input[0].value.reference'],
  [
    'sdc-4.0.0-ballot-examples/QuestionnaireResponse-questionnaireresponse-sdc-profile-example-PHQ9.json',
    'QuestionnaireResponse.extension[0].value.reference',
  ],
  // Elements that R4 requires: made of other resources' definitions, or from HL7 v2 by another converter.
  ['hl7-r4-examples/Questionnaire-qs1.json', 'Questionnaire.item[0].item[0].linkId'],
  [
    'microsoft-fhir-server-r4/medicinalproductcontraindication-questionnaire.json',
    'Questionnaire.item[0].item[0].linkId',
  ],
  ['microsoft-fhir-server-r4/practitionerrole-questionnaire.json', 'Questionnaire.item[0].item[0].linkId'],
  ['microsoft-fhir-server-r4/specimendefinition-questionnaire.json', 'Questionnaire.item[0].item[0].linkId'],
  ['v2-to-fhir-samples/fhir-bundles/FHIR_bundle.hl7_ADT_A01.json', 'Coverage.status'],
  ['v2-to-fhir-samples/fhir-bundles/FHIR_bundle.hl7_ADT_A01.json', 'RelatedPerson.patient'],
  ['v2-to-fhir-samples/fhir-bundles/FHIR_bundle.hl7_ADT_A01.json', 'RelatedPerson.patient'],
  // A code outside of a required value set (name-use).
  ['v2-to-fhir-samples/fhir-bundles/FHIR_bundle.hl7_ADT_A01.json', 'Practitioner.name[0].use'],
  // Primitives that are empty, or no dates.
  [
    'nhs-eps/spec/errors/prescription-order-update/bundle-success.json',
    'PractitionerRole.code[0].coding[0].display',
  ],
  ['testscripts/testscript-engine/fixtures/Patient/example2.json', 'Patient.birthDate'],
  ['v2-to-fhir-samples/fhir-bundles/FHIR_bundle.hl7_ADT_A01.json', 'Patient.extension[0].value'],
  // A Practitioner where an Organization is to dispense.
  ['hl7-r4-prescriptions/MedicationRequest-medrx0301.json', 'MedicationRequest.dispenseRequest.performer'],
].map((each) => each.join(': '))

let clinic: TestClinic
let clients: Record<'platform' | 'ehr' | 'pharmacy' | 'operator' | 'auditor', TestClient>

beforeAll(async () => {
  clinic = await openClinic()
  const client = (
    id: string,
    role: 'platform' | 'ehr' | 'pharmacy' | 'operator' | 'auditor',
    organization: Reference,
  ) =>
    clinic.client({
      id,
      role,
      organization,
      scopes: ['system/*.cruds'],
      purposes: ['TREAT'],
      grants: ['assign-ids'],
      webhooks: {
        addresses: ['https://biliwatch.com/customers/mount-auburn-miu/on-result'],
        secret: `whsec_${btoa('k'.repeat(32))}`,
      },
    })
  clients = {
    platform: await client('platform', 'platform', readers),
    ehr: await client('ehr', 'ehr', readers),
    pharmacy: await client('pharmacy', 'pharmacy', dispensary),
    operator: await client('operator', 'operator', readers),
    auditor: await client('auditor', 'auditor', readers),
  }
})
afterAll(async () => {
  // Not `close`, which checks the log: others' events stand in it here, by profiles that are not ours.
  await clinic.stop()
  rmSync(clinic.folder, { recursive: true, force: true })
})

/** In the state in which what is new may come in by the rules of care; everything else stays as it was published. */
function asNew(resource: Identified): Identified {
  if (resource.resourceType === 'MedicationRequest' || resource.resourceType === 'Task')
    return { ...resource, status: 'draft' }
  if (resource.resourceType === 'Subscription')
    return { ...resource, status: 'off', criteria: 'Communication?status=completed' }
  if (resource.resourceType !== 'MedicationDispense') return resource
  const { authorizingPrescription = [], supportingInformation = [], performer = [] } = resource
  // On an order that is here: those that the example has within itself are named elsewhere in it.
  const within = authorizingPrescription.filter(({ reference }) => reference?.startsWith('#'))
  return {
    ...resource,
    authorizingPrescription: [{ reference: `MedicationRequest/${resource.id}` }],
    ...(within.length > 0 ? { supportingInformation: [...supportingInformation, ...within] } : {}),
    performer: [...performer, { actor: { reference: dispensary } }],
  }
}

function writerOf(type: string): TestClient {
  if (type === 'Device') return clients.operator
  if (type === 'MedicationDispense') return clients.pharmacy
  return type === 'Subscription' ? clients.ehr : clients.platform
}

function readerOf(type: string): TestClient {
  if (type === 'AuditEvent') return clients.auditor
  return [...handedIn, ...written, 'MedicationDispense'].includes(type) ? clients.ehr : writerOf(type)
}

interface Answered {
  resource?: Identified
  response: {
    status: string
    location?: string
    outcome?: { issue: { diagnostics?: string; expression?: string[] }[] }
  }
}

/** In Bundles of a hundred, over HTTP. */
async function batch(client: TestClient, entries: readonly object[]): Promise<Answered[]> {
  const answered: Answered[] = []
  for (let from = 0; from < entries.length; from += 100) {
    const bundle = { resourceType: 'Bundle', type: 'batch', entry: entries.slice(from, from + 100) }
    const { status, text } = await client.request('POST', '/fhir', stringifyJson(bundle))
    expect(status, text.slice(0, 300)).toBe(200)
    answered.push(...(parseJson(text, { maxBytes: 20_000_000 }) as { entry: Answered[] }).entry)
  }
  return answered
}

/** Where each stands, or why it was refused. */
async function stored(examples: readonly Published[]): Promise<Map<Published, Answered['response']>> {
  const responses = new Map<Published, Answered['response']>()
  for (const [writer, some] of Map.groupBy(examples, ({ type }) => writerOf(type))) {
    const entries = some.map(({ type, place, resource }) => {
      const request = handedIn.includes(type) ? { method: 'POST', url: type } : { method: 'PUT', url: place }
      return { request, resource }
    })
    const answered = await batch(writer, entries)
    for (const [at, example] of some.entries()) {
      const { response } = answered[at] ?? {}
      if (response) responses.set(example, response)
    }
  }
  return responses
}
/** What makes each patient's content be shown to the readers, and the order that each dispense is on. */
async function openTo(examples: readonly Published[]): Promise<void> {
  const patients = new Set(examples.flatMap(({ resource }) => patientOf(resource) ?? []))
  const participant = [{ member: { reference: readers } }]
  const teams = [...patients].map((patient, at) => ({
    request: { method: 'PUT', url: `CareTeam/readers-${at}` },
    resource: {
      resourceType: 'CareTeam',
      id: `readers-${at}`,
      status: 'active',
      subject: { reference: patient },
      participant,
    },
  }))
  const made = await batch(clients.platform, teams)
  expect(made.map(({ response }) => response.status)).toEqual(teams.map(() => '201'))
  const orders = examples.flatMap(({ type, resource }): Identified[] => {
    const subject = { reference: patientOf(resource) ?? '' }
    const performer = { reference: dispensary }
    const order = { status: 'active', intent: 'order', medicationCodeableConcept: { text: 'x' } } as const
    const all = { ...order, id: resource.id, subject, dispenseRequest: { performer } }
    return type === 'MedicationDispense' ? [{ resourceType: 'MedicationRequest', ...all }] : []
  })
  await keep(orders)
}

/** As the gateway itself stores what it writes. */
async function keep(resources: readonly Identified[]): Promise<void> {
  const at = Date.now()
  const writes = resources.map((resource) => ({
    resource: versioned(resource, resource.id, 1, at),
    version: 1,
    updated: at,
  }))
  await clinic.store.commit({ audit: [], writes })
}

async function keepEvents(events: readonly Identified[]): Promise<void> {
  const recorded = Date.now()
  const audit = events.map((event) => ({
    id: event.id,
    recorded,
    json: stringifyJson(versioned(event, event.id, 1, recorded)),
    entities: [],
  }))
  await clinic.store.commit({ audit })
}

interface Trip {
  refused: string[]
  /** Place by example. */
  standing: [Published, string][]
}

async function sent(examples: readonly Published[]): Promise<Trip> {
  const trip: Trip = { refused: [], standing: [] }
  for (const [example, { status, location = '', outcome }] of await stored(examples)) {
    const place = /[A-Z][A-Za-z]+\/[^/]+(?=\/_history)/.exec(location)?.[0]
    if (status === '201' && place) trip.standing.push([example, place])
    else {
      const { expression, diagnostics } = outcome?.issue[0] ?? {}
      trip.refused.push(`${example.from}: ${expression?.[0] ?? diagnostics}`)
    }
  }
  return trip
}

/** What differs from what was sent; nothing where all is well. */
async function differencesOf(standing: Trip['standing']): Promise<string[]> {
  const differences: string[] = []
  for (const [reader, some] of Map.groupBy(standing, ([{ type }]) => readerOf(type))) {
    const entries = some.map(([, url]) => ({ request: { method: 'GET', url } }))
    const answered = await batch(reader, entries)
    for (const [at, [{ from, resource }]] of some.entries()) {
      const read = answered[at]?.resource
      if (!read) differences.push(`${from}: ${answered[at]?.response.status}`)
      else if (canonical(withoutGiven(read, resource)) !== canonical(resource)) differences.push(from)
    }
  }
  return differences
}

/** What the gateway says of a resource where its sender did not. */
const given: Readonly<Record<string, readonly string[]>> = {
  Task: ['requester', 'authoredOn', 'lastModified'],
  Subscription: ['extension'],
}

function withoutGiven(read: Identified, sent: Identified): object {
  const names = (given[sent.resourceType] ?? []).filter((name) => !(name in sent))
  return Object.fromEntries(Object.entries(read).filter(([name]) => !names.includes(name)))
}

describe('what others published', () => {
  it('is stored and read back with every digit, extension and contained resource, or refused for what is wrong with it', async () => {
    await openTo(published)
    const byGateway = published.filter(({ type }) => written.includes(type))
    const events = published.filter(({ type }) => type === 'AuditEvent')
    await keep(byGateway.map(({ resource }) => resource))
    await keepEvents(events.map(({ resource }) => resource))
    // Consents decide about the rest, so they come when that is read.
    const consents = published.filter(({ type }) => type === 'Consent')
    const apart = new Set([...byGateway, ...events, ...consents])
    const first = await sent(published.filter((example) => !apart.has(example)))
    const own = [...byGateway, ...events].map((each): [Published, string] => [each, each.place])
    expect(await differencesOf([...first.standing, ...own])).toEqual([])
    const second = await sent(consents)
    expect(await differencesOf(second.standing)).toEqual([])
    expect([...first.refused, ...second.refused].toSorted()).toEqual(wrong.toSorted())
    expect(published.length - wrong.length).toBeGreaterThan(1_400)
  }, 120_000)
})
