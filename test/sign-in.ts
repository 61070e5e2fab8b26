import { registerApp } from '#auth/apps/app.ts'
import { invitePerson } from '#auth/people/invite.ts'
import { codeAt } from '#auth/people/totp.ts'
import type { TestClinic } from './open-clinic.ts'

type Clinic = Pick<TestClinic, 'store' | 'gateway' | 'baseUrl'>

/** A person's browser as far as it matters here: it keeps cookies, follows forms, and says where they come from. */
export interface Browser {
  get(address: string): Promise<Page>
  post(
    path: string,
    fields: Record<string, string | string[]>,
    headers?: Record<string, string>,
  ): Promise<Page>
  cookie: string
}

export interface Page {
  status: number
  headers: Headers
  text: string
  location: string
  /** Value of a hidden field of the page. */
  field(name: string): string
}

/** Somebody with an account here, and the device that makes their codes. */
export interface TestAccount {
  id: string
  key: string
  /** A code that was not used yet. */
  code(): Promise<string>
}

const setup = () => ({ requestId: 'test-setup', at: Date.now() })

export function openBrowser(baseUrl: string): Browser {
  const send = async (address: string, init: RequestInit): Promise<Page> => {
    const url = new URL(address, `${baseUrl}/auth/`)
    const headers = { ...(browser.cookie ? { cookie: browser.cookie } : {}), ...init.headers }
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    const [kept] = (response.headers.get('set-cookie') ?? '').split(';')
    if (kept) browser.cookie = kept
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      text,
      location: response.headers.get('location') ?? '',
      field: (name) => new RegExp(`name="${name}" value="([^"]*)"`).exec(text)?.[1] ?? '',
    }
  }
  const browser: Browser = {
    cookie: '',
    get: (address) => send(address, {}),
    post(path, fields, headers = {}) {
      const body = new URLSearchParams(
        Object.entries(fields).flatMap(([name, value]) => [value].flat().map((each) => [name, each])),
      )
      return send(path, { method: 'POST', body, headers: { origin: baseUrl, ...headers } })
    },
  }
  return browser
}

/** Invites a person and takes the invitation up by codes. */
export async function openAccount(
  { store, gateway, baseUrl }: Clinic,
  person: string,
  role: string,
  more: Record<string, unknown> = {},
): Promise<TestAccount> {
  const ports = { store, audit: gateway.audit, clock: { now: () => Date.now() } }
  const asked = { person, role, purpose: 'TREAT', grants: [], ...more }
  const { account, code } = await invitePerson(ports, asked, setup())
  const browser = openBrowser(baseUrl)
  const page = await browser.post('enrol', { code })
  const secret = /<code data-secret>([^<]*)/.exec(page.text)?.[1] ?? ''
  const key = /<code data-key>([^<]*)/.exec(page.text)?.[1] ?? ''
  // Each code is good once: the first is of the step before now, so that two more are good at once.
  let step = Math.floor(Date.now() / 30_000) - 1
  const next = () => codeAt(secret, step++)
  const done = await browser.post('enrol-code', { state: page.field('state'), code: await next() })
  if (done.status !== 303) throw new Error(`Not enrolled: ${done.status} ${done.text}`)
  return { id: account, key, code: next }
}

export async function addApp({ store, gateway }: Clinic, registration: Record<string, unknown>) {
  return registerApp(
    store,
    gateway.audit,
    {
      name: 'A patient’s app',
      redirectUris: ['https://app.example/back'],
      scopes: [
        'openid',
        'fhirUser',
        'launch',
        'launch/patient',
        'offline_access',
        'online_access',
        'patient/*.cruds',
        'user/*.cruds',
      ],
      roles: ['patient', 'proxy', 'clinician', 'prescriber', 'operator'],
      active: true,
      ...registration,
    },
    setup(),
  )
}

/** Goes the way of an authorization request by code sign-in, and allows what is asked. Resolves with the last page. */
export async function authorizeAs(
  browser: Browser,
  address: string,
  account: TestAccount | undefined,
  allow: (scopes: string[]) => string[] = (scopes) => scopes,
): Promise<Page> {
  const first = await browser.get(address)
  if (first.status !== 200) return first
  const onward = /url=([^"]*)/.exec(first.text)?.[1] ?? ''
  let page = await browser.get(onward)
  if (page.location.startsWith('sign-in') && account) {
    const { key } = account
    const request = (await browser.get(page.location)).field('request')
    const signedIn = await browser.post('sign-in-by-code', { request, key, code: await account.code() })
    if (signedIn.status !== 303) return signedIn
    page = await browser.get(signedIn.location)
  }
  const scopes = [...page.text.matchAll(/name="scope" value="([^"]*)"/g)].map(([, scope = '']) => scope)
  if (scopes.length === 0) return page
  return browser.post('consent', { state: page.field('state'), scope: allow(scopes), answer: 'allow' })
}
