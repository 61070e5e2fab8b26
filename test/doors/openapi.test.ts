import { globSync, readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { flows } from '#flows/index.ts'
import type { TestClient } from '../open-clinic.ts'
import { openScene, type Scene } from './scene.ts'

type Methods = Record<string, { operationId: string; parameters: { name: string; in: string }[] }>

let scene: Scene
let document: { paths: Record<string, Methods>; components: { schemas: Record<string, object> } }
let text: string

beforeAll(async () => {
  scene = await openScene()
  text = await (await fetch(`${scene.clinic.baseUrl}/openapi.json`)).text()
  document = JSON.parse(text)
})
afterAll(() => scene.clinic.close())

const operations = () => Object.values(document.paths).flatMap((methods) => Object.values(methods))

describe('/openapi.json', () => {
  it('is OpenAPI 3.1 by its own schema, and its parts refer to each other', () => {
    const url = new URL('../../fixtures/third-party/openapi-3.1/schema.json', import.meta.url)
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    const valid = ajv.validate(JSON.parse(readFileSync(url, 'utf8')), document)
    expect(ajv.errors ?? []).toEqual([])
    expect(valid).toBe(true)
    const targets = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path.split('/'))
    const found = (path: string[]) =>
      path.reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], document)
    expect(targets.filter((path) => found(path) === undefined)).toEqual([])
    expect(targets.length).toBeGreaterThan(500)
    const ids = operations().map(({ operationId }) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('declares each slot of a path', () => {
    const wrong = Object.entries(document.paths).flatMap(([path, methods]) => {
      const slots = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      return Object.values(methods)
        .filter(({ parameters }) => {
          const declared = parameters.filter((each) => each.in === 'path').map(({ name }) => name)
          return declared.join() !== slots.join()
        })
        .map(({ operationId }) => operationId)
    })
    expect(wrong).toEqual([])
  })

  it('has every route of the gateway outside of FHIR, and none that is not there', () => {
    const served = scene.clinic.gateway.http.routes
      .filter(({ path }) => !['*', '/*', '/fhir/*'].includes(path))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}').replace(/\*$/, '{path}')}`)
    const said = Object.entries(document.paths)
      .filter(
        ([path]) =>
          !/^\/fhir(\/(?!metadata|\.well-known|\$process|Patient\/\{patient\}\/\$erase)|$)/.test(path),
      )
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    expect(said.sort()).toEqual([...new Set(served)].sort())
  })

  it('tells the truth of FHIR: each operation is there, and no other method of the path is', async () => {
    const fhir = Object.entries(document.paths).filter(
      ([path]) => path.startsWith('/fhir') && !/metadata|well-known/.test(path),
    )
    const asked = fhir.flatMap(([path, methods]) =>
      ['get', 'post', 'put', 'patch', 'delete'].map((method) => ({
        path,
        method,
        claimed: !!methods[method],
      })),
    )
    const wrong: string[] = []
    const unclaimed: string[] = []
    await abreast(asked, async ({ path, method, claimed }) => {
      const isThere = await isServed(method, path)
      if (isThere && !claimed) unclaimed.push(`${method} ${path}`)
      if (!isThere && claimed) wrong.push(`${method} ${path} is not there`)
    })
    expect(wrong).toEqual([])
    expect((await allowedToNobody(unclaimed)).sort()).toEqual(unclaimed.sort())
  }, 60_000)

  it('gives away what no token is needed for, and nothing else', () => {
    const open = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.values(methods)
        .filter((each) => (each as { security?: unknown[] }).security?.length === 0)
        .map(() => path),
    )
    expect(open.sort()).toEqual([
      '/.well-known/oauth-authorization-server',
      '/.well-known/openid-configuration',
      '/.well-known/smart-configuration',
      '/auth/authorize',
      '/auth/authorize',
      '/auth/consent',
      '/auth/consent',
      '/auth/enrol',
      '/auth/enrol-code',
      '/auth/enrol-passkey',
      '/auth/introspect',
      '/auth/invitation',
      '/auth/jwks',
      '/auth/passkey-challenge',
      '/auth/passkey.js',
      '/auth/revoke',
      '/auth/sign-in',
      '/auth/sign-in-by-code',
      '/auth/sign-in-by-passkey',
      '/auth/sign-out',
      '/auth/style.css',
      '/auth/token',
      '/fhir/.well-known/smart-configuration',
      '/fhir/metadata',
      '/healthz',
      '/openapi.json',
      '/readyz',
    ])
  })
})

/** Side by side, since each answer waits for its audit entry to be on disk. */
async function abreast<T>(all: readonly T[], act: (each: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < all.length; from += 60) await Promise.all(all.slice(from, from + 60).map(act))
}

/** Whether a route takes it, whatever it then answers. */
async function isServed(method: string, path: string): Promise<boolean> {
  const { status, text: said } = await ask(scene.platform, method, path)
  return status !== 405 && !said.includes('There is nothing at this')
}

function ask(client: TestClient, method: string, path: string) {
  const id = path.includes('$export') ? '00000000-0000-4000-8000-000000000000' : 'walk'
  const filled = path.replace('{id}', id).replace('{version}', '1').replace('{part}', '0')
  return client.request(method.toUpperCase(), filled, ['get', 'delete'].includes(method) ? undefined : {})
}

/** What is served and not told of is refused to every kind of system. */
async function allowedToNobody(requests: readonly string[]): Promise<string[]> {
  const clients = [scene.platform, scene.ehr, scene.pharmacy, scene.auditor]
  for (const role of ['operator', 'privacy-officer'] as const) {
    const settings = { id: role, role, scopes: ['system/*.cruds'], purposes: ['HOPERAT'], grants: [] }
    clients.push(await scene.clinic.client(settings))
  }
  const refused: string[] = []
  await abreast(requests, async (request) => {
    const [method = '', path = ''] = request.split(' ')
    const answers = await Promise.all(clients.map((client) => ask(client, method, path)))
    if (answers.every(({ status }) => status === 403)) refused.push(request)
  })
  return refused
}

const doors = flows.flatMap((flow) => (flow.door.kind === 'json' ? [{ ...flow, ...flow.door }] : []))

/** Rules over several members are said in words, not in the schema: either of these two must be there. */
const onlyTheDoor = [
  'secure-message without text: door false',
  'secure-message without attachments: door false',
]

describe.each(doors)('the schema of $name', ({ name, path, read, schema }) => {
  const ajv = new Ajv2020({ strict: false })
  const isValid = ajv.compile(schema())
  const bytes = (body: unknown) => new TextEncoder().encode(JSON.stringify(body))
  const isRead = (body: unknown) => {
    try {
      return read(bytes(body), { timeZone: 'UTC' }) !== undefined
    } catch {
      return false
    }
  }
  const messages = globSync(`fixtures/${name}/[!b]*.in.json`).map((file) =>
    JSON.parse(readFileSync(file, 'utf8')),
  )

  it('takes what the door takes', () => {
    expect(document.paths[path]?.post).toBeDefined()
    expect(messages.length).toBeGreaterThan(1)
    for (const message of messages) expect([isRead(message), isValid(message)]).toEqual([true, true])
  })

  it('refuses a member too many, one too few and one of another type wherever the door does', () => {
    const differs: string[] = []
    let refused = 0
    for (const message of messages) {
      for (const [member, value] of Object.entries(message)) {
        const { [member]: _taken, ...rest } = message
        const nested = typeof value === 'object' && value !== null && !Array.isArray(value)
        const wrong: [string, unknown][] = [
          [`without ${member}`, rest],
          [`${member}: true`, { ...message, [member]: true }],
          [`${member}: []`, { ...message, [member]: [] }],
          [
            `${member}.surprise`,
            nested ? { ...message, [member]: { ...value, surprise: 1 } } : { surprise: 1 },
          ],
        ]
        for (const [words, body] of wrong) {
          if (isRead(body) !== isValid(body)) differs.push(`${name} ${words}: door ${isRead(body)}`)
          if (!isValid(body)) refused++
        }
      }
    }
    expect(differs.filter((each) => !onlyTheDoor.includes(each))).toEqual([])
    expect(refused).toBeGreaterThan(20)
  })
})
