import type { Authorization } from '#auth/apps/authorize.ts'
import { script, styleSheet } from '#auth/people/pages.ts'
import type { People } from '#auth/people/people.ts'
import type { Visit } from '#auth/people/prove.ts'
import type { Act } from '#core/act.ts'
import { Failure } from '#core/failure.ts'
import type { DoorResponse } from '#core/http.ts'
import { parseJson } from '#formats/json.ts'
import type { Described, OpenRequest, Route } from './http.ts'
import type { Lockout } from './rate-limit.ts'

export interface PeopleRouteOptions {
  people: People
  authorization: Authorization
  /** Scheme and host of this gateway: what comes from a page of somebody else's is refused. */
  origin: string
  /** By address: who fails to prove who they are again and again is shut out. */
  lockout: Lockout
  audit(act: Omit<Act, 'at'>): Promise<void>
}

/** Pages of this gateway's own: signing in, taking up an invitation, letting an app in. */
export function peopleRoutes(options: PeopleRouteOptions): Route[] {
  const { people, authorization } = options
  return [
    shown('/auth/authorize', 'SMART App Launch: an app asks (RFC 6749 §4.1.1)', ({ query }, visit) =>
      authorization.ask(query, visit),
    ),
    // An app may send people here by a form: nothing is believed of it but what it asks.
    {
      ...posted('/auth/authorize', 'The same as a form', form),
      answer: (request: OpenRequest) => authorization.ask(formIn(request), visitOf(request)),
    },
    shown('/auth/consent', 'What the app asks for, to a person', ({ query }, visit) =>
      authorization.consentPage(query.get('request') ?? '', visit),
    ),
    entered('/auth/consent', 'The person’s answer', form, (request, visit) =>
      authorization.answer(formIn(request), visit),
    ),
    shown('/auth/sign-in', 'The page to sign in at', ({ query }, visit) =>
      people.signInPage(query.get('request') ?? '', visit),
    ),
    shown('/auth/passkey-challenge', 'A challenge for a passkey', () => people.challenge(), json),
    proving('/auth/sign-in-by-passkey', 'Sign in by a passkey', json, (request, visit) =>
      people.signInByPasskey(answerIn(request), visit),
    ),
    proving('/auth/sign-in-by-code', 'Sign in by sign-in key and code', form, (request, visit) =>
      people.signInByCode(formIn(request), visit),
    ),
    entered('/auth/sign-out', 'Sign out', form, (_, visit) => people.signOut(visit)),
    shown('/auth/invitation', 'The page to take up an invitation at', () => people.invitationPage()),
    proving('/auth/enrol', 'Take up an invitation', form, (request, visit) =>
      people.openInvitation(formIn(request), visit),
    ),
    proving('/auth/enrol-passkey', 'Make a passkey, invited', json, (request, visit) =>
      people.enrolPasskey(answerIn(request), visit),
    ),
    proving('/auth/enrol-code', 'Sign in by codes from now on, invited', form, (request, visit) =>
      people.enrolTotp(formIn(request), visit),
    ),
    shown('/auth/style.css', 'How the pages look', async () => styleSheet(), 'text/css'),
    shown('/auth/passkey.js', 'What makes and uses passkeys', async () => script(), 'text/javascript'),
  ]

  /** What changes something comes from a page of ours. */
  function entered(path: string, summary: string, type: string, act: Answer): PublicRoute {
    return {
      ...posted(path, summary, type),
      async answer(request: OpenRequest) {
        await requireOwnPage(request, type, options)
        return act(request, visitOf(request))
      },
    }
  }

  /** Whoever fails too often to prove something waits; who is signed in already goes on meanwhile. */
  function proving(path: string, summary: string, type: string, act: Answer): Route {
    const route = entered(path, summary, type, act)
    return {
      ...route,
      async answer(request: OpenRequest) {
        const address = request.network ?? ''
        options.lockout.check(address)
        const failed = (status: number) => status === 401 && options.lockout.fail(address)
        try {
          const response = await route.answer(request)
          failed(response.status)
          return response
        } catch (cause) {
          if (cause instanceof Failure && cause.kind === 'unauthenticated') failed(401)
          throw cause
        }
      },
    }
  }
}

type Answer = (request: OpenRequest, visit: Visit) => Promise<DoorResponse>
type PublicRoute = Extract<Route, { policy: 'public' }>

const form = 'application/x-www-form-urlencoded'
const json = 'application/json'

function shown(path: string, summary: string, answer: Answer, type = 'text/html'): Route {
  const described: Described = { summary, gives: [type] }
  return {
    policy: 'public',
    method: 'GET',
    path,
    described,
    answer: (request) => answer(request, visitOf(request)),
  }
}

function posted(path: string, summary: string, type: string): Omit<PublicRoute, 'answer'> {
  const described = { summary, takes: { type }, gives: [type === json ? json : 'text/html'] }
  return { policy: 'public', method: 'POST', path, described }
}

/** https://developer.mozilla.org/docs/Web/HTTP/Headers/Sec-Fetch-Site and Origin: a browser says where a form is from. */
async function requireOwnPage(
  request: OpenRequest,
  type: string,
  { origin, audit }: PeopleRouteOptions,
): Promise<void> {
  const { header, requestId, network, path } = request
  const from = header('origin')
  const site = header('sec-fetch-site')
  const isOwn =
    (from === undefined || from === origin) && (site === undefined || /^(?:same-origin|none)$/.test(site))
  const isType = header('content-type')?.startsWith(type) ?? false
  if (isOwn && isType) return
  const outcomeText = `${path}: ${isOwn ? 'unsupported-media' : 'sent by another site'}`
  const act = { kind: 'sign-in', outcome: 'denied', outcomeText, requestId, network } as const
  await audit({ ...act, patients: [], entities: [] })
  if (!isOwn) throw new Failure('forbidden', 'This was sent by a page of another site')
  throw new Failure('unsupported-media', `Send this request as ${type}`)
}

function formIn({ body }: OpenRequest): URLSearchParams {
  return new URLSearchParams(new TextDecoder().decode(body))
}

/** What is no answer of a browser's proves nothing, and is refused and told like one that is wrong. */
function answerIn({ body }: OpenRequest): { state: string; response: unknown } {
  const nothing = { state: '', response: {} }
  try {
    const { state, response } = parseJson(body) as { state?: unknown; response?: unknown }
    return typeof state === 'string' && response instanceof Object ? { state, response } : nothing
  } catch {
    return nothing
  }
}

function visitOf({ requestId, network, header }: OpenRequest): Visit {
  return { requestId, cookies: header('cookie'), ...(network ? { network } : {}) }
}
