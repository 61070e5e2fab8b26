import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { made, message, openScene, type Scene } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

let count = 0
/** A patient the stranger has nothing to do with. */
function somebody() {
  count += 1
  return made(scene.platform, {
    resourceType: 'Patient',
    identifier: [{ system: 'urn:example:mrn', value: `S-${count}` }],
    name: [{ family: 'Somebody' }],
    managingOrganization: { reference: scene.organizations.northside },
  })
}

const handedIn = {
  'a draft order': {
    resourceType: 'MedicationRequest',
    status: 'draft',
    intent: 'order',
    medicationCodeableConcept: { text: 'x' },
  },
  'a Task': { resourceType: 'Task', status: 'requested', intent: 'order', code: { text: 'x' } },
}

describe('who names itself in what it hands in', () => {
  it.each(Object.entries(handedIn))('by %s becomes no treating party', async (_name, resource) => {
    const patient = await somebody()
    const about = resource.resourceType === 'Task' ? 'for' : 'subject'
    const requester = { reference: scene.organizations.elsewhere }
    await scene.stranger.request('POST', `/fhir/${resource.resourceType}`, {
      ...resource,
      requester,
      [about]: { reference: patient },
    })
    expect((await scene.stranger.request('GET', `/fhir/${patient}`)).status).toBe(404)
    const consents = await scene.stranger.request('GET', `/fhir/Consent?patient=${patient}`)
    expect(consents.body.entry ?? []).toEqual([])
  })

  it('writes to no patient that it does not treat', async () => {
    const patient = await somebody()
    const answer = await scene.stranger.request('POST', '/fhir/Communication', {
      resourceType: 'Communication',
      status: 'completed',
      category: [{ text: 'x' }],
      subject: { reference: patient },
      sender: { reference: scene.organizations.elsewhere },
      recipient: [{ reference: patient }],
      sent: '2026-01-05T09:00:00Z',
      payload: [{ contentString: 'Take twice as much' }],
    })
    expect(answer.status).toBe(403)
    expect((await scene.stranger.request('GET', `/fhir/${patient}`)).status).toBe(404)
  })

  it('learns nothing of a patient by what a preview would have made', async () => {
    const typesOf = async (value: string) => {
      const sent = message('prescription/draft-as-needed.in.json', { id: `look-${value}` })
      sent.patient.identifier.value = value
      const { body } = await scene.stranger.request('POST', '/ingest/prescriptions/$preview', sent)
      return body.resources.map(({ resourceType }: { resourceType: string }) => resourceType)
    }
    expect(await typesOf('MRN-4711')).toEqual(await typesOf('MRN-NOBODY'))
  })
})
