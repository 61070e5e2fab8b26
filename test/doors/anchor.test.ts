import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { readCheckpoint } from '#audit/checkpoint.ts'
import { verifyNote } from '#audit/note.ts'
import { openClinic } from '../open-clinic.ts'

it('checkpoints are posted elsewhere, and what could not be is posted after a restart', async () => {
  const notes: string[] = []
  const answer = { status: 503 }
  const witness = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      if (answer.status === 200) notes.push(body)
      response.writeHead(answer.status).end()
    })
  })
  await new Promise<void>((resolve) => witness.listen(0, '127.0.0.1', resolve))
  const settings = {
    POSTERN_ANCHOR_URL: `http://127.0.0.1:${(witness.address() as AddressInfo).port}/checkpoints`,
  }

  const clinic = await openClinic(settings)
  await expect(clinic.gateway.log.checkpoint()).rejects.toMatchObject({ kind: 'unavailable' })
  const auditor = await clinic.client({
    id: 'auditor',
    role: 'auditor',
    scopes: ['system/AuditEvent.rs'],
    purposes: ['HOPERAT'],
    grants: [],
  })
  const [newest] = await clinic.store.search({ type: 'AuditEvent', criteria: [], limit: 1 })
  const proof = await auditor.request('GET', `/audit/proof/inclusion?event=${newest?.stored.id}`)
  expect(proof.status).toBe(200)
  await clinic.stop()
  expect(notes).toEqual([])

  answer.status = 200
  const again = await openClinic(settings, clinic.folder)
  await again.gateway.log.checkpoint()
  const kept = notes.map((note) => readCheckpoint(verifyNote(note, again.vkey)).size)
  expect(kept).toEqual([await again.store.anchoredSize()])
  await again.gateway.log.checkpoint()
  expect(notes).toHaveLength(kept.length)
  await again.close()
  witness.close()
})
