import type { LoadPlan } from './load.ts'
import { fill, fixture, templateOf } from './messages.ts'
import type { Bench, Tokens } from './server-process.ts'

/** Keys are per patient: a clinic's day has some hundred of them. */
const patients = 300

/** One thing to measure: what is asked, without connections and time. */
export interface Step {
  name: string
  /** What it adds to the step before, or what it is. */
  title: string
  /** The step that it is compared with: the least that a request of this kind can do. */
  reference?: string
  plan(tokens: Tokens): Omit<LoadPlan, 'connections' | 'seconds'>
}

const ingestLadder: [string, string][] = [
  ['hono', 'Hono answers a POST, body unread'],
  ['body', '+ read the body'],
  ['parse', '+ JSON.parse'],
  ['seal', '+ AES-256-GCM under the patient’s key'],
  ['index', '+ 4 HMACs for the blind index'],
  ['commit', '+ search rows, audit event and leaf, group commit FULL'],
  ['schema', '+ schema of the message'],
]
const readLadder: [string, string][] = [
  ['hono', 'Hono answers a GET'],
  ['row', '+ row by type and id, opened'],
  ['audited', '+ audit event and leaf, group commit FULL'],
]
const doors: [string, string, string][] = [
  ['messages', 'secure-message/patient-to-clinician', '/ingest/messages'],
  ['prescriptions', 'prescription/active-attested', '/ingest/prescriptions'],
  ['eligibility', 'eligibility-result/eligible', '/ingest/eligibility'],
]

/** Everything that can be measured against a running bench, in the order of the ladder. */
export async function prepareSteps(bench: Bench): Promise<Step[]> {
  const { addresses } = bench
  const body = templateOf(fixture('secure-message/patient-to-clinician'))
  return [
    ...ingestLadder.map(([step, title]): Step => {
      const headers = { 'content-type': 'application/json' }
      const url = `${addresses.ladder}/${step}`
      return { name: `ingest.${step}`, title, plan: () => ({ url, method: 'POST', headers, body, patients }) }
    }),
    ...doors.map((door) => doorStep(addresses.gateway, door)),
    ...readLadder.map(([step, title]): Step => {
      const url = `${addresses.ladder}/${step}`
      return { name: `read.${step}`, title, plan: () => ({ url, method: 'GET', headers: {}, patients }) }
    }),
    await readStep(bench, body),
  ]
}

function doorStep(gateway: string, [name, message, path]: [string, string, string]): Step {
  const url = `${gateway}${path}`
  const body = templateOf(fixture(message))
  return {
    name: `ingest.${name}`,
    title: `the whole door: POST ${path}`,
    reference: 'ingest.commit',
    plan: ({ platform }) => ({ url, method: 'POST', headers: headersOf(platform), body, patients }),
  }
}

/** Reads back what was taken in, as the EHR that it was addressed to. */
async function readStep(bench: Bench, body: string): Promise<Step> {
  const { gateway } = bench.addresses
  const headers = headersOf((await bench.tokens()).platform)
  const paths: string[] = []
  for (let patient = 0; patient < patients; patient++) {
    const answer = await fetch(`${gateway}/ingest/messages`, {
      method: 'POST',
      headers,
      body: fill(body, `read-${patient}`, `bench-${patient}`),
    })
    const taken = (await answer.json()) as { resources?: string[] }
    const communication = taken.resources?.find((resource) => resource.startsWith('Communication/'))
    if (!communication) throw new Error(`A message was not taken in: ${JSON.stringify(taken)}`)
    paths.push(`/fhir/${communication.replace(/\/_history\/.*$/, '')}`)
  }
  return {
    name: 'read.communication',
    title: 'the whole door: GET /fhir/Communication/{id}',
    reference: 'read.audited',
    plan: ({ ehr }) => ({
      url: gateway,
      method: 'GET',
      headers: { authorization: `Bearer ${ehr}` },
      paths,
      patients,
    }),
  }
}

function headersOf(platform: string): Record<string, string> {
  return { 'content-type': 'application/json', authorization: `Bearer ${platform}` }
}
