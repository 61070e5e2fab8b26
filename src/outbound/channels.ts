import type { Clock, Ids } from '#core/ports.ts'
import type { Answer, Parcel } from './channel.ts'
import { createFhirChannel } from './fhir-channel.ts'
import { createMllpChannel, type MllpPorts } from './mllp-channel.ts'
import { createRestHookChannel } from './rest-hook-channel.ts'

export interface Channels {
  /** Sends a parcel through the channel of its destination. */
  send(parcel: Parcel): Promise<Answer>
}

/**
 * The channel table. `sendMllp` (outbound/mllp-client) is handed in by the Node entry: sockets are not to be had
 * everywhere, and without it an MLLP destination is refused.
 */
export function createChannels(ports: { clock: Clock; ids: Ids } & MllpPorts): Channels {
  const fhir = createFhirChannel(ports)
  const mllp = createMllpChannel(ports)
  const restHook = createRestHookChannel(ports)
  return {
    async send(parcel) {
      const { channel } = parcel.destination
      if (channel.kind === 'rest-hook') return restHook(parcel, channel)
      return channel.kind === 'fhir' ? fhir(parcel, channel) : mllp(parcel, channel)
    },
  }
}
