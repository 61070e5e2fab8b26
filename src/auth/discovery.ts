import { scopesOfRole } from '#access/scopes.ts'
import { roles } from '#core/caller.ts'
import { wordScopes } from './apps/app.ts'
import { twoFactors } from './apps/id-token.ts'
import { personRoles, scopesOfPerson } from './issuers.ts'

const signingAlgorithms = ['ES384', 'RS384', 'ES256', 'PS256', 'EdDSA']

/**
 * What this authorization server does, for SMART (https://hl7.org/fhir/smart-app-launch/conformance.html), OpenID Connect
 * Discovery 1.0 and RFC 8414 alike.
 */
export function discoveryOf(issuer: string): object {
  return {
    issuer,
    jwks_uri: `${issuer}/auth/jwks`,
    authorization_endpoint: `${issuer}/auth/authorize`,
    token_endpoint: `${issuer}/auth/token`,
    revocation_endpoint: `${issuer}/auth/revoke`,
    introspection_endpoint: `${issuer}/auth/introspect`,
    grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
    token_endpoint_auth_signing_alg_values_supported: signingAlgorithms,
    revocation_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
    revocation_endpoint_auth_signing_alg_values_supported: signingAlgorithms,
    introspection_endpoint_auth_methods_supported: ['private_key_jwt'],
    introspection_endpoint_auth_signing_alg_values_supported: signingAlgorithms,
    scopes_supported: [...wordScopes.filter((word) => word !== 'profile'), ...resourceScopes],
    dpop_signing_alg_values_supported: signingAlgorithms,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    claims_supported: ['iss', 'sub', 'aud', 'exp', 'iat', 'auth_time', 'acr', 'amr', 'nonce', 'fhirUser'],
    acr_values_supported: [twoFactors],
    prompt_values_supported: ['login', 'consent', 'select_account'],
    authorization_response_iss_parameter_supported: true,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
    capabilities: [
      'launch-ehr',
      'launch-standalone',
      'authorize-post',
      'client-public',
      'client-confidential-asymmetric',
      'sso-openid-connect',
      'context-ehr-patient',
      'context-standalone-patient',
      'context-banner',
      'permission-offline',
      'permission-online',
      'permission-patient',
      'permission-user',
      'permission-v1',
      'permission-v2',
    ],
  }
}

const resourceScopes = [
  ...new Set([
    ...roles.flatMap((role) => scopesOfRole(role, 'system')),
    ...personRoles.flatMap(scopesOfPerson),
  ]),
].sort()
