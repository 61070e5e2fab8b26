import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, registerClient } from '#auth/clients.ts'
import { readConfig } from '#config.ts'
import { type OpenClinic, openClinic, systemPorts } from '../../src/node.ts'
import { fixture, openScene, placesIn, type Scene } from '../doors/scene.ts'

let scene: Scene
/** The same folder, opened a second time: what the command line does beside a running gateway. */
let beside: OpenClinic
let note: string

beforeAll(async () => {
  scene = await openScene()
  const sent = await scene.platform.request(
    'POST',
    '/ingest/messages',
    fixture('secure-message/patient-to-clinician.in.json'),
  )
  note = placesIn(sent.body, 'Communication')[0] ?? ''
  const config = readConfig({ POSTERN_DATA: scene.clinic.folder, POSTERN_CLINIC: 'test' })
  beside = await openClinic(config, scene.clinic.baseUrl)
})
afterAll(async () => {
  await beside.close()
  await scene.clinic.close()
})

const read = () => scene.ehr.request('GET', `/fhir/${note}`)

describe('what another process changes on the same file', () => {
  it('a client that is switched off there is refused here on its next request, and let in again', async () => {
    expect((await read()).status).toBe(200)
    const registered = await clientOf(beside.store, 'ehr')
    const by = { requestId: 'beside', at: systemPorts.clock.now() }
    await registerClient(beside.store, beside.gateway.audit, { ...registered, active: false }, by)
    expect((await read()).status).toBe(401)
    await registerClient(beside.store, beside.gateway.audit, registered, by)
    expect((await read()).status).toBe(200)
  })

  it('a consent that is written there counts here on the next request', async () => {
    expect((await read()).status).toBe(200)
    const consent = {
      resourceType: 'Consent',
      status: 'active',
      scope: { coding: [{ code: 'patient-privacy' }] },
      category: [{ text: 'privacy' }],
      patient: { reference: scene.patient },
      dateTime: '2026-01-02',
      provision: { type: 'deny' },
    } as const
    const at = Date.now()
    const resource = JSON.parse(
      JSON.stringify({
        ...consent,
        id: 'beside',
        meta: { versionId: '1', lastUpdated: new Date(at).toISOString() },
      }),
    )
    await beside.store.commit({ audit: [], writes: [{ resource, version: 1, updated: at }] })
    expect((await read()).status).toBe(404)
  })

  it('is asked for in microseconds, and this process’s own commits are no news', async () => {
    const { store, gateway } = scene.clinic
    store.changedElsewhere?.()
    await gateway.tell({ kind: 'start', outcome: 'success', requestId: 'x', patients: [], entities: [] })
    expect(store.changedElsewhere?.()).toBe(false)
    const started = performance.now()
    for (let i = 0; i < 20_000; i++) store.changedElsewhere?.()
    expect((performance.now() - started) / 20_000).toBeLessThan(0.05)
    await beside.gateway.tell({
      kind: 'start',
      outcome: 'success',
      requestId: 'x',
      patients: [],
      entities: [],
    })
    expect(store.changedElsewhere?.()).toBe(true)
    expect(store.changedElsewhere?.()).toBe(false)
  })
})
