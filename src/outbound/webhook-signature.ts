/**
 * The headers of https://www.standardwebhooks.com: HMAC-SHA256 over id, time and body. It asks of a receiver no more than
 * a hash over bytes as they came, has libraries in every language, and its time keeps an old message from being sent
 * again; RFC 9421 would ask for a canonical form of headers that proxies on the way may change.
 */
export async function signWebhook(
  secret: string,
  { id, at, body }: { id: string; at: number; body: string },
): Promise<Record<string, string>> {
  const seconds = String(Math.floor(at / 1_000))
  const bytes = Uint8Array.from(atob(secret.replace(/^whsec_/, '')), (each) => each.charCodeAt(0))
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  const signed = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(`${id}.${seconds}.${body}`))
  const signature = btoa(String.fromCharCode(...new Uint8Array(signed)))
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': `v1,${signature}` }
}
