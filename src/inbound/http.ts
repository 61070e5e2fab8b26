import { type Context, Hono } from 'hono'
import type { Act } from '#core/act.ts'
import type { Caller } from '#core/caller.ts'
import { Failure, failures } from '#core/failure.ts'
import type { DoorRequest, DoorResponse } from '#core/http.ts'
import { operationOutcome } from '#core/outcome.ts'
import { asksToSignInAnew, signInAnew } from '#core/step-up.ts'
import type { Lockout, RateLimit } from './rate-limit.ts'

/** Bytes of a body; attachments travel inline within this. */
const maxBody = 6 * 1024 * 1024
/** Of somebody unknown: forms, assertions and what browsers say of passkeys are far smaller. */
const maxOpenBody = 64 * 1024

export interface HttpOptions {
  routes: readonly Route[]
  /** Proves who calls, from the Authorization header. Throws Failure `unauthenticated`. */
  authenticate(
    authorization: string | undefined,
    network: string | undefined,
    sending: { method: string; path: string; proof: string | undefined },
  ): Promise<Caller>
  /** How often a client may ask. */
  rate: RateLimit
  /** How often somebody unknown may ask, by address: each refusal is on record, and the log must not be anybody's to fill. */
  openRate: RateLimit
  /** Shuts addresses out whose tokens keep failing. */
  lockout: Lockout
  /** Tells the log of an act that no room behind the door could tell. */
  audit(act: Omit<Act, 'at'>): Promise<void>
  randomId(): string
  /** Told of what should not have happened; never sees a body. */
  onFault(fault: unknown, requestId: string): void
}

/**
 * One way in. `policy` says who may try it: `public` needs no token, `token` is authenticated before its body is read.
 * A route without a policy does not compile, and what has no route is answered only to those who are authenticated.
 */
export type Route = { method: Method; path: string; described: Described } & (
  | { policy: 'public'; answer(request: OpenRequest): Promise<DoorResponse> }
  | { policy: 'token'; answer(request: DoorRequest): Promise<DoorResponse> }
)

/** What /openapi.json says of a route beside its address. */
export interface Described {
  summary: string
  /** Parameters in the query. */
  query?: Readonly<Record<string, { text: string; required?: boolean }>>
  /** The body: media type, and for JSON its schema (JSON Schema 2020-12) and the name it goes by. */
  takes?: { type: string; name?: string; schema?(): object }
  /** Media types of the answer; JSON where not given. */
  gives?: readonly string[]
  /** Status codes of success other than 200. */
  alsoAnswers?: Readonly<Record<number, { description: string }>>
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'ALL'

/** A request of somebody unknown. */
export type OpenRequest = Omit<DoorRequest, 'caller'> & { network: string | undefined }

/** Set by the Node server and by the Worker: the address the connection came from. */
export interface HttpBindings {
  network?: string
}

/** The HTTP door: authenticates, reads, hands over, and renders every refusal as an OperationOutcome. */
export function createHttp(options: HttpOptions): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>()
  for (const route of options.routes) {
    app.on(
      route.method === 'ALL' ? ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] : [route.method],
      [route.path],
      (c) => guarded(c, options, (requestId) => enter(c, route, requestId, options)),
    )
  }
  app.all('*', (c) =>
    guarded(c, options, async (requestId) => {
      const caller = await authenticated(c, requestId, options)
      return told(c, { caller, requestId }, options, async () => {
        throw new Failure('not-found', 'There is nothing at this address')
      })
    }),
  )
  return app
}

type Door = Context<{ Bindings: HttpBindings }>

async function enter(c: Door, route: Route, requestId: string, options: HttpOptions): Promise<DoorResponse> {
  if (route.policy === 'public') {
    const network = c.env?.network
    await withinRate(options.openRate, network ?? '', { network, requestId }, options)
    const request = await told(c, { network, requestId }, options, () => open(c, requestId, maxOpenBody))
    return route.answer({ ...request, network })
  }
  const caller = await authenticated(c, requestId, options)
  const request = await told(c, { caller, requestId }, options, () => open(c, requestId, maxBody))
  return route.answer({ ...request, caller })
}

interface Who {
  caller?: Caller
  network?: string | undefined
  requestId: string
}

/** What is refused before any room has seen it is told here (AUD2). */
async function told<T>(c: Door, who: Who, { audit }: HttpOptions, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    const kind = ['GET', 'HEAD'].includes(c.req.method) ? 'read' : 'create'
    const outcomeText = `HTTP: ${cause instanceof Failure ? cause.kind : 'internal'}`
    await audit({ ...who, kind, outcome: 'failed', outcomeText, patients: [], entities: [] })
    throw cause
  }
}

async function authenticated(c: Door, requestId: string, options: HttpOptions): Promise<Caller> {
  const network = c.env?.network
  const address = network ?? ''
  // Told of when it began: a log that grows with every knock is a door of its own.
  options.lockout.check(address)
  try {
    const sending = { method: c.req.method, path: c.req.path, proof: c.req.header('dpop') }
    const caller = await options.authenticate(c.req.header('authorization'), network, sending)
    await withinRate(options.rate, caller.clientId, { caller, requestId }, options)
    return caller
  } catch (cause) {
    if (cause instanceof Failure && cause.kind === 'unauthenticated') {
      const shut = options.lockout.fail(address) ? '; the address is shut out for a while' : ''
      const outcomeText = `${cause.message}${shut}`
      const act = { kind: 'token', outcome: 'denied', outcomeText, requestId } as const
      await options.audit({ ...act, patients: [], entities: [], ...(network ? { network } : {}) })
    }
    throw cause
  }
}

async function withinRate(rate: RateLimit, key: string, who: Who, { audit }: HttpOptions): Promise<void> {
  try {
    rate.take(key)
  } catch (cause) {
    if (rate.isNews(key)) {
      const act = { kind: 'token', outcome: 'denied', outcomeText: 'too many requests' } as const
      await audit({ ...act, ...who, patients: [], entities: [] })
    }
    throw cause
  }
}

async function open(c: Door, requestId: string, max: number): Promise<Omit<DoorRequest, 'caller'>> {
  const url = new URL(c.req.url)
  return {
    // Hono asks what answers GET and drops the body; the rooms need not know (RFC 9110 §9.3.2).
    method: c.req.method === 'HEAD' ? 'GET' : c.req.method,
    path: url.pathname.slice(1),
    query: url.searchParams,
    header: (name) => c.req.header(name),
    body: ['GET', 'HEAD'].includes(c.req.method) ? new Uint8Array(0) : await readBody(c.req.raw, max),
    requestId,
  }
}

async function readBody(request: Request, max: number): Promise<Uint8Array> {
  const tooLarge = () => new Failure('too-large', `The body is larger than ${max} bytes: send less at a time`)
  const announced = request.headers.get('content-length')
  if (announced !== null) {
    if (Number(announced) > max) throw tooLarge()
    return new Uint8Array(await request.arrayBuffer())
  }
  if (!request.body) return new Uint8Array(0)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > max) throw tooLarge()
    chunks.push(chunk)
  }
  const body = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    body.set(chunk, at)
    at += chunk.length
  }
  return body
}

const always = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

async function guarded(
  c: Door,
  options: HttpOptions,
  answer: (requestId: string) => Promise<DoorResponse>,
): Promise<Response> {
  const requestId = requestIdOf(c.req.header('x-request-id')) ?? options.randomId()
  const { status, headers, body, bytes } = await answer(requestId).catch((fault) =>
    refusal(fault, requestId, options),
  )
  return new Response(bytes ?? (body === '' ? null : body), {
    status,
    headers: { ...always, 'x-request-id': requestId, ...headers },
  })
}

/** A caller's own request id is taken over when it is harmless to log. */
function requestIdOf(header: string | undefined): string | undefined {
  return header && /^[A-Za-z0-9._-]{8,64}$/.test(header) ? header : undefined
}

function refusal(fault: unknown, requestId: string, options: HttpOptions): DoorResponse {
  if (!(fault instanceof Failure) || fault.kind === 'internal') options.onFault(fault, requestId)
  const failure =
    fault instanceof Failure ? fault : new Failure('internal', 'Something went wrong here; it was noted')
  return refuse(failure)
}

/** A failure as an answer. */
function refuse(failure: Failure): DoorResponse {
  const headers: Record<string, string> = { 'content-type': 'application/fhir+json; charset=utf-8' }
  if (failure.kind === 'unauthenticated')
    headers['www-authenticate'] = asksToSignInAnew(failure) ? signInAnew : 'Bearer'
  if (failure.kind === 'unavailable' || failure.kind === 'too-many') {
    headers['retry-after'] = String(failure.retryAfterSeconds ?? 1)
  }
  return { status: failures[failure.kind].http, headers, body: JSON.stringify(operationOutcome(failure)) }
}
