import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createTurns } from '#intake/turns.ts'

const letters = ['a', 'b', 'c', 'd'] as const

/** Keys at once, or looked up in so many hops. */
async function lookedUp<T>(keys: T, hops: number): Promise<T> {
  for (let hop = 0; hop < hops; hop++) await undefined
  return keys
}

it('whatever takes how long and fails, each key sees its own in order and one at a time, and nobody waits for ever', async () => {
  const person = fc.uniqueArray(fc.constantFrom(...letters), { maxLength: 3 })
  const keys = fc.array(person, { maxLength: 3 })
  const act = fc.record({ keys, lookup: fc.option(fc.nat(6)), hops: fc.nat(12), fails: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (acts) => {
      const turns = createTurns()
      const busy = new Set<string>()
      const begun: number[] = []
      const outcomes = await Promise.allSettled(
        acts.map(({ keys, lookup, hops, fails }, index) =>
          turns.take(lookup === null ? keys : lookedUp(keys, lookup), async () => {
            const own = new Set(keys.flat())
            for (const key of own) expect(busy.has(key)).toBe(false)
            for (const key of own) busy.add(key)
            begun.push(index)
            for (let hop = 0; hop < hops; hop++) await undefined
            for (const key of own) busy.delete(key)
            if (fails) throw new Error('refused')
            return index
          }),
        ),
      )
      expect(outcomes.map(({ status }) => status)).toEqual(
        acts.map(({ fails }) => (fails ? 'rejected' : 'fulfilled')),
      )
      for (const key of letters) {
        const ofKey = begun.filter((index) => acts[index]?.keys.flat().includes(key))
        expect(ofKey).toEqual([...ofKey].sort((x, y) => x - y))
      }
    }),
  )
})

it('whom what is under way makes one person, that one’s messages keep their order under whatever number', async () => {
  const act = fc.record({
    person: fc.nat(2),
    number: fc.constantFrom(...letters),
    lookup: fc.option(fc.nat(6)),
    hops: fc.nat(12),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (acts) => {
      const turns = createTurns()
      const begun: number[] = []
      const first = Promise.withResolvers<void>()
      const merges = [0, 1, 2].map((person) =>
        turns.take([letters.map((number) => `${person}${number}`)], () => first.promise),
      )
      const rest = acts.map(({ person, number, lookup, hops }, index) => {
        const keys = [[`${person}${number}`]]
        return turns.take(lookup === null ? keys : lookedUp(keys, lookup), async () => {
          begun.push(index)
          for (let hop = 0; hop < hops; hop++) await undefined
        })
      })
      first.resolve()
      await Promise.all([...merges, ...rest])
      for (const person of [0, 1, 2]) {
        const ofPerson = begun.filter((index) => acts[index]?.person === person)
        expect(ofPerson).toEqual([...ofPerson].sort((x, y) => x - y))
      }
    }),
  )
})

it('what has nobody before it begins at once', async () => {
  const turns = createTurns()
  const { promise, resolve } = Promise.withResolvers<void>()
  let begun = ''
  const first = turns.take([['a']], () => {
    begun += 'a'
    return promise
  })
  void turns.take([['b']], async () => {
    begun += 'b'
  })
  const second = turns.take([['a']], async () => {
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

it('two people of one message do not become one: who waits for one of them does not wait for the other', async () => {
  const turns = createTurns()
  const both = Promise.withResolvers<void>()
  const stuck = Promise.withResolvers<void>()
  let begun = ''
  const together = turns.take([['a'], ['b']], () => both.promise)
  const one = turns.take([['a']], () => {
    begun += 'a'
    return stuck.promise
  })
  const other = turns.take(lookedUp([['b']], 2), async () => {
    begun += 'b'
  })
  both.resolve()
  await Promise.all([together, other])
  expect(begun).toBe('ab')
  stuck.resolve()
  await one
})
