import type { MedicationRequest } from 'fhir/r4'
import { expect, test } from 'vitest'
import type { Destination } from '#core/destination.ts'
import type { Receiver } from '#core/flow.ts'
import type { Identified } from '#core/resource.ts'
import { receiversOf } from '#intake/receivers.ts'

const ehr = destination('ehr', 'ehr', 'Organization/hospital')
const corner = destination('corner', 'pharmacy', 'Organization/corner')
const other = destination('other', 'pharmacy', 'Organization/other')
const receivers: Receiver[] = [
  { role: 'ehr', types: ['MedicationRequest', 'Communication'] },
  { role: 'pharmacy', types: ['MedicationRequest', 'Communication'] },
]
const message: Identified = { resourceType: 'Communication', id: 'c', status: 'completed' }

function destination(
  id: string,
  role: Destination['role'],
  organization: Destination['organization'],
): Destination {
  const channel = { kind: 'fhir' as const, address: `https://${id}.example/fhir` }
  return { id, name: id, role, organization, purpose: 'TREAT', active: true, channel }
}

function order(
  id: string,
  status: MedicationRequest['status'],
  performer?: string,
): Identified<MedicationRequest> {
  return {
    resourceType: 'MedicationRequest',
    id,
    status,
    intent: 'order',
    subject: { reference: 'Patient/p' },
    medicationCodeableConcept: { text: 'a drug' },
    ...(performer ? { dispenseRequest: { performer: { reference: performer } } } : {}),
  }
}

function names(destinations: Destination[], resources: Identified[]): Record<string, string[]> {
  const found = receiversOf(destinations, receivers, resources)
  return Object.fromEntries(found.map((each) => [each.destination.id, each.resources.map(({ id }) => id)]))
}

test('a pharmacy gets the active orders that name it, and no messages; the EHR gets all', () => {
  const resources = [
    message,
    order('one', 'active', 'Organization/corner'),
    order('two', 'draft', 'Organization/corner'),
  ]
  expect(names([ehr, corner, other], resources)).toEqual({ ehr: ['c', 'one', 'two'], corner: ['one'] })
})

test('an order that names no pharmacy goes to none', () => {
  expect(names([corner, other], [order('one', 'active')])).toEqual({})
})

test('a destination that is switched off, and a type that the flow does not list, get nothing', () => {
  const patient: Identified = { resourceType: 'Patient', id: 'p' }
  expect(names([{ ...ehr, active: false }], [message])).toEqual({})
  expect(names([ehr], [patient])).toEqual({})
})
