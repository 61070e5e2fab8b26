import { env, exports } from 'cloudflare:workers'
import { importJWK, type JWK, SignJWT } from 'jose'

export const origin = 'https://northside.example'

const keys = JSON.parse(env.TEST_CLIENT_KEYS) as Record<string, JWK>

export interface Answer {
  status: number
  text: string
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever was answered
  body: any
}

export async function send(method: string, address: string, init: RequestInit = {}): Promise<Answer> {
  const url = address.startsWith('http') ? address : `${origin}${address}`
  const response = await exports.default.fetch(new Request(url, { method, ...init }))
  const text = new TextDecoder().decode(await response.arrayBuffer())
  const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    text,
    headers: response.headers,
    body: isJson ? JSON.parse(text) : undefined,
  }
}

/** Asks the token endpoint as SMART Backend Services does, with the client's own key or somebody else's. */
export async function askForToken(id: string, scope: string, keyOf = id): Promise<Answer> {
  const { kid: _, ...jwk } = keys[keyOf] ?? {}
  const endpoint = `${origin}/auth/token`
  const assertion = await new SignJWT({})
    .setProtectedHeader({ alg: 'ES384', kid: `${id}-1`, typ: 'JWT' })
    .setIssuer(id)
    .setSubject(id)
    .setAudience(endpoint)
    .setJti(crypto.randomUUID())
    .setIssuedAt()
    .setExpirationTime('2m')
    .sign(await importJWK(jwk, 'ES384'))
  return send('POST', endpoint, {
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    }),
  })
}

export type Client = (
  method: string,
  address: string,
  body?: string | object,
  type?: string,
  headers?: Record<string, string>,
) => Promise<Answer>

/** A client with a token of its own. */
export async function clientOf(id: string, scope: string): Promise<Client> {
  const { body } = await askForToken(id, scope)
  const authorization = `Bearer ${body.access_token}`
  return (method, address, sent, type, headers = {}) => {
    if (sent === undefined) return send(method, address, { headers: { authorization, ...headers } })
    const usual = address.startsWith('/fhir') ? 'application/fhir+json' : 'application/json'
    return send(method, address, {
      headers: { authorization, 'content-type': type ?? usual, ...headers },
      body: typeof sent === 'string' ? sent : JSON.stringify(sent),
    })
  }
}
