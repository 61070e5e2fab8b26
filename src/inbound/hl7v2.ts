import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import { type AckSource, acknowledgements, type Outcome } from '#formats/hl7v2/ack.ts'
import { decodeText, encodeText } from '#formats/hl7v2/charset.ts'
import { headerOf, requireProduction } from '#formats/hl7v2/header.ts'
import { type Message, readMessage } from '#formats/hl7v2/message.ts'
import { messagesOf, splitPayload } from '#formats/hl7v2/payload.ts'
import type { Intake } from '#intake/ingest.ts'

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
 * after its message is durable, AA only for what was understood; all else is AE or AR with ERR. Rejects only with
 * Failure `unavailable` (nothing was taken in, nothing can be said).
 */
export type Hl7v2Door = (payload: Uint8Array, sender: Sender) => Promise<Uint8Array[]>

export function createHl7v2Door(options: Hl7v2Options): Hl7v2Door {
  return async (payload, sender) => {
    const { text, charset } = decodeText(payload)
    const texts = messagesOf(splitPayload(text)).slice(0, maxBatch)
    const bodies = texts.length === 1 ? [payload] : texts.map((each) => encodeText(each, charset))
    const answers: Uint8Array[] = []
    for (const [i, each] of texts.entries()) {
      const message = readMessage(each, charset)
      for (const ack of await exchange(message, bodies[i] ?? payload, sender, options)) {
        answers.push(encodeText(ack, charset))
      }
    }
    return answers
  }
}

async function exchange(message: Message, body: Uint8Array, sender: Sender, options: Hl7v2Options): Promise<string[]> {
  try {
    const flow = await understood(message, sender, options)
    const { receipt } = await options.intake.ingest({ flow, body, ...sender })
    if (receipt.outcome === 'purged') return acknowledgements(message, {}, options.own)
    const id = options.deriveId('ack', sender.caller.clientId, receipt.messageId).slice(0, 20)
    const own = { controlId: () => id, now: () => receipt.at }
    return acknowledgements(message, { warnings: receipt.warnings }, own)
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    const outcome: Outcome = { failure: cause }
    return acknowledgements(message, outcome, options.own)
  }
}

async function understood(message: Message, sender: Sender, options: Hl7v2Options): Promise<Flow> {
  try {
    requireProduction(message)
    return flowFor(message, options.flows)
  } catch (cause) {
    if (cause instanceof Failure) await options.refused(cause, sender)
    throw cause
  }
}

function flowFor(message: Message, flows: readonly Flow[]): Flow {
  const { type, trigger } = headerOf(message)
  const flow = flows.find(({ door }) => door.kind === 'hl7v2' && door.messageTypes.includes(`${type}^${trigger}`))
  if (!flow) {
    throw new Failure('unsupported', [{ text: 'This message type is not taken in here', expression: 'MSH-9' }])
  }
  return flow
}
