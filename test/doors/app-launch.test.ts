import * as client from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addApp, authorizeAs, openAccount, openBrowser, type TestAccount } from '../sign-in.ts'
import { openScene, type Scene } from './scene.ts'

let scene: Scene
let ada: TestAccount
let config: client.Configuration
const redirect = 'https://app.example/back'

beforeAll(async () => {
  scene = await openScene()
  await addApp(scene.clinic, { id: 'app' })
  ada = await openAccount(scene.clinic, scene.patient, 'patient', { purpose: 'PATRQT' })
  config = await client.discovery(new URL(scene.clinic.baseUrl), 'app', undefined, client.None(), {
    execute: [client.allowInsecureRequests],
  })
})
afterAll(() => scene.clinic.close())

interface Asked {
  url: URL
  verifier: string
  state: string
  nonce: string
}

async function ask(more: Record<string, string> = {}): Promise<Asked> {
  const verifier = client.randomPKCECodeVerifier()
  const [state, nonce] = [client.randomState(), client.randomNonce()]
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirect,
    scope: 'openid fhirUser offline_access launch/patient patient/Communication.rs patient/Patient.r',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    aud: `${scene.clinic.baseUrl}/fhir`,
    state,
    nonce,
    ...more,
  })
  return { url, verifier, state, nonce }
}

describe('an app of a patient’s, with an unmodified openid-client', () => {
  it('is let in by its person, reads that person’s record, and goes on by refreshing', async () => {
    const asked = await ask()
    const browser = openBrowser(scene.clinic.baseUrl)
    const back = await authorizeAs(browser, asked.url.href, ada)
    expect(back.location).toContain(`${redirect}?code=`)
    const tokens = await client.authorizationCodeGrant(config, new URL(back.location), {
      pkceCodeVerifier: asked.verifier,
      expectedState: asked.state,
      expectedNonce: asked.nonce,
    })
    expect(tokens.claims()).toMatchObject({ fhirUser: `${scene.clinic.baseUrl}/fhir/${scene.patient}` })
    expect(tokens).toMatchObject({ patient: scene.patient.slice(8), expires_in: 300 })
    const read = (token: string) =>
      fetch(`${scene.clinic.baseUrl}/fhir/${scene.patient}`, {
        headers: { authorization: `Bearer ${token}` },
      })
    expect((await read(tokens.access_token)).status).toBe(200)
    const again = await client.refreshTokenGrant(config, String(tokens.refresh_token))
    expect((await read(again.access_token)).status).toBe(200)
  })
})
