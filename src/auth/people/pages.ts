import { html, raw } from 'hono/html'
import type { DoorResponse } from '#core/http.ts'
import type { Offer } from './enrol.ts'

/* Pages that people see of this gateway: plain HTML that needs no script but for passkeys, and no data of a patient. */

type Html = ReturnType<typeof html>

const headers = { 'content-type': 'text/html; charset=utf-8', 'referrer-policy': 'same-origin' }
const policy =
  "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"

interface PageOptions {
  status?: number
  headers?: Record<string, string>
  /** Where a form of the page may lead beside here. */
  leadsTo?: string
  /** In the head, beside the title. */
  head?: Html
}

async function page(title: string, body: Html, options: PageOptions = {}): Promise<DoorResponse> {
  const text = await html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<link rel="stylesheet" href="style.css">${options.head ?? ''}</head>
<body><main><h1>${title}</h1>
${body}
</main></body></html>
`
  const security = {
    'content-security-policy': `${policy}; form-action 'self'${options.leadsTo ? ` ${options.leadsTo}` : ''}`,
    'x-frame-options': 'DENY',
  }
  const status = options.status ?? 200
  return { status, headers: { ...headers, ...security, ...options.headers }, body: String(text) }
}

export function messagePage(title: string, text: string, options: PageOptions = {}): Promise<DoorResponse> {
  return page(title, html`<p>${text}</p>`, options)
}

/**
 * Comes between the app's link and the first page of ours: the cookie of a session is sent only where the way begins
 * here (SameSite=Strict), and so it begins here.
 */
export function onwardPage(request: string): Promise<DoorResponse> {
  const next = `consent?request=${request}`
  const head = html`<meta http-equiv="refresh" content="0; url=${next}">`
  return page('One moment', html`<p><a href="${next}">Go on</a></p>`, { head })
}

export function signInPage(options: {
  request?: string
  wrong?: string
  status?: number
}): Promise<DoorResponse> {
  const { request = '', wrong, status = 200 } = options
  const next = request ? `consent?request=${request}` : 'sign-in'
  return page(
    'Sign in',
    html`${wrong ? html`<p role="alert">${wrong}</p>` : ''}
<p><button type="button" data-passkey="sign-in" data-next="${next}">Sign in with a passkey</button></p>
<p role="alert" data-message></p>
<details><summary>Sign in with a code</summary>
<form method="post" action="sign-in-by-code">
<input type="hidden" name="request" value="${request}">
<label>Sign-in key <input name="key" type="password" autocomplete="current-password" required></label>
<label>Code <input name="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{6}" required></label>
<button>Sign in</button>
</form></details>
<script src="passkey.js"></script>`,
    { status },
  )
}

export function signedInPage(): Promise<DoorResponse> {
  return page(
    'You are signed in',
    html`<form method="post" action="sign-out"><button>Sign out</button></form>`,
  )
}

export interface ConsentPage {
  app: string
  /** Everything that may be granted. */
  scopes: readonly string[]
  /** Goes back with the answer. */
  state: string
  redirectUri: string
}

/** What the app would have, each of it to be taken away. */
export function consentPage({ app, scopes, state, redirectUri }: ConsentPage): Promise<DoorResponse> {
  const rows = scopes.map(
    (scope) =>
      html`<li><label><input type="checkbox" name="scope" value="${scope}" checked> ${inWords(scope)}</label></li>`,
  )
  return page(
    'Let an app in?',
    html`<p><strong>${app}</strong> asks to act for you here:</p>
<form method="post" action="consent">
<input type="hidden" name="state" value="${state}">
<ul>${rows}</ul>
<button name="answer" value="allow">Allow</button>
<button name="answer" value="deny">Refuse</button>
</form>`,
    { leadsTo: sourceOf(redirectUri) },
  )
}

/** A browser holds `form-action` against where a form's answer redirects to as well. */
function sourceOf(redirectUri: string): string {
  const { origin, protocol } = new URL(redirectUri)
  return origin === 'null' ? protocol : origin
}

const words: Readonly<Record<string, string>> = {
  openid: 'to know that it is you',
  fhirUser: 'to know which record here is yours',
  profile: 'to know which record here is yours',
  launch: 'to know which patient’s record is open',
  'launch/patient': 'to know which patient it is about',
  offline_access: 'to go on while you are not there, for 90 days',
  online_access: 'to go on until you leave',
}
const deeds: Readonly<Record<string, string>> = { c: 'add', r: 'read', u: 'change', d: 'delete', s: 'search' }

function inWords(scope: string): string {
  const known = words[scope]
  if (known) return known
  const [, context, type = '', letters = ''] = /^(\w+)\/(\S+?)\.(\w+)$/.exec(scope) ?? []
  const what = [...letters].map((letter) => deeds[letter]).join(', ')
  return `${what}: ${type}${context === 'patient' ? ' of one patient' : ''}`
}

export function invitationPage(wrong?: string): Promise<DoorResponse> {
  return page(
    'You are invited',
    html`${wrong ? html`<p role="alert">${wrong}</p>` : ''}
<form method="post" action="enrol">
<label>Code of the invitation <input name="code" autocomplete="off" required></label>
<button>Go on</button>
</form>`,
    { status: wrong ? 401 : 200 },
  )
}

/** The two ways in. The secrets on it are shown this once, and kept by nobody but the person. */
export function enrolPage({ passkey, state, totpSecret, signInKey }: Offer): Promise<DoorResponse> {
  const address = `otpauth://totp/Postern?secret=${totpSecret}&issuer=Postern`
  return page(
    'How will you sign in?',
    html`<p><button type="button" data-passkey="enrol" data-options="${JSON.stringify(passkey)}" data-state="${state}">Make a passkey</button></p>
<p role="alert" data-message></p>
<details><summary>Use an app that makes codes</summary>
<p>Keep this sign-in key in a password manager: <code data-key>${signInKey}</code></p>
<p>Give the app this secret: <code data-secret>${totpSecret}</code> (<a href="${raw(encodeURI(address).replaceAll('&', '&amp;'))}">open it there</a>)</p>
<form method="post" action="enrol-code">
<input type="hidden" name="state" value="${state}">
<label>Code <input name="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9]{6}" required></label>
<button>Use codes</button>
</form></details>
<script src="passkey.js"></script>`,
  )
}

export function styleSheet(): DoorResponse {
  return { status: 200, headers: { 'content-type': 'text/css; charset=utf-8' }, body: style }
}

export function script(): DoorResponse {
  return { status: 200, headers: { 'content-type': 'text/javascript; charset=utf-8' }, body: passkeyScript }
}

const style = `body { font: 1.1rem/1.5 system-ui, sans-serif; margin: 0; color: #1a1a1a; background: #f6f6f4 }
main { max-width: 34rem; margin: 3rem auto; padding: 1.5rem 2rem; background: #fff; border: 1px solid #ddd }
label { display: block; margin: 1rem 0 } input:not([type=checkbox]) { display: block; width: 100%; font: inherit }
button { font: inherit; padding: .4rem 1.2rem } ul { padding: 0; list-style: none } code { overflow-wrap: anywhere }
[role=alert] { color: #a00 }
`

/** The one thing that cannot be done without a script: https://www.w3.org/TR/webauthn-3/#sctn-parseCreationOptionsFromJSON */
const passkeyScript = `const message = document.querySelector('[data-message]')
async function send(address, body) {
  const answer = await fetch(address, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error('That did not work. Try again, or ask the clinic.')
}
const acts = {
  async 'sign-in'({ next }) {
    const { options, state } = await (await fetch('passkey-challenge')).json()
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options)
    const response = (await navigator.credentials.get({ publicKey })).toJSON()
    await send('sign-in-by-passkey', { state, response })
    location.assign(next)
  },
  async enrol({ options, state }) {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(options))
    const response = (await navigator.credentials.create({ publicKey })).toJSON()
    await send('enrol-passkey', { state, response })
    location.assign('sign-in')
  },
}
for (const button of document.querySelectorAll('[data-passkey]')) {
  button.addEventListener('click', () => {
    message.textContent = ''
    acts[button.dataset.passkey](button.dataset).catch((error) => { message.textContent = error.message })
  })
}
`
