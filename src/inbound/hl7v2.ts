import type { Caller } from '#core/caller.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import { findFlow } from '#flows/find-flow.ts'
import { notTakenReason } from '#flows/not-taken.ts'
import { type AckSource, acknowledgements, type Outcome } from '#formats/hl7v2/ack.ts'
import { decodeText, encodeText } from '#formats/hl7v2/charset.ts'
import { headerOf, requireProduction } from '#formats/hl7v2/header.ts'
import { type Message, readMessage } from '#formats/hl7v2/message.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'
import { withPlace } from '#formats/hl7v2/place-of-refusal.ts'
import type { Intake } from '#intake/ingest.ts'
import type { Answered } from '#intake/receipt.ts'

/** Messages of one batch that are taken in before anything is answered. */
const maxBatch = 500

export interface Hl7v2Options {
  flows: readonly Flow[]
  intake: Intake
  /** Acknowledgements' own control ids and times. */
  own: AckSource
  /** Tells the log of a message that was refused before any flow took it. */
  refused(failure: Failure, sender: Sender): Promise<void>
  /** A stable id for the acknowledgement of one accepted message, so that its repetition is answered the same. */
  deriveId(...parts: string[]): string
}

/** Who sent a payload, and how its times without offset are read. */
export interface Sender {
  caller: Caller
  timeZone: string
  requestId: string
}

/**
 * Takes an HL7 v2 payload in and resolves with its acknowledgements, in order, ready for the wire. One comes back only
 * after its message is durable, AA only for what was understood; all else is AE or AR with ERR. Rejects with Failure
 * `malformed` or `too-large` when there is no message to acknowledge, or more than a batch may hold.
 */
export type Hl7v2Door = (payload: Uint8Array, sender: Sender) => Promise<Uint8Array[]>

export function createHl7v2Door(options: Hl7v2Options): Hl7v2Door {
  return (payload, sender) => {
    let read: Payload
    try {
      read = readPayload(payload)
    } catch (cause) {
      return refuse(cause, sender, options)
    }
    return answersTo(read, sender, options)
  }
}

/** All messages of a payload are handed on at once; intake keeps those of one patient in order (I17). */
async function answersTo({ messages, charset }: Payload, sender: Sender, options: Hl7v2Options) {
  const answers = await Promise.allSettled(messages.map((each) => exchange(each, sender, options)))
  return answers.flatMap((answer) => {
    if (answer.status === 'rejected') throw answer.reason
    return answer.value.map((ack) => encodeText(ack, charset))
  })
}

export interface Payload {
  messages: PayloadMessage[]
  charset: string
}

interface PayloadMessage {
  message: Message
  /** As it came. */
  body: Uint8Array
  /** Its segments alone in UTF-8, whatever ended them and stood around them: the same in a batch and out of it. */
  content: Uint8Array
}

/** All of a payload is read before any of it is taken in: what cannot be answered whole is refused whole. */
export function readPayload(payload: Uint8Array): Payload {
  const { text, charset } = decodeText(payload)
  const split = splitPayload(text)
  const texts = messagesOf(split)
  if (texts.length === 0) throw new Failure('malformed', 'There is no MSH segment in what was sent')
  if (texts.length > maxBatch)
    throw new Failure('too-large', [
      { text: `Send at most ${maxBatch} messages in one batch`, expression: `MSH[${maxBatch + 1}]` },
    ])
  // A mark at its beginning says of all of it that it is UTF-8, whatever MSH-18 says of each.
  const mark = payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf ? '\uFEFF' : ''
  const messages = texts.map((each) => ({
    message: readMessage(each, charset),
    body: split.parts.length === 1 ? payload : encodeText(`${mark}${each}`, charset),
    content: encodeText(each.replace(/\r+$/, ''), 'utf-8'),
  }))
  return { messages, charset }
}

/** What is refused before any flow has taken it is told here (AUD2). */
async function refuse(cause: unknown, sender: Sender, options: Hl7v2Options): Promise<never> {
  if (cause instanceof Failure) await options.refused(cause, sender)
  throw cause
}

/** Hands a message on before it returns, so that intake sees messages in the order they came (I17). */
function takeIn(
  { message, body, content }: PayloadMessage,
  sender: Sender,
  options: Hl7v2Options,
): Promise<Answered> {
  let flow: Flow
  try {
    flow = understood(message, options)
  } catch (cause) {
    return refuse(cause, sender, options)
  }
  return options.intake.ingest({ flow, body, content, ...sender })
}

async function exchange(each: PayloadMessage, sender: Sender, options: Hl7v2Options): Promise<string[]> {
  const { message } = each
  try {
    const { receipt } = await takeIn(each, sender, options)
    if (receipt.outcome !== 'accepted')
      return acknowledgements(message, { warnings: notKept(message, options) }, options.own)
    let count = 0
    const controlId = () => {
      count += 1
      return options.deriveId('ack', sender.caller.clientId, receipt.messageId, String(count)).slice(0, 20)
    }
    const own = { controlId, now: () => receipt.at }
    return acknowledgements(message, { warnings: receipt.warnings }, own)
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    const outcome: Outcome = { failure: withPlace(cause, message) }
    return acknowledgements(message, outcome, options.own)
  }
}

function notKept(message: Message, { flows }: Hl7v2Options): Issue[] {
  const text = findFlow(flows, message)?.notKept
  return text === undefined ? [] : [{ severity: 'information', code: 'informational', text }]
}

/** The flow that takes a message in. Throws Failure `unsupported`, and what refuses messages of other kinds. */
export function understood(message: Message, { flows }: Pick<Hl7v2Options, 'flows'>): Flow {
  requireProduction(message)
  const flow = findFlow(flows, message)
  if (!flow) {
    const { type, trigger } = headerOf(message)
    throw new Failure('unsupported', [{ text: notTakenReason(type, trigger), expression: 'MSH-9' }])
  }
  return flow
}
