import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { addApp, authorizeAs, type Browser, openAccount, openBrowser, type TestAccount } from '../sign-in.ts'
import { made, openScene, type Scene } from './scene.ts'

/* What somebody tries who wants in where people sign in. Each claim began as a request that got further than it may. */

let scene: Scene
let base: string
let ada: TestAccount
let adas: Browser
const redirect = 'https://app.example/back'

beforeAll(async () => {
  scene = await openScene()
  base = scene.clinic.baseUrl
  await addApp(scene.clinic, { id: 'app', roles: ['patient', 'privacy-officer'] })
  ada = await openAccount(scene.clinic, scene.patient, 'patient', { purpose: 'PATRQT' })
  adas = openBrowser(base)
})
afterAll(() => scene.clinic.close())

function asking(more: Record<string, string> = {}): { address: string; verifier: string } {
  const verifier = randomBytes(32).toString('base64url')
  const query = new URLSearchParams({
    client_id: 'app',
    redirect_uri: redirect,
    response_type: 'code',
    scope: 'openid online_access patient/Patient.r',
    aud: `${base}/fhir`,
    state: 'state',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  })
  return { address: `authorize?${query}`, verifier }
}

async function token(fields: Record<string, string>) {
  const body = new URLSearchParams({ client_id: 'app', ...fields })
  const response = await fetch(`${base}/auth/token`, { method: 'POST', body })
  return { status: response.status, body: await response.json() }
}

/** The person lets the app in. */
async function granted(more: Record<string, string> = {}) {
  const { address, verifier } = asking(more)
  const { location } = await authorizeAs(adas, address, ada)
  const code = new URL(location).searchParams.get('code') ?? ''
  const form = { grant_type: 'authorization_code', code, redirect_uri: redirect, code_verifier: verifier }
  return { form, ...(await token(form)) }
}

async function statusWith(accessToken: string): Promise<number> {
  const headers = { authorization: `Bearer ${accessToken}` }
  return (await fetch(`${base}/fhir/${scene.patient}`, { headers })).status
}

it('what is good at one door is nothing at another', async () => {
  const { body, form } = await granted()
  const cookie = adas.cookie.split('=')[1] ?? ''
  const { sid } = JSON.parse(Buffer.from(body.access_token.split('.')[1], 'base64url').toString())
  for (const taken of [body.id_token, body.refresh_token, form.code, cookie])
    expect(await statusWith(taken)).toBe(401)
  for (const taken of [body.access_token, body.id_token, form.code, cookie])
    expect((await token({ grant_type: 'refresh_token', refresh_token: taken })).status).toBe(400)
  const { address } = asking()
  const request = /request=([\w-]*)/.exec((await adas.get(address)).text)?.[1] ?? ''
  const consent = await adas.get(`consent?request=${request}`)
  for (const code of [request, consent.field('state'), body.access_token])
    expect((await token({ ...form, code })).status).toBe(400)
  const thief = openBrowser(base)
  for (const value of [sid, body.access_token]) {
    thief.cookie = `__Host-postern=${value}`
    expect((await thief.get('sign-in')).text).not.toContain('You are signed in')
  }
  // The page of one session is nothing in another, nor from another site.
  const fields = { state: consent.field('state'), scope: 'openid', answer: 'allow' }
  expect((await openBrowser(base).post('consent', fields)).status).toBe(400)
  expect((await adas.post('consent', fields, { origin: 'https://evil.example' })).status).toBe(403)
  expect((await adas.post('consent', fields, { origin: 'null' })).status).toBe(403)
})

it('one refresh token sent fifty times at once is granted once at the most, and then nothing stands', async () => {
  const { body } = await granted()
  const form = { grant_type: 'refresh_token', refresh_token: body.refresh_token }
  const answers = await Promise.all(Array.from({ length: 50 }, () => token(form)))
  const good = answers.filter(({ status }) => status === 200)
  expect(good.length).toBeLessThanOrEqual(1)
  for (const each of [body, ...good.map((answer) => answer.body)])
    expect(await statusWith(each.access_token)).toBe(401)
})

it('a link to the pages with a made-up request breaks nothing and leads nowhere else', async () => {
  for (const request of [
    '☃',
    'a\r\nset-cookie: x=1',
    '"><script>',
    'x&y=https://evil.example',
    '//evil.example',
  ]) {
    const page = await adas.get(`sign-in?request=${encodeURIComponent(request)}`)
    expect([page.status, page.field('request')]).toEqual([200, ''])
    expect(page.text).not.toContain('evil.example')
    const wrong = await openBrowser(base).post('sign-in-by-code', { request, key: 'x', code: '000000' })
    expect(wrong.status).toBe(401)
  }
  const bob = await openAccount(scene.clinic, scene.patient, 'patient', { purpose: 'PATRQT' })
  const signedIn = { request: '☃', key: bob.key, code: await bob.code() }
  expect(await openBrowser(base).post('sign-in-by-code', signedIn)).toMatchObject({
    status: 303,
    location: 'sign-in',
  })
})

it('an office that is let in by an app about one patient gets no scope that is of one patient', async () => {
  const officer = await made(scene.platform, { resourceType: 'Practitioner', active: true })
  const account = await openAccount(scene.clinic, officer, 'privacy-officer', { purpose: 'HOPERAT' })
  const { body } = await scene.ehr.request('POST', '/auth/launch', { app: 'app', patient: scene.patient })
  const scope = 'openid launch patient/Consent.rs user/Consent.r'
  const { address } = asking({ scope, launch: body.launch })
  let shown: string[] = []
  await authorizeAs(openBrowser(base), address, account, (scopes) => {
    shown = scopes
    return scopes
  })
  expect(shown).toEqual(['openid', 'launch', 'user/Consent.r'])
})

it('a stranger’s form is no larger than a form', async () => {
  const large = new URLSearchParams({ client_id: 'app', code: 'x'.repeat(70_000) })
  expect((await fetch(`${base}/auth/token`, { method: 'POST', body: large })).status).toBe(413)
})

it('signing out ends what apps were let do in the session, and not what goes on without one', async () => {
  const offline = await granted({ scope: 'openid offline_access patient/Patient.r' })
  const online = await granted()
  const left = asking()
  const unused = new URL((await authorizeAs(adas, left.address, ada)).location).searchParams.get('code') ?? ''
  expect(await statusWith(online.body.access_token)).toBe(200)
  expect((await adas.post('sign-out', {})).status).toBe(303)
  expect(await statusWith(online.body.access_token)).toBe(401)
  const refresh = { grant_type: 'refresh_token', refresh_token: online.body.refresh_token }
  expect((await token(refresh)).status).toBe(400)
  expect((await token({ ...online.form, code: unused, code_verifier: left.verifier })).status).toBe(400)
  expect(await statusWith(offline.body.access_token)).toBe(200)
})
