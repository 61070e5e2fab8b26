import fc from 'fast-check'
import type { MedicationRequest } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { medicationOrder } from '#flows/medication-order.ts'
import { prescriptionOrder } from '#flows/prescription-order.ts'
import { type OrderValues, writeOrderMessage } from '#formats/hl7v2/order-message.ts'
import { type Expected, replay } from '../../flows/replay.ts'
import { prescriptions, wholeOrders } from './generated-orders.ts'
import { numRuns, timeoutMs } from './runs.ts'
import { comparable, hasNumbersOf } from './same-order.ts'

const dialect: Hl7v2Dialect = {
  sending: { application: 'POSTERN', facility: 'HUB' },
  receiving: { application: 'RX', facility: '1' },
}

const write = (
  order: MedicationRequest,
  more: Partial<Hl7v2Dialect>,
  audience: OrderValues['audience'] = 'pharmacy',
) =>
  writeOrderMessage({
    order,
    patient: { resourceType: 'Patient', id: 'p', identifier: [{ value: '1' }], name: [{ family: 'x' }] },
    requester: { resourceType: 'Practitioner', identifier: [{ value: '7' }], name: [{ family: 'y' }] },
    audience,
    dialect: { ...dialect, ...more },
    controlId: 'C1',
    at: 0,
  })

function orderIn(result: Expected): MedicationRequest {
  const resources = (result.resources ?? []) as { resourceType: string }[]
  const order = resources.find(({ resourceType }) => resourceType === 'MedicationRequest')
  if (!order) throw new Error(`no order was made: ${JSON.stringify(result.refused)}`)
  return order as MedicationRequest
}

const partners: [string, Partial<Hl7v2Dialect>, typeof prescriptionOrder][] = [
  ['RDE^O11', {}, prescriptionOrder],
  ['RDE^O11 of 2.8', { version: '2.8' }, prescriptionOrder],
  ['RDE^O11 of 2.4, timing in RXE-1', { version: '2.4' }, prescriptionOrder],
  ['RDE^O11 in the time of another zone', { timeZone: 'Asia/Tokyo' }, prescriptionOrder],
  ['OMP^O09', { orders: 'OMP' }, medicationOrder],
  ['OMP^O09 of 2.7', { orders: 'OMP', version: '2.7' }, medicationOrder],
]

describe.each(partners)('a prescription that goes out as %s', (_, more, flow) => {
  it.each([
    ['pharmacy', prescriptions],
    ['ehr', wholeOrders],
  ] as const)(
    'comes back the same, digit for digit, whole, to the %s',
    async (audience, orders) => {
      await fc.assert(
        fc.asyncProperty(orders, async (order) => {
          const text = write(order, more, audience)
          const back = orderIn(
            await replay(flow, new TextEncoder().encode(text), { grants: ['order-source'] }),
          )
          expect(comparable(back, order), text.replaceAll('\r', '\n')).toEqual(comparable(order, order))
          expect(hasNumbersOf(back, order)).toBe(true)
        }),
        { numRuns },
      )
    },
    timeoutMs,
  )
})
