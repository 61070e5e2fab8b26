import type { Destination } from '#core/destination.ts'
import type { Identified, Reference } from '#core/resource.ts'

/** What one attempt sends. Everything in it is the same at every attempt, so that what is sent is too. */
export interface Parcel {
  /** The delivery's id: the receiver may know a repetition by it. */
  id: string
  /** When the delivery was made, milliseconds since the epoch. */
  created: number
  destination: Destination
  /** As the destination may see them. */
  contents: Content[]
  /**
   * A resource that one of the contents refers to, as the destination may see it and as it stood when the delivery was
   * made; undefined where there is none, or none that it may see.
   */
  load(reference: Reference): Promise<Identified | undefined>
  /** Milliseconds that the attempt may take: less than its lease. */
  timeoutMs: number
  /** Ends the attempt then. */
  signal: AbortSignal
}

export interface Content {
  resource: Identified
  version: number
}

/** How an attempt ended. Reasons are codes without patient data, such as `http-503`, `ack-AR`, `timeout`. */
export type Answer = (
  | { state: 'delivered' }
  /** Worth another try, not sooner than `afterMs` where the receiver said so. */
  | { state: 'retry'; reason: string; afterMs?: number }
  /** The same bytes would be refused again. */
  | { state: 'refused'; reason: string }
) & { said?: Said }

/** What a receiver said of the orders themselves beside whether it took the message (RRE, ORP …). */
export interface Said {
  texts: readonly string[]
  /** Nothing is left to send once this is understood, whatever the acknowledgement says: the body decides (R38). */
  settles: boolean
}

/** Sends a parcel. May throw Failure `unavailable` with a reason code as its text (another try) or `forbidden`. */
export type Channel<Settings> = (parcel: Parcel, settings: Settings) => Promise<Answer>
