import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Answered, base, ehr, type OpenFhir, openFhir } from './open-fhir.ts'

let open: OpenFhir
beforeEach(async () => {
  open = await openFhir()
})
afterEach(() => open.close())

function message(text: string, more: object = {}) {
  return {
    resourceType: 'Communication',
    status: 'completed',
    subject: { reference: 'Patient/1' },
    payload: [{ contentString: text }],
    ...more,
  }
}

async function created(resource: object): Promise<Answered> {
  const { resourceType } = resource as { resourceType: string }
  const answer = await open.ask('POST', resourceType, { body: resource })
  expect(answer.status, answer.body).toBe(201)
  return answer
}

/** The newest audit event. */
async function lastEvent() {
  const rows = await open.store.search({
    type: 'AuditEvent',
    criteria: [],
    sort: { param: 'date', descending: true },
    limit: 1,
  })
  return JSON.parse(rows[0]?.stored.json ?? '{}')
}

describe('create and read', () => {
  it('what was created is read back byte for byte, with its headers', async () => {
    const made = await created(message('Hello'))
    const { id } = made.json
    expect(made.headers).toMatchObject({ ETag: 'W/"1"', Location: `${base}/Communication/${id}/_history/1` })
    const got = await open.ask('GET', `Communication/${id}`)
    expect(got.status).toBe(200)
    expect(got.body).toBe(made.body)
    expect(got.headers).toMatchObject({
      ETag: 'W/"1"',
      'Last-Modified': new Date(made.json.meta.lastUpdated).toUTCString(),
      'Content-Type': 'application/fhir+json; charset=utf-8',
    })
  })

  it('decimals keep their digits and extensions that nobody knows survive', async () => {
    const body =
      '{"resourceType":"Communication","status":"completed","extension":[{"url":"http://x.test/dose","valueDecimal":1.50}]}'
    const made = await open.ask('POST', 'Communication', { body })
    expect(made.body).toContain('"extension":[{"url":"http://x.test/dose","valueDecimal":1.50}]')
    const got = await open.ask('GET', `Communication/${made.json.id}`)
    expect(got.body).toBe(made.body)
    expect((await open.ask('GET', `Communication/${made.json.id}?_pretty=true`)).body).toContain(': 1.50')
  })

  it('the id that a client sends with a create is not taken', async () => {
    const { json } = await created(message('Hello', { id: 'mine' }))
    expect(json.id).not.toBe('mine')
  })

  it('a reference to our own base is kept as a relative one', async () => {
    const { json } = await created(message('Hello', { sender: { reference: `${base}/Practitioner/2` } }))
    expect(json.sender.reference).toBe('Practitioner/2')
  })

  it('Prefer decides how much comes back', async () => {
    const minimal = await open.ask('POST', 'Communication', {
      body: message('a'),
      headers: { prefer: 'return=minimal' },
    })
    expect([minimal.status, minimal.body]).toEqual([201, ''])
    const outcome = await open.ask('POST', 'Communication', {
      body: message('a'),
      headers: { prefer: 'return=OperationOutcome' },
    })
    expect(outcome.json.resourceType).toBe('OperationOutcome')
  })

  it('a version that the client has is not sent again', async () => {
    const { json } = await created(message('Hello'))
    const path = `Communication/${json.id}`
    const same = await open.ask('GET', path, { headers: { 'if-none-match': 'W/"1"' } })
    expect([same.status, same.body]).toEqual([304, ''])
    expect((await open.ask('GET', path, { headers: { 'if-none-match': 'W/"2"' } })).status).toBe(200)
    const later = new Date(Date.parse(json.meta.lastUpdated) + 1000).toUTCString()
    expect((await open.ask('GET', path, { headers: { 'if-modified-since': later } })).status).toBe(304)
    expect((await lastEvent()).entity[0].what.reference).toBe(path)
  })
})

describe('update, delete, history', () => {
  it('an update needs If-Match, refuses a stale one, and makes the next version', async () => {
    const { json } = await created(message('one'))
    const path = `Communication/${json.id}`
    const body = { ...json, payload: [{ contentString: 'two' }] }
    expect((await open.ask('PUT', path, { body })).status).toBe(428)
    expect((await open.ask('PUT', path, { body, headers: { 'if-match': 'W/"7"' } })).status).toBe(412)
    const updated = await open.ask('PUT', path, { body, headers: { 'if-match': 'W/"1"' } })
    expect([updated.status, updated.headers.ETag]).toEqual([200, 'W/"2"'])
    expect((await open.ask('GET', path)).json.payload[0].contentString).toBe('two')
    expect((await open.ask('GET', `${path}/_history/1`)).json.payload[0].contentString).toBe('one')
  })

  it('of fifty updates of one version one wins and the others are told', async () => {
    const { json } = await created(message('one'))
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        open.ask('PUT', `Communication/${json.id}`, {
          body: { ...json, payload: [{ contentString: `by ${n}` }] },
          headers: { 'if-match': 'W/"1"' },
        }),
      ),
    )
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([200, ...Array(49).fill(412)])
  })

  it('an update changes what the resource is found by', async () => {
    const { json } = await created(message('one', { identifier: [{ system: 'urn:a', value: '1' }] }))
    const body = { ...json, identifier: [{ system: 'urn:a', value: '2' }] }
    await open.ask('PUT', `Communication/${json.id}`, { body, headers: { 'if-match': 'W/"1"' } })
    expect((await open.ask('GET', 'Communication?identifier=urn:a|1')).json.entry).toBeUndefined()
    expect((await open.ask('GET', 'Communication?identifier=urn:a|2')).json.entry).toHaveLength(1)
  })

  it('what was deleted is gone, is not found, and stays in its history', async () => {
    const { json } = await created(message('one'))
    const path = `Communication/${json.id}`
    expect((await open.ask('DELETE', path)).status).toBe(204)
    expect((await open.ask('DELETE', path)).status).toBe(204)
    expect((await open.ask('GET', path)).status).toBe(410)
    expect((await open.ask('GET', 'Communication?patient=1')).json.entry).toBeUndefined()
    const { entry } = (await open.ask('GET', `${path}/_history`)).json
    expect(entry.map((each: { request: { method: string } }) => each.request.method)).toEqual([
      'DELETE',
      'POST',
    ])
    expect(entry[0].resource).toBeUndefined()
  })

  it('a client chooses ids only in its own space, and brings back what it deleted there', async () => {
    const body = { ...message('one'), id: 'ehr.7' }
    expect((await open.ask('PUT', 'Communication/ehr.7', { body })).status).toBe(201)
    expect((await open.ask('DELETE', 'Communication/ehr.7')).status).toBe(204)
    const again = await open.ask('PUT', 'Communication/ehr.7', { body })
    expect([again.status, again.headers.ETag]).toEqual([201, 'W/"3"'])
    const other = await open.ask('PUT', 'Communication/other.7', { body: { ...body, id: 'other.7' } })
    expect(other.status).toBe(404)
    const feeder = { ...ehr, grants: ['assign-ids'] }
    const trusted = await open.ask('PUT', 'Communication/other.7', {
      body: { ...body, id: 'other.7' },
      caller: feeder,
    })
    expect(trusted.status).toBe(201)
  })

  it('an update from a narrowed view leaves alone what the caller is not shown', async () => {
    const { json } = await created(
      message('one', {
        note: [{ text: 'between colleagues' }],
        meta: { security: [{ system: 'urn:l', code: 'R' }] },
      }),
    )
    const path = `Communication/${json.id}`
    open.policy.fields.set('Communication', ['status', 'subject', 'payload'])
    const seen = (await open.ask('GET', path)).json
    expect([seen.note, seen.meta.security]).toEqual([undefined, undefined])
    expect(seen.meta.tag[0].code).toBe('SUBSETTED')
    const body = { ...seen, payload: [{ contentString: 'two' }] }
    const updated = await open.ask('PUT', path, { body, headers: { 'if-match': 'W/"1"' } })
    expect([updated.status, updated.json.note]).toEqual([200, undefined])
    open.policy.fields.clear()
    const whole = (await open.ask('GET', path)).json
    expect(whole).toMatchObject({
      note: [{ text: 'between colleagues' }],
      payload: [{ contentString: 'two' }],
      meta: { security: [{ system: 'urn:l', code: 'R' }] },
    })
    expect(whole.meta.tag).toBeUndefined()
  })
})

describe('an order', () => {
  const order = {
    resourceType: 'MedicationRequest',
    status: 'draft',
    intent: 'order',
    subject: { reference: 'Patient/1' },
    medicationCodeableConcept: { text: 'x' },
  }

  it('is made as a draft and never put in force by a plain write', async () => {
    const made = await created(order)
    const path = `MedicationRequest/${made.json.id}`
    const headers = { 'if-match': 'W/"1"' }
    const refused = await open.ask('PUT', path, { body: { ...made.json, status: 'active' }, headers })
    expect([refused.status, refused.json.issue[0].code]).toEqual([422, 'business-rule'])
    const active = await open.ask('POST', 'MedicationRequest', { body: { ...order, status: 'active' } })
    expect(active.status).toBe(422)
    const body = { ...made.json, status: 'cancelled' }
    expect((await open.ask('PUT', path, { body, headers })).status).toBe(200)
  })

  it('in force is not edited by a plain write', async () => {
    const resource = { ...order, id: 'rx', status: 'active' } as never
    await open.store.commit({ audit: [], writes: [{ resource, version: 1, updated: open.clock.now() }] })
    const body = { ...order, id: 'rx', status: 'active', medicationCodeableConcept: { text: 'y' } }
    const refused = await open.ask('PUT', 'MedicationRequest/rx', { body, headers: { 'if-match': 'W/"1"' } })
    expect(refused.status).toBe(422)
  })
})

describe('conditional create', () => {
  const headers = { 'if-none-exist': 'identifier=urn:a|1' }
  const body = message('one', { identifier: [{ system: 'urn:a', value: '1' }] })

  it('fifty at once make one resource', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => open.ask('POST', 'Communication', { body, headers })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(49).fill(200), 201])
    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(1)
  })

  it('after a deletion it makes the resource again', async () => {
    const first = await open.ask('POST', 'Communication', { body, headers })
    await open.ask('DELETE', `Communication/${first.json.id}`)
    expect((await open.ask('POST', 'Communication', { body, headers })).status).toBe(201)
  })

  it('what the caller may not see does not stop it, nor show', async () => {
    const first = await open.ask('POST', 'Communication', { body, headers })
    open.policy.hidden.add(`Communication/${first.json.id}`)
    const second = await open.ask('POST', 'Communication', { body, headers })
    expect(second.status).toBe(201)
    expect(second.json.id).not.toBe(first.json.id)
  })

  it('more than one that fits is refused', async () => {
    await created(body)
    await created(body)
    expect((await open.ask('POST', 'Communication', { body, headers })).status).toBe(412)
  })
})

describe('refusals', () => {
  it('what is hidden answers byte for byte as what is not there', async () => {
    const { json } = await created(message('secret'))
    open.policy.hidden.add('Patient/1')
    for (const [method, rest] of [
      ['GET', ''],
      ['GET', '/_history/1'],
      ['GET', '/_history'],
      ['DELETE', ''],
      ['PUT', ''],
    ] as const) {
      const asked = (id: string) => ({
        ...(method === 'PUT' ? { body: message('x', { id }), headers: { 'if-match': 'W/"1"' } } : {}),
      })
      const hidden = await open.ask(method, `Communication/${json.id}${rest}`, asked(json.id))
      const missing = await open.ask(method, `Communication/nothing${rest}`, asked('nothing'))
      expect(hidden.status).toBe(404)
      expect(hidden).toEqual(missing)
    }
  })

  it('what is hidden stays hidden when it has been deleted', async () => {
    const { json } = await created(message('secret'))
    await open.ask('DELETE', `Communication/${json.id}`)
    open.policy.hidden.add('Patient/1')
    expect(await open.ask('GET', `Communication/${json.id}`)).toEqual(
      await open.ask('GET', 'Communication/none'),
    )
  })

  it('what the token does not allow is 403 before anything is looked up', async () => {
    open.policy.closed.add('read Communication')
    const answer = await open.ask('GET', 'Communication/1')
    expect([answer.status, answer.json.issue[0].code]).toEqual([403, 'forbidden'])
  })

  it.each([
    ['GET', 'Nonsense/1', {}, 404],
    ['GET', 'Communication/1/_everything', {}, 404],
    ['PATCH', 'Communication/1', {}, 404],
    ['DELETE', 'Communication', {}, 400],
    ['PUT', 'Communication', { body: message('x') }, 400],
    ['POST', 'Communication/1', {}, 405],
    ['POST', 'AuditEvent', { body: { resourceType: 'AuditEvent' } }, 403],
    ['PUT', 'AuditEvent/1', { body: { resourceType: 'AuditEvent', id: '1' } }, 405],
    ['GET', 'Communication/1', { headers: { accept: 'application/fhir+xml' } }, 406],
    ['GET', 'Communication/1?_format=xml', {}, 406],
    ['POST', 'Communication', { body: '<x/>', headers: { 'content-type': 'application/fhir+xml' } }, 415],
    ['POST', 'Communication', { body: '{"resourceType":' }, 400],
    ['POST', 'Communication', { body: [] }, 400],
    ['POST', 'Communication', { body: { resourceType: 'Patient' } }, 400],
    ['POST', 'Communication', { body: { resourceType: 'Communication' } }, 422],
    ['PUT', 'Communication/1', { body: message('x', { id: '2' }) }, 400],
  ] as const)(
    '%s %s %j is %i with an OperationOutcome, and on record',
    async (method, path, asked, status) => {
      const answer = await open.ask(method, path, asked)
      expect(answer.status).toBe(status)
      expect(answer.json.resourceType).toBe('OperationOutcome')
      expect((await lastEvent()).outcome).not.toBe('0')
    },
  )

  it('a refusal says nothing of what was sent', async () => {
    const body = message('canary-text', { status: 'canary-status', 'canary-name': 1 })
    const answer = await open.ask('POST', 'Communication', { body })
    expect(answer.status).toBe(422)
    expect(answer.body).not.toContain('canary-text')
    expect(answer.body).not.toContain('canary-status')
  })
})

describe('the record', () => {
  it('every answer has its event in the log before it leaves, denials with the patient', async () => {
    const { json } = await created(message('Hello'))
    expect((await lastEvent()).entity[0].what.reference).toBe(`Communication/${json.id}/_history/1`)
    open.policy.hidden.add('Patient/1')
    const before = await open.store.logSize()
    await open.ask('GET', `Communication/${json.id}`)
    expect(await open.store.logSize()).toBe(before + 1)
    const event = await lastEvent()
    expect(event.outcome).toBe('8')
    const about = event.entity.map((entity: { what: { reference?: string } }) => entity.what.reference)
    expect(about).toContain('Patient/1')
  })

  it('a search is told once for each patient in its results', async () => {
    await created(message('a'))
    await created(message('b', { subject: { reference: 'Patient/2' } }))
    const before = await open.store.logSize()
    await open.ask('GET', 'Communication')
    expect(await open.store.logSize()).toBe(before + 2)
  })

  it('audit events are found by patient and read back', async () => {
    await created(message('Hello'))
    const { json } = await open.ask('GET', 'AuditEvent?patient=Patient/1&_count=1')
    expect(json.entry).toHaveLength(1)
    const { id } = json.entry[0].resource
    expect((await open.ask('GET', `AuditEvent/${id}`)).json.id).toBe(id)
  })

  it('nothing is answered when the log cannot take it', async () => {
    const { json } = await created(message('Hello'))
    await open.store.close()
    await expect(open.ask('GET', `Communication/${json.id}`)).rejects.toThrow()
  })
})
