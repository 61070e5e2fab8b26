import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as client from 'openid-client'
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Invitation, invitePerson } from '#auth/people/invite.ts'
import { openClinic } from '../open-clinic.ts'
import { addApp } from '../sign-in.ts'
import { freePort, openScene, type Scene } from './scene.ts'

/*
 * A person with a real browser: Chromium, its virtual authenticator, and an app on another site. `.ci/run` installs
 * Chromium where there is none; without one this fails.
 */

let scene: Scene
let browser: Browser
let page: Page
let devices: CDPSession
let device: string
let invited: Invitation
let config: client.Configuration
const complaints: string[] = []
const verifier = client.randomPKCECodeVerifier()
let request = ''
const app = createServer((_, response) =>
  response
    .writeHead(200, { 'content-type': 'text/html' })
    .end(`<a href="${request.replaceAll('&', '&amp;')}">go</a>`),
)

beforeAll(async () => {
  const port = await freePort()
  const base = `http://localhost:${port}`
  scene = await openScene(await openClinic({ POSTERN_PORT: String(port), POSTERN_BASE_URL: base }))
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
  const back = `http://127.0.0.1:${(app.address() as AddressInfo).port}/back`
  await addApp(scene.clinic, { id: 'app', redirectUris: [back] })
  const { store, gateway } = scene.clinic
  const ports = { store, audit: gateway.audit, clock: { now: () => Date.now() } }
  const asked = { person: scene.patient, role: 'patient', purpose: 'PATRQT', grants: [] }
  invited = await invitePerson(ports, asked, { requestId: 'test-setup', at: Date.now() })
  config = await client.discovery(new URL(base), 'app', undefined, client.None(), {
    execute: [client.allowInsecureRequests],
  })
  request = client.buildAuthorizationUrl(config, {
    redirect_uri: back,
    scope: 'openid fhirUser patient/Patient.r',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    aud: `${base}/fhir`,
    state: 'state-of-the-app',
  }).href
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  page = await (await browser.newContext()).newPage()
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  devices = await page.context().newCDPSession(page)
  await devices.send('WebAuthn.enable')
  const options = {
    protocol: 'ctap2',
    transport: 'internal',
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
  } as const
  device = (await devices.send('WebAuthn.addVirtualAuthenticator', { options })).authenticatorId
})
afterAll(async () => {
  await browser.close()
  app.close()
  await scene.clinic.close()
})

async function toTheApp(): Promise<void> {
  await page.goto(`http://127.0.0.1:${(app.address() as AddressInfo).port}/`)
  await page.click('a')
}

describe('a person with a browser', () => {
  it('takes an invitation up with a passkey, and no device that does not look at its person is taken', async () => {
    await page.goto(`${scene.clinic.baseUrl}/auth/invitation`)
    await page.fill('[name=code]', invited.code)
    await page.click('button')
    await page.click('text=Make a passkey')
    await page.waitForURL('**/auth/sign-in')
    await devices.send('WebAuthn.setUserVerified', { authenticatorId: device, isUserVerified: false })
    await page.click('text=Sign in with a passkey')
    await page.waitForFunction('document.querySelector("[data-message]").textContent !== ""')
    await devices.send('WebAuthn.setUserVerified', { authenticatorId: device, isUserVerified: true })
    await page.click('text=Sign in with a passkey')
    await page.waitForSelector('text=You are signed in')
    const { credentials } = await devices.send('WebAuthn.getCredentials', { authenticatorId: device })
    expect(credentials.map(({ rpId }) => rpId)).toEqual(['localhost'])
    await page.click('text=Sign out')
    await page.waitForSelector('text=Sign in with a passkey')
  })

  it('comes from an app on another site, signs in, lets it in, and is known when coming again', async () => {
    await toTheApp()
    await page.click('text=Sign in with a passkey')
    await page.waitForSelector('text=Let an app in?')
    await page.click('text=Allow')
    await page.waitForURL('**/back?*')
    const tokens = await client.authorizationCodeGrant(config, new URL(page.url()), {
      pkceCodeVerifier: verifier,
      expectedState: 'state-of-the-app',
    })
    expect(tokens.claims()).toMatchObject({ amr: ['pop', 'user', 'mfa'] })
    // The cookie is for this site only, and the way from another one leads past a page of ours.
    await toTheApp()
    await page.waitForSelector('text=Let an app in?')
    await page.click('text=Refuse')
    await page.waitForURL('**/back?error=access_denied*')
  })

  it('answers no challenge twice, whoever has seen the answer', async () => {
    await page.goto(`${scene.clinic.baseUrl}/auth/sign-in`)
    await page.click('text=Sign out')
    const sent = page.waitForRequest('**/auth/sign-in-by-passkey')
    await page.click('text=Sign in with a passkey')
    const body = (await sent).postData() ?? ''
    await page.waitForSelector('text=You are signed in')
    const headers = { 'content-type': 'application/json', origin: scene.clinic.baseUrl }
    const again = await fetch(`${scene.clinic.baseUrl}/auth/sign-in-by-passkey`, {
      method: 'POST',
      headers,
      body,
    })
    expect([again.status, again.headers.get('set-cookie')]).toEqual([401, null])
  })

  it('is never told by the browser that a page broke its own rules', () => {
    expect(complaints.filter((text) => /Content Security Policy|cookie/i.test(text))).toEqual([])
  })
})
