import { describe, expect, it } from 'vitest'
import { createLoadingCache } from '#access/loading-cache.ts'

describe('a loading cache', () => {
  function gated() {
    const waiting: ((value: number) => void)[] = []
    const cache = createLoadingCache(() => new Promise<number>((resolve) => waiting.push(resolve)), 2)
    return { cache, waiting }
  }

  it('loads once for many who ask at once', async () => {
    const { cache, waiting } = gated()
    const both = [cache.get('a'), cache.get('a')]
    waiting[0]?.(1)
    expect(await Promise.all(both)).toEqual([1, 1])
    expect(waiting).toHaveLength(1)
    expect(cache.peek('a')).toBe(1)
  })

  it('never keeps a load that began before a drop', async () => {
    const { cache, waiting } = gated()
    const old = cache.get('a')
    cache.drop('a')
    waiting[0]?.(1)
    await old
    expect(cache.peek('a')).toBeUndefined()
    const fresh = cache.get('a')
    waiting[1]?.(2)
    expect(await fresh).toBe(2)
  })

  it('keeps no failure', async () => {
    let calls = 0
    const cache = createLoadingCache(async () => {
      calls++
      throw new Error('no')
    }, 2)
    await expect(cache.get('a')).rejects.toThrow('no')
    await expect(cache.get('a')).rejects.toThrow('no')
    expect(calls).toBe(2)
  })

  it('holds no more than its limit', async () => {
    const cache = createLoadingCache(async (key: string) => key, 2)
    for (const key of ['a', 'b', 'c']) await cache.get(key)
    expect([cache.peek('a'), cache.peek('b'), cache.peek('c')]).toEqual([undefined, 'b', 'c'])
  })
})
