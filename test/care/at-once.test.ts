import { afterEach, beforeEach, expect, it } from 'vitest'
import { type OpenFhir, openFhir } from '../fhir/open-fhir.ts'

let open: OpenFhir
beforeEach(async () => {
  open = await openFhir()
  const order = {
    resourceType: 'MedicationRequest',
    id: 'rx',
    meta: { versionId: '1' },
    status: 'active',
    intent: 'order',
    subject: { reference: 'Patient/1' },
    medicationCodeableConcept: { text: 'x' },
    dispenseRequest: { quantity: { value: 100, unit: 'mL' }, numberOfRepeatsAllowed: 1 },
  } as never
  await open.store.commit({ audit: [], writes: [{ resource: order, version: 1, updated: open.clock.now() }] })
})
afterEach(() => open.close())

const dispense = (value: number) =>
  open.ask('POST', 'MedicationDispense', {
    body: {
      resourceType: 'MedicationDispense',
      status: 'completed',
      medicationCodeableConcept: { text: 'x' },
      subject: { reference: 'Patient/1' },
      authorizingPrescription: [{ reference: 'MedicationRequest/rx' }],
      whenHandedOver: '2026-02-01T10:00:00Z',
      quantity: { value, unit: 'mL' },
    },
  })
const issues = async () =>
  (await open.ask('GET', 'DetectedIssue?implicated=MedicationRequest/rx')).json.entry ?? []

it('dispenses that come at the same moment are all kept, and the last one of all completes the order', async () => {
  const told = await Promise.all(Array.from({ length: 20 }, () => dispense(10)))
  expect(told.map(({ status }) => status)).toEqual(Array(20).fill(201))
  expect((await open.ask('GET', 'MedicationRequest/rx')).json.status).toBe('completed')
  expect(await issues()).toEqual([])
})

it('an order given to several pharmacies at the same moment is given to one', async () => {
  const body = {
    resourceType: 'Task',
    status: 'requested',
    intent: 'order',
    code: { coding: [{ system: 'http://hl7.org/fhir/CodeSystem/task-code', code: 'fulfill' }] },
    focus: { reference: 'MedicationRequest/rx' },
    for: { reference: 'Patient/1' },
  }
  const given = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      open.ask('POST', 'Task', { body: { ...body, owner: { reference: `Organization/${index}` } } }),
    ),
  )
  expect(given.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)])
})

it('dispenses that come at the same moment and are too much together are found out', async () => {
  const told = await Promise.all([dispense(150), dispense(150)])
  expect(told.map(({ status }) => status)).toEqual([201, 201])
  expect(await issues()).toHaveLength(1)
})
