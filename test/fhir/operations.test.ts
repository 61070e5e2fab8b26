import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type OpenFhir, openFhir } from './open-fhir.ts'

let open: OpenFhir
beforeEach(async () => {
  open = await openFhir()
})
afterEach(() => open.close())

describe('$validate', () => {
  const good = { resourceType: 'Communication', status: 'completed' }
  const bad = { resourceType: 'Communication', status: 'canary', colour: 'red' }

  it('says what a write would say, with the place, and stores nothing', async () => {
    const fine = await open.ask('POST', 'Communication/$validate', { body: good })
    expect([fine.status, fine.json.issue]).toEqual([
      200,
      [expect.objectContaining({ severity: 'information' })],
    ])
    const { status, json, body } = await open.ask('POST', 'Communication/$validate', { body: bad })
    expect(status).toBe(200)
    const places = json.issue.map(({ expression }: { expression: string[] }) => expression[0])
    expect(places).toEqual(
      expect.arrayContaining([expect.stringContaining('status'), expect.stringContaining('colour')]),
    )
    const rules = json.issue.map(({ details }: { details: { coding: object[] } }) => details.coding[0])
    const system = 'https://postern.health/fhir/CodeSystem/validation-rule'
    expect(rules).toEqual([
      { system, code: 'binding' },
      { system, code: 'unknown-element' },
    ])
    expect(body).not.toContain('canary')
    expect((await open.ask('GET', 'Communication?_summary=count')).json.total).toBe(0)
  })

  it('takes Parameters with mode and profile', async () => {
    const parameters = (...more: object[]) => ({
      resourceType: 'Parameters',
      parameter: [{ name: 'resource', resource: good }, ...more],
    })
    const ask = (body: object) => open.ask('POST', 'Communication/$validate', { body })
    expect((await ask(parameters())).json.issue[0].severity).toBe('information')
    const update = await ask(parameters({ name: 'mode', valueCode: 'update' }))
    expect(update.json.issue[0]).toMatchObject({ severity: 'error', expression: ['id'] })
    expect((await ask(parameters({ name: 'mode', valueCode: 'guess' }))).status).toBe(400)
    const profile = await ask(parameters({ name: 'profile', valueUri: 'https://x.test/none' }))
    expect(profile.json.issue[0].severity).toBe('error')
    expect((await ask({ resourceType: 'Patient' })).status).toBe(400)
  })

  it('validates what is stored, to those who may see it', async () => {
    const { json } = await open.ask('POST', 'Communication', { body: good })
    const path = `Communication/${json.id}/$validate`
    expect((await open.ask('POST', path)).json.issue[0].severity).toBe('information')
    open.policy.hidden.add(`Communication/${json.id}`)
    expect(await open.ask('POST', path)).toEqual(await open.ask('POST', 'Communication/none/$validate'))
  })
})

describe('$everything', () => {
  async function put(resource: { resourceType: string; id: string }): Promise<void> {
    const { status, body } = await open.ask('PUT', `${resource.resourceType}/${resource.id}`, {
      body: resource,
    })
    expect(status, body).toBe(201)
  }

  async function seed(): Promise<void> {
    await put({ resourceType: 'Practitioner', id: 'ehr.d' })
    for (const p of ['1', '2']) {
      const person = { reference: `Patient/ehr.${p}` }
      const doctor = { reference: 'Practitioner/ehr.d' }
      await put({ resourceType: 'Patient', id: `ehr.${p}` })
      for (const n of ['a', 'b', 'c'])
        await put({
          resourceType: 'Communication',
          id: `ehr.${n}${p}`,
          status: 'completed',
          subject: person,
          sender: doctor,
        } as never)
      await put({ resourceType: 'CareTeam', id: `ehr.t${p}`, subject: person } as never)
    }
  }

  async function walk(path: string): Promise<string[][]> {
    const pages: string[][] = []
    for (let url: string | undefined = path; url; ) {
      const { status, json, body } = await open.ask('GET', url)
      expect(status, body).toBe(200)
      pages.push(json.entry.map(({ resource }: { resource: { id: string } }) => resource.id.slice(4)))
      url = json.link.find(({ relation }: { relation: string }) => relation === 'next')?.url
    }
    return pages
  }

  it('brings the patient, all about the patient and who is named there, page by page', async () => {
    await seed()
    expect(await walk('Patient/ehr.1/$everything')).toEqual([['1', 'a1', 'b1', 'c1', 't1', 'd']])
    expect(await walk('Patient/ehr.1/$everything?_count=2')).toEqual([
      ['1', 'a1', 'd'],
      ['b1', 'c1', 'd'],
      ['t1'],
    ])
    expect(await walk('Patient/ehr.1/$everything?_type=CareTeam')).toEqual([['1', 't1']])
  })

  it('brings nothing that the caller may not see, and of a hidden patient nothing at all', async () => {
    await seed()
    open.policy.hidden.add('Communication/ehr.b1')
    open.policy.closed.add('search CareTeam')
    expect(await walk('Patient/ehr.1/$everything')).toEqual([['1', 'a1', 'c1', 'd']])
    open.policy.fields.set('Communication', ['status'])
    expect(await walk('Patient/ehr.1/$everything')).toEqual([['1']])
    open.policy.hidden.add('Patient/ehr.1')
    expect(await open.ask('GET', 'Patient/ehr.1/$everything')).toEqual(
      await open.ask('GET', 'Patient/none/$everything'),
    )
  })

  it('leaves out whom it has no room for, and says so', async () => {
    await put({ resourceType: 'Practitioner', id: 'ehr.d' })
    await put({ resourceType: 'Patient', id: 'ehr.1' })
    const many = Array.from({ length: 20_000 }, (_, n) => ({ reference: `Practitioner/ehr.${n}` }))
    const recipient = [{ reference: 'Practitioner/ehr.d' }, ...many]
    const subject = { reference: 'Patient/ehr.1' }
    await put({
      resourceType: 'Communication',
      id: 'ehr.a',
      status: 'completed',
      subject,
      recipient,
    } as never)
    await put({ resourceType: 'Communication', id: 'ehr.b', status: 'completed', subject } as never)
    const { status, json, body } = await open.ask('GET', 'Patient/ehr.1/$everything')
    expect(status, body.slice(0, 500)).toBe(200)
    const entries: { resource: { id: string }; search: { mode: string } }[] = json.entry
    const outcome = entries.pop()
    expect(entries.map(({ resource, search }) => [resource.id, search.mode])).toEqual([
      ['ehr.1', 'match'],
      ['ehr.a', 'match'],
      ['ehr.b', 'match'],
      ['ehr.d', 'include'],
    ])
    expect(outcome).toMatchObject({
      resource: {
        resourceType: 'OperationOutcome',
        issue: [{ severity: 'information', code: 'incomplete' }],
      },
      search: { mode: 'outcome' },
    })
  })
})
