import { checkClientKeys, type Jwk } from './client-keys.ts'

/** Public keys that clients keep at an address of their own, registered with us (ACC6). */
export interface RemoteKeys {
  /** The keys of a set that carry this kid: none where the set cannot be had, or holds a key it should not. */
  find(url: string, kid: string): Promise<readonly Jwk[]>
}

export interface RemoteKeyPorts {
  fetch: typeof globalThis.fetch
  /** Milliseconds since the epoch. */
  now(): number
}

const maxBytes = 64 * 1024
const timeoutMs = 5_000
const maxAgeMs = 3_600_000
/** A kid that is not in the set may be new: looked for again this often. A set that could not be had, too. */
const refetchMs = 60_000
const maxSets = 1_000

interface KeySet {
  keys: readonly Jwk[]
  fetched: number
  until: number
}

/** What is wrong with an address for keys; undefined when it may be registered. */
export function checkKeyUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:') return 'must be an https address'
  if (url.username || url.password || url.hash) return 'must not hold credentials or a fragment'
  const isName =
    /^(?=.*[a-z])[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(url.hostname) &&
    !/\.(?:localhost|local|internal)$/.test(url.hostname)
  return isName ? undefined : 'must name a public host, not an address or a host of this network'
}

/**
 * Fetches key sets by registered address only, without following redirects, at most 64 KiB in 5 seconds, and keeps them
 * for as long as the answer allows, an hour at the most. Every set is checked like one that is registered.
 */
export function createRemoteKeys({ fetch, now }: RemoteKeyPorts): RemoteKeys {
  const sets = new Map<string, Promise<KeySet>>()

  function load(url: string): Promise<KeySet> {
    const loading = read(url)
    sets.delete(url)
    if (sets.size >= maxSets) {
      const [oldest = ''] = sets.keys()
      sets.delete(oldest)
    }
    sets.set(url, loading)
    return loading
  }

  async function read(url: string): Promise<KeySet> {
    const fetched = now()
    try {
      const signal = AbortSignal.timeout(timeoutMs)
      // Not `error`: workerd knows `manual` only, and a redirect is then an answer other than 200.
      const response = await fetch(url, {
        redirect: 'manual',
        headers: { accept: 'application/json' },
        signal,
      })
      const jwks = response.status === 200 ? JSON.parse(await readText(response)) : undefined
      if (jwks === undefined || checkClientKeys(jwks).length > 0)
        return { keys: [], fetched, until: fetched + refetchMs }
      return { keys: jwks.keys, fetched, until: fetched + ageOf(response) }
    } catch {
      // Whatever went wrong out there, there are no keys, and it is looked again in a while.
      return { keys: [], fetched, until: fetched + refetchMs }
    }
  }

  return {
    async find(url, kid) {
      const named = ({ keys }: KeySet) => keys.filter((key) => key.kid === kid)
      const known = await sets.get(url)
      if (known && known.until > now()) {
        const found = named(known)
        if (found.length > 0 || now() - known.fetched < refetchMs) return found
      }
      // Somebody else may have begun to load while this waited.
      const standing = await sets.get(url)
      const isNewer = standing !== undefined && standing !== known && standing.until > now()
      return named(isNewer ? standing : await load(url))
    },
  }
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  let size = 0
  for await (const chunk of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > maxBytes) throw new RangeError('The key set is too large')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

/** RFC 9111 §5.2.2, as far as it shortens. */
function ageOf(response: Response): number {
  const control = response.headers.get('cache-control') ?? ''
  if (/\bno-(?:store|cache)\b/i.test(control)) return 0
  const seconds = /\bmax-age=(\d{1,9})\b/i.exec(control)?.[1]
  return seconds === undefined ? maxAgeMs : Math.min(Number(seconds) * 1000, maxAgeMs)
}
