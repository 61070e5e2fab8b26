import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Caller } from '#core/caller.ts'
import { versionWrite } from '#intake/artifact-shelf.ts'
import type { TestClient } from '../open-clinic.ts'
import { postern } from './command-line.ts'
import { fixture, message, openScene, placesIn, type Scene } from './scene.ts'

const shipped = readFileSync(new URL('../../mappings/secure-message.jsonata', import.meta.url), 'utf8')
const topic = '"topic": source.topic ? { "text": source.topic }'
/** A change that an integrator may want, one that breaks the profile, and one that is no JSONata. */
const louder = shipped.replace(topic, '"topic": source.topic ? { "text": $uppercase(source.topic) }')
const broken = shipped.replace('"status": "completed"', '"status": "perhaps"')

const by: Caller = {
  clientId: 'operator',
  name: 'operator',
  role: 'operator',
  scopes: [],
  actors: [],
  purpose: 'HOPERAT',
  grants: [],
}

let scene: Scene
let operator: TestClient
let folder: string
let count = 0

beforeAll(async () => {
  scene = await openScene()
  operator = await scene.clinic.client({
    id: 'operator',
    role: 'operator',
    scopes: ['system/*.cruds'],
    purposes: ['HOPERAT'],
    grants: [],
  })
  folder = mkdtempSync(join(tmpdir(), 'postern-push-'))
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await scene.clinic.close()
})

function write(name: string, text: string): string {
  const file = join(folder, name)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, text)
  return file
}

/** Sends a message of its own and reads what it became. */
async function sent() {
  count += 1
  const body = message('secure-message/patient-to-clinician.in.json', {
    id: `workshop-${count}`,
    topic: 'Dizzy',
  })
  const { status, body: receipt } = await scene.platform.request('POST', '/ingest/messages', body)
  expect(status).toBe(201)
  const read = async (type: string) => {
    const stored = await scene.clinic.store.read(type, placesIn(receipt, type)[0]?.split('/')[1] ?? '')
    return JSON.parse(stored?.json ?? '{}')
  }
  const [communication, provenance] = [await read('Communication'), await read('Provenance')]
  return { topic: communication.topic.text, policy: provenance.policy[0], mapping: receipt.mapping }
}

async function told(): Promise<string[]> {
  const found = await scene.clinic.store.search({ type: 'AuditEvent', criteria: [], limit: 5000 })
  return found.map(({ stored }) => JSON.parse(stored.json).outcomeDesc ?? '')
}

const run = (...parameters: string[]) => postern(scene.clinic.folder, ...parameters)

describe('postern push', () => {
  it('refuses what breaks a profile or is no mapping, and changes nothing', async () => {
    const before = await sent()
    const breaks = await run('push', write('secure-message.jsonata', broken))
    expect(breaks.code).toBe(1)
    expect(breaks.stdout).toMatch(/patient-to-clinician\.in\.json: fails/)
    expect(breaks.stdout).toContain('Not in force')
    const push = (name: string, text: string) =>
      operator.request('POST', '/mappings', { files: [{ name, text }], accept: true })
    const nonsense = await push('secure-message.jsonata', '{ "resourceType": ')
    expect([nonsense.status, nonsense.text]).toEqual([400, expect.stringContaining('does not compile')])
    const unused = await push('nobody.jsonata', '1')
    expect([unused.status, unused.text]).toEqual([422, expect.stringContaining('No flow uses')])
    expect(await sent()).toMatchObject({ topic: 'Dizzy', mapping: before.mapping })
    expect((await told()).filter((text) => text.startsWith('push'))).toHaveLength(3)
  }, 60_000)

  it('shows what comes out otherwise, and puts it in force only when that is accepted', async () => {
    const file = write('secure-message.jsonata', louder)
    const unexpected = await run('push', file)
    expect(unexpected.code).toBe(1)
    expect(unexpected.stdout).toMatch(
      /patient-to-clinician\.in\.json: differs\n {2}resources\[0\]\.topic\.text\n/,
    )
    expect((await sent()).topic).toBe('Dizzy')
    const accepted = await run('push', '--accept', file)
    expect(accepted.stdout).toContain('In force now')
    expect(accepted.code).toBe(0)
  }, 60_000)

  it('of what mappings import tries every flow that runs it, and refuses a mapping without its imports', async () => {
    const codes = readFileSync(new URL('../../mappings/pharmacy-codes.jsonata', import.meta.url), 'utf8')
    const changed = codes.replace('"text": $text($rxr.RXR_1[0])', '"text": $uppercase($text($rxr.RXR_1[0]))')
    const tried = await run('push', write('pharmacy-codes.jsonata', changed))
    expect(tried.code).toBe(1)
    for (const place of ['dispense/us-dispensed', 'give/us-two-gives', 'prescription-order/us-simple'])
      expect(tried.stdout).toContain(`${place}.in.hl7: differs`)
    expect(tried.stdout).not.toContain('secure-message/')
    const text = '(\n  $import("nowhere");\n  $nothing\n)'
    const files = [{ name: 'prescription-order.jsonata', text }]
    const lost = await operator.request('POST', '/mappings', { files, accept: true })
    expect([lost.status, lost.text]).toEqual([422, expect.stringContaining('imports nowhere')])
  }, 60_000)

  it('is taken up by a gateway that runs in another process, with the next message', async () => {
    const { topic, policy, mapping } = await sent()
    expect(topic).toBe('DIZZY')
    expect(policy).toBe(`https://postern.health/mapping/secure-message?sha256=${mapping.sha256}`)
    expect(
      (await told()).some((text) => text.startsWith('pushed and activated (accepted): secure-message')),
    ).toBe(true)
  })

  it('lists versions, and rolls back to the one that came with the software', async () => {
    const listed = await run('mapping', 'list')
    expect(listed.stdout).toMatch(/^secure-message\.jsonata\t[0-9a-f]{12}\tcommand-line, 20/m)
    const versions = JSON.parse((await run('--json', 'mapping', 'show', 'secure-message.jsonata')).stdout)
    expect(versions.map(({ text }: { text: string }) => text)).toEqual([shipped, louder])
    const back = await run('mapping', 'rollback', 'secure-message.jsonata', versions[0].sha256.slice(0, 8))
    expect(back.code, back.stderr).toBe(0)
    expect(await sent()).toMatchObject({ topic: 'Dizzy', mapping: { sha256: versions[0].sha256 } })
    expect((await run('mapping', 'rollback', 'secure-message.jsonata', 'abcdef0')).stderr).toContain(
      'no such version',
    )
  }, 60_000)
})

describe('POST /mappings', () => {
  const files = [{ name: 'secure-message.jsonata', text: louder }]

  it('is for operators whose token says so', async () => {
    for (const client of [scene.platform, scene.ehr, scene.auditor]) {
      expect((await client.request('POST', '/mappings', { files })).status).toBe(403)
      expect((await client.request('GET', '/mappings')).status).toBe(403)
    }
    const narrow = await operator.token('system/Organization.r')
    const { status } = await operator.request('GET', '/mappings', undefined, {
      authorization: `Bearer ${narrow}`,
    })
    expect(status).toBe(403)
  })

  it('asks for fixtures, keeps them for the next push, and activates atomically', async () => {
    const none = await operator.request('POST', '/mappings', { files })
    expect([none.status, none.body.refused]).toEqual([422, 'no fixture to replay: push one with it'])
    const body = Buffer.from(JSON.stringify(message('secure-message/patient-to-clinician.in.json'))).toString(
      'base64',
    )
    const fixtures = [{ flow: 'secure-message', name: 'patient-to-clinician.in.json', body }]
    const pushed = await operator.request('POST', '/mappings', { files, fixtures, accept: true })
    expect(pushed.body).toMatchObject({
      activated: true,
      fixtures: [{ name: 'patient-to-clinician.in.json', state: 'differs' }],
    })
    expect((await sent()).topic).toBe('DIZZY')
    const worse = { files: [{ name: 'secure-message.jsonata', text: broken }], accept: true }
    expect((await operator.request('POST', '/mappings', worse)).body).toMatchObject({
      activated: false,
      fixtures: [{ name: 'patient-to-clinician.in.json', state: 'fails' }],
    })
    const listed = (await operator.request('GET', '/mappings')).body
    expect(listed).toContainEqual(
      expect.objectContaining({ name: 'secure-message.jsonata', pushed: true, by: 'operator' }),
    )
    const { body: versions } = await operator.request('GET', '/mappings/secure-message.jsonata')
    const { sha256 } = versions[0]
    const back = await operator.request('POST', '/mappings/secure-message.jsonata/$rollback', { sha256 })
    expect(back.status, back.text).toBe(200)
    expect((await sent()).topic).toBe('Dizzy')
  })

  it('puts no version back that this release does not compile any more', async () => {
    const text = '$match(source.topic, /(a?){24}b/)'
    const version = { name: 'secure-message.jsonata', text, sha256: 'f'.repeat(64), by: 'operator', at: 1 }
    await scene.clinic.store.commit({ audit: [], registrations: [versionWrite(version)] })
    const back = await operator.request('POST', '/mappings/secure-message.jsonata/$rollback', {
      sha256: version.sha256,
    })
    expect([back.status, back.text]).toEqual([400, expect.stringContaining('pattern')])
    expect((await sent()).topic).toBe('Dizzy')
  })

  it('lets one of two who push at the same moment win', async () => {
    const push = (text: string) =>
      scene.clinic.gateway.workshop.push(
        { files: [{ name: 'secure-message.jsonata', text }], fixtures: [], accept: true },
        { caller: by, requestId: crypto.randomUUID() },
      )
    const answers = await Promise.allSettled([push(`${shipped}/* 1 */`), push(`${shipped}/* 2 */`)])
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const lost = answers.find((each) => each.status === 'rejected')
    expect(lost?.reason).toMatchObject({ kind: 'conflict' })
  })
})

describe('a folder with fixtures', () => {
  it('takes a change that the folder’s own golden asks for', async () => {
    const fixture = 'fixtures/secure-message/patient-to-clinician'
    const read = (ending: string) =>
      readFileSync(new URL(`../../${fixture}.${ending}.json`, import.meta.url), 'utf8')
    const golden = JSON.parse(read('out'))
    golden.resources[0].topic.text = golden.resources[0].topic.text.toUpperCase()
    write('change/mappings/secure-message.jsonata', louder)
    write(`change/${fixture}.in.json`, read('in'))
    write(`change/${fixture}.out.json`, JSON.stringify(golden))
    const pushed = await run('push', join(folder, 'change'))
    expect(pushed.stdout).toMatch(/patient-to-clinician\.in\.json: expected/)
    expect(pushed.stdout).toContain('In force now')
    expect((await sent()).topic).toBe('DIZZY')
  })
})

describe('a dry run', () => {
  const rde = fixture('prescription-order/us-simple.in.hl7').replace(/\r?\n/g, '\r')

  it('of HL7 v2 tells what each message would become, or why it would be refused, and stores nothing', async () => {
    const before = await scene.clinic.store.search({ type: 'MedicationRequest', criteria: [], limit: 10 })
    const [size] = [await scene.clinic.store.logSize()]
    const { status, body } = await scene.platform.request(
      'POST',
      '/ingest/hl7v2/$preview',
      rde + rde.replace('RDE^O11^RDE_O11', 'ZZZ^Z99'),
      { 'content-type': 'application/hl7-v2' },
    )
    expect(status).toBe(200)
    const [order, refused] = body.messages
    expect(order).toMatchObject({
      outcome: 'accepted',
      flow: 'prescription-order',
      mapping: { name: 'prescription-order' },
    })
    expect(order.resources.map((each: { resourceType: string }) => each.resourceType)).toContain(
      'MedicationRequest',
    )
    expect(order.access[0].reasons).toContain('role:platform')
    const { mapped, ignored, unknown, places, fields } = order.coverage
    expect(mapped + ignored + unknown).toBe(fields.length)
    expect(mapped).toBeGreaterThan(10)
    expect(places.every((place: string) => /^[A-Z][A-Z0-9]{2}-\d+(\.\d+)*$/.test(place))).toBe(true)
    expect(refused).toMatchObject({ outcome: 'refused', issues: [{ expression: 'MSH-9' }] })
    expect(await scene.clinic.store.search({ type: 'MedicationRequest', criteria: [], limit: 10 })).toEqual(
      before,
    )
    expect((await scene.clinic.store.logSize()) - size).toBe(2)
  })

  it('and the receipt count fields alike, and name places of what nobody reads without its values', async () => {
    const body = rde.replace('\rORC|', '\rZPA|1|mauve\rORC|')
    expect(body).toContain('mauve')
    const headers = { 'content-type': 'application/hl7-v2' }
    const { body: tried } = await scene.platform.request('POST', '/ingest/hl7v2/$preview', body, headers)
    const { fields: _fields, ...counts } = tried.messages[0].coverage
    const answer = await scene.platform.request('POST', '/ingest/hl7v2', body, headers)
    expect(answer.text).toContain('MSA|AA')
    const [application, facility] = body.split('|').slice(2, 4)
    const messageId = encodeURIComponent(`${tried.messages[0].controlId}@${application}/${facility}`)
    const receipt = await scene.platform.request('GET', `/ingest/receipts/${messageId}`)
    expect(receipt.body).toMatchObject({ coverage: counts })
    expect(counts.places).toEqual(expect.arrayContaining(['ZPA-1', 'ZPA-2']))
    expect(JSON.stringify(counts)).not.toContain('mauve')
  })

  it('of two versions over a folder says what differs, message by message, and ends with 1', async () => {
    const versions = await scene.clinic.gateway.shelf.versions('secure-message.jsonata')
    const shaOf = (text: string) => versions.find((each) => each.text === text)?.sha256.slice(0, 10) ?? ''
    const messages = new URL('../../fixtures/secure-message', import.meta.url).pathname
    const different = await run('map', '--compare', shaOf(shipped), shaOf(louder), messages)
    expect(different.code).toBe(1)
    expect(different.stdout).toMatch(
      /patient-to-clinician\.in\.json\n {2}resources\[0\]\.topic\.text\n {4}- "H.*\n {4}\+ "H/,
    )
    expect(different.stdout).toMatch(/\d messages, [1-9]\d* come out differently/)
    const same = await run('map', '--compare', shaOf(shipped), shaOf(shipped), messages)
    expect([same.code, same.stderr]).toEqual([0, ''])
    const file = 'patient-to-clinician.in.json'
    const body = Buffer.from(fixture(`secure-message/${file}`)).toString('base64')
    const asked = { versions: [shaOf(shipped), shaOf(louder)], messages: [{ file, body }] }
    const answer = await operator.request('POST', '/mappings/$compare', asked)
    expect(answer.body).toMatchObject({ different: 1, messages: [{ file, flow: 'secure-message' }] })
    expect(JSON.stringify(answer.body)).toContain('topic.text')
    expect((await scene.platform.request('POST', '/mappings/$compare', asked)).status).toBe(403)
  }, 60_000)
})
