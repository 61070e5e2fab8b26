import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openScene, type Scene } from '../doors/scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

describe('names that every object has', () => {
  it.each(['constructor=1', 'toString=1', '__proto__=1', '_has:constructor:x:y=1', '_include=constructor:x'])(
    'are no parameters: ?%s is refused',
    async (query) => {
      expect((await scene.ehr.request('GET', `/fhir/Communication?${query}`)).status).toBe(400)
    },
  )

  it('and an entry with the resource null is the sender’s mistake', async () => {
    const entry = [{ resource: null, request: { method: 'POST', url: 'Communication' } }]
    const answer = await scene.ehr.request('POST', '/fhir', {
      resourceType: 'Bundle',
      type: 'transaction',
      entry,
    })
    expect(answer.status).toBe(400)
  })
})
