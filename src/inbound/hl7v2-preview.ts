import { Failure, type Issue } from '#core/failure.ts'
import { headerOf } from '#formats/hl7v2/header.ts'
import { withPlace } from '#formats/hl7v2/place-of-refusal.ts'
import type { Preview } from '#intake/preview.ts'
import { type Hl7v2Options, type Payload, readPayload, type Sender, understood } from './hl7v2.ts'

/** What one message of a payload would come to: what it would become, or why it would be refused. */
export type PreviewedMessage = { controlId: string; flow?: string } & (
  | Preview
  | { outcome: 'refused'; issues: Issue[] }
)

/** A dry run of an HL7 v2 payload, message by message (I13). Rejects as the door does for what holds no message. */
export type Hl7v2Preview = (payload: Uint8Array, sender: Sender) => Promise<PreviewedMessage[]>

export function createHl7v2Preview(options: Hl7v2Options): Hl7v2Preview {
  return async (payload, sender) => {
    const { messages } = await told(() => readPayload(payload), sender, options)
    const shown: PreviewedMessage[] = []
    for (const each of messages) shown.push(await previewOf(each, sender, options))
    return shown
  }
}

async function previewOf(
  { message, body }: Payload['messages'][number],
  sender: Sender,
  options: Hl7v2Options,
): Promise<PreviewedMessage> {
  const { controlId } = headerOf(message)
  try {
    const flow = await told(() => understood(message, options), sender, options)
    return { controlId, flow: flow.name, ...(await options.intake.preview({ flow, body, ...sender })) }
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    return { controlId, outcome: 'refused', issues: withPlace(cause, message).issues }
  }
}

/** What is refused before any flow has taken it is on record like at the door itself. */
async function told<T>(act: () => T, sender: Sender, { refused }: Hl7v2Options): Promise<T> {
  try {
    return act()
  } catch (cause) {
    if (cause instanceof Failure) await refused(cause, sender)
    throw cause
  }
}
