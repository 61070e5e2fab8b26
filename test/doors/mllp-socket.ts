import { connect } from 'node:net'

/** An MLLP connection held by hand, so that a test decides what is sent when. */
export interface MllpSocket {
  /** Sends bytes as they are. */
  write(bytes: string | Uint8Array): void
  /** Sends one message in its frame. */
  send(message: string): void
  /** The next acknowledgement, without its frame. Rejects when the connection ends first. */
  next(): Promise<string>
  /** Resolves when the other side has closed. */
  closed: Promise<void>
  /** Resets the connection. */
  reset(): void
  end(): void
}

export async function openMllp(port: number, localAddress = '127.0.0.1'): Promise<MllpSocket> {
  // What is sent leaves when it is sent: Nagle's algorithm would let a later message on another connection overtake it.
  const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true })
  const answers: string[] = []
  const waiting: { resolve(text: string): void; reject(cause: Error): void }[] = []
  let buffered = ''
  let over = false
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    buffered += chunk.toString('utf8')
    for (let end = buffered.indexOf('\u001c\r'); end >= 0; end = buffered.indexOf('\u001c\r')) {
      const text = buffered.slice(buffered.indexOf('\u000b') + 1, end)
      buffered = buffered.slice(end + 2)
      const next = waiting.shift()
      if (next) next.resolve(text)
      else answers.push(text)
    }
  })
  socket.once('close', () => {
    over = true
    for (const each of waiting.splice(0)) each.reject(new Error('closed without an answer'))
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve())
    socket.once('error', reject)
  })
  return {
    write: (bytes) => void socket.write(bytes),
    send: (message) => void socket.write(`\u000b${message}\u001c\r`),
    next: () =>
      new Promise((resolve, reject) => {
        const answer = answers.shift()
        if (answer !== undefined) resolve(answer)
        else if (over) reject(new Error('closed without an answer'))
        else waiting.push({ resolve, reject })
      }),
    closed,
    reset: () => void socket.resetAndDestroy(),
    end: () => void socket.end(),
  }
}

/** A segment's fields; those of MSH are numbered as the standard does. */
export function fieldsOf(message: string, name: string): string[] {
  const line = message.split('\r').find((each) => each.startsWith(`${name}|`)) ?? ''
  const fields = line.split('|')
  return name === 'MSH' ? ['MSH', '|', ...fields.slice(1)] : fields
}
