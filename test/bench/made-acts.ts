// What happens in a made-up clinic: messages, screenings and prescriptions of its patients, the same for the same seed.
import { readFileSync } from 'node:fs'
import { type Identified, type Reference, type Resource, referenceTo, versioned } from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'
import { ehrOrganization } from './messages.ts'
import { createRandom, type Random } from './random.ts'

/** What one commit brings. */
export interface MadeAct {
  kind: 'create' | 'ingest'
  /** Milliseconds since the epoch. */
  at: number
  patient?: Reference
  resources: Identified[]
}

export interface Plan {
  seed: number
  resources: number
  /** The last act; milliseconds since the epoch. */
  until: number
}

/** The clinic that all patients belong to, so that who acts for it sees them. */
export const organization: Reference = 'Organization/northside'

const dayMs = 24 * 60 * 60_000
/** How far back the first message lies. */
const spanMs = 730 * dayMs
/** Orders older than this are done with. */
const orderMs = 90 * dayMs
const practitioners = 40
/**
 * Acts of a patient on average. A message and a screening become two resources, a prescription three; with these a
 * patient has some 67, four of five of them messages and their Provenance, and half of the patients fill a page of 20.
 */
const mean = { message: 24, screening: 3, prescription: 4 }
const perPatient = 1 + 2 * mean.message + 2 * mean.screening + 3 * mean.prescription

/**
 * As many resources as asked for, to the act, in the order of time: patients are known from the beginning, then they
 * write, answer and are prescribed for in turn, some much more often than others.
 */
export function* madeActs({ seed, resources, until }: Plan): Generator<MadeAct> {
  const random = createRandom(seed)
  const start = until - spanMs
  const patients = Math.max(1, Math.round(resources / perPatient))
  const staff = Array.from({ length: practitioners }, () => random.uuid())
  yield {
    kind: 'create',
    at: start,
    resources: [
      versioned(ehrOrganization as Resource, organization.slice('Organization/'.length), 1, start),
      ...staff.map((id, n) => practitioner(id, n, start)),
    ],
  }
  let made = 1 + practitioners
  const chart: Chart = { random, until, ids: [], staff }
  for (let n = 0; n < patients; n++, made++) {
    const id = random.uuid()
    chart.ids.push(id)
    yield { kind: 'create', at: start, patient: `Patient/${id}`, resources: [patientOf(random, id, start)] }
  }
  const pick = weighted(random, patients)
  const acts = mean.message + mean.screening + mean.prescription
  const step = spanMs / Math.max(1, patients * acts)
  for (let at = start; made < resources; at = Math.min(at + step, until)) {
    const die = random.below(acts)
    const make = die < mean.message ? message : die < mean.message + mean.screening ? screening : prescription
    const patient: Reference = `Patient/${chart.ids[pick()]}`
    const stored = make(chart, patient, Math.floor(at))
    made += stored.length
    yield { kind: 'ingest', at: Math.floor(at), patient, resources: stored }
  }
}

interface Chart {
  random: Random
  until: number
  ids: string[]
  staff: string[]
}

/** Patients by how much they have to do with the clinic: exponential, as the length of an illness. */
function weighted(random: Random, count: number): () => number {
  const sums = new Float64Array(count)
  let sum = 0
  for (let n = 0; n < count; n++) {
    sum -= Math.log(1 - random.number())
    sums[n] = sum
  }
  return () => {
    const at = random.number() * sum
    let low = 0
    for (let high = count - 1; low < high; ) {
      const middle = (low + high) >> 1
      if ((sums[middle] ?? 0) < at) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** What the mappings make, by flow and type: the goldens are what a message looks like once it is stored. */
const golden = {
  message: goldenOf('secure-message/patient-to-clinician'),
  screening: goldenOf('eligibility-result/eligible'),
  prescription: goldenOf('prescription/active-attested'),
}

type Golden = Record<string, Record<string, unknown>>

function goldenOf(name: string): Golden {
  const file = new URL(`../../fixtures/${name}.out.json`, import.meta.url)
  const { resources } = parseJson(readFileSync(file)) as { resources: { resourceType: string }[] }
  return Object.fromEntries(resources.map((each) => [each.resourceType, { ...each }]))
}

function message({ random, staff }: Chart, patient: Reference, at: number): Identified[] {
  const id = random.uuid()
  const clinician = { reference: `Practitioner/${staff[random.below(staff.length)]}` }
  const person = { reference: patient }
  const fromPatient = random.below(2) === 0
  const sent = new Date(at).toISOString()
  const communication = filled(golden.message, 'Communication', id, at, {
    extension: [
      {
        url: 'https://postern.health/fhir/StructureDefinition/message-thread',
        valueIdentifier: {
          system: 'https://postern.health/fhir/sid/thread/platform',
          value: `th-${random.below(1e9)}`,
        },
      },
    ],
    identifier: [{ system: 'https://postern.health/fhir/sid/message/platform', value: `msg-${id}` }],
    subject: person,
    topic: { text: words(random, 3) },
    sent,
    received: sent,
    sender: fromPatient ? person : clinician,
    recipient: [fromPatient ? clinician : person, { reference: organization }],
    payload: [{ contentString: words(random, 10 + random.below(80)) }],
  })
  return [communication, provenance(random, golden.message, patient, [communication])]
}

function screening({ random }: Chart, patient: Reference, at: number): Identified[] {
  const id = random.uuid()
  const response = filled(golden.screening, 'QuestionnaireResponse', id, at, {
    identifier: { system: 'https://postern.health/fhir/sid/screening/platform', value: `scr-${id}` },
    subject: { reference: patient },
    source: { reference: patient },
    authored: new Date(at).toISOString(),
  })
  return [response, provenance(random, golden.screening, patient, [response])]
}

function prescription({ random, staff, until }: Chart, patient: Reference, at: number): Identified[] {
  const id = random.uuid()
  const prescriber = { reference: `Practitioner/${staff[random.below(staff.length)]}` }
  const open = until - at < orderMs
  const when = new Date(at).toISOString()
  const group = { system: 'https://postern.health/fhir/sid/prescription/platform', value: `grp-${id}` }
  const { dispenseRequest } = golden.prescription.MedicationRequest ?? {}
  const order = filled(golden.prescription, 'MedicationRequest', id, at, {
    identifier: [{ system: 'https://postern.health/fhir/sid/message/platform', value: `rx-${id}` }],
    status: open ? 'active' : 'completed',
    subject: { reference: patient },
    authoredOn: when,
    requester: prescriber,
    groupIdentifier: group,
    dispenseRequest: {
      ...(dispenseRequest as object),
      validityPeriod: { start: day(at), end: day(at + 5 * 365 * dayMs) },
    },
    priorPrescription: undefined,
  })
  const task = filled(golden.prescription, 'Task', random.uuid(), at, {
    groupIdentifier: group,
    status: open ? 'requested' : 'completed',
    focus: { reference: referenceTo(order) },
    for: { reference: patient },
    authoredOn: when,
    lastModified: when,
    requester: prescriber,
  })
  return [order, task, provenance(random, golden.prescription, patient, [order, task])]
}

function provenance(random: Random, of: Golden, patient: Reference, about: Identified[]): Identified {
  const at = Date.parse(about[0]?.meta?.lastUpdated ?? '')
  const targets = about.map((each) => ({ reference: `${referenceTo(each)}/_history/1` }))
  return filled(of, 'Provenance', random.uuid(), at, {
    target: [...targets, { reference: patient }],
    recorded: new Date(at).toISOString(),
    entity: [
      {
        role: 'source',
        what: {
          identifier: {
            system: 'https://postern.health/fhir/sid/sha-256',
            value: `${random.uuid()}${random.uuid()}`.replaceAll('-', ''),
          },
        },
      },
    ],
  })
}

/** The golden resource with parts of its own; the rest is shared, and its decimals keep their text. */
function filled(of: Golden, type: string, id: string, at: number, own: Record<string, unknown>): Identified {
  const shape = of[type]
  if (!shape) throw new Error(`The fixture holds no ${type} any more`)
  return versioned({ ...shape, ...own } as unknown as Resource, id, 1, at)
}

function patientOf(random: Random, id: string, at: number): Identified {
  const family = random.pick(families)
  const patient = {
    resourceType: 'Patient',
    identifier: [{ system: 'https://hospital.example/mrn', value: `MRN-${random.below(1e9)}` }],
    name: [{ family, given: [random.pick(givens)] }],
    gender: random.pick(['female', 'male']),
    birthDate: day(random.below(Date.UTC(2005, 0))),
    telecom: [
      { system: 'phone', value: `+1312${String(random.below(1e7)).padStart(7, '0')}`, use: 'mobile' },
    ],
    address: [{ line: [`${1 + random.below(999)} ${random.pick(streets)}`], city: random.pick(cities) }],
    managingOrganization: { reference: organization },
  }
  return versioned(patient as Resource, id, 1, at)
}

function practitioner(id: string, n: number, at: number): Identified {
  const identifier = [{ system: 'http://hl7.org/fhir/sid/us-npi', value: String(1_000_000_000 + n) }]
  const name = [{ family: families[n % families.length], given: [givens[n % givens.length] ?? ''] }]
  return versioned({ resourceType: 'Practitioner', identifier, name } as Resource, id, 1, at)
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}

function words(random: Random, count: number): string {
  return Array.from({ length: count }, () => random.pick(vocabulary)).join(' ')
}

const families: [string, ...string[]] = [
  'Okafor',
  'Lindqvist',
  'Moreau',
  'Tanaka',
  'Haddad',
  'Novak',
  'Silva',
]
const givens: [string, ...string[]] = ['Ada', 'Jonas', 'Mira', 'Tomas', 'Leila', 'Ken', 'Inês', 'Paul']
const streets: [string, ...string[]] = ['Elm Street', 'Lake Avenue', 'Mill Road', 'Station Square']
const cities: [string, ...string[]] = ['Chicago', 'Evanston', 'Oak Park', 'Cicero']
const vocabulary = (
  'since the new tablets I have had a headache every morning and feel dizzy when standing up should I go on with ' +
  'half of them or stop until we speak please call me back after work thank you for the quick answer my blood ' +
  'pressure was lower this week but sleep is still poor and the rash on my arm has not gone away'
).split(' ') as [string, ...string[]]
