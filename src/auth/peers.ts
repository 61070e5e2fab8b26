import type { Caller, ClientRegistration } from '#core/caller.ts'
import type { Store } from '#core/ports.ts'
import { callerOf } from './clients.ts'

/** An HL7 v2 partner as a caller, and the zone of its times without offset where it has one of its own. */
export interface PeerCaller {
  caller: Caller
  timeZone?: string
}

/** The active client whose MLLP connections come from this address. */
export async function findHl7v2Peer(store: Store, address: string): Promise<ClientRegistration | undefined> {
  const plain = address.replace(/^::ffff:/, '')
  const clients = (await store.registrations('client')).map(
    ({ json }) => JSON.parse(json) as ClientRegistration,
  )
  return clients.find(({ active, hl7v2 }) => active && hl7v2?.addresses?.includes(plain))
}

/** The client as it stands now: a partner that was switched off is refused with its next message. */
export async function peerCaller(store: Store, id: string, address: string): Promise<PeerCaller | undefined> {
  store.changedElsewhere?.()
  const json = await store.findRegistration('client', id)
  const client = json ? (JSON.parse(json) as ClientRegistration) : undefined
  if (!client?.active || !client.hl7v2) return undefined
  return { caller: callerOf(client, { network: address }), timeZone: client.hl7v2.timeZone }
}
