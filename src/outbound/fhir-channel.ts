import { Client } from 'fhir-kit-client'
import * as z from 'zod'
import type { FhirChannelSettings } from '#core/destination.ts'
import type { Clock, Ids } from '#core/ports.ts'
import type { Answer, Channel } from './channel.ts'
import { fhirClient } from './fhir-client.ts'
import { refusalOf } from './retry.ts'
import { createTokens } from './token.ts'
import { transactionOf } from './transaction.ts'

/** Sends a parcel to a FHIR server as one transaction that may safely come in twice. */
export function createFhirChannel({ clock, ids }: { clock: Clock; ids: Ids }): Channel<FhirChannelSettings> {
  const tokens = createTokens({ clock, ids })

  return async (parcel, settings) => {
    const body = await transactionOf(parcel)
    const attempt = async () => {
      const authorization = settings.token && `Bearer ${await tokens.find(settings.token, parcel.signal)}`
      const headers = {
        'x-request-id': parcel.id,
        prefer: 'return=minimal',
        ...(authorization ? { authorization } : {}),
      }
      const result = await fhirClient(settings.address, headers, parcel.signal).transaction({
        body: { ...body },
      })
      return { result, response: Client.httpFor(result).response }
    }
    let { result, response } = await attempt()
    // A token can be taken back before it runs out: once more with a fresh one.
    if (response?.status === 401 && settings.token) {
      tokens.forget(settings.token)
      ;({ result, response } = await attempt())
    }
    if (!response?.ok) return refusalOf(response, clock.now())
    return readResult(result, body.entry?.length ?? 0)
  }
}

const transactionResponse = z.object({
  resourceType: z.literal('Bundle'),
  type: z.literal('transaction-response'),
  entry: z.array(z.object({ response: z.object({ status: z.string() }) })),
})

/** A 200 alone is no proof: every entry has to say that it was taken in. */
function readResult(result: object, expected: number): Answer {
  const read = transactionResponse.safeParse(result)
  if (!read.success || read.data.entry.length !== expected)
    return { state: 'retry', reason: 'answer-unreadable' }
  const bad = read.data.entry.find(({ response }) => !/^2\d\d\b/.test(response.status))
  return bad
    ? { state: 'refused', reason: `entry-${bad.response.status.slice(0, 3)}` }
    : { state: 'delivered' }
}
