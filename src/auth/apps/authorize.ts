import type { AccountPorts } from '#auth/people/account.ts'
import { consentPage, messagePage, onwardPage } from '#auth/people/pages.ts'
import { onward } from '#auth/people/people.ts'
import type { Visit } from '#auth/people/prove.ts'
import { callerAtPages, findSignedIn, markOf, type SignedIn } from '#auth/people/sign-in.ts'
import { personRecord } from '#auth/person.ts'
import { Refusal } from '#auth/refusal.ts'
import type { Sealer } from '#auth/sealer.ts'
import type { Act } from '#core/act.ts'
import type { Nonce } from '#core/commit.ts'
import type { DoorResponse } from '#core/http.ts'
import { type App, appOf } from './app.ts'
import { codeFor, isConflict } from './exchange.ts'
import { contextOf, grantable, resourcesIn } from './grant.ts'
import { type AuthorizationRequest, answerTo, RedirectedRefusal, readRequest } from './request.ts'

export interface AuthorizePorts extends AccountPorts {
  sealer: Sealer
  issuer: string
}

/** The authorization endpoint: an app asks, a person answers. */
export interface Authorization {
  /** What an app asks, by the person's browser. */
  ask(form: URLSearchParams, visit: Visit): Promise<DoorResponse>
  /** The page that says what it asks. */
  consentPage(request: string, visit: Visit): Promise<DoorResponse>
  /** The person's answer. */
  answer(form: URLSearchParams, visit: Visit): Promise<DoorResponse>
}

/** A person has this long for the pages. */
const pagesMs = 15 * 60_000
/** A launch is good once. */
const launchMs = 30 * 60_000

/** https://hl7.org/fhir/smart-app-launch/app-launch.html, with the person's consent on a page of our own. */
export function createAuthorization(ports: AuthorizePorts): Authorization {
  const { store, clock, sealer, issuer } = ports
  const findApp = (id: string) => appOf(store, id)

  async function tell(told: Pick<Act, 'outcome' | 'outcomeText'>, visit: Visit, more: Told = {}) {
    const { requestId, network } = visit
    const { nonces = [], ...act } = more
    const audit = ports.audit.record({
      kind: 'token',
      ...told,
      ...act,
      requestId,
      ...(network ? { network } : {}),
      at: clock.now(),
      patients: [],
      entities: [],
    })
    await store.commit({ audit, nonces })
  }

  async function ask(form: URLSearchParams, visit: Visit): Promise<DoorResponse> {
    try {
      const { request } = await readRequest(form, { sealer, issuer, findApp, now: clock.now() })
      return await onwardPage(sealer.seal('request', request, pagesMs))
    } catch (cause) {
      if (!(cause instanceof Refusal || cause instanceof RedirectedRefusal)) throw cause
      await tell({ outcome: 'denied', outcomeText: `authorize: ${cause.message}` }, visit)
      if (cause instanceof RedirectedRefusal) return onward(cause.address)
      return messagePage('This app cannot be let in', cause.message, { status: 400 })
    }
  }

  async function consent(text: string, visit: Visit): Promise<DoorResponse> {
    const request = sealer.open<AuthorizationRequest>('request', text)
    if (!request) {
      await tell({ outcome: 'denied', outcomeText: 'authorize: a page that is too old' }, visit)
      return tooOld()
    }
    const signedIn = await findSignedIn(ports, visit.cookies)
    if (!signedIn || signedIn.signIn.at < request.signedInAfter) return onward(`sign-in?request=${text}`)
    const asking = await askingOf(request, signedIn)
    const scopes = asking ? grantable(asking) : []
    if (!asking || resourcesIn(scopes).length + (scopes.includes('openid') ? 1 : 0) === 0) {
      await tell({ outcome: 'denied', outcomeText: 'authorize: nothing that may be granted' }, visit, {
        caller: callerAtPages(signedIn, visit.network),
      })
      return onward(refusalTo(request, 'access_denied', 'This person may grant nothing of what is asked for'))
    }
    const state = sealer.seal('consent', { request, scopes, mark: markOf(signedIn) }, pagesMs)
    const { redirectUri } = request
    return consentPage({ app: asking.app.name, scopes, state, redirectUri })
  }

  async function answer(form: URLSearchParams, visit: Visit): Promise<DoorResponse> {
    const shown = sealer.open<Shown>('consent', form.get('state') ?? '')
    const signedIn = await findSignedIn(ports, visit.cookies)
    const asking = shown && signedIn && (await askingOf(shown.request, signedIn))
    if (!shown || !signedIn || !asking || shown.mark !== markOf(signedIn)) {
      await tell({ outcome: 'denied', outcomeText: 'authorize: no session, or another one' }, visit)
      return tooOld()
    }
    const { request } = shown
    const caller = callerAtPages(signedIn, visit.network)
    const scopes = form.getAll('scope').filter((scope) => shown.scopes.includes(scope))
    if (form.get('answer') !== 'allow' || scopes.length === 0) {
      await tell({ outcome: 'denied', outcomeText: `authorize: refused to ${request.app}` }, visit, {
        caller,
      })
      return onward(refusalTo(request, 'access_denied', 'The person refused'))
    }
    const patient = contextOf(asking)
    const code = codeFor(sealer, {
      app: request.app,
      account: signedIn.account.id,
      redirectUri: request.redirectUri,
      challenge: request.challenge,
      scopes,
      signedInAt: signedIn.signIn.at,
      mark: markOf(signedIn),
      proof: signedIn.proof,
      launched: request.launch !== undefined,
      ...(patient ? { patient } : {}),
      ...(request.nonce ? { nonce: request.nonce } : {}),
      ...(request.boundTo ? { boundTo: request.boundTo } : {}),
    })
    const nonces = request.launch ? [launchNonce(request.launch.id)] : []
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: request.app,
      scope: scopes.join(' '),
    })
    try {
      const told = { outcome: 'success', outcomeText: `code given to ${request.app}` } as const
      await tell(told, visit, { caller, nonces, query: query.toString() })
    } catch (cause) {
      if (!isConflict(cause)) throw cause
      await tell({ outcome: 'denied', outcomeText: 'authorize: a launch that was used before' }, visit)
      return tooOld()
    }
    return onward(answerTo(request, issuer, { code }))
  }

  function launchNonce(id: string): Nonce {
    return { issuer: 'launch', value: id, expires: clock.now() + launchMs }
  }

  /** Who asks for what, of whom; undefined where this person may not use this app, or not about this patient. */
  async function askingOf(request: AuthorizationRequest, { account }: SignedIn) {
    const app: App | undefined = await findApp(request.app)
    if (!app?.active || !app.roles.includes(account.role)) return undefined
    const own = (await personRecord(account.person, account.role, ports))?.patient
    if (own && request.launch && request.launch.patient !== own) return undefined
    return { app, account, own, request }
  }

  function refusalTo(request: AuthorizationRequest, error: string, text: string): string {
    return answerTo(request, issuer, { error, error_description: text })
  }

  return { ask, consentPage: consent, answer }
}

type Told = Partial<Pick<Act, 'caller' | 'query'>> & { nonces?: Nonce[] }

/** What a consent page said, and in whose session. */
interface Shown {
  request: AuthorizationRequest
  scopes: string[]
  mark: string
}

function tooOld(): Promise<DoorResponse> {
  return messagePage('This page is too old', 'Go back to the app and begin again.', { status: 400 })
}
