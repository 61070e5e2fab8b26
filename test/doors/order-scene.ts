import { expect } from 'vitest'
import type { TestClient } from '../open-clinic.ts'
import { fixture, resourcesOf, type Scene } from './scene.ts'

/** What a test says about orders that came by HL7 v2. */
export interface OrderScene {
  post(client: TestClient, body: string): Promise<string>
  /** An order in force at the pharmacy of the fixtures, or at none; resolves with its reference. */
  order(number: string, pharmacy?: boolean): Promise<string>
  /** A fixture with another control id, about another order. */
  told(path: string, controlId: string, number: string): string
  /** Its Tasks of one code, such as `abort`. */
  tasksOf(reference: string, code: string): Promise<Told[]>
  /** Tasks for the clinic's people about it. */
  alertsOf(reference: string): Promise<Told[]>
  statusOf(reference: string): Promise<string>
}

// biome-ignore lint/suspicious/noExplicitAny: a Task as the API gives it
type Told = any

export function orderScene(scene: Scene): OrderScene {
  const post = async (client: TestClient, body: string) => {
    const answer = await client.request('POST', '/ingest/hl7v2', body, {
      'content-type': 'application/hl7-v2',
    })
    return answer.text
  }
  const tasks = async (reference: string): Promise<Told[]> => {
    const found = await scene.ehr.request('GET', `/fhir/Task?focus=${reference}`)
    expect(found.status, found.text).toBe(200)
    return resourcesOf(found.body)
  }
  return {
    post,
    async order(number, pharmacy = true) {
      const text = fixture('prescription-order/us-simple.in.hl7')
        .replace('RDE-20260105-0001', `RDE-${number}`)
        .replaceAll('RX-88001', number)
      const sent = pharmacy ? text : text.replace(/1234567893\^Main Street Pharmacy\^NPI.*/, '')
      expect(await post(scene.platform, sent)).toContain(`MSA|AA|RDE-${number}`)
      const value = encodeURIComponent(`urn:oid:2.16.840.1.113883.19.6.1|${number}`)
      const found = await scene.ehr.request('GET', `/fhir/MedicationRequest?identifier=${value}`)
      return `MedicationRequest/${resourcesOf(found.body)[0].id}`
    },
    told: (path, controlId, number) =>
      fixture(`${path}.in.hl7`)
        .replace(/(?:REQ|RRE|NOT|RRD|RNW)-20260\d+-\d+/, controlId)
        .replaceAll('RX-88001', number),
    tasksOf: async (reference, code) =>
      (await tasks(reference)).filter((task) =>
        task.code.coding?.some((coding: { code: string }) => coding.code === code),
      ),
    alertsOf: async (reference) => (await tasks(reference)).filter((task) => task.code.coding === undefined),
    statusOf: async (reference) => (await scene.ehr.request('GET', `/fhir/${reference}`)).body.status,
  }
}
