import { orderControlCodes } from '#care/order-control.ts'
import { Failure } from '#core/failure.ts'
import type { CareRule, Flow, Party } from '#core/flow.ts'
import type { SourceSegment } from '#formats/hl7v2/source.ts'
import { patientParty } from './hl7v2-people.ts'
import { fieldOf, segmentsNamed } from './hl7v2-source.ts'
import { hasNumbers, type OrderDialogue, onlyControls, orderDialogue, orderTypes } from './order-dialogue.ts'

/**
 * RRE^O12, ORP^O10 and ORR^O02, what a pharmacy answers to an order or to what was asked about one, and the same orders'
 * messages by which it tells without being asked: what they say of the Task that the pharmacy has (care/task-told).
 * They come as the direct answer to what was sent, or later as messages of their own.
 */
export const orderAnswer: Flow<OrderDialogue> = {
  ...orderDialogue,
  name: 'order-answer',
  title: 'Answer about an order (HL7 v2)',
  door: { kind: 'hl7v2', messageTypes: ['RRE^O12', 'ORP^O10', 'ORR^O02'] },
  messageId: answerId,
  parties: ({ facility, PID }): Party[] =>
    [PID && patientParty(facility, PID)].filter((party) => party !== undefined),
  rules: [
    onlyControls('An answer says what came of an order that was sent', 'answer', 'notice'),
    hasNumbers,
    agreesWithAcknowledgement,
  ],
  mapping: 'order-answer',
  profiles: {},
  receivers: [],
}

/** The same, told without being asked. */
export const orderNotice: Flow<OrderDialogue> = {
  ...orderAnswer,
  name: 'order-notice',
  title: 'Notice about an order (HL7 v2)',
  door: {
    kind: 'hl7v2',
    messageTypes: orderTypes,
    orderControls: orderControlCodes('answer', 'notice'),
  },
}

/** With the number of the message that it answers: some count their answers anew for each of those. */
function answerId({ MSH, controlId }: OrderDialogue): string {
  const answered = fieldOf(acknowledgementOf(MSH), 2)[0]?._1
  return answered === undefined ? controlId : `${controlId}.${answered}`
}

function acknowledgementOf(MSH: SourceSegment): SourceSegment | undefined {
  return segmentsNamed(MSH, 'MSA')[0]
}

/** What was refused (MSA-1) is not accepted all the same (ORC-1): a person has to ask which of them is meant. */
function agreesWithAcknowledgement({ MSH, controls }: OrderDialogue): ReturnType<CareRule<OrderDialogue>> {
  const code = fieldOf(acknowledgementOf(MSH), 1)[0]?._1 ?? 'AA'
  const accepts = controls.some(({ task }) => task !== 'rejected')
  if (/^[AC]A$/.test(code) || !accepts) return { keep: true }
  const text = 'MSA-1 refuses the message of which ORC-1 says that it was accepted'
  throw new Failure('invalid', [{ code: 'business-rule', text, expression: 'MSA-1' }])
}
