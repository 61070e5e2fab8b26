// npm run bench -- mllp (P4): HL7 v2 over MLLP to AA, that is mapped, sealed, audited and durable. The load comes from
// this process, the server is another one. Partner by address, plain TCP.
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { startBench } from './server-process.ts'

/** Keys are per patient: a clinic's day has some hundred of them. */
const patients = 300

interface Case {
  name: string
  /** `{id}` and `{patient}` are its own in every message. */
  template: string
  connections: number
  /** Messages of one connection under way: 1 is lock step. */
  pipelined: number
  /** P4, where it says so: messages a second. */
  bar?: number
}

export interface MllpBenchSettings {
  rounds: number
  seconds: number
  profile: string | undefined
}

/** Prints medians [least … most] of the rounds, the cases in turn in each. */
export async function mllp({ rounds, seconds, profile }: MllpBenchSettings): Promise<void> {
  const bench = await startBench(profile)
  try {
    const port = bench.addresses.mllp
    const measured = new Map<Case, Figures[]>(cases().map((each) => [each, []]))
    for (let round = -1; round < rounds; round++) {
      for (const [each, figures] of measured) {
        const before = await bench.cpu()
        const { latencies, elapsed } = await load(port, each, round < 0 ? Math.max(seconds, 3) : seconds)
        const after = await bench.cpu()
        // The first round warms up.
        if (round < 0) continue
        const cpu = after.user + after.system - before.user - before.system
        figures.push(figuresOf(latencies, elapsed, cpu))
      }
      process.stderr.write(`round ${round + 1} of ${rounds}\n`)
    }
    process.stdout.write('| message | connections | messages/s | p50 ms | p99 ms | CPU µs | bar |\n')
    process.stdout.write('|---|---|---|---|---|---|---|\n')
    for (const [each, figures] of measured) process.stdout.write(rowOf(each, figures))
  } finally {
    await bench.close()
  }
}

function cases(): Case[] {
  const lines = fixture('observation-result/phq-9').split('\r')
  const header = ['MSH', 'PID', 'OBR'].map((name) => lines.find((line) => line.startsWith(name)) ?? '')
  const answers = lines.filter((line) => /^OBX\|[123]\|/.test(line))
  const report = [...header, ...answers, ''].join('\r').replaceAll(/[FS]-100/g, '{id}')
  const small = templateOf(report, 'ORU-20260112-0001', 'MRN-4711')
  // As its sender made it, text and timing of the order contradict each other, which is refused.
  const order = fixture('prescription-order/ms-rde-o11-01')
    .replaceAll('1163422591', '{id}')
    .replace('2 times daily', '3 times daily')
  const large = templateOf(order, 'MSG00001', 'PATID1234')
  const ofSize = (template: string) => `${template.length} B`
  return [
    { name: `ORU^R01, ${ofSize(small)}`, template: small, connections: 1, pipelined: 1, bar: 400 },
    { name: `ORU^R01, ${ofSize(small)}`, template: small, connections: 16, pipelined: 1, bar: 2200 },
    { name: `ORU^R01, ${ofSize(small)}`, template: small, connections: 1, pipelined: 16 },
    { name: `RDE^O11, ${ofSize(large)}`, template: large, connections: 16, pipelined: 1, bar: 1000 },
  ]
}

function fixture(name: string): string {
  const text = readFileSync(new URL(`../../fixtures/${name}.in.hl7`, import.meta.url), 'utf8')
  return text.replace(/\r?\n/g, '\r')
}

function templateOf(message: string, controlId: string, patient: string): string {
  if (!message.includes(controlId) || !message.includes(patient)) throw new Error('The fixture has changed')
  return message.replaceAll(controlId, '{id}').replaceAll(patient, '{patient}')
}

const run = Date.now().toString(36)
let sent = 0

function nextOf(template: string): string {
  sent += 1
  return template.replaceAll('{id}', `${run}-${sent}`).replaceAll('{patient}', `BENCH-${sent % patients}`)
}

/** Fails when an answer is not AA: refusals are cheap. */
async function load(port: number, { template, connections, pipelined }: Case, seconds: number) {
  const latencies: number[] = []
  const start = performance.now()
  const until = start + seconds * 1000
  const all = Array.from({ length: connections }, () =>
    sendUntil({ port, until, pipelined, next: () => nextOf(template), latencies }),
  )
  await Promise.all(all)
  return { latencies, elapsed: performance.now() - start }
}

interface Sending {
  port: number
  until: number
  pipelined: number
  next(): string
  latencies: number[]
}

function sendUntil({ port, until, pipelined, next, latencies }: Sending): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const underway: number[] = []
  let buffered = ''
  const send = () => {
    underway.push(performance.now())
    socket.write(`\u000b${next()}\u001c\r`)
  }
  socket.once('connect', () => {
    for (let n = 0; n < pipelined; n++) send()
  })
  socket.setEncoding('utf8').on('data', (text: string) => {
    buffered += text
    for (let end = buffered.indexOf('\u001c\r'); end >= 0; end = buffered.indexOf('\u001c\r')) {
      const answer = buffered.slice(0, end)
      buffered = buffered.slice(end + 2)
      if (!answer.includes('MSA|AA|')) reject(new Error(`A message was refused: ${answer}`))
      latencies.push(performance.now() - (underway.shift() ?? 0))
      if (performance.now() < until) send()
      else if (underway.length === 0) socket.end()
    }
  })
  socket.on('error', reject)
  socket.on('close', () => (underway.length > 0 ? reject(new Error('An answer was lost')) : resolve()))
  return promise
}

interface Figures {
  rate: number
  p50: number
  p99: number
  cpu: number
}

function figuresOf(latencies: number[], elapsedMs: number, cpuMicroseconds: number): Figures {
  latencies.sort((a, b) => a - b)
  const percentile = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0
  return {
    rate: (latencies.length / elapsedMs) * 1000,
    p50: percentile(0.5),
    p99: percentile(0.99),
    cpu: cpuMicroseconds / latencies.length,
  }
}

function rowOf({ name, connections, pipelined, bar }: Case, figures: readonly Figures[]): string {
  const spread = (key: keyof Figures, digits: number) => {
    const sorted = figures.map((each) => each[key]).sort((a, b) => a - b)
    const text = (value = 0) => value.toLocaleString('en', { maximumFractionDigits: digits })
    return `${text(sorted[Math.floor(sorted.length / 2)])} [${text(sorted[0])} … ${text(sorted.at(-1))}]`
  }
  const how = `${connections}${pipelined > 1 ? `, ${pipelined} under way` : ''}`
  const cells = [name, how, spread('rate', 0), spread('p50', 1), spread('p99', 1), spread('cpu', 0)]
  return `| ${[...cells, bar ? `≥ ${bar}/s` : ''].join(' | ')} |\n`
}
