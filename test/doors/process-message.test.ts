import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fixture, openScene, type Scene } from './scene.ts'

const sent = JSON.parse(fixture('prescription-message/nhs-eps-four-items.in.json'))
const path = '/fhir/$process-message'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(() => scene.clinic.close())

type Entry = { fullUrl?: string; resource: { resourceType: string; [name: string]: unknown } }

/** The message with something else in it, under a number of its own. */
function changed(number: string, change: (entries: Entry[]) => void): object {
  const message = structuredClone(sent)
  message.identifier.value = number
  change(message.entry)
  return message
}

async function refusal(message: object): Promise<[number, string, string[] | undefined]> {
  const { status, body } = await scene.platform.request('POST', path, message)
  expect(body.resourceType).toBe('OperationOutcome')
  const [{ code, expression }] = body.issue
  return [status, code, expression]
}

describe('$process-message', () => {
  it('takes a prescription order in, once, and answers the same message with the same bytes', async () => {
    const first = await scene.platform.request('POST', path, sent)
    expect(first.status, first.text).toBe(200)
    const [header, outcome] = first.body.entry
    expect(first.body.type).toBe('message')
    expect(header.resource).toMatchObject({
      resourceType: 'MessageHeader',
      eventCoding: { code: 'prescription-order' },
      response: { identifier: sent.identifier.value, code: 'ok', details: { reference: outcome.fullUrl } },
    })
    expect(scene.clinic.gateway.validator.check(first.body)).toEqual([])
    const made: string[] = header.resource.focus.map(({ reference }: { reference: string }) => reference)
    expect(made.map((each) => each.split('/').at(-2)).sort()).toEqual([
      ...Array(4).fill('MedicationRequest'),
      ...Array(4).fill('Task'),
    ])
    const again = await scene.platform.request('POST', path, sent)
    expect(again.text).toBe(first.text)
    const other = changed(sent.identifier.value, (entries) => entries.pop())
    expect(await refusal(other)).toEqual([409, 'conflict', undefined])
  })

  it('makes of each item an order in force, with its own numbers and extensions', async () => {
    const number = 'https://fhir.nhs.uk/Id/prescription-order-item-number'
    for (const { resource } of sent.entry as Entry[]) {
      if (resource.resourceType !== 'MedicationRequest') continue
      const [{ value }] = resource.identifier as [{ value: string }]
      const rows = await scene.clinic.store.search({
        type: 'MedicationRequest',
        criteria: [{ kind: 'token', param: 'identifier', values: [`${number}|${value}`] }],
        limit: 5,
      })
      expect(rows.length).toBe(1)
      const order = JSON.parse(rows[0]?.stored.json ?? '{}')
      const { medicationCodeableConcept, dosageInstruction, groupIdentifier, basedOn } = resource
      expect(order).toMatchObject({
        status: 'active',
        medicationCodeableConcept,
        dosageInstruction,
        groupIdentifier,
        basedOn,
      })
      expect(order.extension).toEqual(expect.arrayContaining(resource.extension as object[]))
    }
  })

  it('refuses what it does not take, and says what and where', async () => {
    const withdrawn = changed('n-1', ([header]) => {
      Object.assign(header?.resource ?? {}, { eventCoding: { system: 'urn:e', code: 'withdraw' } })
    })
    expect(await refusal(withdrawn)).toEqual([400, 'not-supported', ['Bundle.entry[0].resource.event']])
    const headless = changed('n-2', (entries) => entries.shift())
    expect(await refusal(headless)).toEqual([422, 'invalid', ['Bundle.entry[0]']])
    const twice = changed('n-3', (entries) =>
      Object.assign(entries[2] ?? {}, { fullUrl: entries[1]?.fullUrl }),
    )
    expect((await refusal(twice)).slice(0, 2)).toEqual([422, 'invalid'])
    const invalid = changed('n-4', (entries) =>
      Object.assign(entries[1]?.resource ?? {}, { status: 'nonsense' }),
    )
    const [status, , expression] = await refusal(invalid)
    expect([status, expression?.[0]]).toEqual([422, expect.stringContaining('entry[1].resource')])
    expect((await refusal({ resourceType: 'Patient' }))[0]).toBe(400)
    expect(
      (
        await scene.pharmacy.request(
          'POST',
          path,
          changed('n-5', () => {}),
        )
      ).status,
    ).toBe(403)
    const { body } = await scene.platform.request('GET', '/fhir/metadata')
    expect(body.rest[0].operation.map(({ name }: { name: string }) => name)).toContain('process-message')
  })
})
