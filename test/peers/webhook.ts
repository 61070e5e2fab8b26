import { createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Somebody who is notified, over HTTP: keeps what came, and answers as a test wants. */
export interface Webhook {
  address: string
  received: Received[]
  /** Status of the answers from now on. */
  answer(status: number): void
  close(): Promise<void>
}

export interface Received {
  headers: IncomingHttpHeaders
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: a notification is read as it comes
  bundle: any
  type: string
  status: number
}

export async function startWebhook(): Promise<Webhook> {
  const received: Received[] = []
  let status = 200
  const server = createServer(async (request, response) => {
    // For a test that runs elsewhere (workerd).
    if (request.method === 'GET') return void response.end(JSON.stringify(received))
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString('utf8')
    const bundle = JSON.parse(text)
    received.push({ headers: request.headers, text, bundle, type: partOf(bundle, 'type').valueCode, status })
    response.writeHead(status).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`,
    received,
    answer: (next) => {
      status = next
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

// biome-ignore lint/suspicious/noExplicitAny: of a notification as it comes
export function partOf(bundle: any, name: string): any {
  return bundle.entry[0].resource.parameter.find((each: { name: string }) => each.name === name)
}

/** As a receiver of Standard Webhooks checks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
export function isSigned({ headers, text }: Pick<Received, 'headers' | 'text'>, secret: string): boolean {
  const [id, at, signatures] = ['id', 'timestamp', 'signature'].map((name) =>
    String(headers[`webhook-${name}`]),
  )
  if (Math.abs(Date.now() / 1000 - Number(at)) > 300) return false
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
  const expected = createHmac('sha256', key).update(`${id}.${at}.${text}`).digest()
  return (signatures ?? '').split(' ').some((each) => {
    const given = Buffer.from(each.replace(/^v1,/, ''), 'base64')
    return given.length === expected.length && timingSafeEqual(given, expected)
  })
}
