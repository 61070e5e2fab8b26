import type { Audit } from '#core/act.ts'
import type { CommitUnit, ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import type { Vault } from '#core/ports.ts'
import { referenceTo, versioned, versionReferenceTo } from '#core/resource.ts'
import { coverageOf } from './field-coverage.ts'
import { heldBinary, type KeptFacts } from './held-message.ts'
import { heldWrites } from './hold.ts'
import type { Made } from './made.ts'
import { newDelivery } from './new-delivery.ts'
import type { KeptReceipt } from './receipt.ts'
import { sentMessageWrite } from './sent-message.ts'
import type { Message, Understood } from './understand.ts'
import type { UnknownFacts } from './unknown-patient.ts'

export interface TakenIn {
  message: Message
  understood: Understood
  made: Made
  /** Milliseconds since the epoch. */
  at: number
  /** For the log, where it is more than that a message came. */
  outcomeText?: string
}

/** What taking a message in changes, and its receipt: to be stored with it the first time. */
export function takenIn(
  { audit, vault }: { audit: Audit; vault: Pick<Vault, 'deriveId'> },
  { message, understood, made, at, outcomeText }: TakenIn,
): { unit: CommitUnit; receipt: KeptReceipt } {
  const { flow, caller, timeZone, requestId, body } = message
  const { messageId } = understood
  const idOf = (...parts: string[]) => vault.deriveId(...parts, caller.clientId, messageId)
  const isHeld = made.unmapped.length > 0
  const deliveries = made.deliveries.map(({ destination, resources }) =>
    newDelivery({ id: idOf('delivery', destination.id), destination, resources, due: at, held: isHeld }),
  )
  const resources = [...made.followed.places, ...made.mapped.map(versionReferenceTo)]
  const sent = [...deliveries, ...made.followed.deliveries]
  const concerned = [...made.mapped, ...made.unchanged].map(patientOf)
  const patients = [...new Set(concerned.filter((each) => each !== undefined))]
  const entries = audit.record({
    kind: 'ingest',
    outcome: 'success',
    ...(outcomeText ? { outcomeText } : {}),
    caller,
    requestId,
    at,
    patients,
    entities: resources,
  })
  const receipt: KeptReceipt = {
    outcome: 'accepted',
    flow: flow.name,
    messageId,
    at,
    resources,
    parties: made.parties,
    ...(made.mapping ? { mapping: made.mapping } : {}),
    warnings: made.warnings,
    ...(made.fields ? { coverage: coverageOf(made.fields) } : {}),
    deliveries: sent.map((each) => each.id),
    auditEvent: entries[0]?.id ?? '',
  }
  const facts: KeptFacts = {
    flow: flow.name,
    caller,
    timeZone,
    messageId,
    at,
    auditEvent: receipt.auditEvent,
  }
  const held = isHeld
    ? heldWrites(idOf('hold'), body, {
        ...facts,
        references: made.references,
        codes: made.unmapped,
        drafts: made.drafts,
        written: made.mapped.map(referenceTo),
        deliveries: deliveries.map(({ id }) => id),
      })
    : []
  const kept = made.unknown
    ? unknownWrite(made.unknown, body, facts)
    : flow.door.kind === 'hl7v2'
      ? [sentMessageWrite(vault, { sender: caller.clientId, messageId }, { body, patient: patients[0], at })]
      : []
  const unit = {
    audit: entries,
    writes: [...made.stubs, ...made.followed.results, ...held, ...kept, ...made.followed.writes],
    nonces: [...made.followed.nonces, ...(made.claims ?? [])],
    deliveries: sent,
  }
  return { unit, receipt }
}

/** The message itself, for when somebody knows whom it is about; as it was sent it is kept from then on. */
function unknownWrite(
  { id, numbers }: NonNullable<Made['unknown']>,
  body: Uint8Array,
  facts: KeptFacts,
): ResourceWrite[] {
  const unknown: UnknownFacts = { ...facts, unknown: numbers }
  const resource = versioned(heldBinary(id, body, unknown, undefined), id, 1, facts.at)
  return [{ resource, version: 1, updated: facts.at }]
}
