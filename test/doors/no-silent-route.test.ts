import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { auditFaults } from '../audit-conformance.ts'
import { fixture, openScene, type Scene } from './scene.ts'

let scene: Scene
let routes: { method: string; path: string }[]
const published = readFileSync(new URL('../../docs/audit.md', import.meta.url), 'utf8')

beforeAll(async () => {
  scene = await openScene()
  const known = scene.clinic.gateway.http.routes.filter(({ path }) => path !== '*' && path !== '/*')
  routes = [...new Map(known.map(({ method, path }) => [`${method} ${path}`, { method, path }])).values()]
})
afterAll(() => scene.clinic.close())

/** The lines of the published table: an address in the first column, `silent` where nobody is told. */
const rows = published
  .split('\n')
  .map((line) => /^\| `(?:[A-Z]+ )?(\/[^`]*)` \| (.*) \|$/.exec(line))
  .filter((found) => found !== null)
const silent = new Set(rows.filter((row) => row[2]?.startsWith('silent')).map((row) => row[1]))

function example(path: string): string {
  return path
    .replace('/tile/*', '/tile/0/000.p/1')
    .replace('/fhir/*', '/fhir/Patient/x')
    .replace(/:[a-zA-Z]+/g, 'x')
}

async function ask(method: string, path: string, authorization?: string): Promise<number> {
  const before = await scene.clinic.store.logSize()
  await fetch(`${scene.clinic.baseUrl}${example(path)}`, {
    method,
    headers: { ...(authorization ? { authorization } : {}), 'content-type': 'application/json' },
    ...(method === 'GET' ? {} : { body: '{}' }),
  })
  return (await scene.clinic.store.logSize()) - before
}

describe('the published table of what is audited', () => {
  it('names every address of the gateway, and none that is not there', () => {
    const addresses = new Set(routes.map(({ path }) => path))
    expect(new Set(rows.map((row) => row[1]))).toEqual(addresses)
  })
})

describe('a route', () => {
  it('that is not said to be silent tells the log of everybody who tries it, whoever they are', async () => {
    const tokens = {
      nobody: undefined,
      stranger: 'Bearer not.a.token',
      platform: `Bearer ${await scene.platform.token()}`,
      ehr: `Bearer ${await scene.ehr.token()}`,
      auditor: `Bearer ${await scene.auditor.token()}`,
    }
    const wrong: string[] = []
    for (const { method, path } of routes) {
      for (const [who, token] of Object.entries(tokens)) {
        const told = await ask(method, path, token)
        if (told > 0 === silent.has(path)) wrong.push(`${method} ${path} by ${who}: ${told} events`)
      }
    }
    expect(wrong).toEqual([])
    expect(routes.length).toBeGreaterThan(15)
  })

  it('that is silent gives away nothing of a patient and takes no token to answer', async () => {
    for (const path of silent) {
      const response = await fetch(`${scene.clinic.baseUrl}${path}`)
      expect(response.status, path).toBe(200)
      expect(await response.text(), path).not.toContain(scene.patient.slice(8))
    }
  })
})

describe('the AuditEvents of a day', () => {
  it('are all valid by FHIR, and meet every BALP profile that they claim', async () => {
    const sent = await scene.platform.request(
      'POST',
      '/ingest/messages',
      fixture('secure-message/patient-to-clinician.in.json'),
    )
    expect(sent.status).toBe(201)
    for (const path of [
      `/fhir/${scene.patient}`,
      `/fhir/Communication?patient=${scene.patient}`,
      '/fhir/Basket/1',
    ])
      for (const by of [scene.ehr, scene.stranger, scene.pharmacy]) await by.request('GET', path)
    await scene.auditor.request('GET', `/audit/accounting?patient=${scene.patient}`)
    expect(await auditFaults(scene.clinic.store)).toEqual([])
  })
})
