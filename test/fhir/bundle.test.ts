import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { base, type OpenFhir, openFhir } from './open-fhir.ts'

let open: OpenFhir
beforeEach(async () => {
  open = await openFhir()
})
afterEach(() => open.close())

const urn = 'urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0'
const patient = { resourceType: 'Patient', identifier: [{ system: 'urn:mrn', value: '1' }] }
const message = (subject: string) => ({
  resourceType: 'Communication',
  status: 'completed',
  subject: { reference: subject },
})

function entry(
  method: string,
  url: string,
  resource?: object,
  more: { fullUrl?: string; request?: object } = {},
) {
  const { fullUrl, request } = more
  return {
    ...(fullUrl ? { fullUrl } : {}),
    ...(resource ? { resource } : {}),
    request: { method, url, ...request },
  }
}

function post(type: string, ...list: object[]) {
  return open.ask('POST', '', { body: { resourceType: 'Bundle', type, entry: list } })
}

async function count(type: string): Promise<number> {
  return (await open.ask('GET', `${type}?_summary=count`)).json.total
}

function statuses(json: { entry: { response: { status: string } }[] }): string[] {
  return json.entry.map(({ response }) => response.status)
}

describe('a transaction', () => {
  it('makes resources that refer to each other, in one commit with an event for each', async () => {
    const before = await open.store.logSize()
    const { status, json, body } = await post(
      'transaction',
      entry('POST', 'Communication', message(urn)),
      entry('POST', 'Patient', patient, { fullUrl: urn }),
    )
    expect(status, body).toBe(200)
    expect([json.type, ...statuses(json)]).toEqual(['transaction-response', '201', '201'])
    const [made, person] = json.entry
    expect(made.resource.subject.reference).toBe(`Patient/${person.resource.id}`)
    expect(person.response).toMatchObject({
      location: `${base}/Patient/${person.resource.id}/_history/1`,
      etag: 'W/"1"',
    })
    expect(await open.store.logSize()).toBe(before + 2)
    expect((await open.ask('GET', `Communication?patient=${person.resource.id}`)).json.entry).toHaveLength(1)
  })

  it('stands or falls with its audit and its deliveries, wherever the database fails', async () => {
    // Before the statement at `failing` stands one that no database takes.
    let failing: number | undefined
    let longest = 0
    const faulty = await openFhir({
      beneath: (driver) => ({
        ...driver,
        atomically(unit) {
          longest = Math.max(longest, unit.length)
          const broken = { sql: 'INSERT INTO nowhere VALUES (1)', parameters: [] }
          return driver.atomically(failing === undefined ? unit : unit.toSpliced(failing, 0, broken))
        },
      }),
    })
    onTestFinished(() => faulty.close())
    const { store } = faulty
    const webhooks = { addresses: ['https://ehr.example/hooks'], secret: 'whsec_' }
    const json = JSON.stringify({ id: 'ehr', grants: [], webhooks })
    await store.commit({ audit: [], registrations: [{ kind: 'client', id: 'ehr', json }] })
    const channel = { type: 'rest-hook', endpoint: 'https://ehr.example/hooks/in' }
    const asked = { resourceType: 'Subscription', status: 'requested', reason: 'x', channel }
    const entries = [
      entry('POST', 'Patient', patient, { fullUrl: urn }),
      entry('POST', 'Communication', message(urn)),
      entry('POST', 'Subscription', { ...asked, criteria: 'Communication?status=completed' }),
    ]
    const types = ['Patient', 'Communication', 'Subscription']
    const standing = async () => ({
      resources: await Promise.all(
        types.map(async (type) => (await store.search({ type, criteria: [], limit: 9 })).length),
      ),
      events: await store.logSize(),
      deliveries: (await store.deliveries(9)).length,
    })
    const transaction = { resourceType: 'Bundle', type: 'transaction', entry: entries }
    const body = JSON.stringify(transaction)

    const before = await standing()
    expect(before).toEqual({ resources: [0, 0, 0], events: 0, deliveries: 0 })
    for (let at = 0; at <= longest; at++) {
      failing = at
      // The refusal could not be recorded either: nothing is answered.
      await expect(faulty.ask('POST', '', { body })).rejects.toMatchObject({ kind: 'unavailable' })
      expect(await standing(), `a fault before statement ${at}`).toEqual(before)
    }
    expect(longest, 'the statements of a transaction').toBeGreaterThan(20)
    failing = undefined
    expect((await faulty.ask('POST', '', { body })).status).toBe(200)
    expect(await standing()).toEqual({ resources: [1, 1, 1], events: 3, deliveries: 1 })
  })

  it('does nothing when one entry fails, and says which', async () => {
    const failing = [
      entry('POST', 'Communication', { resourceType: 'Communication' }),
      entry('PUT', 'Patient/none', { ...patient, id: 'none' }),
      entry('DELETE', 'Patient/none'),
      entry('POST', 'Communication', message('urn:uuid:nobody')),
      entry('POST', 'Communication', message('Patient?identifier=nobody')),
      entry('POST', 'Nonsense', { resourceType: 'Nonsense' }),
      entry('POST', 'AuditEvent', { resourceType: 'AuditEvent' }),
    ]
    for (const bad of failing) {
      const { status, json } = await post('transaction', entry('POST', 'Patient', patient), bad)
      expect([400, 404, 405, 412, 422], JSON.stringify(bad)).toContain(status)
      expect(json.resourceType).toBe('OperationOutcome')
    }
    const { json } = await post('transaction', entry('POST', 'Patient', patient), failing[0] ?? {})
    expect(json.issue[0].expression[0]).toMatch(/^Bundle\.entry\[1\]/)
    expect(await count('Patient')).toBe(0)
  })

  it('allows each entry by itself: one that is forbidden stops all', async () => {
    open.policy.closed.add('create Communication')
    const { status } = await post(
      'transaction',
      entry('POST', 'Patient', patient),
      entry('POST', 'Communication', message('Patient/1')),
    )
    expect([status, await count('Patient')]).toEqual([403, 0])
  })

  it('deletes, makes and changes in the order of the rules, whatever order they came in, and reads what came of it', async () => {
    const put = (id: string, more = {}) =>
      open.ask('PUT', `Patient/ehr.${id}`, { body: { ...patient, ...more, id: `ehr.${id}` } })
    await put('1', { identifier: [{ value: 'old' }] })
    await put('2', { identifier: [{ value: 'changed' }] })
    const { json, body } = await post(
      'transaction',
      entry('GET', 'Patient?identifier=1'),
      entry('GET', 'Patient/ehr.2'),
      entry(
        'PUT',
        'Patient/ehr.2',
        { ...patient, id: 'ehr.2', active: true },
        { request: { ifMatch: 'W/"1"' } },
      ),
      entry('POST', 'Patient', patient, { request: { ifNoneExist: 'identifier=old' } }),
      entry('DELETE', 'Task?identifier=none'),
    )
    expect(json.issue?.[0]?.expression).toEqual(['Bundle.entry[4]'])
    const again = await post(
      'transaction',
      entry('GET', 'Patient?identifier=1'),
      entry('GET', 'Patient/ehr.2'),
      entry(
        'PUT',
        'Patient/ehr.2',
        { ...patient, id: 'ehr.2', active: true },
        { request: { ifMatch: 'W/"1"' } },
      ),
      entry('POST', 'Patient', patient, { request: { ifNoneExist: 'identifier=old' } }),
      entry('DELETE', 'Patient/ehr.3'),
    )
    expect(again.status, body).toBe(404)
    const last = await post(
      'transaction',
      entry('GET', 'Patient?identifier=1'),
      entry('GET', 'Patient/ehr.2'),
      entry(
        'PUT',
        'Patient/ehr.2',
        { ...patient, id: 'ehr.2', active: true },
        { request: { ifMatch: 'W/"1"' } },
      ),
      entry('POST', 'Patient', patient, { request: { ifNoneExist: 'identifier=old' } }),
    )
    expect(statuses(last.json), last.body).toEqual(['200', '200', '200', '200'])
    expect(last.json.entry[0].resource.entry).toHaveLength(1)
    expect(last.json.entry[1].resource.active).toBe(true)
    expect(last.json.entry[3].resource.id).toBe('ehr.1')
  })

  it('takes conditional references, updates and deletes, and patches', async () => {
    await open.ask('PUT', 'Patient/ehr.1', { body: { ...patient, id: 'ehr.1' } })
    const patch = btoa(JSON.stringify([{ op: 'add', path: '/active', value: false }]))
    const { json, body } = await post(
      'transaction',
      entry('POST', 'Communication', message('Patient?identifier=urn:mrn|1')),
      entry('PATCH', 'Patient/ehr.1', {
        resourceType: 'Binary',
        contentType: 'application/json-patch+json',
        data: patch,
      }),
      entry(
        'PUT',
        'Organization?identifier=o',
        { resourceType: 'Organization', identifier: [{ value: 'o' }] },
        { fullUrl: urn },
      ),
      entry('POST', 'PractitionerRole', {
        resourceType: 'PractitionerRole',
        organization: { reference: urn },
      }),
    )
    expect(json.entry, body).toBeDefined()
    expect(statuses(json)).toEqual(['201', '200', '201', '201'])
    expect(json.entry[0].resource.subject.reference).toBe('Patient/ehr.1')
    expect(json.entry[1].resource.active).toBe(false)
    expect(json.entry[3].resource.organization.reference).toBe(`Organization/${json.entry[2].resource.id}`)
    const next = await post(
      'transaction',
      entry('PUT', 'Organization?identifier=o', {
        resourceType: 'Organization',
        identifier: [{ value: 'o' }],
        active: true,
      }),
      entry('DELETE', 'PractitionerRole?organization.identifier=o'),
    )
    expect(statuses(next.json), next.body).toEqual(['200', '204'])
    expect(next.json.entry[0].response.etag).toBe('W/"2"')
  })

  it.each([
    ['Patient?colour=red', 400],
    ['Patient?birthdate=soon', 400],
    ['Patient?organization.colour=red', 400],
    ['Patient?_cursor=made-up&active=true', 400],
    ['Patient/ehr.1/_history?_count=none', 400],
    ['Patient/_history?_since=soon', 400],
    ['Patient/ehr.1/$everything?_count=0', 400],
    ['Patient/ehr.1?_format=xml', 406],
    ['Nonsense/1', 404],
    ['Task?patient=ehr.1', 403],
  ])('that asks to read %s does nothing', async (url, expected) => {
    open.policy.closed.add('search Task')
    const before = await open.store.logSize()
    const { status, json, body } = await post(
      'transaction',
      entry('POST', 'Patient', patient),
      entry('GET', url),
    )
    expect([status, json.issue?.[0].expression], body).toEqual([expected, ['Bundle.entry[1]']])
    expect(await open.store.logSize()).toBe(before + 1)
    expect(await count('Patient')).toBe(0)
  })

  it('that is committed is answered as such, whatever becomes of a read after it', async () => {
    const { search } = open.store
    open.store.onCommit(({ writes = [] }) => {
      if (writes.length > 0) open.store.search = () => Promise.reject(new Error('The disk is gone.'))
    })
    const { status, json } = await post(
      'transaction',
      entry('GET', 'Patient?identifier=urn:mrn|1'),
      entry('POST', 'Patient', patient),
      entry('GET', 'Patient/none'),
    )
    open.store.search = search
    expect([status, ...statuses(json)]).toEqual([200, '500', '201', '404'])
    expect(json.entry[0].response.outcome.issue[0]).toMatchObject({ severity: 'error', code: 'exception' })
    expect(json.entry[1].resource.id).toBeDefined()
    expect(await count('Patient')).toBe(1)
  })

  it('with two dispenses of one order is refused and says which they are; one after the other they are counted', async () => {
    const subject = { reference: 'Patient/1' }
    const medicationCodeableConcept = { text: 'x' }
    for (const id of ['rx', 'ry']) {
      const dispenseRequest = { quantity: { value: 100, unit: 'mL' } }
      const coded = { resourceType: 'MedicationRequest', status: 'active', intent: 'order' } as const
      const order = {
        ...coded,
        id,
        meta: { versionId: '1' },
        subject,
        medicationCodeableConcept,
        dispenseRequest,
      }
      const write = { resource: order, version: 1, updated: open.clock.now() }
      await open.store.commit({ audit: [], writes: [write] })
    }
    const dispense = (order: string) =>
      entry('POST', 'MedicationDispense', {
        resourceType: 'MedicationDispense',
        status: 'completed',
        medicationCodeableConcept,
        subject,
        authorizingPrescription: [{ reference: `MedicationRequest/${order}` }],
        whenHandedOver: '2026-02-01T10:00:00Z',
        quantity: { value: 50, unit: 'mL' },
      })
    const refused = await post('transaction', dispense('rx'), dispense('ry'), dispense('rx'))
    expect(refused.status).toBe(409)
    expect(refused.json.issue.map(({ expression }: { expression: string[] }) => expression[0])).toEqual([
      'Bundle.entry[0]',
      'Bundle.entry[2]',
    ])
    expect(refused.json.issue[0].diagnostics).toContain('one after the other')
    expect(await count('MedicationDispense')).toBe(0)
    expect((await post('transaction', dispense('rx'), dispense('ry'))).status).toBe(200)
    expect((await post('transaction', dispense('rx'))).status).toBe(200)
    const status = async (id: string) => (await open.ask('GET', `MedicationRequest/${id}`)).json.status
    expect([await status('rx'), await status('ry')]).toEqual(['completed', 'active'])
  })

  it('fifty of them with the same condition make one resource', async () => {
    const made = entry('POST', 'Patient', patient, {
      fullUrl: urn,
      request: { ifNoneExist: 'identifier=urn:mrn|1' },
    })
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        post('transaction', made, entry('POST', 'Communication', message(urn))),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200))
    expect([await count('Patient'), await count('Communication')]).toEqual([1, 50])
    expect(answers.flatMap(({ json }) => statuses(json)).filter((status) => status === '201')).toHaveLength(
      51,
    )
  }, 30_000)

  it.each([
    [
      'the same resource twice',
      [entry('DELETE', 'Patient/ehr.1'), entry('PUT', 'Patient/ehr.1', { ...patient, id: 'ehr.1' })],
      400,
    ],
    [
      'the same fullUrl twice',
      [
        entry('POST', 'Patient', patient, { fullUrl: urn }),
        entry('POST', 'Patient', patient, { fullUrl: urn }),
      ],
      400,
    ],
    ['an entry without request', [{ resource: patient }], 400],
    ['more entries than are taken', Array(101).fill(entry('GET', 'Patient/1')), 413],
  ])('with %s is refused', async (_, entries, status) => {
    await open.ask('PUT', 'Patient/ehr.1', { body: { ...patient, id: 'ehr.1' } })
    expect((await post('transaction', ...entries)).status).toBe(status)
  })
})

describe('a batch', () => {
  it('answers each entry by itself, refusals in their place', async () => {
    const before = await open.store.logSize()
    const { status, json } = await post(
      'batch',
      entry('POST', 'Patient', patient),
      entry('GET', 'Patient/none'),
      entry('POST', 'Communication', { resourceType: 'Communication' }),
      entry('GET', 'Patient?identifier=none'),
      entry('GET', 'metadata/x'),
    )
    expect([status, json.type, ...statuses(json)]).toEqual([
      200,
      'batch-response',
      '201',
      '404',
      '422',
      '200',
      '404',
    ])
    expect(json.entry[1].response.outcome.issue[0].code).toBe('not-found')
    expect(json.entry[3].resource.type).toBe('searchset')
    expect(await open.store.logSize()).toBe(before + 5)
  })

  it('of another kind, or no Bundle, is refused and on record', async () => {
    const before = await open.store.logSize()
    expect((await post('collection', entry('GET', 'Patient/1'))).status).toBe(400)
    expect((await open.ask('POST', '', { body: patient })).status).toBe(400)
    expect(await open.store.logSize()).toBe(before + 2)
  })
})

describe('conditional update and delete', () => {
  it('makes what is not found, changes what is, refuses what is found twice', async () => {
    const ask = (more = {}) =>
      open.ask('PUT', 'Patient?identifier=urn:mrn|1', { body: { ...patient, ...more } })
    const made = await ask()
    expect(made.status).toBe(201)
    const changed = await ask({ active: true })
    expect([changed.status, changed.json.id, changed.headers.ETag]).toEqual([200, made.json.id, 'W/"2"'])
    expect((await ask({ id: 'other' })).status).toBe(400)
    await open.ask('POST', 'Patient', { body: patient })
    expect((await ask()).status).toBe(412)
    expect((await open.ask('DELETE', 'Patient?identifier=urn:mrn|1')).status).toBe(412)
    await open.ask('DELETE', `Patient/${made.json.id}`)
    expect((await open.ask('DELETE', 'Patient?identifier=urn:mrn|1')).status).toBe(204)
    expect((await open.ask('DELETE', 'Patient?identifier=urn:mrn|1')).status).toBe(404)
  })

  it('fifty updates at once make one resource', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => open.ask('PUT', 'Patient?identifier=urn:mrn|1', { body: patient })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(new Set(answers.map(({ status }) => status))).not.toContain(500)
    expect(await count('Patient')).toBe(1)
  })

  it('what the caller may not see is neither changed nor deleted, nor told', async () => {
    const made = await open.ask('POST', 'Patient', { body: patient })
    open.policy.hidden.add(`Patient/${made.json.id}`)
    expect((await open.ask('PUT', 'Patient?identifier=urn:mrn|1', { body: patient })).status).toBe(201)
    expect((await open.ask('DELETE', 'Patient?identifier=urn:mrn|1')).status).toBe(204)
    open.policy.hidden.clear()
    expect((await open.ask('GET', `Patient/${made.json.id}`)).headers.ETag).toBe('W/"1"')
  })
})
