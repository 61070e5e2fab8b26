import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Accounting, checkAccounting } from '#audit/accounting.ts'
import { readCheckpoint } from '#audit/checkpoint.ts'
import { leafHash } from '#audit/merkle.ts'
import { verifyNote } from '#audit/note.ts'
import { verifyConsistency } from '#audit/proof.ts'
import { readProof } from '#audit/proof-text.ts'
import { postern } from './command-line.ts'
import { made, message, openScene, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))

async function lastEvent(): Promise<string> {
  const page = await scene.auditor.request('GET', '/fhir/AuditEvent?_sort=-date&_count=1')
  return page.body.entry[0].resource.id
}

describe('the transparency log over HTTP', () => {
  it('proves an event of a moment ago with the public key alone', async () => {
    const answer = await scene.auditor.request('GET', `/audit/proof/inclusion?event=${await lastEvent()}`)
    expect(answer.status).toBe(200)
    expect(readProof(answer.text, scene.clinic.vkey).size).toBeGreaterThan(5)
  })

  it('proves that it went on from a checkpoint that somebody kept', async () => {
    await scene.clinic.gateway.log.checkpoint()
    const kept = (await scene.auditor.request('GET', '/audit/checkpoint')).text
    await made(scene.platform, { resourceType: 'Organization', name: 'Grown meanwhile' })
    await scene.clinic.gateway.log.checkpoint()
    const before = readCheckpoint(verifyNote(kept, scene.clinic.vkey))
    const answer = await scene.auditor.request('GET', `/audit/proof/consistency?from=${before.size}`)
    const { from, to, proof, checkpoint } = answer.body
    const after = readCheckpoint(verifyNote(checkpoint, scene.clinic.vkey))
    expect([from, to]).toEqual([before.size, after.size])
    const path = proof.map(bytes)
    expect(verifyConsistency(from, to, bytes(before.root), bytes(after.root), path)).toBe(true)
    for (const query of ['from=0', 'from=9999999', 'from=x', '', 'from=2&to=1'])
      expect((await scene.auditor.request('GET', `/audit/proof/consistency?${query}`)).status).toBe(422)
  })

  it('serves tiles whose hashes are those of its entries', async () => {
    await scene.clinic.gateway.log.checkpoint()
    const { size } = readCheckpoint((await scene.auditor.request('GET', '/audit/checkpoint')).text)
    const width = size % 256
    const ask = async (path: string) => {
      const headers = { authorization: `Bearer ${await scene.auditor.token()}` }
      const response = await fetch(`${scene.clinic.baseUrl}/audit/tile/${path}`, { headers })
      expect(response.headers.get('content-type')).toBe('application/octet-stream')
      return new Uint8Array(await response.arrayBuffer())
    }
    const tile = await ask(`0/000.p/${width}`)
    const entries = await ask(`entries/000.p/${width}`)
    expect(tile).toHaveLength(32 * width)
    expect(leafHash(entries.subarray(2, 2 + 109))).toEqual(tile.slice(0, 32))
    for (const path of [
      '0/000',
      `0/000.p/${width + 1}`,
      '7/000',
      '0/x000/000',
      '0/0',
      '0/000.p/256',
      'data/000',
    ])
      expect((await scene.auditor.request('GET', `/audit/tile/${path}`)).status, path).toBe(404)
  })

  it('is open to nobody who may not read the log, and tells itself of all who tried', async () => {
    const paths = ['checkpoint', 'tile/0/000.p/1', 'proof/inclusion?event=x', 'proof/consistency?from=1']
    for (const path of [...paths, `accounting?patient=${scene.patient}`]) {
      const before = await scene.clinic.store.logSize()
      expect((await scene.ehr.request('GET', `/audit/${path}`)).status, path).toBe(403)
      expect(await scene.clinic.store.logSize()).toBeGreaterThan(before)
      expect((await fetch(`${scene.clinic.baseUrl}/audit/${path}`)).status, path).toBe(401)
    }
    const before = await scene.clinic.store.logSize()
    expect((await scene.auditor.request('GET', '/audit/proof/inclusion?event=nobody')).status).toBe(404)
    await scene.auditor.request('GET', '/audit/checkpoint')
    expect(await scene.clinic.store.logSize()).toBe(before + 2)
  })
})

describe('the accounting of a patient', () => {
  it('says who saw what, when and why, and every line is proven', async () => {
    const sent = await scene.platform.request(
      'POST',
      '/ingest/messages',
      message('secure-message/clinician-reply-with-attachments.in.json'),
    )
    expect(sent.status).toBe(201)
    await scene.ehr.request('GET', `/fhir/Communication?patient=${scene.patient}`)
    await scene.ehr.request('GET', `/fhir/${scene.patient}`)
    await scene.stranger.request('GET', `/fhir/${scene.patient}`)
    const answer = await scene.auditor.request('GET', `/audit/accounting?patient=${scene.patient}`)
    expect(answer.status).toBe(200)
    const { entries } = answer.body as Accounting
    const lines = entries.map(({ who, action, outcome, why }) => `${who} ${action} ${outcome} ${why}`)
    expect(lines).toContain('ehr search-type done TREAT')
    expect(lines).toContain('ehr read done TREAT')
    expect(lines).toContain('stranger read refused TREAT')
    expect(entries.find(({ action, who }) => action === 'read' && who === 'ehr')?.what).toEqual([
      scene.patient,
    ])
    expect(entries.map(({ recorded }) => recorded)).toEqual(
      entries
        .map(({ recorded }) => recorded)
        .toSorted()
        .reverse(),
    )
    checkAccounting(answer.body, scene.clinic.vkey)
  })

  it('does not check out with a word changed', async () => {
    const answer = await scene.auditor.request('GET', `/audit/accounting?patient=${scene.patient}&_count=3`)
    const accounting = answer.body as Accounting
    const [entry] = accounting.entries
    if (!entry) throw new Error('nothing to change')
    for (const [key, value] of Object.entries(entry.evidence)) {
      const text = String(value)
      const changed =
        typeof value === 'number' ? value + 1 : text.replace(/[A-Za-z]/, (one) => (one === 'B' ? 'C' : 'B'))
      const evidence = { ...entry.evidence, [key]: key === 'path' ? [changed] : changed }
      expect(
        () => checkAccounting({ ...accounting, entries: [{ ...entry, evidence }] }, scene.clinic.vkey),
        key,
      ).toThrow()
    }
  })

  it('goes on page by page, and within the dates asked for', async () => {
    const whole = await scene.auditor.request('GET', `/audit/accounting?patient=${scene.patient}&_count=500`)
    const ids = (whole.body as Accounting).entries.map(({ id }) => id)
    const seen: string[] = []
    let next = `/audit/accounting?patient=${scene.patient}&_count=2&to=${(whole.body as Accounting).entries[0]?.recorded}`
    for (let page = 0; next && page < 50; page += 1) {
      const { body } = await scene.auditor.request('GET', next)
      seen.push(...body.entries.map(({ id }: { id: string }) => id))
      next = body.nextPage
    }
    expect(seen).toEqual(expect.arrayContaining(ids))
    const later = await scene.auditor.request(
      'GET',
      `/audit/accounting?patient=${scene.patient}&from=2100-01-01`,
    )
    expect(later.body.entries).toEqual([])
    for (const query of [
      '',
      'patient=1',
      `patient=${scene.patient}&_count=0`,
      `patient=${scene.patient}&from=May`,
    ])
      expect((await scene.auditor.request('GET', `/audit/accounting?${query}`)).status, query).toBe(422)
  })

  it('is a page for people too, in which nothing from outside becomes markup', async () => {
    const odd = await scene.clinic.client({
      id: 'odd',
      name: '<script>alert(1)</script>',
      role: 'ehr',
      organization: scene.organizations.northside,
      scopes: ['system/*.rs'],
      purposes: ['TREAT'],
      grants: [],
    })
    await odd.request('GET', `/fhir/${scene.patient}`)
    const path = `/audit/accounting?patient=${scene.patient}`
    const answer = await scene.auditor.request('GET', path, undefined, { accept: 'text/html' })
    expect(answer.headers.get('content-type')).toContain('text/html')
    expect(answer.text).toContain('Who saw what')
    expect(answer.text).toContain('&lt;script&gt;')
    expect(answer.text).not.toContain('<script>')
  })
})

describe('the command line', () => {
  it('proves, exports and verifies, the last with the public key alone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-export-'))
    const file = join(folder, 'log.ndjson')
    const own = scene.clinic.folder
    const key = (await postern(own, 'audit', 'key')).stdout.trim()
    const proof = await postern(own, 'audit', 'proof', await lastEvent())
    expect(readProof(proof.stdout, key).index).toBeGreaterThan(0)
    expect(await postern(own, 'audit', 'export', file)).toMatchObject({ code: 0 })

    const elsewhere = join(folder, 'nothing-here')
    const check = (path: string) => postern(elsewhere, 'audit', 'verify', '--export', path, '--key', key)
    const whole = await check(file)
    expect(whole.stdout).toContain('The log is whole')
    expect(whole.code).toBe(0)

    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    const leaves = lines.findIndex((line) => line.startsWith('{"position"'))
    writeFileSync(file, `${lines.toSpliced(leaves + 3, 1).join('\n')}\n`)
    const cut = await check(file)
    expect(cut.code).toBe(1)
    expect(cut.stdout).toContain('The log was changed')
    rmSync(folder, { recursive: true })
  }, 60_000)
})
