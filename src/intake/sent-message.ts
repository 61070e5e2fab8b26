import type { Binary } from 'fhir/r4'
import { keptMessageTag } from '#access/kept-message.ts'
import type { Audit } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import type { ResourceWrite } from '#core/commit.ts'
import { patientOf } from '#core/compartment.ts'
import type { Clock, Store, Vault } from '#core/ports.ts'
import { type Identified, type Reference, versioned } from '#core/resource.ts'
import { base64, bytesOf } from '#formats/base64.ts'

/** Which message: its sender's client id, and the id under which its receipt stands. */
export interface SentMessage {
  sender: string
  messageId: string
}

/**
 * The message as it came, beside what it became: a dispute is about bytes, and the hash in the Provenance proves them.
 * Sealed under its patient's key (compartment) and served by no door.
 */
export function sentMessageWrite(
  vault: Pick<Vault, 'deriveId'>,
  sent: SentMessage,
  { body, patient, at }: { body: Uint8Array; patient: Reference | undefined; at: number },
): ResourceWrite {
  const id = idOf(vault, sent)
  const binary: Identified<Binary> = {
    resourceType: 'Binary',
    id,
    meta: { tag: [keptMessageTag] },
    contentType: 'application/hl7-v2',
    ...(patient ? { securityContext: { reference: patient } } : {}),
    data: base64(body),
  }
  return { resource: versioned(binary, id, 1, at), version: 1, updated: at }
}

export interface SentMessages {
  /** The bytes of a message that was taken in, for those who run the gateway; undefined where none is kept. On record. */
  find(sent: SentMessage, by: { caller: Caller; requestId: string }): Promise<Uint8Array | undefined>
}

export interface SentMessagePorts {
  store: Pick<Store, 'read' | 'commit'>
  vault: Pick<Vault, 'deriveId'>
  audit: Audit
  clock: Clock
}

export function createSentMessages({ store, vault, audit, clock }: SentMessagePorts): SentMessages {
  return {
    async find(sent, by) {
      const stored = await store.read('Binary', idOf(vault, sent))
      const binary = stored && !stored.deleted ? (JSON.parse(stored.json) as Identified<Binary>) : undefined
      const patient = binary && patientOf(binary)
      const outcome = binary ? 'success' : 'failed'
      const act = { kind: 'read', outcome, outcomeText: 'message as it was sent', entities: [] } as const
      const patients = patient ? [patient] : []
      await store.commit({ audit: audit.record({ ...act, ...by, patients, at: clock.now() }) })
      return binary && bytesOf(binary.data ?? '')
    },
  }
}

function idOf(vault: Pick<Vault, 'deriveId'>, { sender, messageId }: SentMessage): string {
  return vault.deriveId('sent-message', sender, messageId)
}
