/**
 * Whom a message is about: for each person the keys that the person may go by (identifiers, the record's own id). Those
 * whom the message makes one person stand together.
 */
export type TurnKeys = readonly (readonly string[])[]

/** Keeps what concerns one patient in the order it came in; what concerns different ones runs side by side (I17). */
export interface Turns {
  /**
   * Runs `act` when everything taken before about one of these people has ended, well or badly. Order is that of the
   * calls, also where the keys have to be looked up (a promise, which must not reject). Known at once, without keys or
   * with nothing to wait for, `act` begins before this returns.
   */
  take<T>(keys: TurnKeys | Promise<TurnKeys>, act: () => Promise<T>): Promise<T>
}

/** A turn under way or to come, and what its person goes by. */
interface Turn {
  ended: Promise<void>
  keys: ReadonlySet<string>
}

/** Far more than one person goes by; beyond it a chain of messages that never ends would be remembered whole. */
const maxKeys = 1_000

/** All keys of a call are taken at once, in the order of the calls, so nobody waits in a circle. */
export function createTurns(): Turns {
  const last = new Map<string, Turn>()
  /** The latest of those whose keys are not known yet; who comes after them takes its turn after them. */
  let lookup: Promise<void> | undefined

  /**
   * What is under way may show that two keys are one person's (a merge, a record that gets another number): who waits for
   * it under one of them holds all of them, so that the next one under another key does not pass.
   */
  function peopleOf(keys: TurnKeys): { before: Set<Promise<void>>; people: Set<string>[] } {
    const before = new Set<Promise<void>>()
    const people = keys.map((each) => {
      const person = new Set(each)
      const seen = new Set<Turn>()
      for (const key of person) {
        const turn = last.get(key)
        if (!turn || seen.has(turn)) continue
        seen.add(turn)
        before.add(turn.ended)
        if (person.size < maxKeys) for (const other of turn.keys) person.add(other)
      }
      return person
    })
    return { before, people }
  }

  function enter(keys: TurnKeys): { before: Set<Promise<void>>; leave: () => void } {
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const { before, people } = peopleOf(keys)
    const turns = people.map((person): Turn => ({ ended, keys: person }))
    for (const turn of turns) for (const key of turn.keys) last.set(key, turn)
    const forget = () => {
      for (const turn of turns) for (const key of turn.keys) if (last.get(key) === turn) last.delete(key)
    }
    const leave = () => {
      end()
      // Whose keys were looked up meanwhile were looked up without what this one changed.
      if (lookup) void lookup.then(forget)
      else forget()
    }
    return { before, leave }
  }

  /** After those who came before and are still being looked up. */
  async function enterLater(keys: TurnKeys | Promise<TurnKeys>): Promise<ReturnType<typeof enter>> {
    const { promise: mine, resolve: done } = Promise.withResolvers<void>()
    const earlier = lookup
    lookup = mine
    try {
      const [found] = await Promise.all([keys, earlier])
      return enter(found)
    } finally {
      done()
      if (lookup === mine) lookup = undefined
    }
  }

  return {
    async take(keys, act) {
      const isKnown = lookup === undefined && !(keys instanceof Promise)
      const { before, leave } = isKnown ? enter(keys) : await enterLater(keys)
      try {
        if (before.size > 0) await Promise.all(before)
        return await act()
      } finally {
        leave()
      }
    },
  }
}
