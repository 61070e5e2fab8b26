import type { MedicationRequest } from 'fhir/r4'
import { type Hl7v2Dialect, writtenVersions } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { Copy } from './copy.ts'
import { readMessage } from './message.ts'
import { writeOrderMessage } from './order-message.ts'
import { isOrderElement } from './order-rest.ts'
import { type SourceOrder, type SourceRepetition, type SourceSegment, sourceTree } from './source.ts'

/**
 * Throws Failure `invalid` for a copy (ZFH) that says anything else of the order than its fields do. Two truths in one
 * message would let one reader dispense what another never saw: so the copied elements are written as fields once
 * more, and must come out as the fields that came. Elements that no field of the message shows are added by the copy.
 */
export function requireSameOrder(copy: Copy & { place: string }, order: SourceOrder, version: string): void {
  const refused = (text: string, cause?: unknown) =>
    new Failure('invalid', [{ text, expression: copy.place }], { cause })
  const names = Object.keys(copy.elements)
  if (copy.resourceType !== 'MedicationRequest' || !names.every(isOrderElement))
    throw refused('holds what is not copied of an order')
  // A drug that nothing points to would be compared with no field.
  const inside = JSON.stringify(copy.elements.contained ?? [])
  if (inside.includes('"Medication"') && !names.includes('medicationReference'))
    throw refused('holds a drug that is not the order’s')
  const detail = order.RXE ? 'RXE' : 'RXO'
  const received = segmentsOf(order, detail)
  let told: Record<string, SourceSegment[]>
  try {
    told = segmentsOf(written(copy, dialectOf(copy, detail, version)), detail)
  } catch (cause) {
    throw refused('cannot be said in fields', cause)
  }
  for (const [segment, field] of names.flatMap((name) => shownIn[name]?.[detail] ?? [])) {
    if (textsOf(received[segment], segment, field) !== textsOf(told[segment], segment, field))
      throw refused(`contradicts ${segment}${field === undefined ? '' : `-${field}`}: send one or both alike`)
  }
}

function dialectOf({ timeZone }: Copy, detail: 'RXE' | 'RXO', version: string): Hl7v2Dialect {
  const known = writtenVersions.find((each) => each === version)
  const nobody = { application: 'X', facility: '' }
  return {
    sending: nobody,
    receiving: nobody,
    orders: detail === 'RXE' ? 'RDE' : 'OMP',
    rest: 'notes',
    ...(known ? { version: known } : {}),
    ...(timeZone ? { timeZone } : {}),
  }
}

/** The copied elements as an order of their own; what it needs beside them is compared with nothing. */
function written({ elements }: Copy, dialect: Hl7v2Dialect): SourceOrder {
  const named = 'medicationCodeableConcept' in elements || 'medicationReference' in elements
  const order = {
    resourceType: 'MedicationRequest',
    id: 'x',
    status: 'active',
    intent: 'order',
    subject: {},
    ...(named ? {} : { medicationCodeableConcept: { text: 'x' } }),
    ...elements,
  } as MedicationRequest
  const patient = { resourceType: 'Patient', id: 'x' } as const
  const text = writeOrderMessage({ order, patient, audience: 'ehr', dialect, controlId: 'x', at: 0 })
  const [only] = sourceTree(readMessage(text)).orders
  return only ?? {}
}

type Field = readonly [segment: string, field?: number]

/** The fields that an element is written in, and nothing else is. */
const shownIn: Record<string, Record<'RXE' | 'RXO', readonly Field[]>> = {
  medicationCodeableConcept: medicationIn(),
  medicationReference: medicationIn(),
  dosageInstruction: {
    RXE: [...fields('RXE', 1, 3, 4, 5, 7, 19, 22, 23, 24), ...timing(), ['RXR']],
    RXO: [...fields('RXO', 2, 3, 4, 7, 17, 21, 22, 23), ['ORC', 7], ...timing(), ['RXR']],
  },
  dispenseRequest: {
    RXE: [...fields('RXE', 10, 11, 12, 39), ['ORC', 15]],
    RXO: [...fields('RXO', 11, 12, 13, 28), ['ORC', 15]],
  },
  substitution: { RXE: fields('RXE', 9), RXO: fields('RXO', 9) },
  reasonCode: { RXE: fields('RXE', 27), RXO: fields('RXO', 20) },
  category: { RXE: [['ORC', 29]], RXO: [['ORC', 29]] },
}

function medicationIn(): Record<'RXE' | 'RXO', readonly Field[]> {
  return {
    RXE: [...fields('RXE', 2, 6, 25, 26, 31, 33, 34), ['RXC']],
    RXO: [...fields('RXO', 1, 5, 18, 19, 24, 25, 26), ['RXC']],
  }
}

/** All of TQ1 but its priority, which is the order's. */
function timing(): Field[] {
  return fields('TQ1', 1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14)
}

function fields(segment: string, ...numbers: readonly number[]): Field[] {
  return numbers.map((number) => [segment, number])
}

function segmentsOf({ ORC, RXO, RXE }: SourceOrder, detail: 'RXE' | 'RXO'): Record<string, SourceSegment[]> {
  const main = detail === 'RXE' ? RXE : RXO
  const under = (name: string) =>
    [ORC, main].flatMap((owner) => (owner?.[name] as SourceSegment[] | undefined) ?? [])
  return {
    ORC: ORC ? [ORC] : [],
    [detail]: main ? [main] : [],
    TQ1: under('TQ1'),
    RXR: under('RXR'),
    RXC: under('RXC'),
  }
}

function textsOf(segments: readonly SourceSegment[] = [], name: string, field?: number): string {
  return JSON.stringify(
    segments.map((segment) =>
      Object.entries(segment)
        .filter(([key]) => (field === undefined ? key.startsWith(`${name}_`) : key === `${name}_${field}`))
        .map(([key, repetitions]) => {
          const all = (repetitions as SourceRepetition[]).map((each) =>
            componentsOf(each, `${name}-${field}`),
          )
          return [key, all.filter((each) => each.length > 0)] as const
        })
        .filter(([, repetitions]) => repetitions.length > 0),
    ),
  )
}

/** The priority of a timing before 2.5 (TQ.6) is the order's too. */
function componentsOf(repetition: SourceRepetition, place: string): [string, string][] {
  const isTiming = place === 'RXE-1' || place === 'ORC-7'
  return Object.entries(repetition)
    .filter(([key]) => key !== '_' && !(isTiming && key === '_6'))
    .sort(([one], [other]) => (one < other ? -1 : 1))
}
