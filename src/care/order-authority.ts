import type { Caller } from '#core/caller.ts'
import type { Attestation } from '#core/flow.ts'

/**
 * Whether an order that was authorised elsewhere may enter in force (ACC15): its sender must be registered as an
 * order source, and the order must say who authorised it. All others enter as drafts, at every door.
 */
export function isAuthorised(attestation: Attestation | undefined, caller: Caller): boolean {
  return attestation !== undefined && caller.grants.includes('order-source')
}
