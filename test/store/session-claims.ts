import { describe, expect, it } from 'vitest'
import type { SessionChange } from '#core/session.ts'
import { at, newId, type WithStore } from './units.ts'

const begun = (
  id: string,
  more: Partial<Extract<SessionChange, { change: 'begin' }>> = {},
): SessionChange => ({
  change: 'begin',
  id,
  used: at,
  expires: at + 1000,
  json: '{"canary":"session"}',
  ...more,
})

export function sessionClaims(withStore: WithStore): void {
  describe('sessions', () => {
    it('are found by what their holder knows until they end, are swept, or are over', () =>
      withStore(async ({ store }) => {
        const [id, other] = [newId(), newId()]
        await store.commit({ audit: [], sessions: [begun(id), begun(other)] })
        expect(await store.findSession(id, at)).toEqual({
          used: at,
          expires: at + 1000,
          json: '{"canary":"session"}',
        })
        expect(await store.findSession(newId(), at)).toBeUndefined()
        expect(await store.findSession(id, at + 1000)).toBeUndefined()
        await store.commit({ audit: [], sessions: [{ change: 'end', id }] })
        expect(await store.findSession(id, at)).toBeUndefined()
        await store.sweep(at + 1000)
        expect(await store.findSession(other, at)).toBeUndefined()
      }))

    it('are not begun twice, and a use that comes late neither turns time back nor wakes what ended', () =>
      withStore(async ({ store }) => {
        const id = newId()
        await store.commit({ audit: [], sessions: [begun(id)] })
        await expect(store.commit({ audit: [], sessions: [begun(id)] })).rejects.toMatchObject({
          kind: 'conflict',
        })
        for (const used of [at + 500, at + 100])
          await store.commit({ audit: [], sessions: [{ change: 'use', id, used }] })
        expect((await store.findSession(id, at))?.used).toBe(at + 500)
        await store.commit({ audit: [], sessions: [{ change: 'end', id }] })
        await store.commit({ audit: [], sessions: [{ change: 'use', id, used: at + 600 }] })
        expect(await store.findSession(id, at)).toBeUndefined()
      }))
  })
}
