/** Parameters that hold a credential (RFC 6749, 6750, 7521, 7523, 7636, 8693). */
const secrets = new Set([
  'access_token',
  'actor_token',
  'assertion',
  'authorization',
  'client_assertion',
  'client_secret',
  'code_verifier',
  'id_token',
  'id_token_hint',
  'password',
  'refresh_token',
  'subject_token',
  'token',
])
const maxDescribed = 40

/** Nearly every search is without any of these: one look spares it the rest. A percent sign may hide a name. */
const suspicious = /token|secret|assertion|password|verifier|authorization|cookie|dpop|eyJ|%/i

/**
 * The raw request without the credentials in it: values of secret parameters, authorization headers, JWTs. `code` is
 * a credential in a token request and a search parameter in a search.
 */
export function withoutSecrets(text: string, tokenRequest: boolean): string {
  if (!tokenRequest && !suspicious.test(text)) return text
  const isSecret = (name: string) => secrets.has(name.toLowerCase()) || (tokenRequest && name === 'code')
  return text
    .replace(/^((?:proxy-)?authorization|cookie|dpop):.*$/gim, '$1: …')
    .replace(/([^&?\s=]+)=([^&\s]*)/g, (pair, name: string) => (isSecret(decode(name)) ? `${name}=…` : pair))
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]*/g, '…')
}

/**
 * A request in words that hold no value: the method, the parts of the path that are names of ours (a resource type, an
 * operation), the names of the parameters. Takes a path with a query, a whole HTTP request, or parameters alone.
 */
export function describeQuery(text: string): string {
  const [first = '', ...lines] = text.trim().split('\n')
  const [, method = '', target = ''] = /^((?:GET|POST) )?(\S*)/.exec(first) ?? []
  const mark = target.indexOf('?')
  const parametersOnly = mark < 0 && target.includes('=')
  const path = parametersOnly ? '' : mark < 0 ? target : target.slice(0, mark)
  const asked = parametersOnly ? target : mark < 0 ? '' : target.slice(mark + 1)
  const names = [...parameterNames(asked), ...parameterNames(lines.at(-1) ?? '')]
  const parameters = names.length > 0 ? `?${names.slice(0, maxDescribed).join('&')}` : ''
  return `${method}${path.split('/').filter(isOurName).join('/')}${parameters}` || 'request'
}

function isOurName(segment: string): boolean {
  return /^([A-Z][A-Za-z]{1,40}|[$_][a-z-]{1,40}|token)$/.test(segment)
}

function parameterNames(text: string): string[] {
  if (!text.includes('=')) return []
  const pairs = text.split('&').filter((pair) => pair.includes('='))
  return pairs
    .map((pair) => decode(pair.slice(0, pair.indexOf('='))))
    .filter((name) => /^[\w.:-]{1,64}$/.test(name))
}

/** UTF-8, then base64. */
export function encodeQuery(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

function decode(name: string): string {
  if (!name.includes('%')) return name
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
