import type { DoorResponse } from '#core/http.ts'
import type { Store } from '#core/ports.ts'
import type { Route } from './http.ts'

/** Whether the process lives, and whether its database answers. Says nothing about what it holds. */
export function healthRoutes(store: Store): Route[] {
  return [
    {
      policy: 'public',
      method: 'GET',
      path: '/healthz',
      described: { summary: 'Whether the process lives', gives: ['text/plain'] },
      answer: async () => said('ok'),
    },
    {
      policy: 'public',
      method: 'GET',
      path: '/readyz',
      described: { summary: 'Whether the database answers', gives: ['text/plain'] },
      async answer() {
        await store.logSize()
        return said('ready')
      },
    },
  ]
}

function said(word: string): DoorResponse {
  return { status: 200, headers: { 'content-type': 'text/plain' }, body: word }
}
