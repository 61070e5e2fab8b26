/**
 * Where a request came from, behind proxies of the clinic's own: the last address of X-Forwarded-For that is none of them.
 * What stands before it anybody may have written. From nobody else the header is believed, since it would let a stranger
 * choose as whom to be counted, shut out and told of.
 */
export function clientAddress(
  remote: string | undefined,
  forwarded: string | undefined,
  proxies: readonly string[],
): string | undefined {
  const way = [...(forwarded ?? '').split(',').slice(-maxHops), remote ?? ''].map(plain)
  let at = way.length - 1
  while (at > 0 && proxies.includes(way[at] ?? '') && isAddress(way[at - 1] ?? '')) at--
  return way[at] || undefined
}

const maxHops = 20

/** IPv4 as such, where it was written as IPv6. */
function plain(address: string): string {
  return address
    .trim()
    .toLowerCase()
    .replace(/^::ffff:(?=\d+\.)/, '')
}

function isAddress(text: string): boolean {
  return /^(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f:]*:[\da-f:.]+)$/.test(text) && text.length <= 45
}
