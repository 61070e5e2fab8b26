import type { FhirResource, MedicationRequest } from 'fhir/r4'
import { expect, it } from 'vitest'
import { type Identified, type Reference, versioned } from '#core/resource.ts'
import { openStore } from '../open-store.ts'

const at = Date.parse('2026-03-01T08:00:00Z')
const patient = 'Patient/p1' as Reference
const subject = { reference: patient }
const rxnorm = 'http://www.nlm.nih.gov/research/umls/rxnorm'

const order: MedicationRequest = {
  resourceType: 'MedicationRequest',
  status: 'active',
  intent: 'order',
  subject,
  medicationCodeableConcept: { coding: [{ system: rxnorm, code: '308136' }] },
}
const resources: [string, FhirResource][] = [
  ['p1', { resourceType: 'Patient', name: [{ family: 'Kept' }] }],
  ['o1', order],
  [
    'm1',
    { resourceType: 'Communication', status: 'completed', subject, payload: [{ contentString: 'gone' }] },
  ],
]

it('what stays of a record is read, found and evident as before, under another key; what goes is gone', async () => {
  const { store, vault, close } = await openStore()
  const write = (id: string, resource: FhirResource) => ({
    resource: versioned(resource, id, 1, at) as Identified,
    version: 1,
    updated: at,
  })
  await store.commit({ audit: [], writes: resources.map(([id, each]) => write(id, each)) })
  const byCode = {
    type: 'MedicationRequest',
    criteria: [
      { kind: 'token' as const, param: 'patient', values: [patient] },
      { kind: 'token' as const, param: 'code', values: [`${rxnorm}|308136`] },
    ],
    limit: 10,
  }
  expect(await store.search(byCode)).toHaveLength(1)
  const record = await store.findRecord(patient)
  if (!record) throw new Error('nothing is on record')
  const keeps = new Set<Reference>([patient, 'MedicationRequest/o1'])
  const before = await store.ledger(patient, 1, 10)

  // Looked at before this came: the erasure must not take what it did not judge.
  await store.commit({ audit: [], writes: [write('m2', { ...resources[2]?.[1], id: 'm2' } as FhirResource)] })
  await expect(
    store.erase({ patient, record, keeps, accounts: [], at }, { audit: [] }),
  ).rejects.toMatchObject({
    kind: 'precondition-failed',
  })
  const now = await store.findRecord(patient)
  if (!now) throw new Error('nothing is on record')
  await store.erase({ patient, record: now, keeps, accounts: [], at }, { audit: [] })

  expect((await store.read('Patient', 'p1'))?.json).toContain('Kept')
  expect(await store.search(byCode)).toHaveLength(1)
  expect(await store.read('Communication', 'm1')).toBeUndefined()
  expect((await store.ledger(patient, 1, 10)).slice(0, before.length)).toEqual(before)
  await expect(vault.open(now.key)).rejects.toMatchObject({ kind: 'internal' })
  const left = await store.findRecord(patient)
  expect(left?.key).not.toBe(now.key)
  expect(left?.resources.map(({ reference }) => reference).sort()).toEqual([
    'MedicationRequest/o1',
    'Patient/p1',
  ])

  // The same once more, to the end.
  if (left) await store.erase({ patient, record: left, keeps: new Set(), accounts: [], at }, { audit: [] })
  expect(await store.findRecord(patient)).toBeUndefined()
  expect(await store.search(byCode)).toEqual([])
  await close()
})
