import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ehr, type OpenFhir, openFhir } from './open-fhir.ts'

let open: OpenFhir
beforeEach(async () => {
  open = await openFhir()
})
afterEach(() => open.close())

/** Versions 1 to `to` of an organization. */
async function versions(id: string, to: number): Promise<void> {
  for (let n = 1; n <= to; n++) {
    const headers: Record<string, string> = n > 1 ? { 'if-match': `W/"${n - 1}"` } : {}
    const body = { resourceType: 'Organization', id: `ehr.${id}`, name: `n${n}` }
    const { status, body: text } = await open.ask('PUT', `Organization/ehr.${id}`, { body, headers })
    expect([200, 201], text).toContain(status)
  }
}

interface Entry {
  resource?: { id: string; meta: { versionId: string } }
  fullUrl: string
  request: { method: string }
  response: { etag: string }
}

function tell(entry: Entry[] = []): string[] {
  return entry.map(({ fullUrl, response }) => `${fullUrl.split('.').at(-1)}${/\d+/.exec(response.etag)?.[0]}`)
}

async function walk(path: string): Promise<string[][]> {
  const pages: string[][] = []
  for (let url: string | undefined = path; url; ) {
    const { status, json, body } = await open.ask('GET', url)
    expect(status, body).toBe(200)
    pages.push(tell(json.entry))
    url = json.link.find(({ relation }: { relation: string }) => relation === 'next')?.url
  }
  return pages
}

describe('a history', () => {
  it('of one resource is read page by page, newest first', async () => {
    await versions('a', 5)
    expect(await walk('Organization/ehr.a/_history?_count=2')).toEqual([['a5', 'a4'], ['a3', 'a2'], ['a1']])
    expect(await walk('Organization/ehr.a/_history')).toEqual([['a5', 'a4', 'a3', 'a2', 'a1']])
  })

  it('of a type holds the versions of all, deletions among them', async () => {
    await versions('a', 2)
    await versions('b', 1)
    await open.ask('DELETE', 'Organization/ehr.a')
    expect(await walk('Organization/_history?_count=3')).toEqual([['a3', 'b1', 'a2'], ['a1']])
    expect(await walk('Task/_history')).toEqual([[]])
  })

  it('begins at a moment', async () => {
    await versions('a', 1)
    const since = new Date(open.clock.now()).toISOString()
    await versions('b', 1)
    expect(await walk(`Organization/_history?_since=${since}`)).toEqual([['b1']])
    expect(await walk(`Organization/ehr.a/_history?_since=${since}`)).toEqual([[]])
    for (const bad of ['_since=soon', '_count=0', 'colour=red'])
      expect((await open.ask('GET', `Organization/_history?${bad}`)).status).toBe(400)
  })

  it('is filled after filtering and decided anew on every page', async () => {
    for (const id of ['a', 'b', 'c', 'd']) await versions(id, 1)
    open.policy.hidden.add('Organization/ehr.c')
    expect(await walk('Organization/_history?_count=2')).toEqual([['d1', 'b1'], ['a1']])
    const { json } = await open.ask('GET', 'Organization/_history?_count=2')
    const next = json.link[1].url
    open.policy.hidden.add('Organization/ehr.a')
    expect((await open.ask('GET', next)).json.entry).toBeUndefined()
    expect((await open.ask('GET', next, { caller: { ...ehr, clientId: 'other' } })).status).toBe(410)
    expect((await open.ask('GET', next.replace('/_history', ''))).status).toBe(410)
    open.policy.hidden.add('Organization/ehr.d')
    const hidden = await open.ask('GET', 'Organization/ehr.d/_history')
    expect(hidden).toEqual(await open.ask('GET', 'Organization/none/_history'))
  })
})
