import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { message, openScene, type Scene } from './scene.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const guide = readFileSync(join(root, 'docs/fhir-api.md'), 'utf8')
/** The part that is run: from its first section to what is told of search. */
const walked = guide.slice(guide.indexOf('## From a key'), guide.indexOf('## Search'))

interface Block {
  language: string
  /** Of a script, the file it goes into. */
  file: string
  text: string
}

const blocks: Block[] = [...walked.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(
  ([, language = '', file = '', text = '']) => ({ language, file, text }),
)
const steps = blocks.filter(({ language }) => language === 'sh')

let scene: Scene
let folder: string
let said: string[]

beforeAll(async () => {
  scene = await openScene()
  for (const id of ['guide-1', 'guide-2', 'guide-3']) {
    const body = message('secure-message/patient-to-clinician.in.json', { id })
    expect((await scene.platform.request('POST', '/ingest/messages', body)).status).toBe(201)
  }
  folder = join(scene.clinic.folder, 'guide')
  mkdirSync(folder)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const { language, file, text } of blocks)
    if (language === 'js') writeFileSync(join(folder, file), text)
  said = (await run(steps.map(({ text }) => text).join(`echo '${divider}'\n`))).split(`${divider}\n`)
}, 120_000)
afterAll(() => scene.clinic.close())

const divider = '--- next step ---'

/** All steps in one shell, as a developer would take them. */
async function run(script: string): Promise<string> {
  const cli = `postern() { '${process.execPath}' '${join(root, 'src/postern.ts')}' "$@"; }\n`
  const child = spawn('bash', ['-euo', 'pipefail', '-c', cli + script], {
    cwd: folder,
    env: {
      ...process.env,
      PATH: `${join(process.execPath, '..')}:${process.env.PATH}`,
      POSTERN_DATA: scene.clinic.folder,
      POSTERN_CLINIC: 'test',
      BASE: `${scene.clinic.baseUrl}/fhir`,
      ORGANIZATION: scene.organizations.northside,
      PATIENT: scene.patient,
    },
  })
  let out = ''
  let faults = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    faults += chunk
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(code, `${out}\n${faults}`).toBe(0)
  return out
}

describe('docs/fhir-api.md', () => {
  it('leads from a key to the first page as it is written', () => {
    expect(steps.length).toBeGreaterThan(7)
    expect(said.length).toBe(steps.length)
    const shown = blocks.flatMap((block, at) =>
      block.language === 'json' ? [[blocks[at - 1], block] as const] : [],
    )
    expect(shown.length).toBeGreaterThan(5)
    for (const [step, { text }] of shown) {
      if (step?.language !== 'sh') throw new Error(`An answer to nothing: ${text}`)
      expect(JSON.parse(said[steps.indexOf(step)] ?? '')).toMatchObject(JSON.parse(text))
    }
  })

  it('leaves on record what the guide did, under the name of its client', async () => {
    const { body } = await scene.ehr.request('GET', `/fhir/Communication?patient=${scene.patient}`)
    expect(body.entry).toHaveLength(4)
    const found = await scene.auditor.request('GET', '/fhir/AuditEvent?_count=200')
    expect(found.text).toContain('ehr-example')
  })
})
