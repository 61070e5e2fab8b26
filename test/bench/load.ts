// The load generator, a process of its own: is sent plans, answers each with what it measured.
import autocannon from 'autocannon'

/** One measurement: so many connections for so long, each waiting for its answer before it asks again. */
export interface LoadPlan {
  url: string
  method: 'GET' | 'POST'
  headers: Record<string, string>
  /** Asked in turn, instead of the path in `url`. */
  paths?: string[]
  /** `{id}` in it is another id in every request, `{patient}` one of so many patients in turn. */
  body?: string
  patients: number
  connections: number
  seconds: number
}

export interface LoadResult {
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  answered: number
  /** Answers that were not 2xx. */
  refused: number
  /** Connections that broke, and requests without an answer within ten seconds. */
  lost: number
}

const run = `${process.pid}-${Date.now()}`
let sent = 0

async function load(plan: LoadPlan): Promise<LoadResult> {
  const { url, method, headers, paths, connections, seconds } = plan
  const write = plan.body === undefined ? undefined : writer(plan.body, plan.patients)
  const setupRequest = (request: object) => {
    sent += 1
    if (write) return { ...request, body: write() }
    return paths ? { ...request, path: paths[sent % paths.length] } : request
  }
  const requests = write || paths ? [{ setupRequest }] : [{}]
  const running = autocannon({ url, method, headers, connections, duration: seconds, requests })
  // Its own histogram counts whole milliseconds.
  const latencies: number[] = []
  running.on('response', (_client, _status, _bytes, latencyMs) => latencies.push(latencyMs))
  const result = await running
  latencies.sort((a, b) => a - b)
  const percentile = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0
  return {
    requestsPerSecond: result['2xx'] / result.duration,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    answered: result['2xx'],
    refused: result.non2xx,
    lost: result.errors + result.timeouts,
  }
}

/** Cuts the template once: the generator shares the machine with the server and must not be what is measured. */
function writer(template: string, patients: number): () => string {
  const pieces = template.split(/(\{id\}|\{patient\})/)
  return () =>
    pieces
      .map((piece) => {
        if (piece === '{id}') return `${run}-${sent}`
        return piece === '{patient}' ? `bench-${sent % patients}` : piece
      })
      .join('')
}

process.on('message', async (plan: LoadPlan) => {
  process.send?.(await load(plan))
})
