import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { Provider } from 'oidc-provider'

export interface AuthorizationServer {
  issuer: string
  /** The token endpoint: client_credentials with private_key_jwt (ES384 or RS384). */
  tokenUrl: string
  /** Whether a token was issued here, has not run out and was not revoked. For the EHR's door. */
  verify(token: string): Promise<boolean>
  /** How many tokens were issued so far. */
  issued(): number
  /** Takes back every token issued so far. */
  revokeAll(): void
  close(): Promise<void>
}

export interface AuthorizationServerOptions {
  clients: { clientId: string; scope: string; jwks: { keys: object[] } }[]
  /** A free one by default. */
  port?: number
  /** Seconds a token lives. */
  lifetime?: number
}

/** The authorization server of somebody else's EHR: oidc-provider with opaque tokens, as SMART Backend Services asks. */
export async function startAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<AuthorizationServer> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const lifetime = options.lifetime ?? 300
  const tokens = new Map<string, object>()
  const used = new Set<string>()
  let issued = 0

  /** Where the provider keeps what it issues: tokens, and the assertions it has seen. */
  function keepIn(model: string) {
    return {
      upsert: async (id: string, payload: object) => {
        if (model === 'ClientCredentials') {
          issued += 1
          tokens.set(id, payload)
        }
        if (model === 'ReplayDetection') used.add(id)
      },
      find: async (id: string) => (used.has(id) ? {} : tokens.get(id)),
    }
  }

  const provider = new Provider(issuer, {
    adapter: keepIn,
    clients: options.clients.map((client) => ({
      client_id: client.clientId,
      scope: client.scope,
      jwks: client.jwks,
      token_endpoint_auth_method: 'private_key_jwt',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    clientAuthMethods: ['private_key_jwt'],
    clientDefaults: { id_token_signed_response_alg: 'ES384' },
    enabledJWA: { clientAuthSigningAlgValues: ['ES384', 'RS384'], idTokenSigningAlgValues: ['ES384'] },
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    scopes: [...new Set(options.clients.flatMap((client) => client.scope.split(' ')))],
    ttl: { ClientCredentials: lifetime },
    jwks: { keys: [(await generateJwks('ES384', 'server')).privateKey] },
    cookies: { keys: ['no cookie is ever set here'] },
  })
  server.on('request', provider.callback())

  return {
    issuer,
    tokenUrl: `${issuer}/token`,
    verify: async (token) => Boolean(token && (await provider.ClientCredentials.find(token))),
    issued: () => issued,
    revokeAll: () => tokens.clear(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** A client's key pair: the private JWK for the one who signs, the public set for the one who verifies. */
export async function generateJwks(algorithm: 'ES384' | 'RS384', kid: string) {
  const pair = await generateKeyPair(algorithm, { extractable: true })
  const named = (key: JWK) => ({ ...key, kid, alg: algorithm, use: 'sig' })
  const privateKey = named(await exportJWK(pair.privateKey))
  return { privateKey, jwks: { keys: [named(await exportJWK(pair.publicKey))] } }
}
