// npm run bench: the ladder (P0), ingest (P1), reads (P2), disk (P11). docs/performance.md says how to read it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { reportOf, type Sample, tableOf } from './report.ts'
import type { VolumeBenchSettings } from './search.ts'
import { type Bench, startBench } from './server-process.ts'
import { prepareSteps, type Step } from './steps.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    json: { type: 'string' },
    profile: { type: 'string' },
    data: { type: 'string' },
    resources: { type: 'string', multiple: true, default: ['10000'] },
  },
})
const rounds = values.quick ? 1 : Number(values.rounds)
const seconds = values.quick ? 1 : Number(values.seconds)
const warmUpSeconds = values.quick ? 0.3 : 3
const connections = values.quick ? [1, 64] : [1, 16, 64]

if (positionals.includes('validate')) await import('./validate.ts')
else if (positionals.includes('er7')) await (await import('./er7.ts')).er7()
else if (positionals.includes('mllp'))
  await (await import('./mllp.ts')).mllp({ rounds, seconds, profile: values.profile })
else if (positionals.includes('mapping')) await (await import('./mapping.ts')).mapping()
else if (positionals.includes('search')) await overVolumes((await import('./search.ts')).search)
else if (positionals.includes('verify')) await (await import('./verify.ts')).verify(rounds)
else if (positionals.includes('export')) await overVolumes((await import('./export.ts')).bulkExport)
else await runBench(positionals)

async function runBench(names: readonly string[]): Promise<void> {
  const bench = await startBench(values.profile)
  try {
    const steps = await prepareSteps(bench)
    const chosen = steps.filter(
      ({ name }) => names.length === 0 || names.some((each) => name.startsWith(each)),
    )
    // Compiled code is what runs all day; the first seconds of a process are not.
    for (const step of chosen) await sample(bench, step, { connections: 16, round: -1 })
    const samples: Sample[] = []
    for (let round = 0; round < rounds; round++) {
      for (const count of connections) {
        for (const step of chosen) samples.push(await sample(bench, step, { connections: count, round }))
      }
      process.stderr.write(`round ${round + 1} of ${rounds}\n`)
    }
    const report = reportOf(chosen, samples, await bench.disk(), seconds)
    if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
    process.stdout.write(tableOf(report))
  } finally {
    await bench.close()
  }
}

/** Made-up clinics are kept where a folder is named, for the next run. */
async function overVolumes(bench: (settings: VolumeBenchSettings) => Promise<void>): Promise<void> {
  const data = values.data ?? mkdtempSync(join(tmpdir(), 'postern-volumes-'))
  try {
    const resources = values.resources.map(Number)
    await bench({ rounds, seconds, profile: values.profile, data: resolve(data), resources })
  } finally {
    if (values.data === undefined) rmSync(data, { recursive: true, force: true })
  }
}

/** Fails the bench when an answer is not the one that is measured: refusals are cheap. */
async function sample(
  bench: Bench,
  { name, plan }: Step,
  at: { connections: number; round: number },
): Promise<Sample> {
  const planned = { ...plan(await bench.tokens()), connections: at.connections }
  for (let last = at.round < 0 ? warmUpSeconds : seconds; ; last *= 2) {
    const measured = await bench.measure({ ...planned, seconds: last })
    const { refused, lost } = measured
    if (refused + lost > 0)
      throw new Error(`${name}: ${refused} requests were refused, ${lost} got no answer`)
    // So slow that the time was over before the first answers: give it longer.
    if (measured.answered < at.connections && last < 60) continue
    const { requestsPerSecond, p50Ms, p99Ms, answered, cpuMicroseconds } = measured
    return { step: name, ...at, requestsPerSecond, p50Ms, p99Ms, cpuPerRequest: cpuMicroseconds / answered }
  }
}
