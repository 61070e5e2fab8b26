import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startPharmacy } from '../peers/pharmacy.ts'
import { findInFiles } from './at-rest.ts'
import { type ChildGateway, startGateway } from './command-line.ts'
import { openMllp } from './mllp-socket.ts'
import { fixture, prepareFolder } from './scene.ts'

let folder: string
let gateway: ChildGateway
let told: { path: string; status: number; text: string }[]

const doors = {
  'secure-message': 'messages',
  'eligibility-result': 'eligibility',
  prescription: 'prescriptions',
} as const
const root = new URL('../../fixtures/', import.meta.url).pathname
const inputs = (flow: string) => readdirSync(root + flow).filter((name) => /\.in\.(json|hl7)$/.test(name))

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-sealed-'))
  const pharmacy = await startPharmacy()
  const prepared = await prepareFolder(folder, { pharmacy })
  gateway = await startGateway(folder, prepared.settings)
  const { platform, ehr } = prepared.clients(gateway.baseUrl)
  const statuses: number[] = []
  for (const [flow, door] of Object.entries(doors))
    for (const name of inputs(flow)) {
      const answer = await platform.request('POST', `/ingest/${door}`, fixture(`${flow}/${name}`))
      statuses.push(answer.status)
      await platform.request('POST', `/ingest/${door}/$preview`, fixture(`${flow}/${name}`))
    }
  const socket = await openMllp(gateway.mllpPort)
  for (const name of inputs('prescription-order')) {
    socket.send(fixture(`prescription-order/${name}`).replace(/\r?\n/g, '\r'))
    await socket.next()
  }
  socket.write(`\u000b${fixture('prescription-order/us-simple.in.hl7')}`)
  socket.end()
  await socket.closed
  // What is asked holds names and identifiers too, in places where they belong and where they do not.
  told = []
  for (const path of [
    '/fhir/Patient?identifier=urn:oid:2.16.840.1.113883.19.5%7CMRN-4711',
    `/fhir/Communication?patient=${prepared.patient}`,
    `/fhir/QuestionnaireResponse?patient=${prepared.patient}`,
    `/fhir/MedicationRequest?patient=${prepared.patient}&_include=MedicationRequest:subject`,
    '/fhir/Patient?name=Okafor',
    ...refused,
  ])
    told.push({ path, ...(await ehr.request('GET', path)) })
  await platform.request('POST', '/fhir/Patient', {
    resourceType: 'Patient',
    name: 'Okafor',
    gender: 'Amlodipine',
  })
  expect(statuses.filter((status) => status === 201).length).toBeGreaterThan(8)
  expect(statuses.filter((status) => status >= 500)).toEqual([])
  for (let wait = 0; wait < 100 && pharmacy.messages.length < 2; wait++)
    await new Promise((resolve) => setTimeout(resolve, 50))
  expect(pharmacy.messages.length).toBeGreaterThan(1)
  await pharmacy.close()
})
afterAll(async () => {
  await gateway.kill()
  rmSync(folder, { recursive: true, force: true })
})

/** Words of the fixtures where they do not belong. */
const refused = [
  '/fhir/Patient?nickname=Okafor',
  '/fhir/Patient?birthdate=Okafor',
  '/fhir/Okafor/1',
  '/fhir/Patient/Okafor',
  '/ingest/Okafor',
]

/** Everything in the fixtures that says something about somebody: names, identifiers, texts, drugs, answers. */
const secrets = [
  ...[
    'Okafor',
    'OKAFOR',
    'Ngozi',
    'NGOZI',
    'MRN-4711',
    '1987-03-14',
    '19870314',
    '987-65-4329',
    '12 LAKE ST',
    '5550147',
  ],
  ...['Brandt', 'BRANDT', '1306847203', 'Main Street Pharmacy', '5550199', 'LUND'],
  ...[
    'headache every morning',
    'Headache since Friday',
    'th-77',
    'msg-1001',
    'rx-2002',
    'scr-1-a',
    'RX-88001',
  ],
  ...[
    'Amlodipine',
    'amLODIPine',
    'NORVASC',
    'Acetaminophen',
    '308136',
    '13892511000001100',
    'Metformin',
    'NICARDIPINE',
  ],
  ...[
    'hypertension',
    'Diabetes',
    '44054006',
    '38341003',
    'twice daily',
    'by mouth',
    'Stable on this brand',
    'Blister',
  ],
  ...['EVERYMAN', 'PATID1234', 'CANARY-STAFF-NOTE', 'sounded worried', 'BMI below 27', 'weight-management'],
  ...['sig-8841', 'eyJhbGciOiJF'],
]

describe('at rest', () => {
  it('no file of the clinic holds a word of what came in', () => {
    expect(findInFiles(folder, secrets)).toEqual([])
  })

  it('the search would find them', () => {
    const planted = join(folder, 'planted')
    for (const bytes of [
      Buffer.from('so Okafor'),
      Buffer.from('Okafor', 'utf16le'),
      Buffer.from(Buffer.from('{"name":"Okafor"}').toString('base64')),
    ]) {
      writeFileSync(planted, bytes)
      expect(findInFiles(folder, ['Okafor'])).not.toEqual([])
    }
    rmSync(planted)
    expect(told.map(({ text }) => text).join()).toContain('Okafor')
  })
})

describe('in what it says', () => {
  it('no line of the gateway’s output holds a word of what came in, not even of what was refused', () => {
    const output = gateway.output()
    expect(output).toContain(gateway.baseUrl)
    expect(secrets.filter((each) => output.includes(each))).toEqual([])
  })

  it('no refusal says back what was asked', () => {
    for (const { path, status, text } of told.filter((each) => refused.includes(each.path))) {
      expect(status, path).toBeGreaterThanOrEqual(400)
      expect(text, path).not.toContain('Okafor')
    }
  })
})
