import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Client } from 'fhir-kit-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAccess } from '#access/authorize.ts'
import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import { fhirRoutes } from '#inbound/fhir-routes.ts'
import { createHttp } from '#inbound/http.ts'
import { createLockout, createRateLimit } from '#inbound/rate-limit.ts'
import { ehr, type OpenFhir, openFhir } from './open-fhir.ts'

/** Over a real socket, with the real authorize: a clinic's platform and two EHRs, of which one treats the patient. */
describe('fhir-kit-client', () => {
  const callers = new Map<string, Caller>()
  let open: OpenFhir
  let close: () => void
  let clientOf: (token: string) => Client
  let patient: string
  let base: string

  beforeAll(async () => {
    const server = createAdaptorServer({ fetch: (request) => app.fetch(request) })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/fhir`
    open = await openFhir({ base: address, access: (store, clock) => createAccess({ store, clock }) })
    const app = createHttp({
      routes: fhirRoutes(open.fhir),
      authenticate: async (authorization) => {
        const caller = callers.get(authorization?.replace('Bearer ', '') ?? '')
        if (!caller) throw new Failure('unauthenticated', 'No such token.')
        return caller
      },
      rate: createRateLimit({ now: Date.now, perSecond: 10_000 }),
      openRate: createRateLimit({ now: Date.now, perSecond: 10_000 }),
      lockout: createLockout({
        now: Date.now,
        failures: 200,
        windowMs: 60_000,
        lockMs: 30_000,
        maxMs: 60_000,
      }),
      audit: async () => {},
      randomId: () => crypto.randomUUID(),
      onFault: (fault) => {
        throw fault
      },
    })
    base = address
    clientOf = (token) => new Client({ baseUrl: address, bearerToken: token })
    close = () => server.close()
    callers.set('platform', {
      ...ehr,
      clientId: 'platform',
      role: 'platform',
      actors: ['Organization/platform'],
    })
    await seed()
  })

  afterAll(async () => {
    close()
    await open.close()
  })

  async function seed(): Promise<void> {
    const platform = clientOf('platform')
    const names = ['Treating EHR', 'Other EHR']
    const [treating, other] = await Promise.all(
      names.map((name) =>
        platform.create({ resourceType: 'Organization', body: { resourceType: 'Organization', name } }),
      ),
    )
    callers.set('treating', { ...ehr, clientId: 'treating', actors: [`Organization/${treating?.id}`] })
    callers.set('other', { ...ehr, clientId: 'other', actors: [`Organization/${other?.id}`] })
    const body = {
      resourceType: 'Patient',
      identifier: [{ system: 'urn:mrn', value: '1' }],
      managingOrganization: { reference: `Organization/${treating?.id}` },
    }
    patient = `Patient/${(await platform.create({ resourceType: 'Patient', body })).id}`
  }

  function message(text: string) {
    return {
      resourceType: 'Communication',
      status: 'completed',
      subject: { reference: patient },
      payload: [{ contentString: text }],
    }
  }

  it('creates, reads, updates with If-Match, reads versions and the history', async () => {
    const client = clientOf('treating')
    const made = await client.create({ resourceType: 'Communication', body: message('one') })
    const id = String(made.id)
    expect(await client.read({ resourceType: 'Communication', id })).toEqual(made)
    const body = { ...made, ...message('two'), id }
    await expect(client.update({ resourceType: 'Communication', id, body })).rejects.toMatchObject({
      response: { status: 428 },
    })
    const options = { headers: { 'If-Match': 'W/"1"' } }
    const updated = await client.update({ resourceType: 'Communication', id, body, options })
    expect(updated).toMatchObject({ meta: { versionId: '2' }, payload: [{ contentString: 'two' }] })
    expect(await client.vread({ resourceType: 'Communication', id, version: '1' })).toEqual(made)
    expect(await client.history({ resourceType: 'Communication', id })).toMatchObject({
      type: 'history',
      entry: [{ resource: updated }, { resource: made }],
    })
  })

  it('answers HEAD as GET without the body, and puts it on record as a read', async () => {
    const { id } = await clientOf('treating').create({ resourceType: 'Communication', body: message('one') })
    const head = (path: string, token = 'treating') =>
      fetch(`${base}/${path}`, { method: 'HEAD', headers: { authorization: `Bearer ${token}` } })
    const before = await open.store.logSize()
    const seen = await head(`Communication/${id}`)
    expect([seen.status, seen.headers.get('etag'), await seen.text()]).toEqual([200, 'W/"1"', ''])
    const events = await open.store.search({ type: 'AuditEvent', criteria: [], limit: 100 })
    const acts = events
      .map(({ stored }) => stored.json)
      .filter((json) => json.includes(`Communication/${id}`))
    expect(acts.map((json) => JSON.parse(json).action).sort()).toEqual(['C', 'R'])
    expect((await head(`Communication?patient=${patient}`)).status).toBe(200)
    expect((await head(`Communication/${id}`, 'other')).status).toBe(404)
    expect(await open.store.logSize()).toBe(before + 3)
    expect((await head(`Communication/${id}`, 'nobody')).status).toBe(401)
    expect((await head('metadata')).status).toBe(200)
  })

  it('creates only what is not there, by If-None-Exist', async () => {
    const client = clientOf('treating')
    const body = { ...message('once'), identifier: [{ system: 'urn:message', value: '7' }] }
    const options = { headers: { 'If-None-Exist': 'identifier=urn:message|7' } }
    const first = await client.create({ resourceType: 'Communication', body, options })
    const second = await client.create({ resourceType: 'Communication', body, options })
    expect(second).toEqual(first)
  })

  it('searches, follows next pages and gets the patient along', async () => {
    const client = clientOf('treating')
    for (const text of ['a', 'b', 'c']) {
      await client.create({ resourceType: 'Communication', body: message(text) })
    }
    const searchParams = { patient, _count: 2, _sort: '-_lastUpdated', _include: 'Communication:patient' }
    const first = await client.resourceSearch({ resourceType: 'Communication', searchParams })
    expect(first).toMatchObject({
      entry: [
        { resource: { payload: [{ contentString: 'c' }] } },
        { resource: { payload: [{ contentString: 'b' }] } },
        { resource: { resourceType: 'Patient' }, search: { mode: 'include' } },
      ],
    })
    const second = await client.nextPage({ bundle: first as never })
    expect(second).toMatchObject({ entry: [{ resource: { payload: [{ contentString: 'a' }] } }, {}, {}] })
  })

  it('of an EHR that does not treat the patient sees nothing, as if nothing were there', async () => {
    const made = await clientOf('treating').create({ resourceType: 'Communication', body: message('secret') })
    const stranger = clientOf('other')
    const { entry } = (await stranger.search({
      resourceType: 'Communication',
      searchParams: { patient },
    })) as { entry?: unknown[] }
    expect(entry).toBeUndefined()
    await expect(stranger.read({ resourceType: 'Communication', id: String(made.id) })).rejects.toMatchObject(
      {
        response: { status: 404 },
      },
    )
    await expect(
      stranger.create({ resourceType: 'Communication', body: message('forged') }),
    ).rejects.toMatchObject({ response: { status: 403 } })
  })

  it('deletes where its role may, and is refused with the reason where it may not', async () => {
    const platform = clientOf('platform')
    const made = await platform.create({
      resourceType: 'Practitioner',
      body: { resourceType: 'Practitioner' },
    })
    const id = String(made.id)
    await platform.delete({ resourceType: 'Practitioner', id })
    await expect(platform.read({ resourceType: 'Practitioner', id })).rejects.toMatchObject({
      response: { status: 410 },
    })
    await expect(clientOf('treating').delete({ resourceType: 'Patient', id: '1' })).rejects.toMatchObject({
      response: { status: 403, data: { issue: [{ code: 'forbidden' }] } },
    })
  })

  it('reads the CapabilityStatement without a token and nothing else', async () => {
    const nobody = clientOf('')
    expect(await nobody.capabilityStatement()).toMatchObject({ fhirVersion: '4.0.1' })
    await expect(nobody.read({ resourceType: 'Patient', id: '1' })).rejects.toMatchObject({
      response: { status: 401 },
    })
  })
})
