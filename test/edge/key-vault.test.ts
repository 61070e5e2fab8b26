import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

function vault() {
  return env.KEY_VAULT.get(env.KEY_VAULT.idFromName(crypto.randomUUID()))
}

describe('the key vault on the edge', () => {
  it('lets one of several makers of a key win, and tells all of them which', async () => {
    const keys = vault()
    const standing = await Promise.all([1, 2, 3].map((fill) => keys.add('k1', new Uint8Array(80).fill(fill))))
    expect(new Set(standing.map((wrap) => wrap?.join())).size).toBe(1)
    expect((await keys.find('k1'))?.join()).toBe(standing[0]?.join())
    expect(await keys.find('k2')).toBeUndefined()
  })

  it('keeps the exact bytes of a wrap that is part of a larger buffer', async () => {
    const keys = vault()
    await keys.add('k1', new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4))
    expect([...((await keys.find('k1')) ?? [])]).toEqual([2, 3, 4])
  })

  it('does not bring a destroyed key back', async () => {
    const keys = vault()
    await keys.add('k1', new Uint8Array(80))
    await keys.destroy('k1')
    expect(await keys.find('k1')).toBeUndefined()
  })

  it('lists wraps in order, page by page', async () => {
    const keys = vault()
    for (const id of ['k2', 'k1', 'k3']) await keys.add(id, new Uint8Array(4).fill(Number(id[1])))
    const first = await keys.list(undefined, 2)
    expect(first.map(({ keyId, wrap }) => [keyId, wrap[0]])).toEqual([
      ['k1', 1],
      ['k2', 2],
    ])
    expect((await keys.list('k2', 2)).map(({ keyId }) => keyId)).toEqual(['k3'])
  })

  it('puts a new wrap only where the old one still stands', async () => {
    const keys = vault()
    const [old, next] = [new Uint8Array([1, 2]), new Uint8Array([3, 4])]
    await keys.add('k1', old)
    expect(await keys.replace('k1', next, old)).toBe(false)
    expect(await keys.replace('k1', old, next)).toBe(true)
    expect([...((await keys.find('k1')) ?? [])]).toEqual([3, 4])
    await keys.destroy('k1')
    expect(await keys.replace('k1', next, old)).toBe(false)
    expect(await keys.find('k1')).toBeUndefined()
  })

  it('counts the uses of a key until it is destroyed', async () => {
    const keys = vault()
    expect(await keys.countUses('k1', 2 ** 31)).toBe(2 ** 31)
    expect(await keys.countUses('k1', 2 ** 31)).toBe(2 ** 32)
    await keys.destroy('k1')
    expect(await keys.countUses('k1', 1)).toBe(1)
  })

  it('keeps checkpoints in the order in which they came', async () => {
    const keys = vault()
    for (const note of ['one', 'two', 'three']) await keys.anchor(note)
    expect(await keys.anchored()).toEqual(['one', 'two', 'three'])
  })
})
