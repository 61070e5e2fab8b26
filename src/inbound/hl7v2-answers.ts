import type { Caller } from '#core/caller.ts'
import { Failure } from '#core/failure.ts'
import type { Flow } from '#core/flow.ts'
import { findFlow } from '#flows/find-flow.ts'
import { encodeText } from '#formats/hl7v2/charset.ts'
import { requireProduction } from '#formats/hl7v2/header.ts'
import { findSegment, readMessage } from '#formats/hl7v2/message.ts'
import type { Intake } from '#intake/ingest.ts'

/** Takes in what a receiver answered on the connection that we opened, as if it had come to the door. */
export type TakeAnswer = (text: string, from: Caller, requestId: string) => Promise<void>

/** `timeZone` is for times without offset. Rejects with the Failure that refuses the answer, told to the log. */
export function createAnswers(options: {
  flows: readonly Flow[]
  intake: Pick<Intake, 'ingest'>
  timeZone: string
}): TakeAnswer {
  const { flows, intake, timeZone } = options
  return async (text, caller, requestId) => {
    const message = readMessage(text)
    requireProduction(message)
    const flow = findSegment(message, 'MSA') && findFlow(flows, message)
    if (!flow) throw new Failure('unsupported', [{ text: 'This is no answer', expression: 'MSH-9' }])
    // It was decoded already: the mark says that these bytes are UTF-8, whatever MSH-18 says of those on the wire.
    await intake.ingest({ flow, body: encodeText(`\uFEFF${text}`, 'utf-8'), caller, timeZone, requestId })
  }
}
