// Reached by the Node entry alone, as the server it is for.
import type { PeerCaller } from '#auth/peers.ts'
import type { Act } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { Hl7v2Door } from './hl7v2.ts'
import type { MllpOptions, MllpRemote } from './mllp-connection.ts'

export interface MllpDoorPorts {
  /** The partner that a connection is from, by id. */
  findPeer(remote: MllpRemote): Promise<string | undefined>
  /** The partner as it stands now; none where it is known no more. */
  findCaller(peer: string, remote: MllpRemote): Promise<PeerCaller | undefined>
  hl7v2: Hl7v2Door
  tell(act: Omit<Act, 'at'>): Promise<void>
  /** IANA zone of times without offset, where the partner has none of its own. */
  timeZone: string
  /** Told of a discard that could not be put on record. */
  onFault(fault: unknown): void
}

/** MLLP partners are registered clients, known by certificate or address; asked anew with each message. */
export function createMllpDoor(
  ports: MllpDoorPorts,
): Pick<MllpOptions<string>, 'identify' | 'handle' | 'discarded'> {
  const { findPeer, findCaller, hl7v2, timeZone } = ports
  const inOrder = arrivalOrder()

  function tell(reason: string, outcome: 'denied' | 'failed', { address }: MllpRemote): Promise<void> {
    return ports.tell({
      kind: 'transmission',
      outcome,
      outcomeText: `MLLP: ${reason}`,
      requestId: crypto.randomUUID(),
      network: address,
      patients: [],
      entities: [],
    })
  }

  return {
    identify: findPeer,
    handle: (payload, connection) =>
      inOrder(findCaller(connection.peer, connection), async (found) => {
        if (found) {
          const sender = { caller: found.caller, timeZone: found.timeZone ?? timeZone }
          return hl7v2(payload, { ...sender, requestId: crypto.randomUUID() })
        }
        await tell('unauthenticated', 'denied', connection)
        throw new Failure('unauthenticated', 'This partner is not registered any more')
      }),
    discarded: ({ reason, remote }) => {
      const outcome = reason === 'unknown-peer' ? 'denied' : 'failed'
      tell(reason, outcome, remote).catch(ports.onFault)
    },
  }
}

/** Goes on with each answer in the order in which the questions were asked, however long each takes. */
function arrivalOrder() {
  let before: Promise<unknown> = Promise.resolve()
  return <Found, Result>(asked: Promise<Found>, goOn: (found: Found) => Promise<Result>): Promise<Result> => {
    const found = Promise.all([asked, before]).then(([each]) => each)
    before = found.catch(() => undefined)
    return found.then(goOn)
  }
}
