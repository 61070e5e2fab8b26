import { readdirSync, readFileSync } from 'node:fs'
import type { AuditEvent, AuditEventAgent } from 'fhir/r4'
import { describe, expect, test } from 'vitest'
import { createAudit } from '#audit/balp.ts'
import type { Act } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import type { Resource } from '#core/resource.ts'
import { createValidator } from '#validator/validator.ts'

const root = new URL('../../', import.meta.url)
const readJson = (path: string) => JSON.parse(readFileSync(new URL(path, root), 'utf8'))
const readFolder = (path: string): Resource[] =>
  readdirSync(new URL(path, root)).map((file) => readJson(`${path}/${file}`))

const validator = createValidator({
  base: readJson('profiles/base/r4.json'),
  profiles: readFolder('fixtures/third-party/balp/definitions'),
})
const profileBase = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.'
const known = new Set(validator.profilesOf('AuditEvent'))

const numbers = Array.from({ length: 10_000 }, (_, index) => String(index).padStart(12, '0'))
const audit = createAudit({
  server: {
    name: 'clinic.example.org',
    reference: 'Device/postern',
    address: 'https://clinic.example.org/fhir',
  },
  ids: { random: () => `00000000-0000-4000-8000-${numbers.pop()}` },
})

const ehr: Caller = {
  clientId: 'ehr-1',
  name: 'General Hospital EHR',
  role: 'ehr',
  scopes: ['system/*.rs'],
  actors: ['Organization/general'],
  purpose: 'TREAT',
  grants: [],
  tokenId: 'jti-4711',
  network: '10.1.2.3',
}
const clinician: Caller = {
  ...ehr,
  clientId: 'portal',
  name: 'Dr. "Ada" Okoro',
  role: 'clinician',
  actors: ['Organization/general', 'Practitioner/ada'],
}
const patient: Caller = { ...clinician, name: 'CANARY-NAME', role: 'patient', actors: ['Patient/p1'] }

const base: Omit<Act, 'kind'> = {
  outcome: 'success',
  at: Date.UTC(2026, 4, 1, 12, 30),
  requestId: 'req-1',
  caller: ehr,
  patients: ['Patient/p1'],
  entities: ['Communication/c1'],
  consents: ['Consent/k1'],
  reasons: ['role:ehr', 'consent:permit'],
}

const kinds: Record<Act['kind'], Act> = {
  read: { ...base, kind: 'read' },
  vread: { ...base, kind: 'vread', entities: ['Communication/c1/_history/1'] },
  history: { ...base, kind: 'history' },
  search: { ...base, kind: 'search', query: 'Communication?patient=Patient/p1&_count=20' },
  create: { ...base, kind: 'create', entities: ['Communication/c1/_history/1'] },
  update: { ...base, kind: 'update', entities: ['Communication/c1/_history/2'] },
  delete: { ...base, kind: 'delete', entities: ['Communication/c1/_history/3'] },
  sign: {
    ...base,
    kind: 'sign',
    entities: ['MedicationRequest/m1/_history/2', 'Provenance/v1/_history/1', 'Task/t1/_history/1'],
  },
  view: { ...base, kind: 'view', entities: ['Communication/c1'] },
  ingest: {
    ...base,
    kind: 'ingest',
    entities: ['Communication/c1/_history/1', 'Patient/p1/_history/1', 'Provenance/v1/_history/1'],
  },
  token: {
    ...base,
    kind: 'token',
    caller: { ...ehr, tokenId: undefined },
    patients: [],
    entities: [],
    consents: [],
    query: 'grant_type=client_credentials&scope=system%2FCommunication.rs',
  },
  'sign-in': { ...base, kind: 'sign-in', patients: [], entities: ['Practitioner/d1'], consents: [] },
  'sign-out': { ...base, kind: 'sign-out', patients: [], entities: [], consents: [] },
  disclosure: {
    ...base,
    kind: 'disclosure',
    caller: { ...ehr, tokenId: undefined },
    recipient: { name: 'Pharmacy', reference: 'Organization/pharmacy', address: 'mllp://10.9.8.7:2575' },
  },
  transmission: {
    ...base,
    kind: 'transmission',
    recipient: { name: 'Pharmacy', address: 'pharmacy.example' },
  },
  export: { ...base, kind: 'export', patients: [], entities: [] },
  erase: { ...base, kind: 'erase', entities: [] },
  configuration: { ...base, kind: 'configuration', patients: [], entities: [], caller: undefined },
  alert: { ...base, kind: 'alert', patients: [], caller: undefined },
  start: { ...base, kind: 'start', patients: [], entities: [], caller: undefined },
}

function told(act: Act): AuditEvent[] {
  return audit.record(act).map((entry) => JSON.parse(entry.json))
}
function tell(act: Act): AuditEvent {
  const [event] = told(act)
  if (!event) throw new Error('an act made no event')
  return event
}
const isDecision = (event: AuditEvent) => event.subtype?.[0]?.code === 'AuthZ-Consent'
const profiles = (event: AuditEvent) =>
  (event.meta?.profile ?? []).map((url) => url.slice(profileBase.length))
const codesOf = (agent: AuditEventAgent | undefined) => agent?.type?.coding?.map((coding) => coding.code)
const errors = (event: unknown) =>
  validator.check(event).filter((issue) => (issue.severity ?? 'error') === 'error')

describe('the definitions', () => {
  test('are all known, and accept the official examples', () => {
    expect(known.size).toBe(15)
    for (const example of readFolder('fixtures/third-party/balp/examples')) {
      for (const profile of example.meta?.profile ?? []) expect(known).toContain(profile)
      expect(errors(example), example.id).toEqual([])
    }
  })

  test('are really applied: an example without its client, or with source and destination swapped, is refused', () => {
    const example = readJson('fixtures/third-party/balp/examples/AuditEvent-ex-auditBasicReadServer.json')
    expect(errors({ ...example, agent: example.agent.slice(1) })).not.toEqual([])
    const swapped = JSON.stringify(example)
      .replaceAll('110152', 'x')
      .replaceAll('110153', '110152')
      .replaceAll('x', '110153')
    expect(errors({ ...JSON.parse(swapped), action: 'C' })).not.toEqual([])
    expect(errors({ ...example, outcome: '8' })).not.toEqual([])
  })
})

describe('an AuditEvent', () => {
  const callers = { ehr, clinician, patient, 'MLLP peer': { ...ehr, tokenId: undefined } }

  test.each(Object.keys(kinds) as Act['kind'][])(
    'of every %s is valid and meets every profile it claims',
    (kind) => {
      for (const caller of [undefined, ...Object.values(callers)]) {
        for (const outcome of ['success', 'denied', 'failed'] as const) {
          for (const patients of [kinds[kind].patients, []]) {
            for (const event of told({ ...kinds[kind], caller, outcome, patients })) {
              for (const profile of event.meta?.profile ?? []) expect(known).toContain(profile)
              expect(errors(event)).toEqual([])
              expect(event.agent.filter((agent) => agent.requestor)).toHaveLength(1)
              if (outcome !== 'success' && !isDecision(event)) expect(event.meta?.profile).toBeUndefined()
            }
          }
        }
      }
    },
  )

  test.each([
    ['read', 'BasicAudit.PatientRead', 'BasicAudit.Read'],
    ['vread', 'BasicAudit.PatientRead', 'BasicAudit.Read'],
    ['search', 'BasicAudit.PatientQuery', 'BasicAudit.Query'],
    ['create', 'BasicAudit.PatientCreate', 'BasicAudit.Create'],
    ['ingest', 'BasicAudit.PatientCreate', 'BasicAudit.Create'],
    ['update', 'BasicAudit.PatientUpdate', 'BasicAudit.Update'],
    ['delete', 'BasicAudit.PatientDelete', 'BasicAudit.Delete'],
  ] as const)(
    'of a successful %s claims %s, without patient %s, with the variant of its token',
    (kind, one, none) => {
      const system = 'BasicAudit.OAUTHaccessTokenUse.Comprehensive'
      const user = 'BasicAudit.OAUTHaccessTokenUse.Minimal'
      expect(profiles(tell(kinds[kind]))).toEqual([one, system])
      expect(profiles(tell({ ...kinds[kind], patients: [] }))).toEqual([none, system])
      expect(profiles(tell({ ...kinds[kind], caller: clinician }))).toEqual([one, user])
      expect(profiles(tell({ ...kinds[kind], caller: { ...ehr, tokenId: undefined } }))).toEqual([one])
    },
  )

  test('of a token and of a disclosure claim their own profiles; history and the others claim none', () => {
    expect(profiles(tell(kinds.token))).toEqual(['IUA.71'])
    expect(profiles(tell(kinds.disclosure))).toEqual(['BasicAudit.PrivacyDisclosure.Source'])
    expect(profiles(tell({ ...kinds.history, caller: { ...ehr, tokenId: undefined } }))).toEqual([])
    expect(profiles(tell(kinds.configuration))).toEqual([])
    expect(profiles(tell(kinds.start))).toEqual([])
  })

  test('has the server as the source of a read and as the destination of a write and of a query', () => {
    const agents = (kind: Act['kind']) => tell(kinds[kind]).agent.map((agent) => codesOf(agent)?.[0])
    expect(agents('read')).toEqual(['110152', '110153'])
    expect(agents('create')).toEqual(['110153', '110152'])
    expect(agents('search')).toEqual(['110153', '110152'])
    expect(agents('delete')).toEqual(['110150', 'custodian'])
  })

  test('names the token by its id, with the URN, on the agent that used it', () => {
    const policy = ['urn:ietf:params:oauth:jti:jti-4711']
    expect(tell(kinds.read).agent.map((agent) => agent.policy)).toEqual([policy, undefined])
    const [client, , user] = tell({ ...kinds.read, caller: clinician }).agent
    expect(client?.policy).toBeUndefined()
    expect(user).toMatchObject({
      policy,
      requestor: true,
      who: { reference: 'Practitioner/ada' },
      name: 'Dr. "Ada" Okoro',
    })
    expect(codesOf(user)).toEqual(['IRCP', 'UserOauthAgent'])
  })

  test('of a system has no user agent; the system asks', () => {
    const { agent } = tell(kinds.read)
    expect(agent).toHaveLength(2)
    expect(agent[0]).toMatchObject({ requestor: true, who: { identifier: { value: 'ehr-1' } } })
    expect(agent[0]?.network).toEqual({ address: '10.1.2.3', type: '2' })
  })

  test('says that an address is unknown instead of inventing one', () => {
    const event = tell({ ...kinds.read, caller: { ...ehr, network: undefined } })
    expect(event.agent[0]?.network).toEqual({
      extension: [
        { url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' },
      ],
    })
  })

  test('is one for each patient, with that patient only', () => {
    const entries = audit.record({ ...kinds.search, patients: ['Patient/p1', 'Patient/p2', 'Patient/p1'] })
    expect(entries.map((entry) => entry.patient)).toEqual(['Patient/p1', 'Patient/p2'])
    expect(entries[0]?.json).not.toContain('Patient/p2')
    expect(entries[1]?.json).toContain('Patient/p2')
    expect(new Set(entries.map((entry) => entry.id)).size).toBe(2)
  })

  test('can be found by what it is about, whatever the version', () => {
    const [entry] = audit.record(kinds.ingest)
    expect(entry).toMatchObject({
      recorded: base.at,
      patient: 'Patient/p1',
      agent: 'ehr-1',
      entities: ['Communication/c1', 'Patient/p1', 'Provenance/v1'],
    })
    expect(tell(kinds.ingest).entity?.map((entity) => entity.what?.reference)).toContain(
      'Provenance/v1/_history/1',
    )
    expect(tell(kinds.ingest).recorded).toBe('2026-05-01T12:30:00.000Z')
  })

  test('holds the request id, the consents and the rules that decided', () => {
    const entities = tell(kinds.read).entity ?? []
    const transaction = entities.find((entity) => entity.type?.code === 'XrequestId')
    expect(transaction?.what?.identifier?.value).toBe('req-1')
    expect(transaction?.detail?.map((detail) => detail.valueString)).toEqual(['role:ehr', 'consent:permit'])
    expect(entities.find((entity) => entity.type?.code === 'Consent')?.what?.reference).toBe('Consent/k1')
  })

  test('of a disclosure names its recipient and purpose, and its source is the observer itself', () => {
    const event = tell(kinds.disclosure)
    const [recipient, source] = event.agent
    expect(recipient).toMatchObject({
      who: { reference: 'Organization/pharmacy', display: 'Pharmacy' },
      network: { address: 'mllp://10.9.8.7:2575', type: '5' },
    })
    expect(source?.who).toEqual(event.source.observer)
    expect(event.purposeOfEvent?.[0]?.coding?.[0]?.code).toBe('TREAT')
  })

  test('of a decision that consents made about a person is one more, permit and deny alike', () => {
    const decisions = (act: Partial<Act>) =>
      told({ ...kinds.read, caller: clinician, ...act }).filter(isDecision)
    for (const outcome of ['success', 'denied'] as const) {
      const [decision] = decisions({ outcome })
      expect(profiles(decision ?? fail())).toEqual(['BasicAudit.AuthZconsent'])
      expect(decision?.outcome).toBe(outcome === 'success' ? '0' : '8')
      expect(decision?.entity?.map((each) => each.what?.reference)).toEqual(['Patient/p1', 'Consent/k1'])
    }
    const none = [
      { caller: ehr },
      { caller: { ...clinician, actors: ['Practitioner/ada'] as const } },
      { consents: [] },
      { patients: [] },
      { patients: ['Patient/p1', 'Patient/p2'] as const },
      { outcome: 'failed' as const },
    ]
    for (const act of none) expect(decisions(act)).toEqual([])
  })

  test('of a failure says why, and as which outcome', () => {
    const event = tell({ ...kinds.read, outcome: 'denied', outcomeText: 'This token does not allow it.' })
    expect(event).toMatchObject({ outcome: '8', outcomeDesc: 'This token does not allow it.' })
    expect(tell({ ...kinds.read, outcome: 'failed' }).outcome).toBe('4')
  })
})

describe('what must not be in an AuditEvent', () => {
  const jwt = 'eyJhbGciOiJFUzM4NCJ9.eyJqdGkiOiIxIn0.c2lnbmF0dXJl'
  const queryOf = (event: AuditEvent) => Buffer.from(event.entity?.[0]?.query ?? '', 'base64').toString()

  test('a search is kept as it was sent in base64, and readable by the names of its parameters only', () => {
    const query = 'Patient?name=CANARY&birthdate=1980-01-01&code=loinc|1&%6eame=ü'
    const event = tell({ ...kinds.search, query })
    expect(queryOf(event)).toBe(query)
    expect(event.entity?.[0]?.description).toBe('Patient?name&birthdate&code&name')
    expect(JSON.stringify(event)).not.toContain('CANARY')
  })

  test('a search by POST is told the same way', () => {
    const query = 'POST /fhir/Patient/_search HTTP/1.1\nAuthorization: Bearer CANARY\n\nname=CANARY&_count=1'
    const event = tell({ ...kinds.search, query })
    expect(event.entity?.[0]?.description).toBe('POST Patient/_search?name&_count')
    expect(queryOf(event)).not.toContain('Bearer CANARY')
  })

  test.each([
    `grant_type=client_credentials&client_assertion=${jwt}`,
    'grant_type=authorization_code&code=SECRET&code_verifier=SECRET',
    'client%5Fsecret=SECRET&Refresh_Token=SECRET',
    `POST /token HTTP/1.1\nauthorization: Basic SECRET\n\nassertion=SECRET&x=${jwt}`,
  ])('a credential in a token request: %s', (query) => {
    for (const outcome of ['success', 'denied'] as const) {
      const event = tell({ ...kinds.token, query, outcome })
      expect(queryOf(event)).not.toMatch(/SECRET|eyJ/)
      expect(JSON.stringify(event)).not.toMatch(/SECRET|eyJ/)
    }
  })

  test('a token in a search, however its name is written', () => {
    const event = tell({ ...kinds.search, query: `Patient?acc%65ss_token=SECRET&_id=1&x=${jwt}` })
    expect(queryOf(event)).toBe('Patient?acc%65ss_token=…&_id=1&x=…')
  })

  test('the name of a patient who reads', () => {
    for (const actors of [patient.actors, []]) {
      expect(JSON.stringify(tell({ ...kinds.read, caller: { ...patient, actors } }))).not.toContain('CANARY')
    }
  })
})

function fail(): never {
  throw new Error('no event')
}
