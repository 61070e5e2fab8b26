import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { base, ehr, type OpenFhir, openFhir } from './open-fhir.ts'

let open: OpenFhir
beforeEach(async () => {
  open = await openFhir()
})
afterEach(() => open.close())

interface Entry {
  fullUrl: string
  resource: { resourceType: string; id: string; sent?: string }
  search: { mode: string }
}

/** Ten messages of one patient, sent on the first ten days of January, by id m0…m9. */
async function tenMessages(more: object = {}): Promise<void> {
  for (let n = 0; n < 10; n++) {
    const body = {
      resourceType: 'Communication',
      id: `ehr.m${n}`,
      status: 'completed',
      subject: { reference: 'Patient/ehr.p' },
      sender: { reference: 'Practitioner/ehr.d' },
      sent: `2026-01-${String(n + 1).padStart(2, '0')}T10:00:00Z`,
      category: [{ coding: [{ system: 'urn:topic', code: n % 2 ? 'odd' : 'even' }] }],
      ...more,
    }
    const { status, body: text } = await open.ask('PUT', `Communication/${body.id}`, { body })
    expect(status, text).toBe(201)
  }
}

async function put(resource: { resourceType: string; id: string }): Promise<void> {
  const { status, body } = await open.ask('PUT', `${resource.resourceType}/${resource.id}`, {
    body: resource,
  })
  expect(status, body).toBe(201)
}

async function idsOf(path: string): Promise<string[]> {
  const { json, body, status } = await open.ask('GET', path)
  expect(status, body).toBe(200)
  return (json.entry ?? []).map((entry: Entry) => entry.resource.id.replace('ehr.', ''))
}

function nextOf(json: { link: { relation: string; url: string }[] }): string | undefined {
  return json.link.find((link) => link.relation === 'next')?.url
}

/** Follows next links to the end; the ids of each page. */
async function walk(path: string): Promise<string[][]> {
  const pages: string[][] = []
  for (let url: string | undefined = path; url; ) {
    const { json } = await open.ask('GET', url)
    pages.push((json.entry ?? []).map((entry: Entry) => entry.resource.id.replace('ehr.', '')))
    url = nextOf(json)
  }
  return pages
}

describe('a code that has its system from its binding', () => {
  it('is found with that system and with no other', async () => {
    await tenMessages()
    const status = 'http://hl7.org/fhir/event-status'
    const counts = new Map([
      [`status=${status}|completed`, 10],
      [`status=${status}|`, 10],
      [`status=${status}|on-hold`, 0],
      [`status:not=${status}|completed`, 0],
      [`status:not=${status}|on-hold`, 10],
      ['status=http://hl7.org/fhir/request-status|completed', 0],
      ['status=urn:other|completed', 0],
      [`category=${status}|completed&patient=ehr.p`, 0],
    ])
    for (const [query, count] of counts)
      expect((await idsOf(`Communication?${query}`)).length, query).toBe(count)
    await put({ resourceType: 'Patient', id: 'ehr.p', gender: 'female' } as never)
    const gender = 'http://hl7.org/fhir/administrative-gender'
    expect(await idsOf(`Patient?_id=ehr.p&gender=${gender}|female`)).toEqual(['p'])
    expect(await idsOf(`Patient?_id=ehr.p&gender=${gender}|male`)).toEqual([])
    const refused = await open.ask('GET', 'Communication?category=urn:topic|odd')
    expect([refused.status, refused.json.issue[0].code]).toEqual([422, 'too-costly'])
  })

  it('POST _search asks the same, with parameters in the body', async () => {
    await tenMessages()
    const answer = await open.ask('POST', 'Communication/_search?_sort=sent', {
      body: 'patient=ehr.p&sent=le2026-01-02',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(answer.json.entry.map((entry: Entry) => entry.resource.id)).toEqual(['ehr.m0', 'ehr.m1'])
    expect((await open.ask('POST', 'Communication/_search', { body: {} })).status).toBe(415)
  })

  it('an entry is the stored text with its address and mode', async () => {
    await tenMessages()
    const read = await open.ask('GET', 'Communication/ehr.m3')
    const found = await open.ask('GET', 'Communication?_id=ehr.m3')
    expect(found.body).toContain(read.body)
    const [entry] = found.json.entry
    expect(entry.fullUrl).toBe(`${base}/Communication/ehr.m3`)
    expect(entry.search).toEqual({ mode: 'match' })
    expect(found.json.link).toEqual([{ relation: 'self', url: `${base}/Communication?_id=ehr.m3` }])
  })

  it.each([
    'Communication?colour=red',
    'Communication?patient:fuzzy=1',
    'Communication?sent:not=2026',
    'Communication?status=',
    'Communication?status=a,,b',
    'Communication?_count=many',
    'Communication?_count=1&_count=2',
    'Communication?_sort=colour',
    'Communication?_sort=-',
    'Communication?_elements=',
    'Communication?_elements=a.b',
    'Communication?status:missing=perhaps',
    'Communication?_revinclude=Task:owner',
    'Communication?subject:Organization.name=ab',
    'Communication?status.name=ab',
    'Communication?_has:Task:owner:status=requested',
    'Communication?_include=Communication:nothing',
    'Communication?_summary=some',
    'Communication?_summary=text&_include=Communication:patient',
    'Communication?_total=estimate',
    'Communication?sent=soon',
  ])('%s is refused', async (path) => {
    expect((await open.ask('GET', path)).status).toBe(400)
  })

  it('lenient handling passes over what is not known and says in self what was used', async () => {
    const { status, json } = await open.ask('GET', 'Communication?colour=red&status=completed', {
      headers: { prefer: 'handling=lenient' },
    })
    expect(status).toBe(200)
    expect(json.link[0].url).toBe(`${base}/Communication?status=completed`)
  })

  it('a refusal does not say back a name that could be anything', async () => {
    const { body } = await open.ask('GET', 'Communication?Jane%20Doe%201980=x')
    expect(body).not.toContain('Jane')
  })
})

describe('whatever is asked', () => {
  const name = fc.constantFrom(
    'patient',
    'sent',
    'status',
    'identifier',
    'sender:identifier',
    '_id',
    '_sort',
    '_count',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(',', '\\', '|', '\\,', 'ge', 'a|b|c', '1e9'),
  )

  it('is answered or refused, never an error of ours', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.oneof(name, fc.string()), text), { maxLength: 5 }),
        async (asked) => {
          const { status, json } = await open.ask('GET', `Communication?${new URLSearchParams(asked)}`)
          expect([200, 400, 406, 410, 422]).toContain(status)
          expect(json.resourceType).toBe(status === 200 ? 'Bundle' : 'OperationOutcome')
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('pages', () => {
  it('go on to the end in order, each match once, however they are sorted', async () => {
    await tenMessages()
    for (const sort of ['sent', '-sent', '_lastUpdated', '-_lastUpdated']) {
      const pages = await walk(`Communication?patient=ehr.p&_sort=${sort}&_count=4`)
      const inOrder = Array.from({ length: 10 }, (_, n) => `m${n}`)
      expect(pages.flat()).toEqual(sort.startsWith('-') ? inOrder.reverse() : inOrder)
      expect(pages.map((page) => page.length)).toEqual([4, 4, 2])
    }
  })

  it('are filled after filtering, and nothing tells what was left out', async () => {
    await tenMessages()
    for (const n of [0, 1, 2, 5, 8, 9]) open.policy.hidden.add(`Communication/ehr.m${n}`)
    expect(await walk('Communication?patient=ehr.p&_count=2')).toEqual([
      ['m3', 'm4'],
      ['m6', 'm7'],
    ])
    const { json } = await open.ask('GET', 'Communication?patient=ehr.p&_count=4')
    expect([json.total, nextOf(json)]).toEqual([undefined, undefined])
  })

  it('are decided anew: what was hidden in between is not on the next page', async () => {
    await tenMessages()
    const first = await open.ask('GET', 'Communication?patient=ehr.p&_count=4')
    open.policy.hidden.add('Communication/ehr.m4')
    const second = await open.ask('GET', nextOf(first.json) ?? '')
    expect(second.json.entry.map((entry: Entry) => entry.resource.id)[0]).toBe('ehr.m5')
  })

  it('stay whole while others write: what is new comes later, nothing comes twice', async () => {
    await tenMessages()
    const first = await open.ask('GET', 'Communication?patient=ehr.p&_count=4&_sort=sent')
    await put({
      resourceType: 'Communication',
      id: 'ehr.early',
      status: 'completed',
      subject: { reference: 'Patient/ehr.p' },
      sent: '2025-12-31T10:00:00Z',
    } as never)
    const second = await open.ask('GET', nextOf(first.json) ?? '')
    expect(second.json.entry[0].resource.id).toBe('ehr.m4')
  })

  it('belong to their caller, their type and their seal', async () => {
    await tenMessages()
    const { json } = await open.ask('GET', 'Communication?patient=ehr.p&_count=4')
    const next = nextOf(json) ?? ''
    expect(next).not.toContain('patient')
    const stranger = await open.ask('GET', next, { caller: { ...ehr, clientId: 'other' } })
    expect(stranger.status).toBe(410)
    expect((await open.ask('GET', next.replace('/Communication?', '/Task?'))).status).toBe(410)
    expect((await open.ask('GET', `${next}AAAA`)).status).toBe(410)
    expect((await open.ask('GET', `${next}&status=completed`)).status).toBe(400)
  })

  it('a total counts only what the caller may see', async () => {
    await tenMessages()
    open.policy.hidden.add('Communication/ehr.m4')
    const { json } = await open.ask('GET', 'Communication?patient=ehr.p&_count=2&_total=accurate')
    expect([json.total, json.entry.length]).toEqual([9, 2])
    const count = await open.ask('GET', 'Communication?patient=ehr.p&_summary=count')
    expect([count.json.total, count.json.entry]).toEqual([9, undefined])
  })
})

describe('include', () => {
  const patient = { resourceType: 'Patient', id: 'ehr.p' }
  const doctor = { resourceType: 'Practitioner', id: 'ehr.d' }

  it('brings what the matches refer to once', async () => {
    await put(patient)
    await put(doctor)
    await tenMessages()
    const path =
      'Communication?patient=ehr.p&_count=3&_include=Communication:patient&_include=Communication:sender'
    const { json } = await open.ask('GET', path)
    const modes = json.entry.map((entry: Entry) => `${entry.search.mode} ${entry.resource.resourceType}`)
    expect(modes).toEqual([
      'match Communication',
      'match Communication',
      'match Communication',
      'include Patient',
      'include Practitioner',
    ])
  })

  it('leaves out what may not be seen, by resource, by type and by element', async () => {
    await put(patient)
    await tenMessages()
    const path = 'Communication?_id=ehr.m1&_include=Communication:patient'
    open.policy.closed.add('read Patient')
    expect(await idsOf(path)).toEqual(['m1'])
    open.policy.closed.clear()
    open.policy.fields.set('Communication', ['status'])
    expect(await idsOf(path)).toEqual(['m1'])
    open.policy.fields.clear()
    expect(await idsOf(path)).toEqual(['m1', 'p'])
  })
})

describe('elements that are not seen', () => {
  it('are neither searched nor sorted by', async () => {
    await tenMessages()
    open.policy.fields.set('Communication', ['status', 'subject'])
    expect(await idsOf('Communication?patient=ehr.p&status=completed&_count=1')).toEqual(['m0'])
    expect((await open.ask('GET', 'Communication?sent=2026-01-01')).status).toBe(403)
    expect((await open.ask('GET', 'Communication?_sort=sent')).status).toBe(403)
  })
})
