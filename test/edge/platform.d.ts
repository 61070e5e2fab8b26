declare module 'cloudflare:test' {
  import type { ObjectState } from 'cloudflare:workers'
  /** Runs a claim inside a Durable Object, where its storage can be reached. */
  export function runInDurableObject<R>(
    stub: unknown,
    callback: (instance: never, state: ObjectState) => R | Promise<R>,
  ): Promise<R>
  /** Runs the alarm that is set, if one is. */
  export function runDurableObjectAlarm(stub: unknown): Promise<boolean>
  export function evictDurableObject(stub: unknown): Promise<void>
}

declare module 'cloudflare:workers' {
  export const env: import('../../src/worker/clinic.ts').WorkerEnv & {
    TEST_CLIENT_KEYS: string
    TEST_EHR: string
    TEST_WEBHOOK: string
  }
  /** The Worker under test, called as the platform calls it. */
  export const exports: { default: { fetch(request: Request): Promise<Response> } }
}

declare module '*?raw' {
  const text: string
  // biome-ignore lint/style/noDefaultExport: a text module has no other export
  export default text
}
