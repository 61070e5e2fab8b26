/** Numbers that are the same for the same seed (mulberry32): enough for made-up data, and for nothing else. */
export interface Random {
  /** From 0, below 1. */
  number(): number
  /** From 0, below so many. */
  below(count: number): number
  pick<T>(items: readonly [T, ...T[]]): T
  /** A UUID, for those who hand out ids. */
  uuid(): string
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0

  function bits(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  const hex = (value: number) => value.toString(16).padStart(8, '0')
  const number = () => bits() / 2 ** 32
  const below = (count: number) => Math.floor(number() * count)
  return {
    number,
    below,
    pick: ([first, ...more]) => more[below(more.length + 1) - 1] ?? first,
    uuid() {
      const text = hex(bits()) + hex(bits()) + hex(bits()) + hex(bits())
      const variant = ((bits() & 0x3) | 0x8).toString(16)
      return `${text.slice(0, 8)}-${text.slice(8, 12)}-4${text.slice(13, 16)}-${variant}${text.slice(17, 20)}-${text.slice(20)}`
    },
  }
}
