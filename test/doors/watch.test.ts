import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Store } from '#core/ports.ts'
import { openClinic } from '../open-clinic.ts'
import { made, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
  await scene.clinic.gateway.watch()
})
afterAll(() => scene.clinic.close())

const consent = () => ({
  resourceType: 'Consent',
  status: 'active',
  scope: {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }],
  },
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
  patient: { reference: scene.patient },
  dateTime: '2026-05-01',
  performer: [{ reference: scene.patient }],
  organization: [{ reference: scene.organizations.northside }],
  sourceReference: { reference: 'DocumentReference/paper' },
  policy: [{ uri: 'https://example.org/policy' }],
  provision: { type: 'permit' },
})

it('an alert is an AuditEvent and a Task for the privacy officer, without patient data, raised exactly once', async () => {
  const officer = await scene.clinic.client({
    id: 'officer',
    role: 'privacy-officer',
    scopes: ['system/*.cruds'],
    purposes: ['HOPERAT'],
    grants: [],
  })
  // The new client is an alert of its own.
  expect(await scene.clinic.gateway.watch()).toBe(1)
  const before = await alertsOf(scene.clinic.store)
  await made(scene.platform, consent())
  // Two who look at once: each event is one alert all the same.
  const { gateway } = scene.clinic
  const raised = await Promise.all([gateway.watch(), gateway.watch()])
  expect(raised.toSorted()).toEqual([0, 1])
  expect(await gateway.watch()).toBe(0)

  const tasks = async () =>
    resourcesOf((await officer.request('GET', '/fhir/Task?status=requested')).body).filter(
      (task) => task.code.coding[0].code === 'consent-change',
    )
  const [task] = await tasks()
  expect(task).toMatchObject({
    priority: 'urgent',
    focus: { reference: expect.stringMatching(/^AuditEvent\//) },
  })
  expect(JSON.stringify(task)).not.toContain(scene.patient)
  const alerts = (await alertsOf(scene.clinic.store)).filter((json) => !before.includes(json))
  expect(alerts).toHaveLength(1)
  expect(alerts[0]).toContain(`Task/${task.id}`)
  expect(alerts[0]).not.toContain(scene.patient)

  const { folder } = scene.clinic
  await scene.clinic.stop()
  const again = await openClinic({}, folder)
  expect(await again.gateway.watch()).toBe(0)
  expect(await alertsOf(again.store)).toHaveLength(before.length + 1)
  await again.close()
})

async function alertsOf(store: Store): Promise<string[]> {
  const events = await store.search({ type: 'AuditEvent', criteria: [], limit: 1000 })
  return events.map(({ stored }) => stored.json).filter((json) => json.includes('"code":"alert"'))
}
