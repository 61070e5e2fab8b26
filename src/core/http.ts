import type { Caller } from '#core/caller.ts'

/** A request as the rooms behind the HTTP door see it: read, authenticated, numbered. */
export interface DoorRequest {
  method: string
  /** Path below the room's base, without leading slash, e.g. `Communication/1/_history/2`. */
  path: string
  query: URLSearchParams
  header(name: string): string | undefined
  body: Uint8Array
  caller: Caller
  requestId: string
  /** One of several in a Bundle. */
  part?: true
}

export interface DoorResponse {
  status: number
  headers: Record<string, string>
  /** JSON text; empty for none. */
  body: string
  /** Sent instead of `body` where the answer is not UTF-8 text. */
  bytes?: Uint8Array<ArrayBuffer>
}
