import { cpus, totalmem } from 'node:os'
import type { Disk } from './server-process.ts'
import { type Spread, spread, text } from './spread.ts'
import type { Step } from './steps.ts'

/** One measurement of one step in one round. */
export interface Sample {
  step: string
  round: number
  connections: number
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  cpuPerRequest: number
}

export interface Report {
  machine: { cpu: string; cores: number; memoryGiB: number; node: string; platform: string }
  rounds: number
  seconds: number
  steps: { name: string; title: string; figures: Figures[] }[]
  ratios: Ratio[]
  disk: {
    bytesPerJsonByte: number
    resources: number
    /** Share of the file, largest first. */
    tables: { name: string; share: number }[]
    rssMiB: number
  }
}

interface Figures {
  connections: number
  requestsPerSecond: Spread
  cpuPerRequest: Spread
  p50Ms: Spread
  p99Ms: Spread
}

/** How many times the processor time of its reference a request costs; each round against itself. */
interface Ratio {
  step: string
  reference: string
  connections: number
  cpu: Spread
}

export function reportOf(
  steps: readonly Step[],
  samples: readonly Sample[],
  disk: Disk,
  seconds: number,
): Report {
  const measured = steps.filter(({ name }) => samples.some(({ step }) => step === name))
  return {
    machine: machine(),
    rounds: 1 + Math.max(...samples.map(({ round }) => round)),
    seconds,
    steps: measured.map(({ name, title }) => ({ name, title, figures: figuresOf(samplesOf(samples, name)) })),
    ratios: measured.flatMap(({ name, reference }) => (reference ? ratiosOf(samples, name, reference) : [])),
    disk: {
      bytesPerJsonByte: disk.bytes / disk.jsonBytes,
      resources: disk.resources,
      tables: disk.tables.map(({ name, bytes }) => ({ name, share: bytes / disk.bytes })),
      rssMiB: disk.rssBytes / 2 ** 20,
    },
  }
}

export function tableOf({ machine: on, rounds, seconds, steps, ratios, disk }: Report): string {
  const head = '| step | c | requests/s | CPU µs a request | p50 ms | p99 ms |\n|---|---|---|---|---|---|'
  const rows = steps.flatMap(({ name, figures }) =>
    figures.map(
      (row) =>
        `| ${name} | ${row.connections} | ${text(row.requestsPerSecond, 0)} | ${text(row.cpuPerRequest, 0)} ` +
        `| ${text(row.p50Ms, 2)} | ${text(row.p99Ms, 2)} |`,
    ),
  )
  const compared = ratios.map(
    ({ step, reference, connections, cpu }) =>
      `| ${step} / ${reference} | ${connections} | ${text(cpu, 2)} |`,
  )
  const shares = disk.tables.filter(({ share }) => share >= 0.01)
  return [
    `${on.cpu}, ${on.cores} cores, ${on.memoryGiB} GiB, Node ${on.node}, ${on.platform}`,
    `medians of ${rounds} rounds of ${seconds} s [least … most]`,
    '',
    head,
    ...rows,
    '',
    ...(compared.length > 0
      ? ['| processor time, ratio | c | times |', '|---|---|---|', ...compared, '']
      : []),
    `disk: ${disk.bytesPerJsonByte.toFixed(2)} times the JSON of ${disk.resources} resources, ` +
      `with index, audit log, receipts and outbox; server RSS ${disk.rssMiB.toFixed(0)} MiB`,
    `of the file: ${shares.map(({ name, share }) => `${name} ${(100 * share).toFixed(0)} %`).join(', ')}`,
    '',
  ].join('\n')
}

function machine(): Report['machine'] {
  const all = cpus()
  return {
    cpu: all[0]?.model ?? 'unknown processor',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: process.platform,
  }
}

function samplesOf(samples: readonly Sample[], name: string): Map<number, Sample[]> {
  return Map.groupBy(
    samples.filter(({ step }) => step === name),
    ({ connections }) => connections,
  )
}

function figuresOf(byConnections: Map<number, Sample[]>): Figures[] {
  return [...byConnections].map(([connections, rows]) => ({
    connections,
    requestsPerSecond: spread(rows.map((row) => row.requestsPerSecond)),
    cpuPerRequest: spread(rows.map((row) => row.cpuPerRequest)),
    p50Ms: spread(rows.map((row) => row.p50Ms)),
    p99Ms: spread(rows.map((row) => row.p99Ms)),
  }))
}

function ratiosOf(samples: readonly Sample[], step: string, reference: string): Ratio[] {
  const base = samplesOf(samples, reference)
  return [...samplesOf(samples, step)].flatMap(([connections, rows]) => {
    const times = rows.flatMap(({ round, cpuPerRequest }) => {
      const same = base.get(connections)?.find((row) => row.round === round)
      return same ? [cpuPerRequest / same.cpuPerRequest] : []
    })
    return times.length > 0 ? [{ step, reference, connections, cpu: spread(times) }] : []
  })
}
