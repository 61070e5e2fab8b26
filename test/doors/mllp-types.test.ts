import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPartner } from './mllp-partner.ts'
import { fieldsOf, type MllpSocket } from './mllp-socket.ts'
import { type OrderScene, orderScene } from './order-scene.ts'
import { fixture, openScene, resourcesOf, type Scene } from './scene.ts'

let scene: Scene
let orders: OrderScene
/** The clinic's interface engine, the pharmacy and the registry, each on a connection of its own. */
let engine: MllpSocket
let pharmacy: MllpSocket
let registry: MllpSocket
beforeAll(async () => {
  scene = await openScene()
  orders = orderScene(scene)
  const { northside, mainStreet, elsewhere } = scene.organizations
  engine = await openPartner(scene, 'engine', {
    role: 'platform',
    organization: northside,
    address: '127.0.0.3',
  })
  pharmacy = await openPartner(scene, 'dispensary', {
    role: 'pharmacy',
    organization: mainStreet,
    address: '127.0.0.2',
  })
  registry = await openPartner(scene, 'registry', {
    role: 'platform',
    organization: elsewhere,
    address: '127.0.0.4',
  })
})
afterAll(() => {
  for (const socket of [engine, pharmacy, registry]) socket.end()
  return scene.clinic.close()
})

const read = async (query: string) => resourcesOf((await scene.ehr.request('GET', `/fhir/${query}`)).body)
const answered = (answer: string) => fieldsOf(answer, 'MSA').slice(1, 3)

describe('over MLLP', () => {
  it('ADT^A08, ORU^R01 and SIU^S12, sent without waiting, are answered in order and stand as what they are', async () => {
    const adt = [
      'MSH|^~\\&|ADT|NORTHSIDE|POSTERN|HUB|20260104100000-0600||ADT^A08^ADT_A01|ADT-WIRE-1|P|2.5.1',
      'EVN|A08|20260104100000-0600',
      'PID|1||MRN-4711^^^NORTHSIDE&2.16.840.1.113883.19.5&ISO^MR||OKAFOR-LEE^ADA||19870314|F|||9 NEW RD^^TOWN',
    ].join('\r')
    const oru = fixture('observation-result/phq-9.in.hl7')
    const siu = fixture('appointment/story-1-booked.in.hl7')
    for (const message of [adt, oru, siu]) engine.send(message)
    expect(answered(await engine.next())).toEqual(['AA', 'ADT-WIRE-1'])
    expect(answered(await engine.next())).toEqual(['AA', 'ORU-20260112-0001'])
    expect(answered(await engine.next())).toEqual(['AA', 'SIU-1'])

    const patient = (await scene.ehr.request('GET', `/fhir/${scene.patient}`)).body
    expect(patient).toMatchObject({ name: [{ family: 'OKAFOR-LEE' }], address: [{ city: 'TOWN' }] })
    expect(await read(`QuestionnaireResponse?patient=${scene.patient}`)).toMatchObject([
      { status: 'completed', identifier: { value: 'F-100' } },
    ])
    expect(await read(`Task?patient=${scene.patient}&code=appointment`)).toMatchObject([
      { status: 'accepted', executionPeriod: { start: '2026-01-20T09:30:00-06:00' } },
    ])
  })

  it('an order’s answer (RRE^O12), what is to be given (RGV^O15) and a renewal of nothing come from the pharmacy', async () => {
    const reference = await orders.order('RX-WIRE')
    pharmacy.send(orders.told('order-answer/us-accepted', 'RRE-WIRE', 'RX-WIRE'))
    pharmacy.send(fixture('give/us-two-gives.in.hl7').replaceAll('RX-88001', 'RX-WIRE'))
    pharmacy.send(orders.told('renewal-request/us-renewal', 'RNW-WIRE', 'RX-NOWHERE'))
    expect(answered(await pharmacy.next())).toEqual(['AA', 'RRE-WIRE'])
    expect(answered(await pharmacy.next())).toEqual(['AA', 'RGV-20260108-0001'])
    const queued = await pharmacy.next()
    expect(answered(queued)).toEqual(['AA', 'RNW-WIRE'])
    expect(fieldsOf(queued, 'ERR').slice(2, 5)).toEqual([
      'ORC^1^2',
      '204^Unknown key identifier^HL70357',
      'W',
    ])
    expect(await orders.tasksOf(reference, 'fulfill')).toMatchObject([{ status: 'accepted' }])
    expect(await orders.tasksOf(reference, '18629005')).toHaveLength(2)
    expect(await orders.tasksOf(reference, '103742009')).toEqual([])
  })

  it('limits to a consent (CON) inside of an MDM^T02 hold at once, for the document that carries them too', async () => {
    const text = fixture('document-message/note-with-file.in.hl7')
    // From 2.6 on after TXA.
    const con = 'CON|1|001|HIPAA-1|F-WIRE|Release||||Not to my employer||L||20260110090000-0600'
    registry.send(text.replace('|2.5.1', '|2.6').replace(/\rOBX\|/, `\r${con}\rOBX|`))
    expect(answered(await registry.next())).toEqual(['AA', 'MDM-20260110-0001'])
    const found = await scene.platform.request('GET', '/fhir/Consent?identifier=F-WIRE')
    const [consent, ...others] = resourcesOf(found.body)
    expect(others).toEqual([])
    expect(consent).toMatchObject({ status: 'active', patient: { reference: scene.patient } })
    const documents = () => read(`Communication?patient=${scene.patient}`)
    expect(await documents()).toEqual([])
    // It is here, and nothing but the consent hides it.
    expect((await scene.platform.request('DELETE', `/fhir/Consent/${consent.id}`)).status).toBe(204)
    expect(await documents()).toMatchObject([{ topic: { text: 'Consultation' } }])
  })
})
