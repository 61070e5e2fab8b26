import fc from 'fast-check'
import type { CodeableConcept, Medication, MedicationRequest } from 'fhir/r4'
import { describe, expect, it } from 'vitest'
import type { Hl7v2Dialect } from '#core/destination.ts'
import { medicationOrder } from '#flows/medication-order.ts'
import { prescriptionOrder } from '#flows/prescription-order.ts'
import { writeOrderMessage } from '#formats/hl7v2/order-message.ts'
import { type Expected, replay } from '../../flows/replay.ts'
import { prescriptions } from './generated-orders.ts'
import { plain, pruned, type Tree, withoutNoted } from './noted.ts'

const dialect: Hl7v2Dialect = {
  sending: { application: 'POSTERN', facility: 'HUB' },
  receiving: { application: 'RX', facility: '1' },
}

const write = (order: MedicationRequest, more: Partial<Hl7v2Dialect>) =>
  writeOrderMessage({
    order,
    patient: { resourceType: 'Patient', id: 'p', identifier: [{ value: '1' }], name: [{ family: 'x' }] },
    requester: { resourceType: 'Practitioner', identifier: [{ value: '7' }], name: [{ family: 'y' }] },
    audience: 'pharmacy',
    dialect: { ...dialect, ...more },
    controlId: 'C1',
    at: 0,
  })

function orderIn(result: Expected): MedicationRequest {
  const resources = (result.resources ?? []) as { resourceType: string }[]
  const order = resources.find(({ resourceType }) => resourceType === 'MedicationRequest')
  if (!order) throw new Error(`no order was made: ${JSON.stringify(result.refused)}`)
  return plain(order) as MedicationRequest
}

/**
 * The differences by rule, each taken from both sides:
 * - identity: ids, persons and references are found anew by the receiver; ORC-2 and RXE-15 give a number its type, and
 *   RXE-15 repeats it as prescription number.
 * - an order is `filler-order` as encoded and `original-order` as placed.
 * - TQ1-3's own code stands in timing.code; an event of the day is once a day; a single dosage needs no sequence.
 * - TQ.3 spells a unit of time as a letter.
 * - TQ1-10 is a text: a condition's display stands for its code, which a note says.
 * - before 2.5 a drug's own text is in a note, and its display stands for it.
 * - RXE-25 is the strength of the product itself, so that its ingredient is the product.
 * - table 0485 has no urgent (a note says it): it comes back as asap.
 * - tables 0161 and 0167 say a substitution by code, not as true or false, and add their own code.
 */
function meant(order: Tree): Tree {
  const known = order as unknown as MedicationRequest
  const { allowedBoolean, allowedCodeableConcept } = known.substitution ?? {}
  const code = allowedCodeableConcept?.coding?.[0]?.code
  const said = allowedBoolean === undefined ? code : allowedBoolean ? 'G' : 'N'
  const { priority, authoredOn, dispenseRequest, medicationCodeableConcept, contained } = known
  const inside = contained?.find((each) => each.resourceType === 'Medication') as Medication | undefined
  const dosages = (known.dosageInstruction ?? []).map((dosage) => {
    const { sequence, timing, asNeededCodeableConcept: needed, ...rest } = dosage
    const { frequency, period, periodUnit, boundsDuration: bounds, ...repeat } = timing?.repeat ?? {}
    const { unit: _letter, ...bound } = bounds ?? {}
    const pace = repeat.when ? {} : { frequency, period, periodUnit }
    const several = (known.dosageInstruction ?? []).length > 1
    return {
      ...rest,
      needed: needed?.text ?? needed?.coding?.[0]?.display,
      repeat: { ...repeat, ...pace, bound },
      ...(several ? { sequence } : {}),
    }
  })
  return pruned({
    number: [known.identifier?.[0]?.system, known.identifier?.[0]?.value],
    group: [known.groupIdentifier?.system, known.groupIdentifier?.value],
    priority: priority === 'urgent' ? 'asap' : (priority ?? 'asap'),
    authoredOn,
    dispenseRequest,
    medication: sortedCodings({
      code: worded(medicationCodeableConcept ?? inside?.code),
      form: inside?.form,
      ingredient: inside?.ingredient?.map(({ itemCodeableConcept, ...rest }) =>
        rest.extension ? { itemCodeableConcept, ...rest } : rest,
      ),
    }),
    dosages,
    substitution: said,
  }) as Tree
}

function worded(concept: CodeableConcept | undefined): CodeableConcept | undefined {
  return concept && { ...concept, text: concept.text ?? concept.coding?.[0]?.display ?? '' }
}

/** The primary coding goes first (R8). */
function sortedCodings(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(sortedCodings)
    return items.every((each) => typeof (each as Tree)?.code === 'string')
      ? items.sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))
      : items
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, sortedCodings(each)]))
}

const partners: [string, Partial<Hl7v2Dialect>, typeof prescriptionOrder][] = [
  ['RDE^O11', {}, prescriptionOrder],
  ['RDE^O11 of 2.8', { version: '2.8' }, prescriptionOrder],
  ['RDE^O11 of 2.4, timing in RXE-1', { version: '2.4' }, prescriptionOrder],
  ['OMP^O09', { orders: 'OMP' }, medicationOrder],
  ['OMP^O09 of 2.7', { orders: 'OMP', version: '2.7' }, medicationOrder],
]

describe.each(partners)('a prescription that goes out as %s', (_, more, flow) => {
  it('comes back the same, digit for digit, or a note says what has no field', async () => {
    await fc.assert(
      fc.asyncProperty(prescriptions, async (order) => {
        const text = write(order, more)
        const back = orderIn(await replay(flow, new TextEncoder().encode(text), { grants: ['order-source'] }))
        const notes = (back.note ?? []).map((note) => note.text)
        const left = withoutNoted(plain(order) as Tree, notes)
        expect(meant(back as unknown as Tree)).toEqual(meant(left))
      }),
      { numRuns: 100 },
    )
  }, 60_000)
})
