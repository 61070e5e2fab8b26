import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyNote } from '#audit/note.ts'
import type { Reference } from '#core/resource.ts'
import { sweepDatabase } from '#store/erasure-sweep.ts'
import { openClinic } from '../open-clinic.ts'
import { openIdentityProvider, type TestPerson } from '../people.ts'
import { postern } from './command-line.ts'
import { made, message, openScene, patientIdentifier, type Scene } from './scene.ts'

let scene: Scene
let officers: [TestPerson, TestPerson]
/** Of this patient everything that a platform sends is here. */
let patient: Reference
let copy: string

const mrn = 'MRN-CANARY'
const text = 'canary words of the message'
const about = {
  identifier: { ...patientIdentifier, value: mrn },
  name: { family: 'Canary', given: ['Cara'] },
}
const sent = () =>
  message('secure-message/patient-to-clinician.in.json', {
    id: 'canary-1',
    patient: about,
    sender: { type: 'Patient', identifier: about.identifier },
    text,
  })

const erase = (by: TestPerson, of: Reference, parameter: object) =>
  by.request('POST', `/fhir/${of}/$erase`, { resourceType: 'Parameters', parameter: [parameter] })
const basis = { name: 'basis', valueString: 'the patient asked for it' }
const parameterOf = (answer: { body: { parameter: Record<string, string>[] } }, name: string) =>
  answer.body.parameter.find((each) => each.name === name)

beforeAll(async () => {
  scene = await openScene(await openClinic({ POSTERN_RETENTION: 'none' }))
  const provider = await openIdentityProvider(scene.clinic)
  const officer = async (family: string) => {
    const person = { resourceType: 'Practitioner', active: true, name: [{ family }] }
    return provider.person(await made(scene.platform, person), 'privacy', { amr: ['pwd', 'mfa'] })
  }
  officers = [await officer('One'), await officer('Two')]
  await scene.destination({
    id: 'northside-ehr',
    name: 'Northside EHR',
    role: 'ehr',
    organization: scene.organizations.northside,
    purpose: 'TREAT',
    channel: { kind: 'fhir', address: 'http://127.0.0.1:9/fhir' },
  })
  const first = await scene.platform.request('POST', '/ingest/messages', sent())
  expect(first.status, first.text).toBe(201)
  patient =
    first.body.parties.subject ??
    Object.values(first.body.parties).find((each) => String(each).startsWith('Patient/'))
  const eligible = message('eligibility-result/eligible.in.json', { id: 'canary-2', patient: about })
  expect((await scene.platform.request('POST', '/ingest/eligibility', eligible)).status).toBe(201)
  const order = message('prescription/active-attested.in.json', { id: 'canary-3', patient: about })
  expect((await scene.platform.request('POST', '/ingest/prescriptions', order)).status).toBe(201)
  copy = join(mkdtempSync(join(tmpdir(), 'postern-copy-')), 'copy.db')
  const backup = await postern(scene.clinic.folder, 'backup', copy)
  expect(backup.code, backup.stderr).toBe(0)
})
afterAll(() => scene.clinic.close())

describe('a patient’s erasure', () => {
  it('is for privacy officers who signed in, and takes two of them', async () => {
    for (const by of [scene.platform, scene.ehr, scene.auditor])
      expect(
        (
          await by.request('POST', `/fhir/${patient}/$erase`, {
            resourceType: 'Parameters',
            parameter: [basis],
          })
        ).status,
      ).toBe(403)
    const plan = await postern(scene.clinic.folder, '--json', 'erase', 'plan', patient)
    expect(plan.code, plan.stderr).toBe(0)
  })

  it('leaves of the patient no row, no search row, no byte and no key, and the log still verifies', async () => {
    const { clinic } = scene
    const [, id = ''] = patient.split('/')
    const record = await clinic.store.findRecord(patient)
    const keys = [record?.key ?? '']
    // What is looked for is there to be found: rows and id before, and in the copy the key opens them.
    const before = sweepDatabase(join(clinic.folder, 'data.db'), { keys, texts: [id] })
    expect(before.texts).toEqual([id])
    expect(Object.keys(before.rows).sort()).toEqual(['delivery', 'ledger_entry', 'receipt', 'version'])
    expect(record?.resources.map(({ resource }) => JSON.stringify(resource)).join()).toContain('Canary')

    const asked = await erase(officers[0], patient, basis)
    expect(asked.status, asked.text).toBe(202)
    const approve = { name: 'approve', valueId: parameterOf(asked, 'erasure')?.valueId ?? '' }
    expect((await erase(officers[0], patient, approve)).status).toBe(403)
    expect((await erase(officers[1], scene.patient, approve)).status).toBe(404)
    const done = await erase(officers[1], patient, approve)
    expect(done.status, done.text).toBe(200)
    expect(parameterOf(done, 'state')).toMatchObject({ valueCode: 'done' })

    const after = sweepDatabase(join(clinic.folder, 'data.db'), { keys, texts: [id, mrn, text, 'Canary'] })
    expect(after).toMatchObject({ rows: {}, texts: [] })
    expect(await clinic.keys.find(keys[0] ?? '')).toBeUndefined()
    await clinic.gateway.log.checkpoint()
    expect((await clinic.gateway.log.verify()).findings).toEqual([])
    const receipt = verifyNote(parameterOf(done, 'receipt')?.valueString ?? '', clinic.vkey)
    expect(JSON.parse(receipt)).toMatchObject({ form: 'postern-erasure/1', key: keys[0], stays: [] })
    expect(receipt).not.toContain(id)

    const read = await scene.platform.request('GET', `/fhir/${patient}`)
    expect(read.status).toBe(404)
    const verified = await postern(clinic.folder, '--json', 'erase', 'verify', patient, '--word', text, mrn)
    expect(verified.code, verified.stdout + verified.stderr).toBe(0)
  })

  it('is answered for when one of its messages comes again: `erased`, and nobody is made of it', async () => {
    const again = await scene.platform.request('POST', '/ingest/messages', sent())
    expect(again).toMatchObject({ status: 200, body: { outcome: 'erased' } })
    expect((await scene.platform.request('GET', `/fhir/${patient}`)).status).toBe(404)
  })

  it('holds in a backup that is restored: what it brings is erased again, and the log verifies', async () => {
    const { clinic } = scene
    const folder = mkdtempSync(join(tmpdir(), 'postern-restored-'))
    mkdirSync(join(folder, 'keyring'))
    for (const name of ['keyring.json', 'checkpoint-key.pem', 'keys.db'])
      copyFileSync(join(clinic.folder, 'keyring', name), join(folder, 'keyring', name))
    const keys = new Database(join(clinic.folder, 'keyring', 'keys.db'), { readonly: true })
    await keys.backup(join(folder, 'keyring', 'keys.db'))
    keys.close()
    const [, id = ''] = patient.split('/')
    // What comes back is there to be erased: the manifest of the backup names its key.
    const manifest = JSON.parse(readFileSync(`${copy}.manifest.json`, 'utf8'))
    expect(sweepDatabase(copy, { keys: manifest.keys, texts: [id] }).texts).toEqual([id])
    const restored = await postern(folder, '--json', 'restore', copy)
    expect(restored.code, restored.stderr).toBe(0)
    expect(JSON.parse(restored.stdout)).toMatchObject({ erasedAgain: 1 })
    expect(sweepDatabase(join(folder, 'data.db'), { keys: [], texts: [id] }).texts).toEqual([])
    expect((await postern(folder, 'restore', copy)).code).toBe(1)
  })

  it('the sweep would find what is left, in whatever spelling', () => {
    const planted = join(mkdtempSync(join(tmpdir(), 'postern-planted-')), 'planted.db')
    const db = new Database(planted)
    db.exec('CREATE TABLE later (box TEXT, body TEXT)')
    db.prepare('INSERT INTO later VALUES (?, ?)').run('k-1', 'so Canary')
    db.close()
    expect(sweepDatabase(planted, { keys: ['k-1'], texts: ['Canary'] })).toMatchObject({
      rows: { later: 1 },
      texts: ['Canary'],
    })
    writeFileSync(`${planted}-wal`, Buffer.from('Kanarie', 'utf16le'))
    expect(sweepDatabase(planted, { keys: [], texts: ['Kanarie'] }).texts).toEqual(['Kanarie'])
  })
})

describe('a patient who comes back after an erasure', () => {
  it('is somebody new, under another key', async () => {
    const answer = await scene.platform.request('POST', '/ingest/messages', { ...sent(), id: 'back-1' })
    expect(answer.status, answer.text).toBe(201)
    expect((await scene.platform.request('GET', `/fhir/${patient}`)).status).toBe(200)
    const history = await scene.platform.request('GET', `/fhir/${patient}/_history`)
    expect(history.body.entry).toHaveLength(1)
  })
})

describe('a legal hold', () => {
  it('keeps everything until two officers lift it', async () => {
    const placed = await officers[0].request(
      'POST',
      '/holds',
      { patient, reason: 'case 4711' },
      { 'content-type': 'application/json' },
    )
    expect(placed.status, placed.text).toBe(201)
    const asked = await erase(officers[0], patient, basis)
    const approve = { name: 'approve', valueId: parameterOf(asked, 'erasure')?.valueId ?? '' }
    const refused = await erase(officers[1], patient, approve)
    expect(refused.status, refused.text).toBe(409)
    expect((await scene.platform.request('GET', `/fhir/${patient}`)).status).toBe(200)
    // Approved it is; the hold alone stands in its way.
    await scene.clinic.gateway.erasures.upkeep()
    expect((await scene.platform.request('GET', `/fhir/${patient}`)).status).toBe(200)
    const lift = `/holds/${placed.body.id}/$lift`
    expect((await scene.platform.request('POST', lift)).status).toBe(403)
    expect((await officers[0].request('POST', lift)).body.lifted).toBeUndefined()
    expect((await officers[0].request('POST', lift)).status).toBe(403)
    expect((await officers[1].request('POST', lift)).status).toBe(200)
    expect((await officers[0].request('GET', '/holds')).body).toEqual([])
    expect(await scene.clinic.gateway.erasures.upkeep()).toBe(1)
    expect((await scene.platform.request('GET', `/fhir/${patient}`)).status).toBe(404)
  })
})
