import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OpenFhir, openFhir } from './open-fhir.ts'

/** What a search looks at in opened matches, how it sorts them, and how much of each it sends. */
describe('a search', () => {
  let open: OpenFhir

  const tasks = [
    {
      id: 'a',
      priority: 'urgent',
      authoredOn: '2026-01-02T00:00:00Z',
      owner: { reference: 'Organization/1' },
    },
    { id: 'b', priority: 'routine', authoredOn: '2026-01-01T00:00:00Z' },
    { id: 'c', priority: 'urgent', authoredOn: '2026-01-01T00:00:00Z' },
    {
      id: 'd',
      authoredOn: '2026-01-03T00:00:00Z',
      owner: { display: 'Night desk', reference: 'Organization/2' },
    },
  ]

  beforeAll(async () => {
    open = await openFhir()
    for (const task of tasks) {
      const code = { coding: [{ system: 'urn:c', code: 'fulfil', display: 'Fulfil the order' }] }
      const meta = { tag: [{ system: 'urn:t', code: task.id }], profile: ['https://x.test/p'] }
      const body = {
        resourceType: 'Task',
        status: 'requested',
        intent: 'order',
        for: { reference: 'Patient/1' },
        text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>' },
        description: 'desk work',
        code,
        ...task,
        meta,
        id: `ehr.${task.id}`,
      }
      const { status, body: text } = await open.ask('PUT', `Task/ehr.${task.id}`, { body })
      expect(status, text).toBe(201)
    }
  })
  afterAll(() => open.close())

  async function found(query: string): Promise<string> {
    const { status, json, body } = await open.ask('GET', `Task?${query}`)
    expect(status, body).toBe(200)
    return (json.entry ?? [])
      .map(({ resource }: { resource: { id: string } }) => resource.id.slice(4))
      .join('')
  }

  it.each([
    ['owner:missing=true', 'bc'],
    ['owner:missing=false', 'ad'],
    ['priority:missing=true', 'd'],
    ['period:missing=true', 'abcd'],
    ['authored-on:missing=false', 'abcd'],
    ['priority:not=urgent', 'bd'],
    ['code=urn:c|fulfil', 'abcd'],
    ['code=urn:d|fulfil', ''],
    ['code=|fulfil', ''],
    ['code=urn:c|', 'abcd'],
    ['patient=1&code:text=ORDER', 'abcd'],
    ['patient=1&owner:text=night', 'd'],
    ['patient=1&_tag=urn:t|b', 'b'],
    ['patient=1&_profile=https://x.test/p', 'abcd'],
    ['patient=1&_security=R', ''],
  ])('%s finds %j', async (query, ids) => {
    expect(await found(query)).toBe(ids)
  })

  it.each([
    ['-priority,authored-on', 'cabd'],
    ['authored-on,-_id', 'cbad'],
    ['authored-on,-priority', 'cbad'],
    ['-authored-on,_id', 'dabc'],
    ['priority', 'dbac'],
    ['-_lastUpdated,_id', 'dcba'],
    ['owner,_id', 'bcad'],
  ])('sorts by %s', async (sort, ids) => {
    expect(await found(`patient=1&_sort=${sort}`)).toBe(ids)
  })

  it('pages through an order of sealed values, and refuses it over everybody', async () => {
    let all = ''
    for (let url: string | undefined = 'Task?patient=1&_sort=-priority,authored-on&_count=1'; url; ) {
      const { json } = await open.ask('GET', url)
      all += json.entry[0].resource.id.slice(4)
      url = json.link.find(({ relation }: { relation: string }) => relation === 'next')?.url
    }
    expect(all).toBe('cabd')
    for (const query of ['_sort=priority', '_tag=urn:t|b', 'code:text=order']) {
      const { status, json } = await open.ask('GET', `Task?${query}`)
      expect([query, status, json.issue[0].code]).toEqual([query, 422, 'too-costly'])
    }
  })

  it('sends the elements that were asked for and those without which it would mislead', async () => {
    const { json } = await open.ask('GET', 'Task?_id=ehr.a&_elements=description')
    const [{ resource }] = json.entry
    expect(Object.keys(resource)).toEqual(['resourceType', 'id', 'meta', 'status', 'intent', 'description'])
    expect(resource.meta.tag).toContainEqual(expect.objectContaining({ code: 'SUBSETTED' }))
  })

  it.each([
    ['true', { description: true, text: false, priority: false, owner: true }],
    ['text', { description: false, text: true, status: true }],
    ['data', { description: true, text: false }],
    ['false', { description: true, text: true }],
  ])('sends a summary %s', async (summary, expected) => {
    const { json } = await open.ask('GET', `Task?_id=ehr.a&_summary=${summary}`)
    const [{ resource }] = json.entry
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, name in resource]))).toEqual(
      expected,
    )
    const isSubset = resource.meta.tag.some(({ code }: { code: string }) => code === 'SUBSETTED')
    expect(isSubset).toBe(summary !== 'false')
  })

  it('counts what is left after everything that was asked', async () => {
    const { json } = await open.ask('GET', 'Task?patient=1&owner:missing=true&_total=accurate&_count=1')
    expect([json.total, json.entry.length]).toEqual([2, 1])
    expect((await open.ask('GET', 'Task?patient=1&owner:text=night&_summary=count')).json.total).toBe(1)
  })

  it('by birth date or gender needs a name or identifier beside it', async () => {
    const body = {
      resourceType: 'Patient',
      name: [{ family: 'Okafor' }],
      birthDate: '1987-03-14',
      gender: 'female',
    }
    expect((await open.ask('POST', 'Patient', { body })).status).toBe(201)
    for (const query of [
      'birthdate=1987-03-14',
      'gender=female',
      'name:contains=kaf',
      'birthdate=gt1980&active=true',
    ])
      expect((await open.ask('GET', `Patient?${query}`)).status).toBe(422)
    const totals = ['birthdate=1987-03-14', 'gender=female', 'birthdate=lt1980', 'gender:not=female'].map(
      async (query) => {
        const { json } = await open.ask('GET', `Patient?name=oka&${query}&_summary=count`)
        return json.total
      },
    )
    expect(await Promise.all(totals)).toEqual([1, 1, 0, 0])
  })
})
