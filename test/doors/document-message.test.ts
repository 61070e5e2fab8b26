import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

const post = (name: string) =>
  scene.platform.request('POST', '/ingest/hl7v2', fixture(`document-message/${name}.in.hl7`), {
    'content-type': 'application/hl7-v2',
  })

describe('an MDM^T02', () => {
  it('is a message with its text and file, and the EHR of the patient’s clinic reads it', async () => {
    expect((await post('note-with-file')).text).toContain('MSA|AA|MDM-20260110-0001')
    const found = await scene.ehr.request('GET', `/fhir/Communication?patient=${scene.patient}`)
    const [message, ...others] = resourcesOf(found.body)
    expect(others).toEqual([])
    expect(message).toMatchObject({
      status: 'completed',
      sent: '2026-01-10T10:00:00-06:00',
      topic: { text: 'Consultation' },
      payload: [
        { contentString: expect.stringContaining('See you in 3 months.\nCall before') },
        { contentAttachment: { contentType: 'application/pdf', data: 'JVBERi0xLjQKJcOkw7zDtsOfCg==' } },
      ],
    })
    expect(message.meta.security).toContainEqual(expect.objectContaining({ code: 'R' }))
  })

  it('that answers an order and another document is taken in too', async () => {
    expect((await post('reply-after-order')).text).toContain('MSA|AA|MDM-20260110-0002')
  })

  it.each([
    ['bad-finding', 'AR', 'OBX^1^2'],
    ['bad-withdrawn', 'AR', 'TXA'],
    ['bad-nobody-named', 'AE', 'TXA'],
  ])('%s is answered %s with the place', async (name, code, place) => {
    const { text } = await post(name)
    expect(text).toContain(`MSA|${code}|`)
    expect(text).toContain(place)
    expect(text).not.toContain('MSA|AA|')
  })
})
