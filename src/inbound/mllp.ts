// Reached by the Node entry alone: sockets are node:net and node:tls.
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import {
  type MllpOptions,
  mllpLimits,
  type OpenConnection,
  remoteOf,
  serveConnection,
} from './mllp-connection.ts'

export interface MllpServer {
  port: number
  /** Takes no more, finishes what was received whole, then closes; after `graceMs` it closes all the same. */
  close(graceMs?: number): Promise<void>
}

/** Serves MLLP: takes messages as they come and answers each connection in its order. Rejects when the port cannot be had. */
export async function startMllp<Peer>(options: MllpOptions<Peer>): Promise<MllpServer> {
  const limits = { ...mllpLimits, ...options.limits }
  const open = new Set<OpenConnection>()
  let opened = 0
  const accept = (socket: Socket) => {
    opened += 1
    const connection = serveConnection({ options, limits, socket, id: opened })
    open.add(connection)
    connection.closed.then(() => open.delete(connection))
  }
  const server = listenerFor(options, accept)
  server.maxConnections = limits.maxConnections
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  // Running out of file descriptors must not end the process; the connection is lost, the server stays.
  server.on('error', () => {})
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    async close(graceMs = 10_000) {
      const ended = new Promise<void>((resolve) => server.close(() => resolve()))
      await Promise.all([...open].map((connection) => connection.drain(graceMs)))
      await ended
    },
  }
}

function listenerFor<Peer>(options: MllpOptions<Peer>, accept: (socket: Socket) => void): Server {
  if (!options.tls) return createServer({ noDelay: true, allowHalfOpen: true }, accept)
  const mutual = options.tls.ca !== undefined
  const server = createTlsServer(
    {
      ...options.tls,
      minVersion: 'TLSv1.2',
      requestCert: mutual,
      rejectUnauthorized: mutual,
      handshakeTimeout: 10_000,
    },
    accept,
  )
  server.on('tlsClientError', (_error, socket) => {
    options.discarded?.({ reason: 'tls', remote: remoteOf(socket) })
    socket.destroy()
  })
  return server
}
