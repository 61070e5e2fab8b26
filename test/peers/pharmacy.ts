import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { type Hl7Connection, type Hl7MessageEvent, Hl7Server } from '@medplum/hl7'

/** How the pharmacy answers a message. */
type PharmacyAnswer =
  | 'AA'
  | 'AE'
  | 'AR'
  /** Takes the message and says nothing. */
  | 'silence'
  /** AA, but after `lateMs`. */
  | 'late'
  /** AA for a message nobody sent. */
  | 'wrong-id'
  /** Closes the connection instead of answering. */
  | 'close'

/** Writes its answer itself, from the message it got. */
type AnswerText = (message: string) => string

export interface Pharmacy {
  host: string
  port: number
  /** Every message received, as its text. */
  messages: string[]
  /** How it answers from now on, or for the next ones in turn and from then on as before. */
  answer(answer: PharmacyAnswer): void
  answerNext(...answers: (PharmacyAnswer | AnswerText)[]): void
  close(): Promise<void>
}

/** A pharmacy system that is not ours: Medplum's MLLP receiver. */
export async function startPharmacy(options: { port?: number; lateMs?: number } = {}): Promise<Pharmacy> {
  const messages: string[] = []
  const next: (PharmacyAnswer | AnswerText)[] = []
  const timers = new Set<NodeJS.Timeout>()
  let usual: PharmacyAnswer = 'AA'

  const server = new Hl7Server((connection) => {
    // A sender that hangs up is not the receiver's trouble.
    connection.addEventListener('error', () => {})
    connection.addEventListener('message', (event) => {
      messages.push(event.message.toString())
      reply(connection, event, next.shift() ?? usual)
    })
  })

  function reply(
    connection: Hl7Connection,
    { message }: Hl7MessageEvent,
    answer: PharmacyAnswer | AnswerText,
  ): void {
    if (typeof answer === 'function') {
      const reader = message.constructor as unknown as { parse(text: string): typeof message }
      return void connection.send(reader.parse(answer(message.toString())))
    }
    if (answer === 'silence') return
    if (answer === 'close') return void connection.close()
    if (answer === 'late') {
      const timer = setTimeout(
        () => connection.send(message.buildAck({ ackCode: 'AA' })),
        options.lateMs ?? 1_000,
      )
      timers.add(timer)
      return
    }
    if (answer === 'wrong-id') {
      const ack = message.buildAck({ ackCode: 'AA' })
      ack.getSegment('MSA')?.setField(2, 'NOT-YOURS')
      connection.send(ack)
      return
    }
    connection.send(message.buildAck({ ackCode: answer }))
  }

  const port = options.port ?? (await freePort())
  await server.start(port, 'utf-8')
  return {
    host: '127.0.0.1',
    port,
    messages,
    answer: (answer) => {
      usual = answer
    },
    answerNext: (...answers) => next.push(...answers),
    close: async () => {
      for (const timer of timers) clearTimeout(timer)
      await server.stop({ forceDrainTimeoutMs: 1 })
    },
  }
}

/** Hl7Server cannot say which port it was given, so one is found before. */
async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise<void>((resolve) => probe.close(() => resolve()))
  return port
}
