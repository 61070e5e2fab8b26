import { consequencesOf } from '#care/consequences.ts'
import type { Caller } from '#core/caller.ts'
import type { Nonce, ResourceWrite } from '#core/commit.ts'
import type { Access } from '#core/decision.ts'
import type { Store, Vault } from '#core/ports.ts'
import { parseJson } from '#formats/json.ts'

export interface FollowUpPorts {
  store: Store
  access: Access
  vault: Pick<Vault, 'deriveId'>
}

export interface FollowedWrites {
  /** What the message became, in order. */
  results: ResourceWrite[]
  /** What follows from it. */
  writes: ResourceWrite[]
  nonces: Nonce[]
}

/** What is first told of by a message has consequences too; of all else, only what changes it. */
const followed: ReadonlySet<string> = new Set(['MedicationDispense', 'Consent'])

/**
 * What a message's writes come to by the rules of care (care/consequences): the writes themselves, and what follows from
 * them (the order completed, issues detected, people alerted), with what it was worked out from as one-time values. Ids
 * are of the message, so that a replay makes nothing new. Throws Failure `invalid` for what care refuses.
 */
export async function withFollowUps(
  { store, access, vault }: FollowUpPorts,
  placed: readonly ResourceWrite[],
  { caller, messageId, at }: { caller: Caller; messageId: string; at: number },
): Promise<FollowedWrites> {
  let count = 0
  const random = () => vault.deriveId('follow-up', caller.clientId, messageId, String(count++))
  const ports = { store, access, ids: { random }, parse: parseJson }
  const results: ResourceWrite[] = []
  const writes: ResourceWrite[] = []
  const nonces: Nonce[] = []
  for (const write of placed) {
    const { resource, version, previous } = write
    if (version === 1 && !followed.has(resource.resourceType)) {
      results.push(write)
      continue
    }
    const told = await consequencesOf(ports, { caller, resource, version, previous, at })
    results.push(told.result)
    writes.push(...told.writes.filter((each) => each !== told.result))
    nonces.push(...(told.nonces ?? []))
  }
  return { results, writes, nonces }
}
