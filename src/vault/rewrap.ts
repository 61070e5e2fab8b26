import type { Keyring, KeyStore } from '#core/ports.ts'
import { unwrap, wrap, wrappedBy } from './wrap.ts'

/** Wraps taken at a time; those of one page share a durable write. */
const page = 500

export interface RewrapPorts {
  clinic: string
  keyring: Keyring
  keys: KeyStore
}

export interface RewrapProgress {
  /** Wraps looked at so far. */
  seen: number
  /** Of which these were wrapped anew by this call. */
  rewrapped: number
}

/**
 * Wraps every data key under the active key-encryption key. Nothing that was sealed changes, and at every moment each
 * data key has a wrap that the keyring opens. Broken off, it goes on when it is called again: what is done is passed
 * over. A data key that is destroyed meanwhile stays destroyed.
 */
export async function rewrapAll(
  { clinic, keyring, keys }: RewrapPorts,
  tell: (progress: RewrapProgress) => void = () => {},
): Promise<RewrapProgress> {
  const progress = { seen: 0, rewrapped: 0 }
  for await (const rows of pages(keys)) {
    const due = rows.filter((row) => wrappedBy(row.wrap) !== keyring.active)
    const done = await Promise.all(
      due.map(({ keyId, wrap: old }) => {
        const place = `${clinic}|${keyId}`
        return keys.replace(keyId, old, wrap(keyring, unwrap(keyring, old, place), place))
      }),
    )
    progress.seen += rows.length
    progress.rewrapped += done.filter(Boolean).length
    tell({ ...progress })
  }
  return progress
}

/** How many data keys each key-encryption key wraps. */
export async function countWraps(keys: KeyStore): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for await (const rows of pages(keys)) {
    for (const row of rows) counts.set(wrappedBy(row.wrap), (counts.get(wrappedBy(row.wrap)) ?? 0) + 1)
  }
  return counts
}

async function* pages(keys: KeyStore) {
  let after: string | undefined
  do {
    const rows = await keys.list(after, page)
    if (rows.length > 0) yield rows
    after = rows.length < page ? undefined : rows.at(-1)?.keyId
  } while (after !== undefined)
}
