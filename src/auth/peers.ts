import type { Caller, ClientRegistration } from '#core/caller.ts'
import type { Store } from '#core/ports.ts'
import { callerOf } from './clients.ts'

/** An HL7 v2 partner as a caller, and the zone of its times without offset where it has one of its own. */
export interface PeerCaller {
  caller: Caller
  timeZone?: string
}

/** What the network proves of the other end of a connection. */
export interface PeerProof {
  address: string
  /** Of the client certificate that TLS verified: hex SHA-256 of it. */
  certificate?: { fingerprint: string }
}

/**
 * The active client that a connection is from: one that is registered with its certificate, else one registered with its
 * address alone. Where several fit nobody can say whose data it is, and none is taken.
 */
export async function findHl7v2Peer(store: Store, proof: PeerProof): Promise<ClientRegistration | undefined> {
  const clients = (await store.registrations('client')).map(
    ({ json }) => JSON.parse(json) as ClientRegistration,
  )
  const fitting = clients.filter((client) => isPeer(client, proof))
  const pinned = fitting.filter(({ hl7v2 }) => hl7v2?.certificates?.length)
  const [found, ...others] = pinned.length > 0 ? pinned : fitting
  return others.length > 0 ? undefined : found
}

/** The client as it stands now: a partner that was switched off is refused with its next message. */
export async function peerCaller(
  store: Store,
  id: string,
  proof: PeerProof,
): Promise<PeerCaller | undefined> {
  store.changedElsewhere?.()
  const json = await store.findRegistration('client', id)
  const client = json ? (JSON.parse(json) as ClientRegistration) : undefined
  if (!client || !isPeer(client, proof)) return undefined
  return { caller: callerOf(client, { network: proof.address }), timeZone: client.hl7v2?.timeZone }
}

/** All that is registered must fit: with certificates no address makes up for one, with addresses no other will do. */
function isPeer({ active, hl7v2 }: ClientRegistration, { address, certificate }: PeerProof): boolean {
  const { addresses = [], certificates = [] } = hl7v2 ?? {}
  if (!active || addresses.length + certificates.length === 0) return false
  if (addresses.length > 0 && !addresses.includes(address.replace(/^::ffff:/, ''))) return false
  return certificates.length === 0 || certificates.includes(certificate?.fingerprint ?? '')
}
