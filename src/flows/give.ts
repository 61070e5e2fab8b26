import { Failure, type Issue } from '#core/failure.ts'
import type { CareRule, EarlierLink, Flow, OrderLink, Party, ReadContext } from '#core/flow.ts'
import type { SourceOrder, SourceSegment } from '#formats/hl7v2/source.ts'
import { reviseGive } from './give-revision.ts'
import { amountIssues } from './hl7v2-amounts.ts'
import { controlNeeds, type Need, patientNeed, requireEach } from './hl7v2-needs.ts'
import { patientParty } from './hl7v2-people.ts'
import { fieldOf, type Hl7v2Source, readSource, segmentsNamed } from './hl7v2-source.ts'
import { orderLinkOf } from './order-number.ts'
import { withGiveTiming } from './quantity-timing.ts'

/** An RXG, and the place of the order (ORC) that it belongs to. */
interface Give {
  order: number
  RXG: SourceSegment
  /** What its sender calls it in later messages; absent where RXG-1 tells gives not apart (0). */
  key?: string
}

interface Gives extends Hl7v2Source {
  gives: Give[]
}

type Rule = CareRule<Gives>

/**
 * RGV^O15, pharmacy/treatment give: what is to be given, how much and when (HL7 v2.5.1 §4.8). Each RXG is a Task on the
 * order that it names; the same number (RXG-1) told again replaces it, and the RAS^O17 that carries it ends it (care/give).
 */
export const give: Flow<Gives> = {
  name: 'give',
  title: 'Give (HL7 v2)',
  door: { kind: 'hl7v2', messageTypes: ['RGV^O15'] },
  read: readGives,
  messageId: (source) => source.controlId,
  primary: 'Task',
  parties: ({ facility, PID }): Party[] =>
    [PID && patientParty(facility, PID)].filter((party) => party !== undefined),
  orders: ordersOf,
  earlier: earlierGives,
  rules: [onlyWhatIsToBeGiven, hasWhatItTells, tellsEachOnce],
  mapping: 'give',
  profiles: {},
  receivers: [{ role: 'ehr', types: ['Task'] }],
  revisions: { Task: reviseGive },
}

function readGives(body: Uint8Array, context: ReadContext): Gives {
  const source = readSource(body, context)
  const orders = source.orders.map(withGiveTiming)
  const gives = orders.flatMap((each, index): Give[] => {
    if (!each.RXG) return []
    // An RXG that follows another one without an ORC of its own belongs to the same order.
    const order = orders.findLastIndex(({ ORC }, at) => ORC !== undefined && at <= index)
    const key = keyOf(source.facility, orders[order], each.RXG)
    return [{ order, RXG: each.RXG, ...(key === undefined ? {} : { key }) }]
  })
  return { ...source, orders, gives }
}

/** The sender's own number of the order first; a give that is numbered 0 is matched with nothing (§4.14.6.1). */
function keyOf(facility: string, order: SourceOrder | undefined, RXG: SourceSegment): string | undefined {
  const number = [...fieldOf(order?.ORC, 3), ...fieldOf(order?.ORC, 2)].find(({ _1 }) => _1)?._1
  const give = fieldOf(RXG, 1)[0]?._1 ?? '0'
  return number === undefined || Number(give) === 0 ? undefined : `${facility}|${number}|${give}`
}

function ordersOf({ facility, orders }: Gives): OrderLink[] {
  return orders.flatMap((order, index) => (order.ORC ? [orderLinkOf(facility, order, index)] : []))
}

function earlierGives({ gives }: Gives): EarlierLink[] {
  return gives.flatMap(({ key }, index) =>
    key === undefined
      ? []
      : [
          {
            slot: `give-${index}`,
            type: 'Task' as const,
            key: { name: 'RXG-1', number: key },
            place: `RXG[${index + 1}]-1`,
          },
        ],
  )
}

/** Nobody is to give what was ended: by table 0038 the order stands no longer, and its own message has to say so. */
const ended = ['CA', 'DC', 'ER', 'HD', 'RP']

/** ORC-1 (table 0119) and ORC-5: what is not plainly to be given is not taken for it. */
function onlyWhatIsToBeGiven({ orders }: Gives): ReturnType<Rule> {
  const begun = orders.filter(({ ORC }) => ORC !== undefined)
  const isFirst = begun.length > 0 && begun[0] === orders[0]
  requireEach([
    [isFirst || orders.length === 0, 'ORC[1]', 'What is to be given follows the ORC of its order'],
    ...controlNeeds({ orders: begun }),
  ])
  const issues = begun.flatMap(({ ORC }, index): Issue[] => {
    const found: Issue[] = []
    if (!['RE', 'NW', 'OK'].includes(fieldOf(ORC, 1)[0]?._1 ?? ''))
      found.push({
        text: 'Only what is to be given (ORC-1 = RE, NW or OK) is understood; an order is ended by its own message',
        expression: `ORC[${index + 1}]-1`,
      })
    if (ended.includes(fieldOf(ORC, 5)[0]?._1 ?? ''))
      found.push({
        text: 'Nothing is given of an order that is held or ended (ORC-5)',
        expression: `ORC[${index + 1}]-5`,
      })
    return found
  })
  if (issues.length > 0) throw new Failure('unsupported', issues)
  return { keep: true }
}

function hasWhatItTells(source: Gives): ReturnType<Rule> {
  const { PID, gives } = source
  const needs = [
    patientNeed(PID),
    [gives.length > 0, 'RXG', 'What is to be given is required'],
    ...gives.flatMap((each, index) => needsOf(source, each, `RXG[${index + 1}]`)),
  ] satisfies Need[]
  requireEach(needs, amountIssues(source, ['RXG']))
  return { keep: true }
}

function needsOf({ orders }: Gives, { RXG, order }: Give, place: string): Need[] {
  const ORC = orders[order]?.ORC
  return [
    [
      [...fieldOf(ORC, 2), ...fieldOf(ORC, 3)].some(({ _1 }) => _1),
      'ORC-2',
      'The number of the order is required',
    ],
    [fieldOf(RXG, 4).length > 0, `${place}-4`, 'What is to be given is required'],
    [fieldOf(RXG, 5).length > 0, `${place}-5`, 'How much is to be given is required'],
    [segmentsNamed(RXG, 'TQ1').length > 0, `${place}-3`, 'When to give it is required (TQ1 or RXG-3)'],
  ]
}

function tellsEachOnce({ gives }: Gives): ReturnType<Rule> {
  const keys = gives.map(({ key }) => key)
  const issues = keys.flatMap((key, index): Issue[] =>
    key === undefined || keys.indexOf(key) === index
      ? []
      : [{ text: 'A message tells of a give of an order once', expression: `RXG[${index + 1}]-1` }],
  )
  if (issues.length > 0) throw new Failure('invalid', issues)
  return { keep: true }
}
