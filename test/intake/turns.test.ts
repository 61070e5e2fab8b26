import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createTurns } from '#intake/turns.ts'

it('whatever takes how long and fails, each key sees its own in order and one at a time, and nobody waits for ever', async () => {
  const keys = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 3 })
  const act = fc.record({ keys, hops: fc.nat(12), fails: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (acts) => {
      const turns = createTurns()
      const busy = new Set<string>()
      const begun: number[] = []
      const outcomes = await Promise.allSettled(
        acts.map((each, index) =>
          turns.take(each.keys, async () => {
            for (const key of each.keys) expect(busy.has(key)).toBe(false)
            for (const key of each.keys) busy.add(key)
            begun.push(index)
            for (let hop = 0; hop < each.hops; hop++) await undefined
            for (const key of each.keys) busy.delete(key)
            if (each.fails) throw new Error('refused')
            return index
          }),
        ),
      )
      expect(outcomes.map(({ status }) => status)).toEqual(
        acts.map(({ fails }) => (fails ? 'rejected' : 'fulfilled')),
      )
      for (const key of ['a', 'b', 'c', 'd'] as const) {
        const ofKey = begun.filter((index) => acts[index]?.keys.includes(key))
        expect(ofKey).toEqual([...ofKey].sort((x, y) => x - y))
      }
    }),
  )
})

it('what has nobody before it begins at once', async () => {
  const turns = createTurns()
  const { promise, resolve } = Promise.withResolvers<void>()
  let begun = ''
  const first = turns.take(['a'], () => {
    begun += 'a'
    return promise
  })
  void turns.take(['b'], async () => {
    begun += 'b'
  })
  const second = turns.take(['a'], async () => {
    begun += 'A'
  })
  void turns.take([], async () => {
    begun += '-'
  })
  expect(begun).toBe('ab-')
  resolve()
  await Promise.all([first, second])
  expect(begun).toBe('ab-A')
})
