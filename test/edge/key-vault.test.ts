import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'

function vault() {
  return env.KEY_VAULT.get(env.KEY_VAULT.idFromName(crypto.randomUUID()))
}

describe('the key vault on the edge', () => {
  it('lets one of several makers of a key win, and tells all of them which', async () => {
    const keys = vault()
    const standing = await Promise.all([1, 2, 3].map((fill) => keys.add('k1', new Uint8Array(80).fill(fill))))
    expect(new Set(standing.map((wrap) => wrap.join())).size).toBe(1)
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

  it('keeps checkpoints in the order in which they came', async () => {
    const keys = vault()
    for (const note of ['one', 'two', 'three']) await keys.anchor(note)
    expect(await keys.anchored()).toEqual(['one', 'two', 'three'])
  })
})
