export interface LoadingCache<Key, Value> {
  get(key: Key): Promise<Value>
  /** The value, where it is loaded. */
  peek(key: Key): Value | undefined
  /** Forgets it, also while it is being loaded: the next `get` loads again. */
  drop(key: Key): void
  clear(): void
}

interface Entry<Value> {
  loading: Promise<Value>
  value?: Value
}

/**
 * Values loaded on first use, at the most `limit`. What is cached is the loading itself, so a load that began before a
 * `drop` is never found by anybody who asks after it.
 */
export function createLoadingCache<Key, Value>(
  load: (key: Key) => Promise<Value>,
  limit: number,
): LoadingCache<Key, Value> {
  const entries = new Map<Key, Entry<Value>>()

  function begin(key: Key): Promise<Value> {
    const entry: Entry<Value> = {
      loading: load(key).then(
        (value) => {
          entry.value = value
          return value
        },
        (cause) => {
          if (entries.get(key) === entry) entries.delete(key)
          throw cause
        },
      ),
    }
    if (entries.size >= limit) {
      const [oldest] = entries.keys()
      entries.delete(oldest as Key)
    }
    entries.set(key, entry)
    return entry.loading
  }

  return {
    get: (key) => entries.get(key)?.loading ?? begin(key),
    peek: (key) => entries.get(key)?.value,
    drop: (key) => {
      entries.delete(key)
    },
    clear: () => entries.clear(),
  }
}
