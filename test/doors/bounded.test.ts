import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { postern } from './command-line.ts'
import { openScene, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

const form = { 'content-type': 'application/x-www-form-urlencoded' }

describe('what is sent has an end, and so has what is kept and answered of it', () => {
  it('a body with a thousand problems is told a hundred of them, and how many more there are', async () => {
    const unknown = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`unknown${i}`, i]))
    const { status, body } = await scene.platform.request('POST', '/ingest/messages', unknown)
    expect(status).toBe(422)
    expect(body.issue).toHaveLength(101)
    expect(body.issue[100]).toMatchObject({
      severity: 'information',
      diagnostics: expect.stringMatching(/^and \d+ more$/),
    })
  })

  it('a number of a million digits is refused before anybody reckons with it', async () => {
    const order = `{"resourceType":"MedicationRequest","status":"draft","doseAndRate":${'9'.repeat(1_000_000)}}`
    const { status, text } = await scene.ehr.request('POST', '/fhir/MedicationRequest', order)
    expect(status).toBe(400)
    expect(text.length).toBeLessThan(1000)
  })

  it('a number of a huge exponent too', async () => {
    const { status } = await scene.ehr.request('POST', '/fhir/MedicationRequest', '{"value":1e400000000}')
    expect(status).toBe(400)
  })

  it('a search form beyond 64 KiB is refused, and the log keeps little of it', async () => {
    const { status } = await scene.ehr.request(
      'POST',
      '/fhir/Patient/_search',
      `identifier=${'%2C'.repeat(30_000)}`,
      form,
    )
    expect(status).toBe(413)
  })

  it('the log keeps at most 8 KiB of a search', async () => {
    const before = await scene.clinic.store.logSize()
    await scene.ehr.request('POST', '/fhir/Patient/_search', `identifier=${'%2C'.repeat(20_000)}`, form)
    const [row] = await scene.clinic.store.logRows(before, 1)
    expect(row?.sealed?.length).toBeGreaterThan(8_000)
    expect(row?.sealed?.length).toBeLessThan(20_000)
  })
})

describe('the command line', () => {
  it('tells the log of whoever looks at clients or deliveries', async () => {
    const before = await scene.clinic.store.logSize()
    expect((await postern(scene.clinic.folder, 'client', 'list')).code).toBe(0)
    expect((await postern(scene.clinic.folder, 'deliveries', 'list')).code).toBe(0)
    expect(await scene.clinic.store.logSize()).toBe(before + 2)
  })

  it('asks for a limit that is a number', async () => {
    const { code, stderr } = await postern(scene.clinic.folder, 'deliveries', 'list', '--limit', 'abc')
    expect(code).toBe(1)
    expect(stderr).toContain('--limit')
  })
})
