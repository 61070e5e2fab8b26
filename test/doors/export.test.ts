import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Reference, versioned } from '#core/resource.ts'
import { type Answer, openClinic, type TestClient } from '../open-clinic.ts'
import { postern, startGateway } from './command-line.ts'
import { fixture, made, openScene, placesIn, prepareFolder, resourcesOf, type Scene } from './scene.ts'

/** Bulk Data Access over the doors: https://hl7.org/fhir/uv/bulkdata/STU2/export.html */

let scene: Scene
let other: Reference
let stranger: Reference
let messages: Reference[]

const coded = (system: string, code: string) => ({ coding: [{ system, code }] })
const later = { prefer: 'respond-async' }

function messageAbout(patient: Reference, text: string, by: Reference): { resourceType: string } {
  const person = { reference: patient }
  const sent = { sent: '2026-11-20T08:00:00Z', payload: [{ contentString: text }] }
  return {
    resourceType: 'Communication',
    status: 'completed',
    subject: person,
    sender: { reference: by },
    ...sent,
  } as never
}

beforeAll(async () => {
  scene = await openScene()
  const { platform, ehr, organizations } = scene
  const person = (family: string, organization: Reference) => ({
    resourceType: 'Patient',
    name: [{ family }],
    managingOrganization: { reference: organization },
  })
  other = await made(platform, person('Second', organizations.northside))
  stranger = await made(platform, person('Hidden', organizations.elsewhere))
  messages = []
  for (const [patient, text] of [
    [scene.patient, 'one'],
    [other, 'two'],
    [scene.patient, 'three'],
  ] as const)
    messages.push(await made(ehr, messageAbout(patient, text, organizations.northside)))
  await made(scene.stranger, messageAbout(stranger, 'canary', organizations.elsewhere))
})
afterAll(() => scene.clinic.close())

const pathOf = (url: string) => new URL(url).pathname + new URL(url).search

async function begin(client: TestClient, path: string): Promise<string> {
  const answer = await client.request('GET', path, undefined, later)
  expect(answer.status, answer.text).toBe(202)
  return pathOf(answer.headers.get('content-location') ?? '')
}

/** Polls as a patient client does, until the manifest is there. */
async function manifestOf(client: TestClient, status: string): Promise<Answer> {
  return vi.waitFor(
    async () => {
      const answer = await client.request('GET', status)
      expect(answer.status, answer.text).toBe(200)
      return answer
    },
    { timeout: 15_000, interval: 1_100 },
  )
}

interface Files {
  // biome-ignore lint/suspicious/noExplicitAny: a manifest is read as it comes
  manifest: any
  // biome-ignore lint/suspicious/noExplicitAny: a line is a resource of any type
  lines: any[]
  status: string
}

async function linesOf(client: TestClient, url: string) {
  const answer = await client.request('GET', pathOf(url), undefined, { accept: 'application/fhir+ndjson' })
  expect(answer.status, answer.text).toBe(200)
  expect(answer.headers.get('content-type')).toBe('application/fhir+ndjson')
  return answer.text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

async function exported(client: TestClient, path: string): Promise<Files> {
  const status = await begin(client, path)
  const { body: manifest } = await manifestOf(client, status)
  const lines = []
  for (const { url } of manifest.output) lines.push(...(await linesOf(client, url)))
  return { manifest, lines, status }
}

const namesOf = (lines: { resourceType: string; id: string }[]) =>
  lines.map(({ resourceType, id }) => `${resourceType}/${id}`).sort()

describe('an export', () => {
  it('brings all that the client may search, each once, and nothing of anybody else', async () => {
    const { manifest, lines } = await exported(scene.ehr, '/fhir/$export')
    expect(manifest).toMatchObject({ requiresAccessToken: true, error: [], deleted: [] })
    expect(manifest.request).toMatch(/\/fhir\/\$export$/)
    const names = namesOf(lines)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual(expect.arrayContaining([...messages, scene.patient, other]))
    expect(names).toContain(scene.organizations.mainStreet)
    expect(names).not.toContain(stranger)
    expect(JSON.stringify(lines)).not.toContain('canary')
    for (const type of ['Communication', 'Patient', 'Organization', 'Task']) {
      const found = await scene.ehr.request('GET', `/fhir/${type}?_count=200`)
      expect(names.filter((each) => each.startsWith(`${type}/`))).toEqual(namesOf(resourcesOf(found.body)))
    }
  })

  it('of patients leaves the directory out, and of a group brings its members only', async () => {
    const patients = await exported(scene.ehr, '/fhir/Patient/$export')
    expect(namesOf(patients.lines)).toEqual([...messages, scene.patient, other].sort())
    const group = await made(scene.platform, {
      resourceType: 'Group',
      type: 'person',
      actual: true,
      managingEntity: { reference: scene.organizations.northside },
      member: [{ entity: { reference: other } }, { entity: { reference: scene.patient }, inactive: true }],
    })
    const members = await exported(scene.ehr, `/fhir/${group}/$export`)
    expect(namesOf(members.lines)).toEqual([messages[1], other].sort())
    const refused = await scene.stranger.request('GET', `/fhir/${group}/$export`, undefined, later)
    const none = await scene.stranger.request('GET', '/fhir/Group/none/$export', undefined, later)
    expect([refused.status, refused.body]).toEqual([none.status, none.body])
    expect(none.status).toBe(404)
  })

  it('takes _type, _typeFilter, _elements and patients, in the address and as Parameters', async () => {
    const { lines } = await exported(
      scene.ehr,
      `/fhir/Patient/$export?_type=Communication&_elements=Communication.payload&_typeFilter=${encodeURIComponent(`Communication?subject=${other}`)}&_typeFilter=${encodeURIComponent('Communication?status=unknown')}`,
    )
    expect(namesOf(lines)).toEqual([messages[1]])
    expect(Object.keys(lines[0]).sort()).toEqual(['id', 'meta', 'payload', 'resourceType', 'status'])
    expect(lines[0].meta.tag[0].code).toBe('SUBSETTED')
    const parameter = [
      { name: '_type', valueString: 'Communication' },
      { name: 'patient', valueReference: { reference: other } },
    ]
    const body = { resourceType: 'Parameters', parameter }
    const begun = await scene.ehr.request('POST', '/fhir/Patient/$export', body, later)
    expect(begun.status, begun.text).toBe(202)
    const { body: manifest } = await manifestOf(
      scene.ehr,
      pathOf(begun.headers.get('content-location') ?? ''),
    )
    expect(namesOf(await linesOf(scene.ehr, manifest.output[0].url))).toEqual([messages[1]])
  })

  it('since a moment brings what changed, and tells what was deleted', async () => {
    const { manifest: first } = await exported(scene.platform, '/fhir/$export?_type=Medication')
    const medication = (code: string) => ({ resourceType: 'Medication', code: coded('urn:drugs', code) })
    const gone = await made(scene.platform, medication('gone'))
    const { manifest: second } = await exported(scene.platform, '/fhir/$export?_type=Medication')
    const fresh = await made(scene.platform, medication('fresh'))
    await scene.platform.request('DELETE', `/fhir/${gone}`)
    const { lines, manifest } = await exported(
      scene.platform,
      `/fhir/$export?_type=Medication&_since=${second.transactionTime}`,
    )
    expect(second.transactionTime > first.transactionTime).toBe(true)
    expect(namesOf(lines)).toEqual([fresh])
    const deleted = await linesOf(scene.platform, manifest.deleted[0].url)
    expect(deleted).toEqual([
      { resourceType: 'Bundle', type: 'transaction', entry: [{ request: { method: 'DELETE', url: gone } }] },
    ])
  })

  it('shows what stood at its moment, also when it is changed before it is fetched', async () => {
    const message = await made(
      scene.ehr,
      messageAbout(scene.patient, 'before', scene.organizations.northside),
    )
    const status = await begin(scene.ehr, '/fhir/$export?_type=Communication')
    const { body: manifest } = await manifestOf(scene.ehr, status)
    const { body: stored, headers } = await scene.ehr.request('GET', `/fhir/${message}`)
    const changed = { ...stored, payload: [{ contentString: 'after' }] }
    await scene.ehr.request('PUT', `/fhir/${message}`, changed, { 'if-match': headers.get('etag') ?? '' })
    const url = manifest.output[0].url
    const line = (await linesOf(scene.ehr, url)).find(({ id }) => message.endsWith(id))
    expect([line.meta.versionId, line.payload[0].contentString]).toEqual(['1', 'before'])
    expect(await linesOf(scene.ehr, url)).toEqual(await linesOf(scene.ehr, url))
  })

  it('is refused without respond-async, for what it does not take, and where the token does not reach', async () => {
    const ask = async (path: string, headers: Record<string, string> = later) => {
      const { status, body } = await scene.ehr.request('GET', path, undefined, headers)
      return [status, body?.issue?.[0]?.code]
    }
    expect(await ask('/fhir/$export', {})).toEqual([400, 'structure'])
    expect(await ask('/fhir/$export?_until=2026')).toEqual([400, 'not-supported'])
    expect(await ask('/fhir/$export?_type=Observation')).toEqual([400, 'not-supported'])
    expect(await ask('/fhir/$export?_outputFormat=text/csv')).toEqual([400, 'not-supported'])
    expect(await ask('/fhir/$export?_since=yesterday')).toEqual([400, 'structure'])
    expect(await ask('/fhir/$export?_typeFilter=Task')).toEqual([400, 'structure'])
    expect(await ask('/fhir/$export?_type=Device')).toEqual([403, 'forbidden'])
    expect((await scene.ehr.request('PUT', '/fhir/$export', {}, later)).status).toBe(405)
  })
})

describe('the status of an export', () => {
  it('answers 202 with progress, 429 to impatience, and nobody but who began it', async () => {
    const status = await begin(scene.ehr, '/fhir/$export?_type=Communication')
    const first = await scene.ehr.request('GET', status)
    expect(first.status).toBe(202)
    expect(first.headers.get('x-progress')).toMatch(/^part 1 of 1$/)
    expect(Number(first.headers.get('retry-after'))).toBeGreaterThan(0)
    const second = await scene.ehr.request('GET', status)
    expect([second.status, second.body.issue[0].code]).toEqual([429, 'throttled'])
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await scene.stranger.request('GET', status)).status).toBe(404)
    const { headers, body } = await manifestOf(scene.ehr, status)
    expect(Date.parse(headers.get('expires') ?? '')).toBeGreaterThan(Date.now())
    expect((await scene.stranger.request('GET', pathOf(body.output[0].url))).status).toBe(404)
  })

  it('and its files are gone once it was deleted, prepared or not', async () => {
    const waiting = await begin(scene.ehr, '/fhir/$export')
    expect((await scene.ehr.request('DELETE', waiting)).status).toBe(202)
    expect((await scene.ehr.request('GET', waiting)).status).toBe(404)
    const { manifest, status } = await exported(scene.ehr, '/fhir/$export?_type=Communication')
    expect((await scene.stranger.request('DELETE', status)).status).toBe(404)
    expect((await scene.ehr.request('DELETE', status)).status).toBe(202)
    expect((await scene.ehr.request('GET', status)).status).toBe(404)
    expect((await scene.ehr.request('GET', pathOf(manifest.output[0].url))).status).toBe(404)
  })

  it('is refused to a fourth at a time', async () => {
    const begun = []
    for (let n = 0; n < 3; n++) begun.push(await begin(scene.stranger, '/fhir/$export'))
    const { status, headers } = await scene.stranger.request('GET', '/fhir/$export', undefined, later)
    expect([status, Number(headers.get('retry-after'))]).toEqual([429, 10])
    for (const each of begun) await scene.stranger.request('DELETE', each)
  })
})

describe('what an export shows', () => {
  it('is what its reader may see when it is fetched: a consent taken back in between counts', async () => {
    const { ehr, platform, clinic } = scene
    const patient = await made(platform, {
      resourceType: 'Patient',
      managingOrganization: { reference: scene.organizations.northside },
    })
    const message = await made(ehr, messageAbout(patient, 'withdrawn', scene.organizations.northside))
    const { body: manifest } = await manifestOf(ehr, await begin(ehr, '/fhir/$export?_type=Communication'))
    const [{ url }] = manifest.output
    expect(namesOf(await linesOf(ehr, url))).toContain(message)
    await made(platform, {
      resourceType: 'Consent',
      status: 'active',
      scope: coded('http://terminology.hl7.org/CodeSystem/consentscope', 'patient-privacy'),
      category: [coded('http://loinc.org', '59284-0')],
      patient: { reference: patient },
      dateTime: '2026-11-21',
      policyRule: coded('http://terminology.hl7.org/CodeSystem/v3-ActCode', 'OPTOUT'),
      provision: { type: 'deny' },
    })
    const after = await linesOf(ehr, url)
    expect(namesOf(after)).not.toContain(message)
    expect(after.length).toBeGreaterThan(0)
    expect((await exported(ehr, '/fhir/$export?_type=Communication')).lines).toEqual(after)
    const accounting = await clinic.store.search({
      type: 'AuditEvent',
      criteria: [{ kind: 'token', param: 'patient', values: [patient] }],
      limit: 100,
    })
    const queries = accounting.flatMap(({ stored }) => {
      const event = JSON.parse(stored.json)
      return (event.entity as { query?: string }[]).flatMap(({ query }) =>
        query ? [[event, Buffer.from(query, 'base64').toString()]] : [],
      )
    })
    const told = queries.filter(([, query]) => query === 'Communication/$export?_type=Communication')
    expect(told.map(([event]) => [event.outcome, event.subtype[0].code])).toEqual([['0', 'search-type']])
    expect(JSON.stringify(told)).not.toContain(scene.patient)
  })

  it('is cut down to what the role sees', async () => {
    const fixed = fixture('prescription/active-attested.in.json')
    const { body: receipt } = await scene.platform.request('POST', '/ingest/prescriptions', fixed)
    const [order] = placesIn(receipt, 'MedicationRequest')
    const { lines } = await exported(scene.pharmacy, '/fhir/$export?_type=MedicationRequest')
    const { body } = await scene.pharmacy.request('GET', '/fhir/MedicationRequest')
    expect(lines).toEqual(resourcesOf(body))
    const { body: whole } = await scene.ehr.request('GET', `/fhir/${order}`)
    expect(namesOf(lines)).toEqual([order])
    expect(Object.keys(lines[0]).length).toBeLessThan(Object.keys(whole).length)
    const telling =
      '/fhir/$export?_type=MedicationRequest&_typeFilter=MedicationRequest%3Fencounter=Encounter/1'
    expect((await scene.pharmacy.request('GET', telling, undefined, later)).status).toBe(403)
  })
})

/** Drugs, numbered. */
async function fill(folder: string, settings: Record<string, string>, total: number): Promise<void> {
  const clinic = await openClinic(settings, folder)
  const at = Date.now() - 60_000
  const writes = Array.from({ length: total }, (_, n) => {
    const drug = { resourceType: 'Medication', code: coded('urn:drugs', String(n)) } as const
    return { resource: versioned(drug, crypto.randomUUID(), 1, at + n), version: 1, updated: at + n }
  })
  await clinic.store.commit({ audit: [], writes })
  await clinic.stop()
}

describe('kill -9 while an export is prepared', () => {
  it('loses nothing: the next process goes on where it was, and the files hold each resource once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-export-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const { settings, clients } = await prepareFolder(folder, {})
    const total = 6_000
    await fill(folder, settings, total)
    const victim = await startGateway(folder, settings)
    onTestFinished(() => victim.kill())
    const { platform } = clients(victim.baseUrl)
    const path = await begin(platform, '/fhir/$export?_type=Medication')
    const db = new Database(join(folder, 'data.db'))
    onTestFinished(() => void db.close())
    const row = () =>
      db.prepare('SELECT state, revision FROM export_job').get() as { state: string; revision: number }
    await vi.waitFor(() => expect(row().revision).toBeGreaterThan(1), { timeout: 15_000, interval: 1 })
    await victim.kill()
    const { revision, state } = row()
    expect(state).toBe('preparing')
    db.exec('UPDATE export_job SET lease = lease - 15000')

    const second = await startGateway(folder, settings)
    onTestFinished(() => second.kill())
    const again = clients(second.baseUrl).platform
    const { body: manifest } = await manifestOf(again, path)
    expect(row().revision).toBeGreaterThan(revision)
    expect(manifest.output.length).toBeGreaterThan(1)
    const codes = []
    for (const { url } of manifest.output)
      for (const line of await linesOf(again, url)) codes.push(Number(line.code.coding[0].code))
    expect(codes.sort((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, n) => n))
    await second.stop()
    expect((await postern(folder, 'audit', 'verify')).code).toBe(0)
  }, 60_000)
})
