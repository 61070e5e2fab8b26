import type { Caller } from '#core/caller.ts'
import type { Access } from '#core/decision.ts'
import { Failure, type Issue } from '#core/failure.ts'
import type { Flow, Party } from '#core/flow.ts'
import { type FieldCoverage, type IgnoreTable, watchReads } from '#formats/hl7v2/coverage.ts'
import type { SourceTree } from '#formats/hl7v2/source.ts'
import { messageIdOf } from './message-id.ts'

export interface Message {
  flow: Flow
  body: Uint8Array
  /** What tells it from another message of its id, where that is less than all of its bytes. */
  content?: Uint8Array
  caller: Caller
  /** IANA zone for HL7 v2 times without offset. */
  timeZone: string
  requestId: string
  /** Patients' numbers of which a person said that they lead to the right record, whatever the message says of them. */
  confirmed?: readonly Party['identifier'][]
}

/** A message that was read, that its sender may send, and that no rule of care refuses. */
export interface Understood {
  source: unknown
  /** What became of each field, by what has been read until then. */
  coverage?: (ignored: IgnoreTable) => FieldCoverage[]
  messageId: string
  parties: Party[]
  warnings: Issue[]
  /** Counter of a screening that is not kept. */
  purge?: string
}

/** Throws Failure `forbidden` for who may not send it, and what reading and the rules of care refuse it with. */
export function understand(
  { access }: { access: Pick<Access, 'gate'> },
  { flow, body, caller, timeZone }: Message,
): Understood {
  const gate = access.gate(caller, 'create', flow.primary)
  if (!gate.permit) {
    const text = `Your token does not allow you to send ${flow.title}`
    const place = flow.door.kind === 'hl7v2' ? { expression: 'MSH-9' } : {}
    throw new Failure('forbidden', [{ text, ...place }])
  }
  const source = flow.read(body, { timeZone })
  const warnings: Issue[] = []
  const messageId = messageIdOf(flow, source)
  for (const rule of flow.rules) {
    const verdict = rule(source, caller)
    if (!verdict.keep) return { source, messageId, parties: [], warnings, purge: verdict.counter }
    warnings.push(...(verdict.warnings ?? []))
  }
  // The rules of care read too, but nothing is made of what they read.
  const watched = flow.door.kind === 'hl7v2' ? watchReads(source as SourceTree) : { source }
  return { ...watched, messageId, parties: flow.parties(watched.source), warnings }
}
