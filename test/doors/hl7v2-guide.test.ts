import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { flows } from '#flows/index.ts'
import { examplesOf, guide, onTheWire, withoutOwn } from './guide.ts'
import { openPartner } from './mllp-partner.ts'
import type { MllpSocket } from './mllp-socket.ts'
import { openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
const sockets: Record<string, MllpSocket> = {}

beforeAll(async () => {
  scene = await openScene()
  const { northside, mainStreet } = scene.organizations
  await partner('rxwriter', { role: 'ehr', organization: northside, address: '127.0.0.1' })
  await partner('registry', { role: 'platform', organization: northside, address: '127.0.0.3' })
  await partner('pharmacy', { role: 'pharmacy', organization: mainStreet, address: '127.0.0.2' })
})
afterAll(() => {
  for (const socket of Object.values(sockets)) socket.end()
  return scene.clinic.close()
})

async function partner(name: string, as: Parameters<typeof openPartner>[2]): Promise<void> {
  sockets[name] = await openPartner(scene, name, as)
}

describe('docs/hl7v2.md', () => {
  it('shows what was sent and what came back, in the order of the page', async () => {
    const told = new Map<string, string>()
    for (const example of examplesOf(guide)) {
      if (example.kind === 'request') {
        const found = await scene.ehr.request('GET', example.path)
        expect(found.status, found.text).toBe(200)
        expect(resourcesOf(found.body)[0]).toMatchObject(JSON.parse(example.shown))
        continue
      }
      const socket = sockets[example.as]
      if (!socket) throw new Error(`The guide sends as ${example.as}, whom nobody has registered`)
      const expected = example.again ? (told.get(example.sent) ?? '') : example.answer
      socket.send(onTheWire(example.sent))
      const count = expected.match(/^MSH/gm)?.length ?? 0
      expect(count, `the guide prints an answer to ${example.sent}`).toBeGreaterThan(0)
      let answer = ''
      for (let each = 0; each < count; each++) answer += (await socket.next()).replaceAll('\r', '\n')
      if (example.again) expect(answer).toBe(expected)
      expect(withoutOwn(answer)).toBe(withoutOwn(expected))
      if (!told.has(example.sent)) told.set(example.sent, answer)
    }
  })

  it('names tests that exist for each defect', () => {
    const named = [...guide.matchAll(/\| (test\/[\w/.-]+): (.+?) \|$/gm)]
    expect(named.length).toBeGreaterThan(20)
    for (const [, file = '', name = ''] of named) {
      expect(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'), file).toContain(name)
    }
  })

  it('names every message type that is taken in', () => {
    const types = flows.flatMap(({ door }) => (door.kind === 'hl7v2' ? door.messageTypes : []))
    expect(types.filter((type) => !guide.includes(type))).toEqual([])
  })
})
