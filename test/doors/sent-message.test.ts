import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findInFiles } from './at-rest.ts'
import { postern } from './command-line.ts'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

/** E10 of the converters' pitfalls: the message itself is kept, and what proves it is on record. */
let scene: Scene
const text = fixture('prescription-order/us-simple.in.hl7').replace(/\r?\n/g, '\r')
const id = 'RDE-KEPT-1@RXWRITER/NORTHSIDE^2.16.840.1.113883.19.6^ISO'
const sent = text.replace(/(\|RDE\^O11\^RDE_O11\|)[^|]*/, '$1RDE-KEPT-1')

beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

describe('a message that was taken in', () => {
  it('comes back byte for byte at the command line, and who looked is on record', async () => {
    const answer = await scene.platform.request('POST', '/ingest/hl7v2', sent, {
      'content-type': 'application/hl7-v2',
    })
    expect(answer.text).toContain('MSA|AA|RDE-KEPT-1')
    const { code, stdout } = await postern(scene.clinic.folder, 'hl7', 'sent', 'platform', id)
    expect(code).toBe(0)
    expect(stdout).toBe(sent)
    const { body } = await scene.auditor.request('GET', '/fhir/AuditEvent?_sort=-date&_count=5')
    expect(JSON.stringify(body)).toContain('message as it was sent')
  })

  it('is nobody’s to read at a door, and nowhere on disk in the clear', async () => {
    for (const client of [scene.platform, scene.ehr]) {
      const { status } = await client.request('GET', '/fhir/Binary/anything')
      expect([403, 404]).toContain(status)
    }
    expect(findInFiles(scene.clinic.folder, ['OKAFOR', 'amLODIPine 2.5'])).toEqual([])
  })

  it('has its hash in the Provenance of what it became', async () => {
    const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(sent))
    const hex = Buffer.from(hash).toString('hex')
    const orders = await scene.ehr.request(
      'GET',
      `/fhir/MedicationRequest?patient=${scene.patient}&_revinclude=Provenance:target`,
    )
    expect(JSON.stringify(resourcesOf(orders.body))).toContain(hex)
  })

  it('is not kept where it was refused', async () => {
    const refused = sent.replace('RDE-KEPT-1', 'RDE-KEPT-2').replace('|2.50|', '|2.50 mg|')
    const answer = await scene.platform.request('POST', '/ingest/hl7v2', refused, {
      'content-type': 'application/hl7-v2',
    })
    expect(answer.text).toContain('MSA|CE|RDE-KEPT-2')
    const { code } = await postern(scene.clinic.folder, 'hl7', 'sent', 'platform', id.replace('-1@', '-2@'))
    expect(code).not.toBe(0)
  })
})
