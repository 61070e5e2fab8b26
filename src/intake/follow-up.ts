import { consequencesOf } from '#care/consequences.ts'
import type { Caller } from '#core/caller.ts'
import type { Nonce, ResourceWrite } from '#core/commit.ts'
import type { Access } from '#core/decision.ts'
import type { Store, Vault } from '#core/ports.ts'
import type { Identified } from '#core/resource.ts'
import { parseJson } from '#formats/json.ts'

export interface FollowUpPorts {
  store: Store
  access: Access
  vault: Pick<Vault, 'deriveId'>
}

/**
 * What follows from the dispenses of a message (care/dispense-change), beside the dispenses themselves: the order
 * completed, issues detected, people alerted, with what it was worked out from as one-time values. Ids are of the message, so that a replay makes nothing new. Throws
 * Failure `invalid` for a dispense that care refuses.
 */
export async function followUpsOf(
  { store, access, vault }: FollowUpPorts,
  resources: readonly Identified[],
  { caller, messageId, at }: { caller: Caller; messageId: string; at: number },
): Promise<{ writes: ResourceWrite[]; nonces: Nonce[] }> {
  let count = 0
  const random = () => vault.deriveId('follow-up', caller.clientId, messageId, String(count++))
  const ports = { store, access, ids: { random }, parse: parseJson }
  const writes: ResourceWrite[] = []
  const nonces: Nonce[] = []
  for (const resource of resources) {
    if (resource.resourceType !== 'MedicationDispense') continue
    const told = await consequencesOf(ports, { caller, resource, version: 1, at })
    writes.push(...told.writes.filter((write) => write !== told.result))
    nonces.push(...(told.nonces ?? []))
  }
  return { writes, nonces }
}
