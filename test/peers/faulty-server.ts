import { type AddressInfo, createServer, type Socket } from 'node:net'

/** What goes wrong once a client has sent something. */
export type Fault =
  /** Reads and never answers. */
  | 'hang'
  /** Resets the connection (RST). */
  | 'reset'
  /** Answers bytes that are neither HTTP nor MLLP. */
  | 'garbage'
  /** An HTTP answer that never ends: a megabyte of body every few milliseconds. */
  | 'flood'
  /** An HTTP redirect to another server. */
  | 'redirect'

export interface FaultyServer {
  host: string
  port: number
  /** Bytes received on each connection, in order. */
  received: Buffer[]
  close(): Promise<void>
}

/** A TCP server that does one thing wrong, for the sender's tests. */
export async function startFaultyServer(fault: Fault, target = ''): Promise<FaultyServer> {
  const sockets = new Set<Socket>()
  const received: Buffer[] = []
  const server = createServer((socket) => {
    const index = received.push(Buffer.alloc(0)) - 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      const first = received[index]?.length === 0
      received[index] = Buffer.concat([received[index] ?? Buffer.alloc(0), chunk])
      if (first) faults[fault](socket, target)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    received,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

const faults: Record<Fault, (socket: Socket, target: string) => void> = {
  hang: () => {},
  reset: (socket) => socket.resetAndDestroy(),
  garbage: (socket) => socket.end('\u0000\u0001 neither this nor that\r\n\r\n'),
  flood: (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\n\r\n')
    const piece = Buffer.alloc(1024 * 1024, ' ')
    const timer = setInterval(() => socket.writable && socket.write(piece), 5)
    socket.on('close', () => clearInterval(timer))
  },
  redirect: (socket, target) =>
    socket.end(`HTTP/1.1 307 Temporary Redirect\r\nlocation: ${target}\r\ncontent-length: 0\r\n\r\n`),
}
