import { describe, expect, it } from 'vitest'
import { createIdleWatch } from '#auth/idle.ts'
import type { Caller } from '#core/caller.ts'

const minute = 60_000
const person: Caller = {
  clientId: 'messenger Practitioner/ada',
  name: 'Ada Kern',
  role: 'clinician',
  scopes: [],
  actors: ['Practitioner/ada'],
  purpose: 'TREAT',
  grants: [],
  signIn: { person: 'Practitioner/ada', at: 0, factors: 2 },
}

describe('a session that is left alone (J12)', () => {
  it('goes on while it is used, and is over after a quarter of an hour without a request, for good', () => {
    let now = 0
    const idle = createIdleWatch(() => now)
    for (const step of [0, 14, 28, 43]) {
      now = step * minute
      idle.use(person, 0)
    }
    now = 59 * minute
    expect(() => idle.use(person, now / 1000)).toThrow('sign in again')
    // A new token of the same sign-in does not wake it; a new sign-in does.
    expect(() => idle.use(person, now / 1000)).toThrow('sign in again')
    idle.use({ ...person, signIn: { person: 'Practitioner/ada', at: now, factors: 2 } }, now / 1000)
  })

  it('is as old as its token where it was never seen', () => {
    const idle = createIdleWatch(() => 20 * minute)
    expect(() => idle.use(person, 0)).toThrow('sign in again')
    idle.use(person, 10 * 60)
  })

  it('is for people: systems come and go as their tokens allow', () => {
    const idle = createIdleWatch(() => 600 * minute)
    const { signIn: _, ...system } = person
    idle.use(system, 0)
  })
})
