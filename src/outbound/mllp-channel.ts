import type { MllpChannelSettings } from '#core/destination.ts'
import { Failure } from '#core/failure.ts'
import type { Channel } from './channel.ts'
import type { sendMllp } from './mllp-client.ts'

export type SendMllp = typeof sendMllp

export function createMllpChannel(_ports: { sendMllp?: SendMllp }): Channel<MllpChannelSettings> {
  return async () => {
    throw new Failure('unavailable', 'mllp-not-here')
  }
}
