declare module 'autocannon' {
  interface Options {
    url: string
    method: string
    headers: Record<string, string>
    connections: number
    duration: number
    requests: { setupRequest?(request: object): object }[]
  }
  interface Result {
    '2xx': number
    non2xx: number
    errors: number
    timeouts: number
    duration: number
  }
  interface Running extends Promise<Result> {
    on(
      event: 'response',
      listener: (client: unknown, status: number, bytes: number, latencyMs: number) => void,
    ): this
  }
  // biome-ignore lint/style/noDefaultExport: the package is a CommonJS function
  export default function autocannon(options: Options): Running
}
