import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { registerApp } from '#auth/apps/app.ts'
import { invitePerson } from '#auth/people/invite.ts'
import { codeAt } from '#auth/people/totp.ts'
import type { Clinic } from '../../src/worker/clinic.ts'
import { clientOf, origin, send } from './clients.ts'
import { people } from './people.ts'

const redirect = 'https://app.example/back'
const verifier = 'v'.repeat(43)
let cookie = ''

async function challenge(): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  return btoa(String.fromCharCode(...new Uint8Array(hash)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace('=', '')
}

async function page(method: string, path: string, fields?: Record<string, string>) {
  const answer = await send(method, `/auth/${path}`, {
    headers: { origin, ...(cookie ? { cookie } : {}) },
    redirect: 'manual',
    ...(fields ? { body: new URLSearchParams(fields) } : {}),
  })
  const [kept] = (answer.headers.get('set-cookie') ?? '').split(';')
  if (kept) cookie = kept
  return answer
}

const find = (text: string, pattern: RegExp) => pattern.exec(text)?.[1] ?? ''
const hidden = (text: string, name: string) => find(text, new RegExp(`name="${name}" value="([^"]*)"`))

beforeAll(async () => {
  const platform = await clientOf('platform', 'system/*.cruds')
  for (const each of people) await platform('PUT', `/fhir/${each.resourceType}/${each.id}`, each)
})

describe('on the edge', () => {
  it('a person takes an invitation up, signs in by codes, and lets an app in', async () => {
    const stub = env.CLINIC.get(env.CLINIC.idFromName('northside'))
    const invited = await runInDurableObject(stub, async (clinic: Clinic) => {
      const { store, gateway } = await clinic.opened('northside.example')
      const by = { requestId: 'test-setup', at: Date.now() }
      const app = { id: 'app', name: 'App', redirectUris: [redirect], scopes: ['openid', 'patient/*.rs'] }
      await registerApp(store, gateway.audit, { ...app, roles: ['patient'], active: true }, by)
      const asked = { person: 'Patient/platform.ada', role: 'patient', purpose: 'PATRQT', grants: [] }
      return invitePerson({ store, audit: gateway.audit, clock: { now: () => Date.now() } }, asked, by)
    })
    const offer = await page('POST', 'enrol', { code: invited.code })
    const secret = find(offer.text, /data-secret>([^<]*)/)
    const step = Math.floor(Date.now() / 30_000)
    const state = hidden(offer.text, 'state')
    expect((await page('POST', 'enrol-code', { state, code: await codeAt(secret, step - 1) })).status).toBe(
      303,
    )

    const asked = new URLSearchParams({
      response_type: 'code',
      client_id: 'app',
      redirect_uri: redirect,
      scope: 'openid patient/Patient.r',
      aud: `${origin}/fhir`,
      code_challenge: await challenge(),
      code_challenge_method: 'S256',
    })
    const onward = find((await page('GET', `authorize?${asked}`)).text, /url=([^"]*)/)
    const signIn = await page('GET', String((await page('GET', onward)).headers.get('location')))
    const key = find(offer.text, /data-key>([^<]*)/)
    const request = hidden(signIn.text, 'request')
    const code = await codeAt(secret, step)
    expect((await page('POST', 'sign-in-by-code', { request, key, code })).status).toBe(303)
    const consent = await page('GET', onward)
    const answer = { state: hidden(consent.text, 'state'), scope: 'patient/Patient.r', answer: 'allow' }
    const back = new URL(String((await page('POST', 'consent', answer)).headers.get('location')))
    const form = {
      grant_type: 'authorization_code',
      client_id: 'app',
      redirect_uri: redirect,
      code_verifier: verifier,
    }
    const body = new URLSearchParams({ ...form, code: String(back.searchParams.get('code')) })
    const token = await send('POST', '/auth/token', { body })
    expect(token.status, token.text).toBe(200)
    const authorization = `Bearer ${token.body.access_token}`
    const read = await send('GET', '/fhir/Patient/platform.ada', { headers: { authorization } })
    expect([read.status, read.body.id]).toEqual([200, 'platform.ada'])
    const challenged = await send('GET', '/auth/passkey-challenge')
    expect(challenged.body.options).toMatchObject({ rpId: 'northside.example', userVerification: 'required' })
  })
})
