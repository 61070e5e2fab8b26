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
const encoder = new TextEncoder()

/**
 * The raw request without the credentials in it: values of secret parameters, authorization headers, JWTs. `code` is
 * a credential in a token request and a search parameter in a search.
 */
export function withoutSecrets(text: string, tokenRequest: boolean): string {
  const isSecret = (name: string) => secrets.has(name.toLowerCase()) || (tokenRequest && name === 'code')
  return text
    .replace(/^((?:proxy-)?authorization|cookie|dpop):.*$/gim, '$1: …')
    .replace(/([^&?\s=]+)=([^&\s]*)/g, (pair, name: string) => (isSecret(decode(name)) ? `${name}=…` : pair))
    .replace(/eyJ[\w-]+\.[\w-]+\.[\w-]*/g, '…')
}

/** A request in words that hold no value: the path and the names of its parameters. */
export function describeQuery(text: string): string {
  const [first = '', ...lines] = text.trim().split('\n')
  const line = first.replace(/ HTTP\/[\d.]+\s*$/, '')
  const mark = line.indexOf('?')
  const path = mark < 0 && line.includes('=') ? '' : mark < 0 ? line : line.slice(0, mark)
  const asked = mark < 0 ? (path ? '' : line) : line.slice(mark + 1)
  const body = lines.at(-1)?.includes('=') ? (lines.at(-1) ?? '') : ''
  const names = [asked, body]
    .flatMap((part) => (part ? part.split('&') : []))
    .map((pair) => decode(pair.split('=')[0] ?? ''))
  const known = names.filter((name) => /^[\w.:-]{1,64}$/.test(name)).slice(0, maxDescribed)
  return `${pathOf(path)}${known.length > 0 ? `?${known.join('&')}` : ''}` || 'request'
}

/** Method and the parts of the path that are names of ours, not values of theirs: a resource type, an operation. */
function pathOf(path: string): string {
  const method = /^(GET|POST) /.exec(path)?.[0] ?? ''
  const segments = path.slice(method.length).split('/')
  const named = segments.filter((segment) => /^([A-Z][A-Za-z]{1,40}|[$_][a-z-]{1,40}|token)$/.test(segment))
  return `${method}${named.join('/')}`
}

/** UTF-8, then base64. */
export function encodeQuery(text: string): string {
  let bytes = ''
  for (const byte of encoder.encode(text)) bytes += String.fromCharCode(byte)
  return btoa(bytes)
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}
