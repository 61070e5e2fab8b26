import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { careUpkeep } from '#care/upkeep.ts'
import { parseJson } from '#formats/json.ts'
import { openMainStreet } from '../doors/main-street.ts'
import { fieldsOf } from '../doors/mllp-socket.ts'
import { message, openScene, placesIn, type Scene } from '../doors/scene.ts'
import type { Pharmacy } from '../peers/pharmacy.ts'

let scene: Scene
let peer: Pharmacy
beforeAll(async () => {
  scene = await openScene()
  peer = await openMainStreet(scene)
})
afterAll(async () => {
  await scene.clinic.close()
  await peer.close()
})

async function issued(id: string) {
  const body = message('prescription/active-attested.in.json', { id, validity: undefined })
  const answer = await scene.platform.request('POST', '/ingest/prescriptions', body)
  expect(answer.status, answer.text).toBe(201)
  return placesIn(answer.body, 'MedicationRequest')[0] ?? ''
}

const controls = () => peer.messages.map((text) => fieldsOf(text, 'ORC').slice(1, 3))

describe('a cancellation over FHIR', () => {
  it('reaches a pharmacy that speaks HL7 v2 as ORC-1 = CA with the order’s own number, after the order', async () => {
    const order = await issued('cancelled-by-v2')
    const asked = await scene.ehr.request('POST', '/fhir/Task', {
      resourceType: 'Task',
      status: 'requested',
      intent: 'order',
      code: { coding: [{ system: 'http://hl7.org/fhir/CodeSystem/task-code', code: 'abort' }] },
      focus: { reference: order },
      for: { reference: scene.patient },
      reasonCode: {
        coding: [{ system: 'https://fhir.nhs.uk/CodeSystem/medicationrequest-status-reason', code: '0001' }],
      },
    })
    expect(asked.status, asked.text).toBe(201)
    await vi.waitFor(() => expect(controls()).toHaveLength(2), 10_000)
    const [first, second] = controls()
    expect([first?.[0], second?.[0]]).toEqual(['NW', 'CA'])
    expect(second?.[1]).toBe(first?.[1])
    expect(first?.[1]).toContain('cancelled-by-v2')
    const deliveries = await scene.clinic.store.deliveries(10)
    expect(deliveries.map(({ resources }) => resources[0]?.type).sort()).toEqual([
      'MedicationRequest',
      'Task',
    ])

    // A day later nobody has answered: the same again.
    const { store, gateway } = scene.clinic
    const ids = { random: () => crypto.randomUUID() as string }
    const clock = { now: () => Date.now() + 24 * 3_600_000 }
    const reminded = { store, audit: gateway.audit, clock, ids, parse: parseJson, timeZone: 'UTC' }
    expect(await careUpkeep(reminded)).toBe(1)
    expect(await careUpkeep(reminded)).toBe(0)
    const [again] = (await store.deliveries(10)).filter(({ state }) => state === 'queued')
    expect(again?.resources).toEqual([{ type: 'Task', id: expect.any(String), version: 2 }])
  })
})
