import { Failure, failures } from '#core/failure.ts'
import type { DoorResponse } from '#core/http.ts'
import { type EnrolPorts, enrolPasskey, enrolTotp, openInvitation } from './enrol.ts'
import { enrolPage, invitationPage, messagePage, signedInPage, signInPage } from './pages.ts'
import { challenge, signInByCode, signInByPasskey, type Visit } from './prove.ts'
import { cookieOf, findSignedIn, noCookie, signOut } from './sign-in.ts'

/** A browser's answer for a passkey, as WebAuthn's JSON, and the state that came with the question. */
interface Answer {
  state: string
  response: unknown
}

/** What people do at this gateway's own pages: sign in and out, and take up an invitation. */
export interface People {
  signInPage(request: string, visit: Visit): Promise<DoorResponse>
  challenge(): Promise<DoorResponse>
  signInByPasskey(answer: Answer, visit: Visit): Promise<DoorResponse>
  signInByCode(form: URLSearchParams, visit: Visit): Promise<DoorResponse>
  signOut(visit: Visit): Promise<DoorResponse>
  invitationPage(): Promise<DoorResponse>
  openInvitation(form: URLSearchParams, visit: Visit): Promise<DoorResponse>
  enrolPasskey(answer: Answer, visit: Visit): Promise<DoorResponse>
  enrolTotp(form: URLSearchParams, visit: Visit): Promise<DoorResponse>
}

export function createPeople(ports: EnrolPorts): People {
  return {
    async signInPage(asked, visit) {
      const request = sealedIn(asked)
      const isIn = request === '' && (await findSignedIn(ports, visit.cookies))
      return isIn ? signedInPage() : signInPage({ request })
    },
    async challenge() {
      return json(200, await challenge(ports))
    },
    async signInByPasskey(answer, visit) {
      const session = await signInByPasskey(ports, answer, visit)
      return { ...json(200, {}), headers: { ...json(200, {}).headers, 'set-cookie': cookieOf(session) } }
    },
    async signInByCode(form, visit) {
      const [key = '', code = ''] = ['key', 'code'].map((name) => form.get(name) ?? '')
      const request = sealedIn(form.get('request') ?? '')
      try {
        const session = await signInByCode(ports, { key, code }, visit)
        return onward(request ? `consent?request=${request}` : 'sign-in', cookieOf(session))
      } catch (cause) {
        return wrong(cause, (text, status) => signInPage({ request, wrong: text, status }))
      }
    },
    async signOut(visit) {
      await signOut(ports, visit)
      return onward('sign-in', noCookie)
    },
    invitationPage: () => invitationPage(),
    async openInvitation(form, visit) {
      try {
        const offer = await openInvitation(ports, form.get('code') ?? '', visit)
        return await enrolPage(offer)
      } catch (cause) {
        return wrong(cause, invitationPage)
      }
    },
    async enrolPasskey(answer, visit) {
      await enrolPasskey(ports, answer, visit)
      return json(200, {})
    },
    async enrolTotp(form, visit) {
      try {
        await enrolTotp(
          ports,
          { state: form.get('state') ?? '', code: (form.get('code') ?? '').trim() },
          visit,
        )
        return onward('sign-in')
      } catch (cause) {
        return wrong(cause, (text, status) => messagePage('Not yet', text, { status }))
      }
    },
  }
}

/** A request on its way through the pages, as far as it may be one of ours: anybody makes a link to them. */
function sealedIn(request: string): string {
  return /^[\w-]*$/.test(request) ? request : ''
}

/** What a person did wrong is said on a page; what is wrong with us goes on to the door. */
function wrong(
  cause: unknown,
  say: (text: string, status: number) => Promise<DoorResponse>,
): Promise<DoorResponse> {
  if (!(cause instanceof Failure) || failures[cause.kind].http >= 500) throw cause
  return say(cause.message, failures[cause.kind].http)
}

export function onward(location: string, cookie?: string): DoorResponse {
  const headers = { location, ...(cookie ? { 'set-cookie': cookie } : {}) }
  return { status: 303, headers, body: '' }
}

function json(status: number, value: object): DoorResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) }
}
