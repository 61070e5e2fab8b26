import type { Destination, RenewalSettings } from '#core/destination.ts'
import type { CarePorts } from './change.ts'

export interface RenewalPolicy {
  /** Milliseconds after which the clinic is reminded. */
  remindMs: number
  /** Milliseconds after which a pharmacy is answered by the gateway; absent: who asked waits for a person. */
  answerMs?: number
  /** What is answered then. */
  unanswered: 'denied' | 'pending'
  /** After `pending` nothing is approved any more: the new order stands for itself, and the request is denied. */
  pendingIsFinal: boolean
}

const hourMs = 3_600_000
/** A day until the clinic is reminded; two more until a pharmacy hears that it waits. */
const defaults = { remindAfterHours: 24, answerWithinHours: 72 }

/**
 * How long somebody waits for an answer to a request for renewal, and what then (R33): the settings of the pharmacy that
 * asked, where it is one that we send to. A patient is never refused by a clock.
 */
export async function renewalPolicyFor(
  { store }: { store: Pick<CarePorts['store'], 'registrations'> },
  requester: string | undefined,
  isPharmacy: boolean,
): Promise<RenewalPolicy> {
  const known = (await store.registrations('destination'))
    .map(({ json }) => JSON.parse(json) as Destination)
    .find(({ active, role, organization }) => active && role === 'pharmacy' && organization === requester)
  const settings: RenewalSettings = known?.renewals ?? {}
  const { remindAfterHours, answerWithinHours } = { ...defaults, ...settings }
  return {
    remindMs: remindAfterHours * hourMs,
    ...(known || isPharmacy ? { answerMs: answerWithinHours * hourMs } : {}),
    // HL7 v2 has no word for `pending`.
    unanswered: settings.unanswered ?? (known?.channel.kind === 'mllp' ? 'denied' : 'pending'),
    pendingIsFinal: settings.pendingIsFinal ?? false,
  }
}
