/** What the peers use of oidc-provider 9, which ships without types. */
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http'

  interface ClientCredentials {
    clientId: string
    scope?: string
  }

  export class Provider {
    constructor(issuer: string, configuration: Record<string, unknown>)
    ClientCredentials: { find(token: string): Promise<ClientCredentials | undefined> }
    callback(): RequestListener
  }
}
