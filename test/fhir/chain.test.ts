import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type OpenFhir, openFhir } from './open-fhir.ts'

let open: OpenFhir
beforeEach(async () => {
  open = await openFhir()
  await seed()
})
afterEach(() => open.close())

async function put(resource: { resourceType: string; id: string }): Promise<void> {
  const { status, body } = await open.ask('PUT', `${resource.resourceType}/ehr.${resource.id}`, {
    body: { ...resource, id: `ehr.${resource.id}` },
  })
  expect(status, body).toBe(201)
}

/** Two clinics' doctors, a patient of each, a message of each patient, a task about the first. */
async function seed(): Promise<void> {
  for (const n of ['1', '2']) {
    await put({ resourceType: 'Organization', id: `o${n}`, identifier: [{ value: `org-${n}` }] } as never)
    await put({ resourceType: 'Practitioner', id: `d${n}`, name: [{ family: `Doctor${n}` }] } as never)
    await put({
      resourceType: 'Patient',
      id: `p${n}`,
      identifier: [{ system: 'urn:mrn', value: n }],
      name: [{ family: `Person${n}` }],
      managingOrganization: { reference: `Organization/ehr.o${n}` },
      generalPractitioner: [{ reference: `Practitioner/ehr.d${n}` }],
    } as never)
    await put({
      resourceType: 'Communication',
      id: `m${n}`,
      status: 'completed',
      subject: { reference: `Patient/ehr.p${n}` },
      sender: { reference: `Practitioner/ehr.d${n}` },
    } as never)
  }
  await put({
    resourceType: 'Task',
    id: 't1',
    status: 'requested',
    intent: 'order',
    for: { reference: 'Patient/ehr.p1' },
    focus: { reference: 'Communication/ehr.m1' },
    owner: { reference: 'Organization/ehr.o2' },
  } as never)
}

async function found(query: string): Promise<string> {
  const { status, json, body } = await open.ask('GET', query)
  expect(status, body).toBe(200)
  return (json.entry ?? []).map(({ resource }: { resource: { id: string } }) => resource.id.slice(4)).join()
}

describe('a chain', () => {
  it.each([
    ['Communication?subject:Patient.identifier=urn:mrn|1', 'm1'],
    ['Communication?patient.identifier=2', 'm2'],
    ['Communication?patient.name=pers', 'm1,m2'],
    ['Communication?patient.name=person1', 'm1'],
    ['Communication?patient.organization.identifier=org-2', 'm2'],
    ['Communication?patient.general-practitioner:Practitioner.family=doctor1', 'm1'],
    ['Communication?patient._id=ehr.p1', 'm1'],
    ['Communication?patient.identifier=nobody', ''],
    ['Communication?patient.identifier=1&sender=ehr.d2', ''],
    ['Communication?sender.identifier=none', ''],
    ['Task?focus:Communication.patient.identifier=1', 't1'],
    ['Patient?_has:Communication:patient:sender=ehr.d1', 'p1'],
    ['Patient?_has:Task:patient:owner=Organization/ehr.o2', 'p1'],
    ['Practitioner?_has:Patient:general-practitioner:identifier=2', 'd2'],
    ['Organization?_has:Patient:organization:_has:Communication:patient:sender=ehr.d2', 'o2'],
    ['Patient?_has:Task:patient:owner.identifier=org-2', 'p1'],
  ])('%s finds %j', async (query, ids) => {
    expect(await found(query)).toBe(ids)
  })

  it.each([
    ['Task?focus:Communication.patient.organization.identifier=org-1', 422],
    ['Communication?patient.active=true', 422],
    ['Patient?_has:Communication:patient:status=completed', 422],
    ['Task?focus.identifier=1', 400],
    ['Communication?patient.colour=red', 400],
    ['Communication?patient:Practitioner.name=ab', 400],
    ['Patient?_has:Communication:status:sender=x', 400],
    ['Patient?_has:Practitioner:identifier=x', 400],
  ])('%s is refused with %i', async (query, status) => {
    expect((await open.ask('GET', query)).status).toBe(status)
  })

  it('goes over nothing that its caller may not see, by resource, type or element', async () => {
    const chain = 'Communication?patient.identifier=urn:mrn|1'
    open.policy.hidden.add('Organization/ehr.o2')
    expect(await found('Communication?patient.organization.identifier=org-2')).toBe('')
    expect(await found('Patient?_has:Task:patient:owner.identifier=org-2')).toBe('')
    open.policy.hidden.clear()
    open.policy.fields.set('Patient', ['name'])
    expect((await open.ask('GET', chain)).status).toBe(403)
    open.policy.fields.clear()
    open.policy.closed.add('search Patient')
    expect((await open.ask('GET', chain)).status).toBe(403)
    open.policy.closed.clear()
    open.policy.fields.set('Communication', ['status', 'sender'])
    expect((await open.ask('GET', 'Patient?_has:Communication:patient:sender=ehr.d1')).status).toBe(403)
  })

  it('is resolved again on every page', async () => {
    for (const n of ['3', '4']) {
      const body = {
        resourceType: 'Communication',
        status: 'completed',
        subject: { reference: 'Patient/ehr.p1' },
      }
      await put({ ...body, id: `m${n}` })
    }
    const { json } = await open.ask('GET', 'Communication?patient.identifier=1&_count=1')
    const next = json.link.find(({ relation }: { relation: string }) => relation === 'next').url
    open.policy.fields.set('Patient', ['name'])
    expect((await open.ask('GET', next)).status).toBe(403)
  })
})

describe('what goes along', () => {
  it('are also those that refer to the matches, and whom those refer to', async () => {
    expect(await found('Patient?_id=ehr.p1&_revinclude=Communication:patient')).toBe('p1,m1')
    expect(await found('Patient?_id=ehr.p1&_revinclude=Task:patient&_include:iterate=Task:owner')).toBe(
      'p1,t1,o2',
    )
    expect(await found('Task?_id=ehr.t1&_include=Task:focus&_include:iterate=Communication:sender')).toBe(
      't1,m1,d1',
    )
    expect(
      await found(
        'Organization?_id=ehr.o1&_revinclude=Patient:organization&_revinclude:iterate=Communication:patient',
      ),
    ).toBe('o1,p1,m1')
  })

  it('is bounded: a circle ends', async () => {
    const circle =
      'Patient?_id=ehr.p1&_revinclude:iterate=Communication:patient&_include:iterate=Communication:patient'
    expect(await found(circle)).toBe('p1,m1')
  })

  it('is nothing that its caller may not see, by resource, type or element', async () => {
    const query = 'Patient?_id=ehr.p1&_revinclude=Communication:patient'
    open.policy.hidden.add('Communication/ehr.m1')
    expect(await found(query)).toBe('p1')
    open.policy.hidden.clear()
    open.policy.closed.add('search Communication')
    expect(await found(query)).toBe('p1')
    open.policy.closed.clear()
    open.policy.fields.set('Communication', ['status'])
    expect(await found(query)).toBe('p1')
  })
})
