/** What the Worker uses of its platform, no more: the global types of Workers would fight with those of Node. */
declare module 'cloudflare:workers' {
  export interface ObjectStorage {
    sql: { exec(query: string, ...bindings: unknown[]): { toArray(): Record<string, unknown>[] } }
    transactionSync<T>(closure: () => T): T
    get<T>(key: string): Promise<T | undefined>
    put(key: string, value: unknown): Promise<void>
    getAlarm(): Promise<number | null>
    setAlarm(time: number): Promise<void>
  }

  export interface ObjectState {
    storage: ObjectStorage
    waitUntil(promise: Promise<unknown>): void
  }

  export class DurableObject<Env = unknown> {
    protected readonly ctx: ObjectState
    protected readonly env: Env
    constructor(ctx: ObjectState, env: Env)
  }

  export interface ObjectNamespace<Stub> {
    idFromName(name: string): unknown
    get(id: unknown): Stub
  }
}

declare module '*.jsonata' {
  const text: string
  // biome-ignore lint/style/noDefaultExport: a text module has no other export
  export default text
}
