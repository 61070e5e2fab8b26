import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { someRoleMay } from '#access/roles.ts'
import { carriedTypes, definitionTypes } from '#core/unstored.ts'
import { ehr, type OpenFhir, openFhir, validator } from './open-fhir.ts'
import { samples } from './samples.ts'

interface Claimed {
  type: string
  interaction?: { code: string }[]
  operation?: { name: string }[]
  searchParam?: { name: string; type: string; documentation?: string }[]
  searchInclude?: string[]
  searchRevInclude?: string[]
  conditionalCreate: boolean
  conditionalUpdate: boolean
  conditionalDelete: string
}

/** Written by what happens, by a release, or not at all. */
const unwritten: readonly string[] = ['AuditEvent', ...definitionTypes, ...carriedTypes]

let open: OpenFhir
let resources: Claimed[]
const read = await openFhir()
const types: string[] = (await read.ask('GET', 'metadata')).json.rest[0].resource.map(
  ({ type }: Claimed) => type,
)
await read.close()

beforeAll(async () => {
  open = await openFhir()
  resources = (await open.ask('GET', 'metadata')).json.rest[0].resource
  // A dispense is of an order, and a subscription goes where its client is registered to be notified.
  const order = { ...samples.MedicationRequest, id: 'ehr.order' }
  expect((await open.ask('PUT', 'MedicationRequest/ehr.order', { body: order })).status).toBe(201)
  const webhooks = { addresses: ['https://hooks.example/'], secret: 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0' }
  const json = JSON.stringify({ id: 'ehr', name: 'EHR', role: 'ehr', webhooks, active: true })
  await open.store.commit({ audit: [], registrations: [{ kind: 'client', id: 'ehr', json }] })
})
afterAll(() => open.close())

const claimedOf = (type: string) => {
  const found = resources.find((each) => each.type === type)
  if (!found) throw new Error(`${type} is not claimed`)
  return found
}
const codesOf = (type: string) => (claimedOf(type).interaction ?? []).map(({ code }) => code)

/** What each interaction does, in an order in which each finds what it needs; resolves with the status codes. */
async function walk(type: string): Promise<Record<string, number>> {
  const told: Record<string, number> = {}
  const body = samples[type]
  const put = { ...body, id: `${ehr.clientId}.walk-${type}` }
  const place = `${type}/${put.id}`
  const match = { 'if-match': 'W/"1"' }
  told.update = (await open.ask('PUT', place, { body: put })).status
  told.create = (await open.ask('POST', type, { body })).status
  told.read = (await open.ask('GET', place)).status
  told.vread = (await open.ask('GET', `${place}/_history/1`)).status
  told['history-instance'] = (await open.ask('GET', `${place}/_history`)).status
  told['history-type'] = (await open.ask('GET', `${type}/_history`)).status
  told['search-type'] = (await open.ask('GET', `${type}?_id=${put.id}`)).status
  told.patch = (
    await open.ask('PATCH', place, {
      body: [{ op: 'add', path: '/language', value: 'en' }],
      headers: { ...match, 'content-type': 'application/json-patch+json' },
    })
  ).status
  told.delete = (await open.ask('DELETE', place)).status
  return told
}

/** The real status of each where it is done. */
const done: Record<string, number> = {
  read: 200,
  vread: 200,
  'history-instance': 200,
  'history-type': 200,
  'search-type': 200,
  create: 201,
  update: 201,
  patch: 200,
  delete: 204,
}

describe('the CapabilityStatement', () => {
  it('lists every type that is served', () => {
    expect(types.length).toBeGreaterThan(20)
    expect(types.filter((type) => !samples[type] && !unwritten.includes(type))).toEqual([])
  })

  it.each(types.filter((type) => !unwritten.includes(type)))(
    'tells the truth of %s: all that it claims is done',
    async (type) => {
      const told = await walk(type)
      const claimed = codesOf(type)
      expect(Object.fromEntries(claimed.map((code) => [code, told[code]]))).toEqual(
        Object.fromEntries(claimed.map((code) => [code, done[code]])),
      )
    },
  )

  it.each(types)(
    'tells the truth of %s: every parameter that it claims finds, and no other does',
    async (type) => {
      const wrong: string[] = []
      const { searchParam = [], searchInclude = [], searchRevInclude = [] } = claimedOf(type)
      if (!codesOf(type).includes('search-type')) return expect(searchParam).toEqual([])
      const asked = searchParam.map(async ({ name, type: kind, documentation }) => {
        // What looks into candidates needs one that names few; what tells too much needs the patient.
        const within = documentation?.includes('within one patient') ? '&patient=Patient/1' : ''
        const value = values[kind] ?? 'xy'
        const url = `${type}?${name === '_id' ? '' : '_id=walk-1&'}${name}=${encodeURIComponent(value)}${within}`
        const { status, body } = await open.ask('GET', url)
        if (status !== 200) wrong.push(`${url}: ${status} ${body}`)
      })
      const includes = [
        ...searchInclude.map((value) => `_include=${value}`),
        ...searchRevInclude.map((value) => `_revinclude=${value}`),
      ]
      const included = includes.map(async (include) => {
        const { status } = await open.ask('GET', `${type}?_id=walk-1&${include}`)
        if (status !== 200) wrong.push(`${type}?${include}: ${status}`)
      })
      const known = new Set(searchParam.map(({ name }) => name))
      const elsewhere = new Set(resources.flatMap(({ searchParam: all = [] }) => all.map(({ name }) => name)))
      const others = [...elsewhere].map(async (name) => {
        if (known.has(name)) return
        const { status } = await open.ask('GET', `${type}?_id=walk-1&${name}=x`)
        if (status !== 400) wrong.push(`${type}?${name}, which is not claimed: ${status}`)
      })
      // Side by side, since each answer waits for its audit entry to be on disk.
      await Promise.all([...asked, ...included, ...others])
      expect(wrong).toEqual([])
    },
  )

  it('is valid', async () => {
    const { json } = await open.ask('GET', 'metadata')
    expect(validator.check(json)).toEqual([])
    expect(validator.check({ ...json, kind: 'canary' })).not.toEqual([])
    expect(json.rest[0].interaction.map(({ code }: { code: string }) => code)).toEqual([
      'transaction',
      'batch',
    ])
  })

  it('claims the conditions that work, where any role may do what they are about', async () => {
    for (const { type, conditionalCreate, conditionalUpdate, conditionalDelete } of resources) {
      const takes = async (method: string, headers = {}) => {
        const body = method === 'DELETE' ? {} : { body: { resourceType: type } }
        return (await open.ask(method, `${type}?_id=none`, { ...body, headers })).status !== 405
      }
      // Reports of events take no condition: test/doors/reported-event.test.ts asks one that may report.
      const reported = type === 'AuditEvent'
      const works = {
        create: !reported && (await takes('POST', { 'if-none-exist': '_id=none' })) && someRoleMay(type, 'c'),
        update: (await takes('PUT')) && someRoleMay(type, 'u'),
        delete: (await takes('DELETE')) && someRoleMay(type, 'd'),
      }
      const claimed = {
        create: conditionalCreate,
        update: conditionalUpdate,
        delete: conditionalDelete === 'single',
      }
      expect([type, claimed]).toEqual([type, works])
    }
  })

  it('claims each operation that is there, and none else is', async () => {
    const known: [string, string, string, unknown?][] = types.flatMap(
      (type): [string, string, string, unknown?][] => [
        ['validate', 'POST', `${type}/$validate`, samples[type] ?? { resourceType: type }],
        ['everything', 'GET', `${type}/walk/$everything`],
        ['export', 'GET', type === 'Group' ? `${type}/walk/$export` : `${type}/$export`],
        ['status', 'GET', `${type}/walk/$status`],
        ['events', 'GET', `${type}/walk/$events`],
        ['translate', 'GET', `${type}/$translate?code=PO`],
        ['match', 'POST', `${type}/$match`, {}],
        ['meta', 'GET', `${type}/walk/$meta`],
        ['lastn', 'GET', `${type}/$lastn`],
        ['graph', 'GET', `${type}/walk/$graph`],
      ],
    )
    const wrong: string[] = []
    for (const [name, method, path, body] of known) {
      const [type = ''] = path.split('/')
      const isClaimed = claimedOf(type).operation?.some((each) => each.name === name) ?? false
      const { status, body: text } = await open.ask(method, path, body === undefined ? {} : { body })
      // What is asked for is not there; the operation is.
      const isThere = status !== 405 && !text.includes('There is nothing at this path')
      if (isThere !== isClaimed) wrong.push(`${method} ${path}: ${status} ${text}`)
    }
    expect(wrong).toEqual([])
  })

  it('claims nothing that no role may do', async () => {
    expect(codesOf('AuditEvent')).toEqual(['read', 'search-type', 'create'])
    expect(claimedOf('AuditEvent').conditionalCreate).toBe(false)
    expect(codesOf('MedicationRequest')).not.toContain('delete')
    expect(codesOf('Provenance')).not.toContain('create')
    expect(claimedOf('Task').conditionalDelete).toBe('not-supported')
  })
})

/** A value that each kind of parameter can read. */
const values: Record<string, string> = {
  date: '2026-01-01',
  reference: 'Patient/1',
  uri: 'urn:x',
  quantity: '1',
  composite: 'x$1',
}
